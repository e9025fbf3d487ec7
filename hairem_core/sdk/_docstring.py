"""A docstring taken apart: what a function does, and what its parameters are.

Source: https://google.github.io/styleguide/pyguide.html#383-functions-and-methods
"""

import inspect
import re

_ARGUMENTS = re.compile(r"(?:Args|Arguments|Parameters):\s*")
_ENTRY = re.compile(r"\*{0,2}(?P<name>\w+)(?:\s*\([^)]*\))?:(?:\s+(?P<text>.*))?")


def split(docstring: str | None) -> tuple[str, dict[str, str]]:
    """Return a docstring without its section `Args:`, and that section's texts by parameter."""
    description: list[str] = []
    section: list[str] = []
    inside = False
    for line in inspect.cleandoc(docstring or "").splitlines():
        if _ARGUMENTS.fullmatch(line):
            inside = True
        elif inside and (not line or line.startswith(" ")):
            section.append(line)
        else:
            inside = False
            description.append(line)
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(description))
    return text.strip(), _entries(section)


def _entries(section: list[str]) -> dict[str, str]:
    lines = [line for line in section if line.strip()]
    found: dict[str, str] = {}
    if not lines:
        return found
    indent = len(lines[0]) - len(lines[0].lstrip())
    name = ""
    for line in lines:
        entry = _ENTRY.fullmatch(line.strip())
        if entry and len(line) - len(line.lstrip()) == indent:
            name = entry["name"]
            found[name] = entry["text"] or ""
        elif name:
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found
