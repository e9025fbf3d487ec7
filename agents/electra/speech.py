"""Putting into words what nobody asked about."""

import asyncio
import re
from contextlib import aclosing

from hairem_core.sdk import AgentContext, ChatMessage, ChatRequest, RemoteError

_PATIENCE = 30.0
"""Seconds: later it is no longer about now."""
_LONGEST = 300
_SILENCE = re.compile(r"[\s.\-–—…]*")  # noqa: RUF001 - dashes of every length are what models write
_NO_MODEL = "llm.chat.model"
"""The setting that the offline brain names when asked to think: it has no sentence of its own."""
_WORDS = {
    "en": {
        "instructions": (
            "Nobody has asked you anything: you notice this yourself. {fact}\n"
            "Say it aloud to whoever is there, in one short sentence of your own, in English. Add "
            "nothing that you do not know. You have done nothing about it and do not say that you "
            "will. If it is better left unsaid, answer with a hyphen only."
        ),
        "question": "What do you say?",
        "lately": "At {at} you said this aloud of your own accord: “{text}”",
    },
    "fr": {
        "instructions": (
            "Personne ne t'a rien demandé : tu le remarques toi-même. {fact}\n"
            "Dis-le à voix haute à qui est là, en une courte phrase bien à toi, en français. "
            "N'ajoute rien que tu ne saches. Tu n'as rien fait et n'annonces pas que tu le feras. "
            "S'il vaut mieux se taire, réponds par un simple tiret."
        ),
        "question": "Que dis-tu ?",
        "lately": "À {at}, tu as dit ceci de toi-même : « {text} »",
    },
}


async def sentence(ctx: AgentContext, fact: str, language: str) -> str:
    """Return what to say about `fact`: the model's words, or the fact as it stands.

    Empty: the model found it better left unsaid. A model that fails, or none, is no reason to keep
    silent about a fact; its error is never spoken.
    """
    words = _WORDS[language]
    request = ChatRequest(
        messages=[
            ChatMessage(role="system", name="persona", content=ctx.persona.prompt(language)),
            ChatMessage(
                role="system", name="instructions", content=words["instructions"].format(fact=fact)
            ),
            ChatMessage(role="user", content=words["question"]),
        ],
        language=language,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            text = await _answer(ctx, request)
    except (RemoteError, TimeoutError) as err:
        ctx.logger.warning("No words from the model (%s): the plain fact is said", err)
        return fact
    if _NO_MODEL in text:
        return fact
    return "" if _SILENCE.fullmatch(text) else _shortened(text)


def remembered(at: str, text: str, language: str) -> str:
    """Return what her model is told of a sentence she said unasked."""
    return _WORDS[language]["lately"].format(at=at, text=text)


async def _answer(ctx: AgentContext, request: ChatRequest) -> str:
    async with aclosing(ctx.llm.stream(request)) as deltas:
        pieces = [delta.content or "" async for delta in deltas]
    return " ".join("".join(pieces).split())


def _shortened(text: str) -> str:
    """Return the first sentences of a model that will not stop."""
    if len(text) <= _LONGEST:
        return text
    end = max(text.rfind(mark, 0, _LONGEST) for mark in ".!?…")
    return text[: end + 1] if end > 0 else text[:_LONGEST].rsplit(" ", 1)[0] + "…"
