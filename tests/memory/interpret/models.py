"""A language model that says what it is told. It stands for a paid one, which tests cannot have."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from hairem_core.sdk.chat import ChatRequest, ModelRole

type Answer = str | Exception | Callable[[dict[str, Any]], Any]


class ToldModel:
    """Gives its answers one after another, and the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers: Sequence[Answer] = answers
        self.requests: list[ChatRequest] = []
        self.is_there = True

    @property
    def asked(self) -> list[dict[str, Any]]:
        """Return the data of each request."""
        return [json.loads(each.messages[-1].content) for each in self.requests]

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        assert role == "lite"
        return self.is_there

    async def complete(self, agent_id: str, request: ChatRequest) -> str:
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = json.dumps(answer(self.asked[-1]))
        return answer


def fact(content: str, **changes: Any) -> dict[str, Any]:
    """Return an item of an answer as it should be."""
    return {
        "content": content,
        "subject": "speaker",
        "slot": None,
        "importance": 0.6,
        "confidence": 0.9,
        "about": [],
        "replaces": None,
        "turn": 1,
        "relations": [],
        **changes,
    }


def facts_answer(*facts: Any) -> str:
    """Return an answer with these items."""
    return json.dumps({"facts": list(facts)})
