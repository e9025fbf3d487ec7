"""From the chunks of a streamed completion to deltas: words at once, tool calls when whole."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hairem_core.llm.errors import ModelInterruptedError, ModelRefusedError, ModelRubbishError
from hairem_core.sdk.chat import Delta, ToolCall

_EXCERPT = 120
"""Characters of a model's rubbish that an error quotes."""


@dataclass
class _Fragment:
    id: str | None = None
    name: str = ""
    arguments: str = ""


class AnswerCollector:
    """Takes chunks in OpenAI's shape, returns deltas. `where` names the model in errors."""

    def __init__(self, tool_names: frozenset[str], *, where: str) -> None:
        self._tool_names = tool_names
        self._where = where
        self._fragments: dict[int, _Fragment] = {}
        self._spoke = False
        self._finish_reason: str | None = None
        self.begun = False
        """Whether the model has begun to answer, be it with the first letters of a tool call."""
        self.prompt_tokens = 0
        self.completion_tokens = 0

    @property
    def is_whole(self) -> bool:
        """Whether the model said that this is all; only the count of tokens may follow."""
        return self._finish_reason is not None

    @property
    def truncated(self) -> bool:
        """Whether the model stopped because it may not say more (`max_tokens`)."""
        return self._finish_reason == "length"

    def feed(self, chunk: Any) -> Iterator[Delta]:
        """Yield what is new in a chunk. Tool calls wait for `finish`."""
        if (usage := getattr(chunk, "usage", None)) is not None:
            self.prompt_tokens = getattr(usage, "prompt_tokens", 0) or 0
            self.completion_tokens = getattr(usage, "completion_tokens", 0) or 0
        for choice in chunk.choices or ():
            self._finish_reason = choice.finish_reason or self._finish_reason
            delta = choice.delta
            if delta is None:
                continue
            if thinking := getattr(delta, "reasoning_content", None):
                self.begun = True
                yield Delta(thinking=thinking)
            if content := delta.content:
                self.begun = True
                yield from self._words(content)
            for fragment in delta.tool_calls or ():
                self.begun = True
                self._add(fragment)

    def finish(self) -> Iterator[Delta]:
        """Yield the tool calls, after the last chunk.

        Raises ModelRubbishError for an empty answer and for a call that cannot be made, else
        ModelRefusedError or ModelInterruptedError if a content filter ended the answer.
        """
        if self._finish_reason == "content_filter":
            raise (ModelInterruptedError if self._spoke else ModelRefusedError)(
                "the provider's content filter stopped the answer",
                where=self._where,
                hint="Put it in other words, or choose another model in llm.chat.model.",
            )
        if self._fragments:
            yield Delta(tool_calls=self._calls())
        elif not self._spoke:
            raise ModelRubbishError(
                "the answer is empty"
                + (" (it ran out of max_tokens before its first word)" if self.truncated else ""),
                where=self._where,
                hint="Raise max_tokens." if self.truncated else "Ask again, or try another model.",
            )

    def _words(self, content: str) -> Iterator[Delta]:
        # Many models begin with blank lines: held back, so that an answer of nothing else is seen
        # to be empty before anything was said.
        if not self._spoke:
            content = content.lstrip()
            if not content:
                return
        self._spoke = True
        yield Delta(content=content)

    def _add(self, fragment: Any) -> None:
        index = getattr(fragment, "index", None)
        if index is None:
            index = len(self._fragments) if fragment.id else max(self._fragments, default=0)
        kept = self._fragments.setdefault(index, _Fragment())
        kept.id = kept.id or fragment.id
        if (function := fragment.function) is not None:
            # The name comes whole, in the first fragment; some servers repeat it in each.
            kept.name = kept.name or function.name or ""
            kept.arguments += function.arguments or ""

    def _calls(self) -> list[ToolCall]:
        calls: list[ToolCall] = []
        seen: set[str] = set()
        for _, fragment in sorted(self._fragments.items()):
            call_id = fragment.id
            if not call_id or call_id in seen:
                call_id = f"call_{uuid.uuid4().hex}"
            seen.add(call_id)
            if fragment.name not in self._tool_names:
                raise self._rubbish(f"it calls a tool that was not offered, {fragment.name!r}")
            arguments = self._arguments(fragment)
            calls.append(ToolCall(id=call_id, name=fragment.name, arguments=arguments))
        return calls

    def _arguments(self, fragment: _Fragment) -> dict[str, Any]:
        # A tool without parameters is often called with nothing at all.
        text = fragment.arguments.strip() or "{}"
        excerpt = text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
        try:
            arguments = json.loads(text)
        except ValueError as err:
            cut = " (cut off by max_tokens)" if self.truncated else ""
            raise self._rubbish(
                f"the arguments of {fragment.name} are not JSON{cut}: {excerpt!r}"
            ) from err
        if not isinstance(arguments, dict):
            raise self._rubbish(f"the arguments of {fragment.name} are not an object: {excerpt!r}")
        return arguments

    def _rubbish(self, what: str) -> ModelRubbishError:
        return ModelRubbishError(
            what, where=self._where, hint="Ask again, or try a model that is better with tools."
        )
