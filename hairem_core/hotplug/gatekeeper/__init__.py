"""Vets a bundle before any of it runs: its manifest, its assets, its logic."""

from hairem_core.hotplug.gatekeeper.gatekeeper import Gatekeeper, check_folder

__all__ = ["Gatekeeper", "check_folder"]
