"""Who used how much of the language models, since the start of this process."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Usage:
    """What one agent used. Tokens are as the provider counts them."""

    requests: int = 0
    failures: int = 0
    cancelled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class UsageMeter:
    """The usage of every agent, by its id."""

    agents: dict[str, Usage] = field(default_factory=dict)

    def of(self, agent_id: str) -> Usage:
        """Return the agent's usage, to read or to add to."""
        return self.agents.setdefault(agent_id, Usage())

    def statistics(self, agent_id: str | None = None) -> dict[str, Any]:
        """Return one agent's usage, or the sum over all."""
        if agent_id is not None:
            return asdict(self.agents.get(agent_id, Usage()))
        total = Usage()
        for usage in self.agents.values():
            for name, value in asdict(usage).items():
                setattr(total, name, getattr(total, name) + value)
        return asdict(total)
