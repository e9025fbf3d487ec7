"""`secrets.yaml`: names and their values, as they are written."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from hairem_core.errors import HairemError

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "timestamp"))
_AS_LINES = "Write it as `name: 'value'` lines."


class SecretError(HairemError):
    """A secret that a manifest asks for cannot be had, or `secrets.yaml` cannot be used.

    It is told of the manifest: the text itself says which file is meant.
    """

    code = "secret"


def read_secrets(path: Path) -> dict[str, str] | None:
    """Return the values in the file at `path`, by name; None if there is no such file.

    A number is the text that was written: a PIN such as 0042 keeps its zeros. Raises SecretError
    with file and line, which never shows a value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as err:
        raise SecretError(
            f"{path} cannot be read: {err.strerror or err}",
            hint="Check that it is a file and that H-Core's user may read it.",
        ) from err
    except UnicodeDecodeError as err:
        what = f"{path} is not UTF-8 text (byte {err.start})"
        # The exception holds the whole content.
        raise SecretError(what, hint="Save it as UTF-8.") from None
    root = _compose(text, path)
    if root is None:
        return {}
    if not isinstance(root, MappingNode):
        raise _refuse(path, root, "does not hold names with values", _AS_LINES)
    found: dict[str, str] = {}
    for key, value in root.value:
        if not isinstance(key, ScalarNode):
            raise _refuse(path, key, "a name that is no text", _AS_LINES)
        if key.value in found:
            raise _refuse(path, key, f"{key.value} is there twice", "Keep one of the two.")
        found[key.value] = _value(path, key, value)
    return found


def _compose(text: str, path: Path) -> Node | None:
    # Without the parser's own words in either case: they quote the line, and so the value.
    try:
        root: Node | None = YAML(typ="rt").compose(text)
    except MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        hint = "Put the value in single quotes; indent with spaces."
        raise SecretError(f"{where}: is not YAML", hint=hint) from None
    except YAMLError, ValueError, RecursionError:
        raise SecretError(f"{path}: is not YAML", hint=_AS_LINES) from None
    return root


def _value(path: Path, key: ScalarNode, value: Node) -> str:
    is_scalar = isinstance(value, ScalarNode) and str(value.tag) in _SCALARS
    if not is_scalar or not value.value:
        hint = "Put the value in single quotes, behind its name."
        raise _refuse(path, key, f"{key.value} has no value that is text or a number", hint)
    return str(value.value)


def _refuse(path: Path, node: Node, what: str, hint: str) -> SecretError:
    return SecretError(f"{path}:{node.start_mark.line + 1}: {what}", hint=hint)
