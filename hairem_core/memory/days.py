"""Days as people speak of them, in English and in French: how far they are from today."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date

from hairem_core.memory.interpret.text import plain

_ENGLISH_MONTHS = """
    January February March April May June July August September October November December
"""
_FRENCH_MONTHS = """
    janvier février mars avril mai juin juillet août septembre octobre novembre décembre
"""
MONTHS = {"english": _ENGLISH_MONTHS.split(), "french": _FRENCH_MONTHS.split()}
DAYS_AGO = {
    "today": 0,
    "aujourd'hui": 0,
    "yesterday": 1,
    "hier": 1,
    "the day before yesterday": 2,
    "avant-hier": 2,
}
"""The names of days, and how many days ago each was."""
UNITS = {"day": 1, "jour": 1, "week": 7, "semaine": 7}
"""By what it is counted how long ago something was, in days."""
_NAMED = DAYS_AGO | {
    "aujourdhui": 0,
    "day before yesterday": 2,
    "avant hier": 2,
    "tonight": 0,
    "this morning": 0,
    "this afternoon": 0,
    "this evening": 0,
    "last night": 1,
    "ce matin": 0,
    "ce midi": 0,
    "cet apres-midi": 0,
    "cette apres-midi": 0,
    "ce soir": 0,
    "la nuit derniere": 1,
}


def _numbered(*lists: str, start: int) -> dict[str, int]:
    """Return the words of lists, each with its place in its own."""
    return {word: place for each in lists for place, word in enumerate(each.split(), start)}


_NUMBERS = _numbered(
    "one two three four five six seven eight nine ten",
    "un deux trois quatre cinq six sept huit neuf dix",
    "a",
    "une",
    start=1,
)
_WEEKDAYS = _numbered(
    "monday tuesday wednesday thursday friday saturday sunday",
    "lundi mardi mercredi jeudi vendredi samedi dimanche",
    start=0,
)


def _one_of(words: dict[str, int]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


def _found_by(pattern: str) -> re.Pattern[str]:
    """Return what finds whole words in plain text, however far they are from each other."""
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])".replace(" ", " +"))


_PART = r"(?: (?:morning|afternoon|evening|night|matin|midi|apres-midi|soir))?"
_NUMBER, _UNIT = rf"\d{{1,3}}|{_one_of(_NUMBERS)}", _one_of(UNITS)
_WEEKDAY = _one_of(_WEEKDAYS)
_PHRASE = _found_by(
    rf"(?P<named>{_one_of(_NAMED)}){_PART}"
    rf"|(?P<count>{_NUMBER}) (?P<unit>{_UNIT})s? ago"
    rf"|il y a (?P<nombre>{_NUMBER}) (?P<unite>{_UNIT})s?"
    rf"|last (?P<last>{_WEEKDAY}){_PART}|(?P<dernier>{_WEEKDAY}){_PART} dernier"
    r"|(?P<week>last week|la semaine (?:derniere|passee))"
)
_BARE_WEEKDAY = _found_by(
    rf"on (?P<on>{_WEEKDAY})(?! next)"
    rf"|(?<!\ble\s)(?<!\bchaque\s)(?P<bare>{'|'.join(list(_WEEKDAYS)[7:])})(?! prochain)"
)
_PAST = _found_by(
    r"did|didn't|was|wasn't|were|weren't|had|happened|went|said|told"
    r"|(?:et|av|fais|all|dev|voul|pouv|ven|dis)(?:ais|ait|ions|iez|aient)(?:-\w+)*"
    r"|(?:[jst]'|qu')?(?:ai|as|a|avons|avez|ont|suis|es|est|sommes|etes|sont)"
    r"(?:(?:-t)?-(?:je|tu|il|elle|on|nous|vous|ils|elles))?"
    r"(?: (?:pas|deja|bien|tous|tout|toutes))?"
    r" \w*(?:e|i|u|ee|es|is|us|ees|ies|ues|ie|ue|it|ite|ert|int|ort)"
)
"""A weekday by itself may be the next one, unless what was is asked for."""
_MONTH = "|".join(plain(month) for months in MONTHS.values() for month in months)
_DATE = _found_by(
    rf"\d{{1,2}}(?:st|nd|rd|th|er)?(?: of)? (?:{_MONTH})|(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?"
    r"|(?:19|20)\d\d(?:-\d\d-\d\d)?"
)


def days_asked_about(text: str, today: date) -> tuple[date, ...]:
    """Return the days that a text speaks of by how far they are from today, each once.

    None where it has a date of its own: "the Sunday before 25 October" is no Sunday of now.
    """
    written = unicodedata.normalize("NFC", text)
    asked = plain(written)
    phrases = list(_phrases(written))
    weekdays = [
        match["on"] or match["bare"]
        for match in _BARE_WEEKDAY.finditer(_without(asked, phrases))
        if _PAST.search(asked)
    ]
    if not (phrases or weekdays) or _DATE.search(asked):
        return ()
    ago = [days for each in phrases for days in _days_ago(each, today)]
    ago += [_since(each, today) for each in weekdays]
    return tuple(
        date.fromordinal(each)
        for each in dict.fromkeys(today.toordinal() - days for days in ago)
        if each > 0  # before the calendar's first day
    )


def without_days(text: str) -> str:
    """Return a text without what says how far a day is from today.

    A weekday by itself stays: "on Monday" is also what was said of it.
    """
    written = unicodedata.normalize("NFC", text)
    return _without(written, _phrases(written))


def _without(text: str, phrases: Iterable[re.Match[str]]) -> str:
    for each in phrases:
        text = f"{text[: each.start()]}{' ' * len(each.group())}{text[each.end() :]}"
    return text


def _phrases(written: str) -> Iterator[re.Match[str]]:
    """Yield what says how far a day is from today. A place in it is the same in the text."""
    for match in _PHRASE.finditer(plain(written)):
        head, first = written[: match.start()].rstrip(" "), written[match.start()]
        # "Yesterday" may be a song.
        is_name = first.isupper() and not written.isupper() and head[-1:] not in {*".!?:\n", ""}
        if not is_name and head[-1:] not in {*'"\N{LEFT DOUBLE QUOTATION MARK}\xab'}:
            yield match


def _days_ago(phrase: re.Match[str], today: date) -> Iterable[int]:
    if named := phrase["named"]:
        return (_NAMED[" ".join(named.split())],)
    if count := phrase["count"] or phrase["nombre"]:
        unit = UNITS[phrase["unit"] or phrase["unite"]]
        return (unit * (int(count) if count.isdecimal() else _NUMBERS[count]),)
    if weekday := phrase["last"] or phrase["dernier"]:
        return (_since(weekday, today),)
    monday = today.weekday() + 7
    return range(monday, monday - 7, -1)


def _since(weekday: str, today: date) -> int:
    """Return how many days ago the last such weekday was; today is not one."""
    return (today.weekday() - _WEEKDAYS[weekday] - 1) % 7 + 1
