"""The scripted model's answers as bytes: OpenAI's server-sent events, Ollama's lines of JSON."""

import json
import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.support.scripted_rules import Answer


def _arguments(answer: Answer, arguments: dict[str, Any]) -> str:
    text = json.dumps(arguments, ensure_ascii=False)
    return text[: max(1, len(text) // 2)] if answer.fault == "bad_arguments" else text


def _chunks(answer: Answer) -> Sequence[str]:
    return () if answer.fault == "empty" else answer.chunks


def _calls(answer: Answer) -> Sequence[tuple[str, dict[str, Any]]]:
    return () if answer.fault == "empty" else answer.tool_calls


class OpenAIEncoder:
    """Server-sent events of `chat.completion.chunk` objects, ended by `[DONE]`."""

    def __init__(self, model: str, include_usage: bool) -> None:
        self._head = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()),
                      "model": model}  # fmt: skip
        self._include_usage = include_usage

    def lines(self, answer: Answer) -> Iterable[bytes]:
        """Yield the answer without its end; the first piece carries the role."""
        role = {"role": "assistant", "content": ""}
        pieces: list[dict[str, Any]] = []
        if answer.thinking:
            pieces.append({"reasoning_content": answer.thinking})
        pieces.extend({"content": chunk} for chunk in _chunks(answer))
        for index, (name, arguments) in enumerate(_calls(answer)):
            text = _arguments(answer, arguments)
            function: dict[str, Any] = {"name": name, "arguments": ""}
            call = {"index": index, "id": f"call_{uuid.uuid4().hex[:24]}", "type": "function"}
            pieces.append({"tool_calls": [{**call, "function": function}]})
            # Providers cut arguments anywhere; in the middle of a word is the usual case.
            for start in range(0, len(text), 9):
                function = {"arguments": text[start : start + 9]}
                pieces.append({"tool_calls": [{"index": index, "function": function}]})
        if pieces:
            pieces[0] = role | pieces[0]
        for piece in pieces:
            yield self._event(piece, None)

    def end(self, answer: Answer) -> Iterable[bytes]:
        """Yield the finish, the usage where asked for, and the end mark."""
        yield self._event({}, _finish(answer))
        if self._include_usage:
            yield self._data(self._chunk([]) | {"usage": _usage(answer)})
        yield b"data: [DONE]\n\n"

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Return the answer to a request that does not stream."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(_chunks(answer)) or None}
        if calls := _calls(answer):
            message["tool_calls"] = [
                {"id": f"call_{uuid.uuid4().hex[:24]}", "type": "function",
                 "function": {"name": name, "arguments": _arguments(answer, arguments)}}
                for name, arguments in calls
            ]  # fmt: skip
        choice = {"index": 0, "message": message, "finish_reason": _finish(answer)}
        return {**self._head, "object": "chat.completion", "choices": [choice],
                "usage": _usage(answer)}  # fmt: skip

    def error(self, message: str) -> bytes:
        """Return an error in the middle of a stream."""
        return self._data({"error": {"message": message, "type": "server_error", "code": 500}})

    def broken(self) -> bytes:
        """Return an event that is not JSON."""
        return b'data: {"choices": [{"delta": {"content": \n\n'

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk", "choices": choices}

    def _event(self, delta: dict[str, Any], finish: str | None) -> bytes:
        return self._data(self._chunk([{"index": 0, "delta": delta, "finish_reason": finish}]))

    @staticmethod
    def _data(value: dict[str, Any]) -> bytes:
        return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


class OllamaEncoder:
    """Lines of JSON, the last one with `"done": true`."""

    def __init__(self, model: str) -> None:
        self._model = model

    def lines(self, answer: Answer) -> Iterable[bytes]:
        """Yield the answer without its end."""
        if answer.thinking:
            yield self._line({"content": "", "thinking": answer.thinking})
        for chunk in _chunks(answer):
            yield self._line({"content": chunk})
        for call in self._tool_calls(answer):
            yield self._line({"content": "", "tool_calls": [call]})

    def end(self, answer: Answer) -> Iterable[bytes]:
        """Yield the last line."""
        yield self._line({"content": ""}, **self._done(answer))

    def whole(self, answer: Answer) -> dict[str, Any]:
        """Return the answer to a request that does not stream."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(_chunks(answer))}
        if calls := self._tool_calls(answer):
            message["tool_calls"] = calls
        return self._object(message, **self._done(answer))

    def error(self, message: str) -> bytes:
        """Return an error in the middle of a stream."""
        return json.dumps({"error": message}).encode() + b"\n"

    def broken(self) -> bytes:
        """Return a line that is not JSON."""
        return b'{"model": "scripted", "message": \n'

    @staticmethod
    def _tool_calls(answer: Answer) -> list[dict[str, Any]]:
        bad = answer.fault == "bad_arguments"
        return [
            {"function": {"name": name, "arguments": "{" if bad else arguments}}
            for name, arguments in _calls(answer)
        ]

    @staticmethod
    def _done(answer: Answer) -> dict[str, Any]:
        usage = _usage(answer)
        return {"done": True, "done_reason": answer.finish_reason or "stop", "total_duration": 1,
                "load_duration": 0, "prompt_eval_count": usage["prompt_tokens"],
                "prompt_eval_duration": 1, "eval_count": usage["completion_tokens"],
                "eval_duration": 1}  # fmt: skip

    def _object(self, message: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"model": self._model, "created_at": datetime.now(UTC).isoformat(),
                "message": {"role": "assistant"} | message, "done": False} | more  # fmt: skip

    def _line(self, message: dict[str, Any], **more: Any) -> bytes:
        return json.dumps(self._object(message, **more), ensure_ascii=False).encode() + b"\n"


def _finish(answer: Answer) -> str:
    return answer.finish_reason or ("tool_calls" if _calls(answer) else "stop")


def _usage(answer: Answer) -> dict[str, int]:
    completion = len(_chunks(answer)) + 8 * len(_calls(answer))
    return {"prompt_tokens": 100, "completion_tokens": completion, "total_tokens": 100 + completion}
