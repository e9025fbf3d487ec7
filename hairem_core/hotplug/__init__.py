"""Agents as processes: bundles, the forkserver, hosts, the registry."""
