"""Finds and parses a bundle's Python files."""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import PurePosixPath

from hairem_core.hotplug.bundle import ASSETS_FOLDER
from hairem_core.hotplug.gatekeeper.code import Code, Import, Module, Place, relative_base
from hairem_core.hotplug.gatekeeper.files import BundleFile
from hairem_core.hotplug.gatekeeper.reader import TooComplex, read_module
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule

LONGEST_SOURCE = 2**20
"""Bytes of one file of Python."""
LONGEST_CODE = 4 * 2**20
"""Bytes of all of them together."""
_COMPILED = (".so", ".pyd", ".pyc", ".pyo", ".dll", ".dylib", ".pth")
_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "ascii", "iso-8859-1", "iso-8859-15", "cp1252"})
_TESTS_FOLDER = "tests"


def read_code(files: list[BundleFile], findings: Findings) -> Code:
    """Return the modules that can run as part of the agent, and note what cannot be read.

    The bundle's own tests are left out, unless the code imports them.
    """
    python = {_place(each.name): each for each in files if _is_code(each.name)}
    for each in files:
        if each.name.endswith(_COMPILED) and not each.name.startswith(f"{ASSETS_FOLDER}/"):
            findings.add(
                Rule.COMPILED_CODE,
                "compiled code cannot be checked",
                "Ship the source, or name a distribution in requirements.txt.",
                file=each.name,
            )
    code = Code()
    waiting = [place for place, each in python.items() if not _is_test(each.name)]
    seen = set(waiting)
    total = 0
    while waiting:
        place = waiting.pop()
        total += python[place].size
        if total > LONGEST_CODE:
            what = f"the bundle's code is longer than {LONGEST_CODE // 2**20} MiB"
            hint = "Name libraries in requirements.txt instead of copying them."
            findings.add(Rule.TOO_LONG, what, hint)
            code.unread.update((place, *waiting))
            break
        module = _read(place, python[place], findings)
        if module is None:
            code.unread.add(place)
            continue
        code.modules[place] = module
        for target in _imported(module):
            if target in python and target not in seen:
                seen.add(target)
                waiting.append(target)
    code.modules = dict(sorted(code.modules.items()))
    return code


def _is_code(name: str) -> bool:
    return name.endswith(".py") and not name.startswith(f"{ASSETS_FOLDER}/")


def _is_test(name: str) -> bool:
    path = PurePosixPath(name)
    is_test_file = path.name.startswith("test_") or path.name == "conftest.py"
    return _TESTS_FOLDER in path.parts[:-1] or is_test_file


def _place(name: str) -> Place:
    parts = PurePosixPath(name).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _imported(module: Module) -> Iterator[Place]:
    """Yield what may be modules of the bundle among a module's relative imports."""
    for each in module.imports:
        yield from own_targets(module, each)


def own_targets(module: Module, statement: Import) -> Iterator[Place]:
    """Yield the modules that a relative import may load: what it names, and the packages above."""
    node = statement.node
    if not isinstance(node, ast.ImportFrom) or not node.level:
        return
    base = relative_base(module, node.level)
    if base is None:
        return
    parts = tuple(node.module.split(".")) if node.module else ()
    whole = (*base, *parts)
    for end in range(len(whole) + 1):
        yield whole[:end]
    for each in node.names:
        yield (*whole, each.name)


def _read(place: Place, file: BundleFile, findings: Findings) -> Module | None:
    if file.size > LONGEST_SOURCE:
        what = f"{file.size / 2**20:.1f} MiB, more than {LONGEST_SOURCE // 2**20}"
        hint = "Split it, or keep data in assets/."
        findings.add(Rule.TOO_LONG, what, hint, file=file.name)
        return None
    text = _decode(file, findings)
    if text is None:
        return None
    tree = _parse(text, file.name, findings)
    if tree is None:
        return None
    is_package = PurePosixPath(file.name).name == "__init__.py"
    module = Module(file.name, place, is_package, tree)
    try:
        read_module(module)
    except TooComplex as err:
        _refuse_complex(file.name, err.line, findings)
        return None
    return module


def _decode(file: BundleFile, findings: Findings) -> str | None:
    content = file.path.read_bytes()
    if (at := content.find(b"\0")) >= 0:
        _refuse_encoding("a NUL byte", content, at, file.name, findings)
        return None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError, LookupError, ValueError:
        _refuse_encoding(
            "neither UTF-8 nor what its first lines say", content, 0, file.name, findings
        )
        return None
    if encoding not in _ENCODINGS:
        _refuse_encoding(f"it is written in {encoding}", content, 0, file.name, findings)
        return None
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as err:
        what = f"is not {encoding} text (byte {err.start})"
        _refuse_encoding(what, content, err.start, file.name, findings)
        return None


def _refuse_encoding(what: str, content: bytes, at: int, file: str, findings: Findings) -> None:
    line = content[:at].count(b"\n") + 1
    findings.add(Rule.ENCODING, what, "Save it as UTF-8.", file=file, line=line)


def _parse(text: str, file: str, findings: Findings) -> ast.Module | None:
    # `"\d"` makes the parser warn, each time, of what the author sees when the module is loaded.
    # A filter that knows the name given below is safe among threads; catch_warnings is not.
    warnings.filterwarnings("ignore", category=SyntaxWarning, module="hairem-bundle")
    try:
        return ast.parse(text, filename=f"hairem-bundle/{file}")
    except SyntaxError as err:
        # "invalid syntax. Perhaps you forgot a comma?" is a finding and its hint.
        what, _, hint = (err.msg or "not Python").partition(". ")
        what = what.rstrip(".")
        findings.add(Rule.SYNTAX, what, hint or "Mend the syntax.", file=file, line=err.lineno)
    except RecursionError, MemoryError:
        _refuse_complex(file, None, findings)
    except ValueError as err:
        # An integer of too many digits, a lone surrogate.
        findings.add(Rule.SYNTAX, str(err), "Mend the syntax.", file=file)
    return None


def _refuse_complex(file: str, line: int | None, findings: Findings) -> None:
    what = "the code is nested too deeply"
    findings.add(Rule.TOO_COMPLEX, what, "Split the expression.", file=file, line=line)
