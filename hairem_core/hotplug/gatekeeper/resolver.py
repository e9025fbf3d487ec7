"""Says what a name or an expression stands for, as far as the text tells."""

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass

from hairem_core.hotplug.gatekeeper.code import (
    Assigned,
    Binding,
    Class,
    Code,
    Function,
    Imported,
    OwnImport,
    Parameter,
    Place,
    Scope,
)
from hairem_core.hotplug.gatekeeper.contract import BASE_AGENTS, CTX, CTX_CLASSES

_CTX_NAMES = frozenset({"ctx", "_ctx"})
_BUILTINS = frozenset(dir(builtins))
_DEEPEST = 24
"""Steps from name to name that are followed."""
_MOST = 12
"""Meanings of one expression that are kept."""


@dataclass(frozen=True)
class Instance:
    """An object of a class of the bundle."""

    of: Class


@dataclass(frozen=True)
class Above:
    """What `super()` is in a method of a class."""

    of: Class


@dataclass(frozen=True)
class OwnPackage:
    """A module of the bundle, or a folder of modules."""

    place: Place


type Value = str | Function | Class | Instance | Above | OwnPackage
"""A dotted name of something outside the bundle, or a thing in it. `a.b()` is what a call of `a.b`
returns."""


class Resolver:
    """Looks names up across the modules of one bundle."""

    def __init__(self, code: Code) -> None:
        self._modules = code.modules
        self._unread = code.unread
        self._places = {
            place[:end] for place in (*code.modules, *code.unread) for end in range(len(place) + 1)
        }
        self._known: dict[tuple[int, int], tuple[Value, ...]] = {}
        self._members: dict[tuple[Place, str], tuple[Value, ...] | None] = {}

    def values(self, node: ast.expr, scope: Scope) -> tuple[Value, ...]:
        """Return all that `node` may stand for; nothing when that cannot be told."""
        return self._resolve(node, scope, 0)

    def dotted(self, node: ast.expr, scope: Scope) -> list[str]:
        """Return the dotted names outside the bundle that `node` may stand for."""
        return [each for each in self.values(node, scope) if isinstance(each, str)]

    def reached(self, node: ast.Name | ast.Attribute, scope: Scope) -> list[str]:
        """Return the dotted names that `node` reaches by itself.

        Unlike `dotted`, a name given to something reached elsewhere counts for nothing: in
        `s = os.system`, then `s()`, `os.system` is reached once. Nor does a name that an import in
        the same module binds: the import says it.
        """
        if isinstance(node, ast.Attribute):
            return [f"{each}.{node.attr}" for each in self.dotted(node.value, scope) if each != CTX]
        bindings = scope.find(node.id)
        if bindings is None:
            return [each for each in self._unbound(node.id, scope, 0) if isinstance(each, str)]
        found: list[str] = []
        for each in bindings:
            if isinstance(each, OwnImport):
                found += [value for value in self._of_binding(each, 0) if isinstance(value, str)]
        return list(dict.fromkeys(found))

    def member(self, place: Place, name: str) -> tuple[Value, ...] | None:
        """Return what `name` is in a module of the bundle, None if it has no such name."""
        return self._member(place, name, 0)

    def has(self, place: Place, name: str) -> bool:
        """Return whether a module of the bundle has, or may have, such a name."""
        module = self._modules.get(place)
        if module is not None and "__getattr__" in module.scope.bindings:
            return True
        if place in self._unread:
            return True
        return self._member(place, name, 0) is not None

    def bases(self, of: Class) -> list[Value | None]:
        """Return what a class derives from; None stands for what cannot be told."""
        found: list[Value | None] = []
        for base in of.node.bases:
            node = base.value if isinstance(base, ast.Subscript) else base
            found += self.values(node, of.scope) or (None,)
        return found

    def lineage(self, of: Class) -> list[Class]:
        """Return a class and those of the bundle it derives from, nearest first."""
        found: dict[Class, None] = {}
        waiting = [of]
        while waiting:
            each = waiting.pop(0)
            if each not in found:
                found[each] = None
                waiting += [base for base in self.bases(each) if isinstance(base, Class)]
        return list(found)

    def is_agent(self, of: Class) -> bool | None:
        """Return whether a class derives from BaseAgent; None when that cannot be told."""
        is_known = True
        for each in self.lineage(of):
            for base in self.bases(each):
                if base in BASE_AGENTS:
                    return True
                # A library's class may derive from anything; one of Python's does not.
                is_known = is_known and (isinstance(base, Class) or _is_foreign(base))
        return False if is_known else None

    def method(self, of: Class, name: str) -> Function | None:
        """Return the method of a class, or of the first base in the bundle that has it."""
        for each in self.lineage(of):
            for binding in reversed(each.body.bindings.get(name, ())):
                if isinstance(binding, Function):
                    return binding
        return None

    # --- resolving -------------------------------------------------------------------------------

    def _resolve(self, node: ast.expr, scope: Scope, depth: int) -> tuple[Value, ...]:
        if depth > _DEEPEST:
            return ()
        key = (id(node), id(scope))
        known = self._known.get(key)
        if known is not None:
            return known
        self._known[key] = ()  # a name that is defined by itself ends here
        found = tuple(dict.fromkeys(self._resolve_anew(node, scope, depth + 1)))[:_MOST]
        self._known[key] = found
        return found

    def _resolve_anew(self, node: ast.expr, scope: Scope, depth: int) -> Iterable[Value]:
        match node:
            case ast.Name():
                return self._of_name(node.id, scope, depth)
            case ast.Attribute():
                return self._of_attribute(node, scope, depth)
            case ast.Call():
                return self._of_call(node, scope, depth)
            case ast.IfExp():
                return self._of_all([node.body, node.orelse], scope, depth)
            case ast.BoolOp():
                return self._of_all(node.values, scope, depth)
            case ast.NamedExpr():
                return self._resolve(node.value, scope, depth)
        return ()

    def _of_all(self, nodes: list[ast.expr], scope: Scope, depth: int) -> list[Value]:
        return [value for node in nodes[:_MOST] for value in self._resolve(node, scope, depth)]

    def _of_name(self, name: str, scope: Scope, depth: int) -> Iterable[Value]:
        bindings = scope.find(name)
        if bindings is None:
            return self._unbound(name, scope, depth)
        return [value for each in bindings[:_MOST] for value in self._of_binding(each, depth)]

    def _unbound(self, name: str, scope: Scope, depth: int) -> list[Value]:
        """Return what a name that no scope binds may be: from a `*`, or a builtin."""
        if name == "__builtins__":
            return ["builtins"]
        found: list[Value] = [f"{star}.{name}" for star in scope.module.stars]
        for place in scope.module.own_stars:
            found += self._member(place, name, depth + 1) or ()
        if name in _BUILTINS and not any(not isinstance(each, str) for each in found):
            found.append(f"<builtins>.{name}")
        return found

    def _of_binding(self, binding: Binding, depth: int) -> Iterable[Value]:
        match binding:
            case Imported():
                return (binding.dotted,)
            case Function() | Class():
                return (binding,)
            case Assigned():
                return self._resolve(binding.value, binding.scope, depth)
            case OwnImport():
                if binding.name is None:
                    return (OwnPackage(binding.place),)
                return self._member(binding.place, binding.name, depth) or ()
            case Parameter():
                return self._of_parameter(binding, depth)
        return ()

    def _of_parameter(self, parameter: Parameter, depth: int) -> Iterable[Value]:
        if parameter.owner is not None:
            return (Instance(parameter.owner),)
        if parameter.node.arg in _CTX_NAMES:
            return (CTX,)
        annotation = parameter.node.annotation
        if not isinstance(annotation, ast.Name | ast.Attribute):
            return ()
        return [
            self._called(value)
            for value in self._resolve(annotation, parameter.scope, depth)
            if isinstance(value, str | Class)
        ]

    def _of_attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> Iterable[Value]:
        found: list[Value] = []
        for owner in self._resolve(node.value, scope, depth):
            found += self._attribute_of(owner, node.attr, depth)
        if not found and node.attr in _CTX_NAMES:
            found.append(CTX)
        return found

    def _attribute_of(self, owner: Value, name: str, depth: int) -> Iterable[Value]:
        match owner:
            case str():
                return (f"{owner}.{name}",)
            case OwnPackage():
                return self._member(owner.place, name, depth) or ()
            case Instance():
                return self._of_instance(owner.of, name, depth)
            case Class():
                return self._in_class(owner, name, depth)
            case Above():
                return self._in_bases(owner.of, name, depth)
        return ()

    def _of_instance(self, of: Class, name: str, depth: int) -> Iterable[Value]:
        assigned = [each for known in self.lineage(of) for each in known.attributes.get(name, ())]
        if assigned:
            return [
                value
                for each in assigned[:_MOST]
                for value in self._resolve(each.value, each.scope, depth)
            ]
        return self._in_class(of, name, depth)

    def _in_class(self, of: Class, name: str, depth: int) -> Iterable[Value]:
        for each in self.lineage(of):
            if bindings := each.body.bindings.get(name):
                return [value for one in bindings for value in self._of_binding(one, depth)]
        return ()

    def _in_bases(self, of: Class, name: str, depth: int) -> Iterable[Value]:
        for each in self.lineage(of)[1:]:
            if bindings := each.body.bindings.get(name):
                return [value for one in bindings for value in self._of_binding(one, depth)]
        return ("hairem_core.sdk.BaseAgent." + name,) if self.is_agent(of) else ()

    def _of_call(self, node: ast.Call, scope: Scope, depth: int) -> Iterable[Value]:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return self._of_super(scope)
        found: list[Value] = []
        for value in self._resolve(node.func, scope, depth):
            if value == "functools.partial" and node.args:
                found += self._resolve(node.args[0], scope, depth)
            elif value == "<builtins>.getattr" and len(node.args) > 1:
                found += self._of_getattr(node, scope, depth)
            elif isinstance(value, str | Class):
                found.append(self._called(value))
        return found

    def _of_super(self, scope: Scope) -> Iterable[Value]:
        function = scope.function
        while function is not None and function.owner is None:
            function = function.scope.function
        if function is None or function.owner is None:
            return ()
        return (Above(function.owner),)

    def _of_getattr(self, node: ast.Call, scope: Scope, depth: int) -> Iterable[Value]:
        name = node.args[1]
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            return ()
        return [
            value
            for owner in self._resolve(node.args[0], scope, depth)
            for value in self._attribute_of(owner, name.value, depth)
        ]

    @staticmethod
    def _called(value: str | Class) -> Value:
        if isinstance(value, Class):
            return Instance(value)
        return CTX if value in CTX_CLASSES else f"{value}()"

    def _member(self, place: Place, name: str, depth: int) -> tuple[Value, ...] | None:
        key = (place, name)
        if key not in self._members and depth <= _DEEPEST:
            self._members[key] = ()  # modules that import each other end here
            self._members[key] = self._member_anew(place, name, depth + 1)
        return self._members.get(key, ())

    def _member_anew(self, place: Place, name: str, depth: int) -> tuple[Value, ...] | None:
        module = self._modules.get(place)
        if module is not None:
            if bindings := module.scope.bindings.get(name):
                return tuple(value for each in bindings for value in self._of_binding(each, depth))
            for star in module.own_stars:
                if found := self._member(star, name, depth):
                    return found
            if module.stars:
                return tuple(f"{star}.{name}" for star in module.stars)
        inner = (*place, name)
        return (OwnPackage(inner),) if self.is_own(inner) else None

    def is_own(self, place: Place) -> bool:
        """Return whether a module, or a folder with modules, of this name is in the bundle."""
        return place in self._places


def _is_foreign(base: Value | None) -> bool:
    """Return whether a base is known and not BaseAgent."""
    return isinstance(base, str) and (
        base.startswith("<builtins>.") or base.partition(".")[0] in _PLAIN_BASES
    )


_PLAIN_BASES = frozenset(
    {"abc", "threading", "typing", "enum", "dataclasses", "collections", "hairem_core", "pydantic"}
)
