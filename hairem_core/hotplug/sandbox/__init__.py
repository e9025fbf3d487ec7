"""The sandbox of an agent's process: what it may reach, and how much it may use up.

`SandboxSpec` says what one agent is allowed. The forkserver forks, the child applies the spec to
itself (`apply.py`), and only then comes to the agent's code. Nothing here can be undone by it.
"""

from hairem_core.hotplug.sandbox.spec import Limits, SandboxSpec, agent_uid

__all__ = ["Limits", "SandboxSpec", "agent_uid"]
