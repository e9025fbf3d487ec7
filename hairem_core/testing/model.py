"""A language model that says what the test wrote, and complains of anything else."""

from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from hairem_core.errors import HairemError
from hairem_core.sdk.chat import ChatRequest, Delta, ModelRole, ToolCall


class ScriptedFailure(HairemError):
    """What the agent meets when the model fails, on purpose or for want of a script."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, one of the gateway's


@dataclass(frozen=True, kw_only=True)
class _Step:
    text: str = ""
    calls: list[ToolCall] = field(default_factory=list)
    failure: str | None = None
    to: str | None = None

    def __str__(self) -> str:
        if self.failure:
            return f"fails({self.failure!r})"
        if self.calls:
            return f"calls_tool({self.calls[0].name!r})"
        return f"reply({self.text!r})"


class ScriptedModel:
    """Answers the agent's requests in the order of the script, each once.

    A request without a line of the script fails, for the agent and for the test; so does a line
    that nobody asked for, and a call of a tool that the model was not offered.
    """

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []
        """What the agent asked, oldest first."""
        self.complaints: list[str] = []
        """What did not go by the script."""
        self._script: deque[_Step] = deque()
        self._calls = 0

    def reply(self, text: str, *, to: str | None = None) -> None:
        """Answer the next request with words; `to` is a part of what must have been said to it."""
        self._script.append(_Step(text=text, to=to))

    def calls_tool(self, name: str, /, **arguments: Any) -> None:
        """Answer the next request with the wish to use a tool; another brings its receipt."""
        self._calls += 1
        call = ToolCall(id=f"call_{self._calls}", name=name, arguments=arguments)
        self._script.append(_Step(calls=[call]))

    def fails(self, code: str = "model_unreachable") -> None:
        """Fail the next request, with one of the codes of docs/bridge.md."""
        self._script.append(_Step(failure=code))

    @property
    def prompts(self) -> list[str]:
        """All that the model was told in each request, as one text."""
        return ["\n".join(each.content for each in request.messages) for request in self.requests]

    @property
    def unused(self) -> list[str]:
        """The lines of the script that nobody has asked for."""
        return [str(step) for step in self._script]

    async def stream(self, agent_id: str, request: ChatRequest) -> AsyncGenerator[Delta]:
        """Yield the next answer of the script, word by word."""
        self.requests.append(request)
        said = request.messages[-1].content
        if not self._script:
            raise self._complain(f"{agent_id} asked the model unexpectedly: {said!r}")
        step = self._script.popleft()
        if step.failure:
            raise ScriptedFailure(step.failure, "the test wanted the model to fail")
        if step.to is not None and step.to not in said:
            raise self._complain(f"{step} was to answer {step.to!r}, but {agent_id} said {said!r}")
        offered = [tool.name for tool in request.tools]
        for call in step.calls:
            if call.name not in offered:
                names = ", ".join(offered) or "none"
                raise self._complain(f"{step}: the model was offered no such tool, only {names}")
        if step.calls:
            yield Delta(tool_calls=step.calls)
        for index, word in enumerate(step.text.split(" ")):
            if piece := f" {word}" if index else word:
                yield Delta(content=piece)

    def has_model(self, agent_id: str | None, role: ModelRole) -> bool:
        """Return that a language model serves each role."""
        return True

    def _complain(self, what: str) -> ScriptedFailure:
        self.complaints.append(what)
        return ScriptedFailure("model_refused", what)
