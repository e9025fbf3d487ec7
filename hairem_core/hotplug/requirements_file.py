"""`requirements.txt` of a bundle: what it asks for, and what of that the house has already."""

import re
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import ClassVar

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from hairem_core.errors import HairemError

OURSELVES = "hairem"
"""The name of H-Core's own distribution."""
_SHARED = ("pydantic",)
"""What every agent's process has imported before its own code runs, with all that it needs."""
_LARGEST_FILE = 64 * 2**10
_COMMENT = re.compile(r"(^|\s)#.*$")
_HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")


class RequirementsError(HairemError):
    """The requirements of a bundle cannot be met."""

    code: ClassVar[str] = "requirements"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One line of the file."""

    line: int
    requirement: Requirement
    hashes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return it in the one way of writing it that two equal requirements share."""
        name, rest = canonicalize_name(self.requirement.name), self.requirement
        extras = f"[{','.join(sorted(map(canonicalize_name, rest.extras)))}]" if rest.extras else ""
        marker = f" ; {rest.marker}" if rest.marker else ""
        hashes = "".join(f" --hash={each}" for each in sorted(self.hashes))
        return f"{name}{extras}{rest.specifier}{marker}{hashes}"


def read_requirements(file: Path) -> list[Wanted]:
    """Return what the file asks for, none if there is no such file.

    Names with versions, extras, markers and hashes are all there may be. Options of pip, addresses
    and paths are refused: a bundle does not choose where the house's packages come from, nor
    whether an author's build script runs. Raises RequirementsError naming the line.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as err:
        raise RequirementsError(
            f"cannot be read: {err.strerror}", where=str(file), hint="Let H-Core's user read it."
        ) from err
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise RequirementsError(
            f"is not UTF-8 text (byte {err.start})", where=str(file), hint="Save it as UTF-8."
        ) from err
    if len(content) > _LARGEST_FILE:
        raise RequirementsError(
            f"is {len(content):,} bytes long, more than {_LARGEST_FILE:,}",
            where=str(file),
            hint="List only what the agent imports.",
        )
    return [_parse(line, number, file) for number, line in _logical_lines(text)]


def _logical_lines(text: str) -> Iterable[tuple[int, str]]:
    """Yield what is on the lines, without comments, and with those that end in `\\` joined."""
    begun, start = "", 0
    for number, raw in enumerate([*text.splitlines(), ""], 1):
        start = start if begun else number
        if raw.endswith("\\") and not raw.lstrip().startswith("#"):
            begun += raw[:-1] + " "
            continue
        line, begun = _COMMENT.sub("", begun + raw).strip(), ""
        if line:
            yield start, line


def _parse(line: str, number: int, file: Path) -> Wanted:
    where = f"{file}:{number}"
    if line.startswith("-"):
        option = line.split(maxsplit=1)[0].partition("=")[0]
        raise RequirementsError(
            f"{option!r} is an option of pip, and none may be here",
            where=where,
            hint="List packages only; the house's index is `agents.package_index`.",
        )
    hashes = tuple(_HASH.findall(line))
    try:
        requirement = Requirement(_HASH.sub("", line).strip())
    except InvalidRequirement as err:
        if "://" in line or line.startswith((".", "/")):
            raise _refuse_address(where) from err
        problem = str(err).partition("\n")[0]
        raise RequirementsError(
            f"{line!r} is no requirement: {problem}",
            where=where,
            hint="Write it as `name`, `name==1.2` or `name>=1.2,<2`.",
        ) from err
    if requirement.url is not None:
        raise _refuse_address(where)
    return Wanted(line=number, requirement=requirement, hashes=hashes)


def _refuse_address(where: str) -> RequirementsError:
    # The address is not shown: it may hold a password.
    return RequirementsError(
        "a package by its address or path",
        where=where,
        hint="Name a package of the index, such as `name==1.2`, or put the code into `lib/`.",
    )


def is_in_the_house(wanted: Iterable[Wanted]) -> bool:
    """Return whether H-Core's own environment meets these requirements, and all they need."""
    seen: set[tuple[str, frozenset[str]]] = set()
    return all(_is_met(each.requirement, frozenset({""}), seen) for each in wanted)


def _is_met(
    wanted: Requirement, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]
) -> bool:
    if wanted.marker and not any(wanted.marker.evaluate({"extra": each}) for each in extras):
        return True  # not needed here
    found = _installed(wanted.name)
    if found is None or wanted.url is not None:
        return False
    try:
        if not wanted.specifier.contains(found.version, prereleases=True):
            return False
    except InvalidVersion:
        return False
    inner = frozenset({"", *wanted.extras})
    key = (canonicalize_name(wanted.name), inner)
    if key in seen:
        return True
    seen.add(key)
    try:
        needed = [Requirement(each) for each in found.requires or ()]
    except InvalidRequirement:
        return False
    return all(_is_met(each, inner, seen) for each in needed)


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError, ValueError:
        return None


def house_constraints() -> list[str]:
    """Return `name==version` of all that an agent's process has imported when its code is loaded.

    An agent's own packages come first on its path. Were there another version of these, the process
    would run on a mixture of two.
    """
    found: dict[str, str] = {}

    def walk(name: str) -> None:
        installed = _installed(name)
        if installed is None or canonicalize_name(name) in found:
            return
        found[canonicalize_name(name)] = installed.version
        for each in map(Requirement, installed.requires or ()):
            if each.marker is None or each.marker.evaluate({"extra": ""}):
                walk(each.name)

    for name in _SHARED:
        walk(name)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def without_ourselves(wanted: Sequence[Wanted], file: Path) -> list[Wanted]:
    """Return the requirements but that of H-Core, which is here and must never be fetched: whoever
    has that name on an index is not us. Raises RequirementsError if another version is wanted."""
    rest = []
    for each in wanted:
        if canonicalize_name(each.requirement.name) != OURSELVES:
            rest.append(each)
        elif not is_in_the_house([each]):
            here = _installed(OURSELVES)
            raise RequirementsError(
                f"{each.requirement} is not this H-Core, {here.version if here else 'uninstalled'}",
                where=f"{file}:{each.line}",
                hint="Update H-Core, or ask for a version of the bundle that fits it.",
            )
    return rest


def interpreter() -> list[str]:
    """Return what a wheel must fit: Python's version and ABI, the platform."""
    python = ".".join(map(str, sys.version_info[:2]))
    return [python, str(sysconfig.get_config_var("SOABI")), sysconfig.get_platform()]
