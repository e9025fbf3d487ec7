"""The brain of a house without a language model: commands, memory, and honesty about the rest."""

import itertools
import json
import re
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from hairem_core.llm import _recall, _words
from hairem_core.llm._commands import Command, as_tool_call, understand
from hairem_core.llm._house import House
from hairem_core.sdk.asking import asks_memory
from hairem_core.sdk.chat import ChatMessage, ChatRequest, Delta, ToolCall

_TEXTS = {
    "en": {
        "no_model": (
            "No language model is configured: I can run simple commands, remember and recall, but "
            "not answer this. Set llm.chat.model in config/system.yaml, or HAIREM_CHAT_MODEL, to "
            "make me clever."
        ),
        "heard": (
            "No language model is configured: I keep in mind what I am told, but can say no more "
            "to this. Set llm.chat.model in config/system.yaml, or HAIREM_CHAT_MODEL, to make me "
            "clever."
        ),
        "no_tool": "I understood, but nothing here lets me do that to the house: {target}.",
        "noted": "Noted. I keep what I am told, so I will remember: “{what}”.",
        "remembered": "I remember this: {what}.",
        "quote": "“{text}”",
        "and": " and ",
        "then": "; ",
        "when": " (said on {at})",
        "by": " (said by {name})",
        "when_by": " (said by {name} on {at})",
        "nothing": "I remember nothing about that.",
        "stranger": "I do not know who is asking, so I cannot say what is yours.",
        "forget": (
            "I have forgotten nothing: for that, the owner of the house has the command "
            "“hairem memory forget”."
        ),
        "done_on": "Done: I turned on {target}.",
        "done_off": "Done: I turned off {target}.",
        "done_open": "Done: I opened {target}.",
        "done_close": "Done: I closed {target}.",
        "done_set": "Done: I set {target} to {number}.",
        "done": "Done: {target}.",
        "failed": "That did not work for {target}: {error}.",
        "partly": "It worked only in part; this failed: {error}.",
        "unknown_error": "no reason was given",
        "all": "everything",
    },
    "fr": {
        "no_model": (
            "Aucun modèle de langage n'est configuré : je sais exécuter des ordres simples, "
            "retenir et me souvenir, mais pas répondre à cela. Pour m'apprendre à réfléchir, il "
            "suffit de renseigner llm.chat.model dans config/system.yaml, ou HAIREM_CHAT_MODEL."
        ),
        "heard": (
            "Aucun modèle de langage n'est configuré : je retiens ce qu'on me dit, mais ne peux "
            "rien en dire de plus. Pour m'apprendre à réfléchir, il suffit de renseigner "
            "llm.chat.model dans config/system.yaml, ou HAIREM_CHAT_MODEL."
        ),
        "no_tool": "J'ai compris, mais rien ici ne me permet d'agir sur la maison : {target}.",
        "noted": "C'est noté. Je garde ce qu'on me dit, je m'en souviendrai donc : « {what} ».",
        "remembered": "Je me souviens de ceci : {what}.",
        "quote": "« {text} »",
        "and": " et ",
        "then": " ; ",
        "when": " (dit le {at})",
        "by": " (dit par {name})",
        "when_by": " (dit par {name} le {at})",
        "nothing": "Je ne me souviens de rien à ce sujet.",
        "stranger": "Je ne sais pas qui me parle : je ne peux pas dire ce qui est à toi.",
        "forget": (
            "Je n'ai rien oublié : pour cela, le propriétaire de la maison a la commande "
            "« hairem memory forget »."
        ),
        "done_on": "C'est fait : j'ai allumé {target}.",
        "done_off": "C'est fait : j'ai éteint {target}.",
        "done_open": "C'est fait : j'ai ouvert {target}.",
        "done_close": "C'est fait : j'ai fermé {target}.",
        "done_set": "C'est fait : j'ai réglé {target} sur {number}.",
        "done": "C'est fait : {target}.",
        "failed": "Cela n'a pas marché pour {target} : {error}.",
        "partly": "Cela n'a marché qu'en partie ; ceci a échoué : {error}.",
        "unknown_error": "sans raison donnée",
        "all": "tout",
    },
}
_NUMBERS = {"brightness": " %", "position": " %", "percentage": " %", "temperature": "°"}


async def answer(request: ChatRequest) -> AsyncGenerator[Delta]:
    """Yield the answer to a request, word by word, or the tool calls that it needs first.

    It says that something was done only after a tool's result says so.
    """
    texts = _TEXTS["fr" if request.language.lower().startswith("fr") else "en"]
    results = _results(request.messages)
    if results:
        reply = " ".join(_report(call, content, texts) for call, content in results)
    else:
        said = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
        said = said.replace("\u2019", "'").strip()
        house = House(request.messages)
        if commands := understand(said, house):
            calls = [as_tool_call(command, house, request.tools) for command in commands]
            if all(calls):
                yield Delta(
                    tool_calls=[
                        ToolCall(id=f"call_{uuid.uuid4().hex}", name=call[0], arguments=call[1])
                        for call in calls
                        if call is not None
                    ]
                )
                return
            reply = texts["no_tool"].format(target=_unreachable(commands, calls))
        else:
            reply = _speak(said, request.messages, texts)
    for word in re.findall(r"\S+\s*", reply):
        yield Delta(content=word)


