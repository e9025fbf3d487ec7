"""What a bundle's code is made of: modules, scopes, classes, functions."""

import ast
from dataclasses import dataclass, field
from enum import Enum, auto

type FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
type Place = tuple[str, ...]
"""A module's name inside its bundle, such as `("drivers", "home_assistant")`."""
_MOST_BINDINGS = 16
"""Meanings of one name in one scope that are kept, the first and the last ones."""


class Kind(Enum):
    """What a scope belongs to."""

    MODULE = auto()
    CLASS = auto()
    FUNCTION = auto()
    COMPREHENSION = auto()


@dataclass(frozen=True, eq=False)
class Imported:
    """A name bound by an import from outside the bundle."""

    dotted: str


@dataclass(frozen=True, eq=False)
class OwnImport:
    """A name bound by a relative import: a module, or a name in one."""

    place: Place
    name: str | None


@dataclass(frozen=True, eq=False)
class Assigned:
    """A name bound to an expression."""

    value: ast.expr
    scope: Scope


@dataclass(frozen=True, eq=False)
class Parameter:
    """A function's parameter."""

    node: ast.arg
    scope: Scope
    """Where its annotation is read."""
    owner: Class | None = None
    """Its class, when it is the first of a method."""


class Unknown:
    """A name bound to what cannot be told: a loop's variable, a pattern's capture."""


type Binding = Imported | OwnImport | Assigned | Parameter | Unknown | Function | Class


@dataclass(eq=False)
class Scope:
    """Where names are bound."""

    kind: Kind
    module: Module
    parent: Scope | None
    function: Function | None = None
    """The function whose body this is, or is part of."""
    owner: Class | None = None
    """The class whose body this is."""
    bindings: dict[str, list[Binding]] = field(default_factory=dict)
    elsewhere: dict[str, Scope] = field(default_factory=dict)
    """Names declared `global` or `nonlocal`, and where they live."""

    def bind(self, name: str, binding: Binding) -> None:
        """Note that `name` is bound here."""
        found = self.elsewhere.get(name, self).bindings.setdefault(name, [])
        if len(found) >= _MOST_BINDINGS:
            found.pop(len(found) // 2)
        found.append(binding)

    def find(self, name: str) -> list[Binding] | None:
        """Return what `name` is bound to as seen from here, None if nothing binds it."""
        scope: Scope | None = self
        while scope is not None:
            # A class's names are not seen from its methods.
            is_seen = scope.kind is not Kind.CLASS or scope is self
            if is_seen and (found := scope.bindings.get(name)):
                return found
            scope = scope.parent
        return None


@dataclass(eq=False)
class Function:
    """A function, method or lambda."""

    name: str
    node: FunctionNode
    module: Module
    scope: Scope
    """The one it is defined in."""
    owner: Class | None = None
    """The class whose method it is."""
    is_generator: bool = False
    calls: list[Call] = field(default_factory=list)
    """Those in its own body."""

    @property
    def is_async(self) -> bool:
        """Whether it is `async def`."""
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def decorators(self) -> list[ast.expr]:
        """What decorates it."""
        return [] if isinstance(self.node, ast.Lambda) else self.node.decorator_list


@dataclass(eq=False)
class Class:
    """A class."""

    name: str
    node: ast.ClassDef
    module: Module
    scope: Scope
    """The one it is defined in."""
    body: Scope
    attributes: dict[str, list[Assigned]] = field(default_factory=dict)
    """What its methods assign to `self.<name>`."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call, and where it stands."""

    node: ast.Call
    scope: Scope
    is_awaited: bool
    is_statement: bool
    """Whether its result is thrown away."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A name or an attribute that is read."""

    node: ast.Name | ast.Attribute
    scope: Scope


@dataclass(frozen=True, eq=False)
class Import:
    """An import statement."""

    node: ast.Import | ast.ImportFrom
    scope: Scope
    is_optional: bool
    """Whether the code goes on without it."""


@dataclass(frozen=True, eq=False)
class Change:
    """An attribute that is assigned or deleted."""

    node: ast.Attribute
    scope: Scope


@dataclass(frozen=True, eq=False)
class Loop:
    """A `while` whose condition is always true."""

    node: ast.While
    function: Function


@dataclass(eq=False)
class Module:
    """One file of Python."""

    file: str
    """Relative to the bundle, with `/`."""
    place: Place
    is_package: bool
    tree: ast.Module
    scope: Scope = field(init=False)
    imports: list[Import] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    subscripts: list[tuple[ast.Subscript, Scope]] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    classes: list[Class] = field(default_factory=list)
    stars: list[str] = field(default_factory=list)
    """Modules outside the bundle that everything is imported from."""
    own_stars: list[Place] = field(default_factory=list)
    """Modules of the bundle that everything is imported from."""

    def __post_init__(self) -> None:
        self.scope = Scope(kind=Kind.MODULE, module=self, parent=None)

    @property
    def package(self) -> Place:
        """The package that its relative imports count from."""
        return self.place if self.is_package else self.place[:-1]


@dataclass(kw_only=True)
class Code:
    """All Python of a bundle that can run as part of the agent."""

    modules: dict[Place, Module] = field(default_factory=dict)
    unread: set[Place] = field(default_factory=set)
    """Modules that are there and cannot be read."""


def relative_base(module: Module, level: int) -> Place | None:
    """Return the package that `level` dots mean in `module`, None if it is outside the bundle."""
    up = level - 1
    package = module.package
    if up > len(package):
        return None
    return package[: len(package) - up]


def spelled(node: ast.expr) -> str:
    """Return a name or a chain of attributes as it is written, `…` for anything else in it."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call):
        parts.append(f"{spelled(node.func)}()" if len(parts) < 8 else "…")
    else:
        parts.append(node.id if isinstance(node, ast.Name) else "…")
    return ".".join(reversed(parts))
