"""Step 3: what the code imports."""

import ast
import re
import sys
from collections.abc import Iterator

from hairem_core.hotplug.gatekeeper.code import Code, Import, Module, relative_base
from hairem_core.hotplug.gatekeeper.resolver import Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule

_HOUSE = frozenset({"pydantic", "pydantic_core", "typing_extensions", "annotated_types"})
"""What comes with the SDK."""
_SDK = "hairem_core.sdk"
_AGENTS = "hairem_agents"
_OTHER_NAMES = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "cv2": "opencv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "jose": "python-jose",
    "magic": "python-magic",
    "openssl": "pyopenssl",
    "pil": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "websocket": "websocket-client",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
"""Distributions by what is imported of them, where the two look nothing alike."""


def check_imports(
    code: Code, resolver: Resolver, requirements: frozenset[str], findings: Findings
) -> None:
    """Note the imports that may not be, or lead nowhere."""
    foreign: list[tuple[Module, Import, str]] = []
    for module in code.modules.values():
        for statement in module.imports:
            if isinstance(statement.node, ast.ImportFrom) and statement.node.level:
                _check_relative(module, statement, statement.node, resolver, findings)
                continue
            foreign += [
                (module, statement, dotted.partition(".")[0])
                for dotted in _names(statement.node)
                if not _check_absolute(module, statement, dotted, resolver, requirements, findings)
            ]
    _check_foreign(foreign, requirements, findings)


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    if node.module == "hairem_core":
        return [f"hairem_core.{each.name}" for each in node.names]
    return [node.module or ""]


def _check_absolute(
    module: Module,
    statement: Import,
    dotted: str,
    resolver: Resolver,
    requirements: frozenset[str],
    findings: Findings,
) -> bool:
    """Return whether all is said of an import; not so of one that needs a requirement."""
    top = dotted.partition(".")[0]
    line = statement.node.lineno
    if top == "hairem_core":
        if dotted != _SDK and not dotted.startswith(f"{_SDK}."):
            findings.add(
                Rule.IMPORT_INTERNAL,
                f"`{dotted}` is H-Core's own",
                f"An agent imports `{_SDK}` and reaches H-Core through `ctx`.",
                file=module.file,
                line=line,
            )
        return True
    if top == _AGENTS:
        hint = "Write a relative import, such as `from . import x`."
        what = f"`{dotted}` names a bundle by its full name"
        findings.add(Rule.IMPORT_ABSOLUTE, what, hint, file=module.file, line=line)
        return True
    if top in sys.stdlib_module_names or top in _HOUSE:
        return True
    if _is_own(top, module, resolver) and not any(_matches(top, each) for each in requirements):
        findings.add(
            Rule.IMPORT_ABSOLUTE,
            f"`{dotted}` is a module of the bundle, whose folder is not on Python's path",
            _relative_form(module, statement.node, dotted, resolver),
            file=module.file,
            line=line,
        )
        return True
    return False


def _is_own(top: str, module: Module, resolver: Resolver) -> bool:
    """Return whether an import likely means a module of the bundle, and not the importing one."""
    places = ((top,), (*module.package, top))
    return any(resolver.is_own(place) and place != module.place for place in places)


def _relative_form(
    module: Module, node: ast.Import | ast.ImportFrom, dotted: str, resolver: Resolver
) -> str:
    is_root = resolver.is_own((dotted.partition(".")[0],))
    dots = "." * (len(module.package) + 1) if is_root else "."
    if isinstance(node, ast.ImportFrom):
        return f"Write `from {dots}{dotted} import …`."
    package, _, name = dotted.rpartition(".")
    return f"Write `from {dots}{package} import {name}`."


def _check_foreign(
    foreign: list[tuple[Module, Import, str]], requirements: frozenset[str], findings: Findings
) -> None:
    tops = {top for _, _, top in foreign}
    spare = [each for each in requirements if not any(_matches(top, each) for top in tops)]
    for module, statement, top in foreign:
        if statement.is_optional or any(_matches(top, each) for each in requirements):
            continue
        # A distribution may bear another name than what it holds: one that matches no import may
        # be where this one comes from.
        if spare:
            continue
        findings.add(
            Rule.IMPORT_UNKNOWN,
            f"`{top}` is neither Python's nor required",
            f"Add the distribution that holds `{top}`, with its version, to requirements.txt.",
            file=module.file,
            line=statement.node.lineno,
        )


def _matches(top: str, distribution: str) -> bool:
    """Return whether a distribution may hold what is imported as `top`. Both names are loose."""
    name = re.sub(r"[-_.]+", "-", top).lower()
    name = _OTHER_NAMES.get(name, name)
    words = distribution.split("-")
    plain = distribution.replace("-", "")
    bare = plain.removeprefix("python").removeprefix("py").removesuffix("py")
    return (
        distribution.startswith(name)
        or name in words
        or name.replace("-", "") in (plain, bare)
        or name.split("-", maxsplit=1)[0] in words
        or (len(bare) > 2 and bare in name)
    )


def _check_relative(
    module: Module,
    statement: Import,
    node: ast.ImportFrom,
    resolver: Resolver,
    findings: Findings,
) -> None:
    base = relative_base(module, node.level)
    dots = "." * node.level
    if base is None:
        findings.add(
            Rule.IMPORT_OUTSIDE,
            f"`from {dots}{node.module or ''} import …` leads out of the bundle",
            f"From here, `{'.' * (len(module.package) + 1)}` is the bundle itself.",
            file=module.file,
            line=node.lineno,
        )
        return
    if statement.is_optional:
        return
    for what, hint in _missing(base, node, resolver):
        findings.add(Rule.IMPORT_MISSING, what, hint, file=module.file, line=node.lineno)


def _missing(
    base: tuple[str, ...], node: ast.ImportFrom, resolver: Resolver
) -> Iterator[tuple[str, str]]:
    dots = "." * node.level
    parts = tuple(node.module.split(".")) if node.module else ()
    place = (*base, *parts)
    if place and not resolver.is_own(place):
        path = "/".join(place)
        yield (
            f"there is no module `{dots}{node.module or ''}` in the bundle",
            f"Add {path}.py, or mend the name.",
        )
        return
    for each in node.names:
        is_dunder = each.name.startswith("__") and each.name.endswith("__")
        if each.name == "*" or is_dunder or resolver.has(place, each.name):
            continue
        if node.module:
            what = f"there is no `{each.name}` in `{dots}{node.module}`"
            yield what, "Define it there, or mend the name."
        else:
            path = "/".join((*place, each.name))
            what = f"there is no module `{dots}{each.name}` in the bundle"
            yield what, f"Add {path}.py, or mend the name."
