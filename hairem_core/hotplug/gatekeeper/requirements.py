"""`requirements.txt`: what can be said of it without asking an index."""

import re
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from hairem_core.hotplug.bundle import REQUIREMENTS_NAME
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule

_LONGEST = 64 * 2**10
"""Bytes."""
_HASH = re.compile(r"\s+--hash=\S+")
_COMMENT = re.compile(r"(?:^|\s+)#.*")
_ADDRESS = re.compile(
    r"^(?:[A-Za-z][A-Za-z0-9+.-]*:|[./~\\])|\.(?:whl|zip|tar\.gz|tgz)(?:$|[\s;])|^[^;<>=!~]*[/\\]"
)
_BOUNDED = frozenset({"==", "===", "~=", "<", "<="})


def check_requirements(folder: Path, findings: Findings) -> frozenset[str]:
    """Return the names of the distributions that are required, and note what is wrong.

    Names are normalized: lower case, words joined by `-`.
    """
    path = folder / REQUIREMENTS_NAME
    if path.is_dir():
        what = f"{REQUIREMENTS_NAME} is a folder"
        hint = "Put a file of this name there."
        findings.add(Rule.NOT_A_FILE, what, hint, file=REQUIREMENTS_NAME)
    if not path.is_file():
        return frozenset()
    if (size := path.stat().st_size) > _LONGEST:
        what = f"{size / 2**10:.0f} KiB, more than {_LONGEST // 2**10}"
        findings.add(Rule.TOO_LONG, what, "Make it shorter.", file=REQUIREMENTS_NAME)
        return frozenset()
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content[: err.start].count(b"\n") + 1
        what = f"is not UTF-8 text (byte {err.start})"
        findings.add(Rule.ENCODING, what, "Save it as UTF-8.", file=REQUIREMENTS_NAME, line=line)
        return frozenset()
    names = set[str]()
    for line, requirement in _lines(text):
        if name := _check_line(requirement, line, findings):
            names.add(name)
    return frozenset(names)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each requirement with its first line's number, `\\` at an end joining two lines."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.endswith("\\"):
            joined += line[:-1]
            continue
        if found := _COMMENT.sub("", joined + line).strip():
            yield start, found
        joined, start = "", 0
    if found := _COMMENT.sub("", joined).strip():
        yield start, found


def _check_line(text: str, line: int, findings: Findings) -> str | None:
    def refuse(rule: Rule, what: str, hint: str) -> None:
        findings.add(rule, what, hint, file=REQUIREMENTS_NAME, line=line)

    shown = text if len(text) <= 100 else f"{text[:100]}…"
    if text.startswith("-"):
        option = text.split(maxsplit=1)[0].partition("=")[0]
        hint = "Write one requirement a line, such as `aiomqtt==2.4.0`; options are H-Core's."
        refuse(Rule.REQUIREMENT_OPTION, f"the option `{option}` is not allowed", hint)
        return None
    text = _HASH.sub("", text)
    hint = "Name a distribution of the package index, with its version."
    if _ADDRESS.search(text):
        refuse(Rule.REQUIREMENT_ADDRESS, f"`{shown}` is an address or a path", hint)
        return None
    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError) as err:
        reason = str(err).partition("\n")[0] or "it is nested too deeply"
        what = f"`{shown}` is no requirement: {reason}"
        refuse(Rule.REQUIREMENT_SYNTAX, what, "Write it as `name==1.2.3`.")
        return None
    name = canonicalize_name(requirement.name)
    if requirement.url:
        refuse(Rule.REQUIREMENT_ADDRESS, f"`{shown}` is an address or a path", hint)
    elif not any(each.operator in _BOUNDED for each in requirement.specifier):
        refuse(
            Rule.REQUIREMENT_UNPINNED,
            f"any future version of {name} will do",
            f"Write `{name}==…` with the version that you tested.",
        )
    return name
