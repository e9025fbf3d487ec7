"""YAML files as people write them: errors name the key and the line, and what to do."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hairem_core.errors import HairemError

_MOST_VALUES = 100_000
"""Values in one YAML file, aliases counted as often as they are used."""

_CREDENTIALS = re.compile(r"//.*@")
"""Name and password in an address."""


@dataclass(frozen=True)
class SecretName:
    """`!secret name` in a YAML file: the value is under that name in `secrets.yaml`."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong in a file."""

    line: int | None
    key: str
    what: str
    hint: str

    def sentence(self, path: Path) -> str:
        """Return it in one line."""
        where = f"{path}:{self.line}" if self.line else str(path)
        key = f"{self.key}: " if self.key else ""
        return f"{where}: {key}{self.what}. {self.hint}".rstrip()


class ConfigError(HairemError):
    """A configuration file cannot be used as it is; `problems` are all that was found."""

    code = "config"

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.sentence(path) for problem in problems))
        self.problems = list(problems)


def read_yaml(path: Path) -> CommentedMap:
    """Return the mapping in a YAML file, its nodes knowing their lines.

    Raises ConfigError for a file that cannot be read, is not YAML, has a tab or a duplicate key, or
    does not hold a mapping.
    """

    def refuse(what: str, hint: str, line: int | None = None) -> ConfigError:
        return ConfigError(path, [Problem(line=line, key="", what=what, hint=hint)])

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        hint = "Check that the file exists and that this user may read it."
        raise refuse(f"cannot be read: {err.strerror or err}", hint) from err
    except UnicodeDecodeError as err:
        raise refuse(f"is not UTF-8 text (byte {err.start})", "Save it as UTF-8.") from err
    try:
        data = YAML(typ="rt").load(text)
    except DuplicateKeyError as err:
        what = (err.problem or "a key is there twice").partition(" with value")[0]
        raise refuse(what, "Keep one of the two.", _line_of(err)) from err
    except MarkedYAMLError as err:
        line = err.problem_mark.line if err.problem_mark else 0
        lines = text.splitlines()
        if line < len(lines) and "\t" in lines[line]:
            raise refuse("a tab", "YAML is indented with spaces only.", _line_of(err)) from err
        what = err.problem or err.context or "not YAML"
        raise refuse(what, "Mend the syntax.", _line_of(err)) from err
    except (YAMLError, ValueError, OverflowError) as err:
        # A value that looks like a date or a number and is none fails inside the parser.
        raise refuse(str(err), "Put the value in quotes.") from err
    except RecursionError as err:
        raise refuse("is nested too deeply", "Simplify it.") from err
    if data is None:
        return CommentedMap()
    if not isinstance(data, CommentedMap):
        kind = "a list" if isinstance(data, CommentedSeq) else "a single value"
        what = f"holds {kind}, not keys with values"
        raise refuse(what, "Write it as `key: value` lines.", 1)
    return data


_SECRETS = (("memory", "url"), ("memory", "archive_url"))
"""Keys of addresses; in one that is wrong, nobody can say where the password ends."""


def validate_yaml[M: BaseModel](model: type[M], data: CommentedMap, path: Path) -> M:
    """Return `data` as a `model`.

    Raises ConfigError naming each wrong key with its file and line.
    """
    try:
        return model.model_validate(_Plain().of(data))
    except _TooManyValues as err:
        what = f"its aliases make more than {_MOST_VALUES:,} values of it"
        problem = Problem(line=None, key="", what=what, hint="Write it out, and shorter.")
        raise ConfigError(path, [problem]) from err
    except _NoText as err:
        problem = Problem(line=None, key="", what=str(err), hint="Write the character itself.")
        raise ConfigError(path, [problem]) from err
    except ValidationError as err:
        problems = [_describe(problem, data) for problem in err.errors(include_url=False)]
        raise ConfigError(path, problems) from err


def _line_of(err: MarkedYAMLError) -> int | None:
    mark = err.problem_mark or err.context_mark
    return mark.line + 1 if mark else None


class _NoText(Exception):
    """A string holds half of a character, which no program can be told."""


class _TooManyValues(Exception):
    """A few lines of YAML can name themselves over and over."""


class _Plain:
    """Turns YAML's nodes into Python's own types."""

    def __init__(self) -> None:
        self._values = 0

    def of(self, node: Any) -> Any:
        """Return a node as plain values. Raises _TooManyValues."""
        self._values += 1
        if self._values > _MOST_VALUES:
            raise _TooManyValues
        if isinstance(node, CommentedMap):
            return {self.of(key): self.of(value) for key, value in node.items()}
        if isinstance(node, CommentedSeq):
            return [self.of(value) for value in node]
        if isinstance(node, str):
            return _checked_text(node)
        if isinstance(node, TaggedScalar) and node.tag.value == "!secret":
            return SecretName(str(node.value))
        return node


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as err:
        raise _NoText(f"{text!r} is no text (character {err.start + 1})") from err
    return text


def _describe(problem: Any, data: CommentedMap) -> Problem:
    location = problem["loc"]
    key = ".".join(str(part) for part in location) or "the file"
    line = _line(data, location)
    if problem["type"] == "extra_forbidden":
        hint = "Remove it or mend its spelling."
        return Problem(line=line, key=key, what="there is no such key", hint=hint)
    if problem["type"] == "missing":
        return Problem(line=line, key=key, what="is missing", hint="Add it.")
    message = problem["msg"].removeprefix("Value error, ")
    value = problem["input"]
    is_secret = location[:1] == ("secrets",) or location in _SECRETS
    is_shown = isinstance(value, str | int | float | bool | None) and not is_secret
    if isinstance(value, str):
        value = _CREDENTIALS.sub("//***@", value)
    shown = f" (got {value!r})" if is_shown else ""
    what = f"{message[:1].lower()}{message[1:]}{shown}"
    return Problem(line=line, key=key, what=what, hint="")


def _line(data: CommentedMap, location: tuple[int | str, ...]) -> int:
    """Return the line of the deepest node of `location` that is in the file, counted from 1."""
    node: Any = data
    line = 1
    for part in location:
        try:
            if isinstance(node, CommentedMap):
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        except KeyError, IndexError, TypeError, AttributeError:
            break
    return line
