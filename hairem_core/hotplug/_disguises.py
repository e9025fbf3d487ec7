"""The forms in which a secret may turn up in a text."""

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

SHORTEST = 4
"""Characters of a value that can be looked for: fewer occur in too many texts by chance."""
_SHORTEST_LINE = 8
_SHORTEST_FRAGMENT = 8
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def disguises(value: str) -> frozenset[str]:
    """Return the value and what becomes of it in URLs, JSON, `repr`, base64 and hexadecimal.

    Nothing for a value that is too short to be looked for.
    """
    if len(value) < SHORTEST:
        return frozenset()
    found = {value, value.strip()}
    # A private key is printed, and logged, line by line.
    found.update(line for each in value.splitlines() if len(line := each.strip()) >= _SHORTEST_LINE)
    # Twice: an error that quotes an answer in JSON is put into a log as JSON.
    for _ in range(2):
        found |= {form for each in found for form in _escaped(each)}
    found |= {form for each in _quoted(value) for form in (each, _lower_percent(each))}
    found.update(_encoded(value.encode(errors="surrogatepass")))
    return frozenset(form for form in found if len(form) >= SHORTEST)


def _escaped(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield repr(text.encode(errors="surrogatepass"))[2:-1]
    yield html.escape(text)


def _quoted(value: str) -> Iterator[str]:
    for safe in ("", "/"):
        yield quote(value, safe=safe, errors="replace")
        yield quote_plus(value, safe=safe, errors="replace")


def _lower_percent(text: str) -> str:
    return _PERCENT.sub(lambda match: match[0].lower(), text)


def _encoded(value: bytes) -> Iterator[str]:
    yield value.hex()
    yield value.hex().upper()
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(value).decode().rstrip("=")
        # Inside a longer text, such as `user:password` of HTTP, three bytes make four characters,
        # and which ones depends on how many bytes came before. What neighbours may change is left
        # out on both sides.
        for before in (1, 2):
            text = encode(b"\0" * before + value).decode().rstrip("=")
            yield _fragment(text, before, len(value))
        yield _fragment(encode(value).decode().rstrip("="), 0, len(value))


def _fragment(text: str, before: int, length: int) -> str:
    """Return the characters of `text` that stand for bytes of the value alone."""
    first = -(-before * 8 // 6)
    last = (before + length) * 8 // 6
    fragment = text[first:last]
    return fragment if len(fragment) >= _SHORTEST_FRAGMENT else ""
