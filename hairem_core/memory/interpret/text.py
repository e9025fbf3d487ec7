"""Text as the rules read it, and its sentences."""

import re
import unicodedata
from functools import cache

_SENTENCE = re.compile(r"[^.!?;\n]+(?:[.!?](?=\w)[^.!?;\n]*)*[.!?;]*")
"""A dot inside a word, as in `19.5` or `anna@home.net`, ends nothing."""


_APOSTROPHES = "\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}\N{ACUTE ACCENT}`"
_DASHES = "\N{EN DASH}\N{EM DASH}"


@cache
def _plain_letter(letter: str) -> str:
    if letter in _APOSTROPHES:
        return "'"
    if letter in _DASHES:
        return "-"
    if letter.isspace():
        return " "
    bare = unicodedata.normalize("NFD", letter)[0].lower()
    return bare if len(bare) == 1 else letter


def plain(text: str) -> str:
    """Return a text in lower case and without accents, letter for letter: of the same length.

    A place in it is the same place in the text.
    """
    return "".join(map(_plain_letter, text))


def folded(text: str) -> str:
    """Return a text in which neither case nor accents count, however they are encoded.

    Of the same length as the text in Unicode's form NFC.
    """
    return plain(unicodedata.normalize("NFC", text))


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, each with the sign that ends it."""
    found = (each.group().strip() for each in _SENTENCE.finditer(text))
    return [each for each in found if each.strip(".!?; ")]


def words(text: str) -> list[str]:
    """Return the words of a plain text."""
    return re.findall(r"[\w'-]+", text)
