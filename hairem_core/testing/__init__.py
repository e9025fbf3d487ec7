"""For agents' tests: a real H-Core with one agent, and a model that says what the test wrote.

`hairem agent test` runs a bundle's tests with this. By hand it is
`pytest -p hairem_core.testing.plugin tests`. It needs pytest, and nothing else of pytest's world.
"""

from hairem_core.testing.harness import AgentTestError, AgentUnderTest, Answer, Receipt, TurnFailed
from hairem_core.testing.house import HomeCall, ScriptedHome
from hairem_core.testing.model import ScriptedModel

__all__ = [
    "AgentTestError",
    "AgentUnderTest",
    "Answer",
    "HomeCall",
    "Receipt",
    "ScriptedHome",
    "ScriptedModel",
    "TurnFailed",
]
