"""Finding the answer to a question in what the prompt remembers, without a model."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hairem_core.llm import _words
from hairem_core.sdk.asking import asks_memory, of_whom
from hairem_core.sdk.chat import ChatMessage
from hairem_core.sdk.recollection import ANSWERS, ENDED

_LINE = re.compile(
    r"- (?:(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d) )?(?:(?P<who>user|agent)(?: (?P<name>[^:\n]+))?: )?"
    rf"(?P<text>.+?)(?: (?P<mark>{re.escape(ANSWERS)}|{re.escape(ENDED)}))?$",
    re.MULTILINE,
)
_QUESTION = re.compile(
    r"^(?:what|where|when|who|which|how|why|is|are|was|were|do|does|did|have|has|"
    r"que|qu'|qui|quand|quel|quelle|quels|quelles|o[uù]|comment|pourquoi|combien|est-ce)\b|\?\s*$",
    re.IGNORECASE,
)
_MOST = 3
_MOST_OF_ONE = 5
"""Of all that is known of somebody."""


@dataclass(frozen=True)
class Remembered:
    """One thing that was said; `at` is local time in words, or None when it was just now."""

    text: str
    at: str | None = None
    by_user: bool = True
    name: str | None = None
    """Of who said it, where it is known."""
    is_answer: bool = False
    """Whether memory says that it tells just what is asked."""


def asker_of(messages: Sequence[ChatMessage]) -> str | None:
    """Return the name of who said the last thing of a prompt, where it is known."""
    return next((each.name for each in reversed(messages) if each.role == "user"), None)


def statements(messages: Sequence[ChatMessage]) -> list[Remembered]:
    """Return what a prompt remembers, oldest first: recalled lines, then this conversation.

    What holds no more is not among it, wherever it was said.
    """
    found: list[Remembered] = []
    ended: set[tuple[str | None, str]] = set()
    for message in messages:
        if message.role == "system" and message.name == "memory":
            for line in _LINE.finditer(message.content):
                if line["mark"] == ENDED:
                    ended.add((line["name"], line["text"]))
                    continue
                found.append(
                    Remembered(
                        line["text"],
                        line["at"],
                        by_user=line["who"] != "agent",
                        name=line["name"],
                        is_answer=line["mark"] == ANSWERS,
                    )
                )
    before = [each for each in messages if each.role == "user"][:-1]
    found += [
        Remembered(each.content, name=each.name)
        for each in before
        if (each.name, " ".join(each.content.split())) not in ended
    ]
    # What it said itself, was asked before or was told to forget is not a source.
    told = [
        each
        for each in found
        if each.by_user and not is_question(each.text) and not _words.wants_forgotten(each.text)
    ]
    once: dict[tuple[str | None, str], Remembered] = {}
    for each in told:
        # What was said here and is recalled as well is dated there.
        first = once.pop(key := (each.name, _words.bare(each.text)), each)
        once[key] = each if each.is_answer else first
    return list(once.values())


def is_question(text: str) -> bool:
    """Return whether a sentence is a question."""
    return _QUESTION.search(text.strip()) is not None or asks_memory(text)


def find(question: str, known: Sequence[Remembered], asker: str | None) -> list[Remembered]:
    """Return what answers a question of the person called `asker`, best first.

    What memory says tells it; else what has all words of the question, and is of whom it asks:
    half an answer is somebody else's, or of something else. Who asks what was said, without saying
    of what, is told the last things.
    """
    limit = _MOST if of_whom(question) is None else _MOST_OF_ONE
    if answers := [each for each in reversed(known) if each.is_answer]:
        return answers[:limit]
    is_own = _words.is_of_asker(question)
    wanted = _words.stems(question)
    if not wanted:
        told = [each for each in reversed(known) if each.name == asker or not is_own]
        return told[:limit] if asks_memory(question) else []
    fitting = [each for each in reversed(known) if _fits(question, wanted, each, asker)]
    # Of two that match alike, the later one is more likely still true, the asker's own meant.
    return sorted(fitting, key=lambda each: each.name != asker)[:limit]


def _fits(question: str, wanted: set[str], each: Remembered, asker: str | None) -> bool:
    speaker, told = _words.stems(each.name or ""), _words.stems(each.text)
    if not wanted <= speaker | told:
        return False
    named = _words.names(question)
    if not named <= speaker | told:
        return False
    me = _words.stems(asker or "")
    asked = wanted | named | me
    if _words.is_of_telling(question):
        return each.name == asker or bool(named & speaker)
    if not _words.owners(each.text) <= asked:
        return False
    if not _words.is_of_asker(question):
        return True
    if each.name == asker:
        return _words.is_of_speaker(each.text) or _words.subject(each.text) <= asked
    # What another says is of the asker where it names them, and of whom they ask by name.
    return bool(named & speaker) or bool(me and me <= told)