def _unreachable(commands: Sequence[Command], calls: Sequence[Any]) -> str:
    return ", ".join(
        command.target for command, call in zip(commands, calls, strict=True) if call is None
    )


def _speak(said: str, messages: Sequence[ChatMessage], texts: dict[str, str]) -> str:
    if _words.wants_forgotten(said):
        return texts["forget"]
    if _recall.is_question(said):
        return _answer(said, messages, texts)
    if (told := _words.told_to_remember(said)) is not None:
        return texts["noted"].format(what=told)
    return texts["heard"]


def _answer(said: str, messages: Sequence[ChatMessage], texts: dict[str, str]) -> str:
    known, asker = _recall.statements(messages), _recall.asker_of(messages)
    if found := _recall.find(said, known, asker):
        return texts["remembered"].format(what=_quoted(found, texts))
    if _words.is_of_asker(said):
        speakers = {each.name for each in known} - {None}
        if asker is None and any(_recall.find(said, known, each) for each in speakers):
            return texts["stranger"]
        # Of what is the asker's own, no model would know more.
        return texts["nothing"]
    return texts["nothing"] if asks_memory(said) else texts["no_model"]


def _quoted(found: Sequence[_recall.Remembered], texts: dict[str, str]) -> str:
    """Return statements in one sentence; who said them when is told once for those in a row."""
    groups = [
        (when, [texts["quote"].format(text=each.text.strip().rstrip(".")) for each in group])
        for when, group in itertools.groupby(found, lambda each: _when(each, texts))
    ]
    return texts["then"].join(f"{_listed(quotes, texts)}{when}" for when, quotes in groups)


def _listed(quotes: Sequence[str], texts: dict[str, str]) -> str:
    *first, last = quotes
    return texts["and"].join([", ".join(first), last]) if first else last


def _when(each: _recall.Remembered, texts: dict[str, str]) -> str:
    if each.at is None:
        return texts["by"].format(name=each.name) if each.name else ""
    return texts["when_by" if each.name else "when"].format(at=each.at, name=each.name)


def _results(messages: Sequence[ChatMessage]) -> list[tuple[ToolCall | None, str]]:
    """Return the results of the last round of tools, each with its call, if they came last."""
    results: list[tuple[str | None, str]] = []
    calls: dict[str, ToolCall] = {}
    for message in reversed(messages):
        if message.role == "tool":
            results.insert(0, (message.tool_call_id, message.content))
        elif message.role == "assistant" and message.tool_calls:
            calls = {call.id: call for call in message.tool_calls}
            break
        else:
            break
    return [(calls.get(call_id or ""), content) for call_id, content in results]


def _report(call: ToolCall | None, content: str, texts: dict[str, str]) -> str:
    arguments = call.arguments if call else {}
    target = str(arguments.get("name") or arguments.get("area") or (call.name if call else "?"))
    if target == "all":
        target = texts["all"]
    ok, error = _outcome(content)
    if not ok:
        error = (error or texts["unknown_error"]).rstrip(".")
        return texts["failed"].format(target=target, error=error)
    if error:
        return texts["partly"].format(error=error)
    intent = call.name.rpartition("__")[2] if call else ""
    openable = set(arguments.get("domain") or ()) & {"cover", "valve"}
    match intent:
        case "HassTurnOn":
            return texts["done_open" if openable else "done_on"].format(target=target)
        case "HassTurnOff":
            return texts["done_close" if openable else "done_off"].format(target=target)
    for name, unit in _NUMBERS.items():
        if name in arguments:
            return texts["done_set"].format(target=target, number=f"{arguments[name]}{unit}")
    return texts["done"].format(target=target)


def _outcome(content: str) -> tuple[bool, str | None]:
    """Return whether a tool worked, and what failed: `{"error": …}` or `{"data": …}`.

    Home Assistant's data is an intent's response, which may itself be an error, or name the
    entities that failed. What cannot be read is not a success.
    """
    try:
        result = json.loads(content)
    except ValueError:
        return False, content.strip()[:200] or None
    if not isinstance(result, dict):
        return True, None
    if result.get("error"):
        return False, str(result["error"])
    data = result.get("data")
    if not isinstance(data, dict):
        return True, None
    if data.get("error"):
        return False, str(data.get("error_text") or data["error"])
    if data.get("response_type") == "error":
        plain = (data.get("speech") or {}).get("plain") or {}
        inner = data.get("data")
        code = inner.get("code") if isinstance(inner, dict) else None
        return False, plain.get("speech") or code
    inner = data.get("data")
    failed = inner.get("failed") if isinstance(inner, dict) else None
    if failed:
        return True, ", ".join(str(each.get("name", each)) for each in failed)
    return True, None
