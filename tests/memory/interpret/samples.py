"""What people say, in one line each."""

from datetime import UTC, datetime, timedelta

from hairem_core.memory.interpret.extracted import Antecedent, ExtractedFact, Said
from hairem_core.memory.interpret.facts import antecedent_of, extract

type Expected = list[tuple[str, str | None, str]]
"""Subject, slot and value; `@` is who speaks."""

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def day(number: int) -> datetime:
    """Return noon of a day, counted from the first of March."""
    return START + timedelta(days=number)


def facts(
    text: str,
    language: str | None = "en",
    *,
    antecedent: Antecedent | None = None,
    speaker: str = "user:anna",
) -> list[ExtractedFact]:
    """Return what is learned of Anna's words."""
    said = Said(text=text, speaker=speaker, speaker_name="Anna", language=language, at=START)
    return extract(said, antecedent=antecedent)


def told(text: str, language: str | None) -> Expected:
    """Return what is learned of Anna's words, in short."""
    found = facts(text, language)
    return [(each.subject.replace("user:anna", "@"), each.slot, each.value) for each in found]


def last_told(text: str, language: str = "en") -> Antecedent:
    """Return what a correction after these words speaks of."""
    found = antecedent_of(facts(text, language)[-1])
    assert found is not None
    return found
