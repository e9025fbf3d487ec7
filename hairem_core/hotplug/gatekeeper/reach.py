"""Step 3: what the code reaches for, held against the permissions and what nobody may use."""

import ast
import sys
from collections.abc import Iterator

from hairem_core.hotplug.gatekeeper.code import Call, Code, Module, Scope, spelled
from hairem_core.hotplug.gatekeeper.contract import CTX
from hairem_core.hotplug.gatekeeper.resolver import Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule
from hairem_core.hotplug.gatekeeper.tables import (
    GUARDED_MODULES,
    HIDDEN_ATTRIBUTES,
    NETWORK,
    PLAIN_DUNDERS,
    PROCESSES,
    REFUSED,
    entry,
)
from hairem_core.hotplug.permissions import Permissions, line_to_add

_HOUSE_MODULES = sys.stdlib_module_names | {"hairem_core", "pydantic"}
_ACCESS_HINT = "Write the attribute out, as in `x.name`."
_SETS = frozenset({"<builtins>.setattr", "<builtins>.delattr"})


def check_reach(
    code: Code, resolver: Resolver, permissions: Permissions | None, findings: Findings
) -> None:
    """Note each use of what is not permitted. Permissions are passed over when they are None."""
    for module in code.modules.values():
        reach = _Reach(module, resolver, findings)
        reach.check_refused()
        reach.check_calls()
        reach.check_changes()
        if permissions is not None:
            reach.check_permissions(permissions)


class _Reach:
    def __init__(self, module: Module, resolver: Resolver, findings: Findings) -> None:
        self._module = module
        self._resolver = resolver
        self._findings = findings
        self._imported = list(_imported(module))
        self._used = [
            (each.node.lineno, name)
            for each in module.references
            for name in resolver.reached(each.node, each.scope)
        ]
        self._used += self._through_getattr()

    def _through_getattr(self) -> Iterator[tuple[int, str]]:
        for call in self._module.calls:
            if isinstance(call.node.func, ast.Name) and call.node.func.id == "getattr":
                for name in self._resolver.dotted(call.node, call.scope):
                    yield call.node.lineno, name

    def _add(self, rule: Rule, line: int, what: str, hint: str) -> None:
        self._findings.add(rule, what, hint, file=self._module.file, line=line)

    # --- refused whatever the permissions --------------------------------------------------------

    def check_refused(self) -> None:
        told = set[str]()
        for line, name in self._imported:
            if found := entry(name, REFUSED):
                told.add(found)
                self._refuse(found, line)
        for line, name in self._used:
            # Who imports it by its name is told so where it is imported.
            if (found := entry(name, REFUSED)) and found not in told:
                self._refuse(found, line)
        for reference in self._module.references:
            node = reference.node
            if isinstance(node, ast.Attribute):
                self._check_attribute(node, reference.scope)
        for subscript, scope in self._module.subscripts:
            if "<builtins>.globals()" in self._resolver.dotted(subscript.value, scope):
                self._refuse_globals(subscript.lineno)

    def _refuse(self, name: str, line: int) -> None:
        refusal = REFUSED[name]
        shown = name.removeprefix("<builtins>.")
        self._add(refusal.rule, line, f"`{shown}` {refusal.why}", refusal.hint)

    def _refuse_globals(self, line: int) -> None:
        what = "`globals()` reaches names that nobody can read beforehand"
        self._add(Rule.DYNAMIC_ACCESS, line, what, "Keep things in a dict of your own.")

    def _check_attribute(self, node: ast.Attribute, scope: Scope) -> None:
        if node.attr in HIDDEN_ATTRIBUTES:
            self._refuse_hidden(node.attr, node.lineno)
        elif node.attr == "__dict__":
            for owner in self._resolver.dotted(node.value, scope):
                if owner in GUARDED_MODULES:
                    what = f"`{owner}.__dict__` could be anything of `{owner}`"
                    self._add(Rule.DYNAMIC_ACCESS, node.lineno, what, _ACCESS_HINT)
        elif "<builtins>.globals()" in self._resolver.dotted(node.value, scope):
            self._refuse_globals(node.lineno)

    def _refuse_hidden(self, name: str, line: int) -> None:
        what = f"`{name}` leads to everything in the process"
        hint = "Do without; an agent needs its own objects and `ctx` only."
        self._add(Rule.INTROSPECTION, line, what, hint)

    def check_calls(self) -> None:
        for call in self._module.calls:
            node = call.node
            if not isinstance(node.func, ast.Name | ast.Attribute) or not node.args:
                continue
            for name in self._resolver.dotted(node.func, call.scope):
                if name in ("<builtins>.getattr", *_SETS):
                    self._check_getattr(call, name)
                elif name == "<builtins>.vars":
                    self._check_vars(call)
                elif name in ("operator.attrgetter", "operator.methodcaller"):
                    self._check_attrgetter(call)

    def _check_getattr(self, call: Call, function: str) -> None:
        args, line = call.node.args, call.node.lineno
        if len(args) < 2:
            return
        shown = function.removeprefix("<builtins>.")
        owners = self._resolver.dotted(args[0], call.scope)
        constant = args[1].value if isinstance(args[1], ast.Constant) else None
        name = constant if isinstance(constant, str) else None
        if name is not None:
            self._check_asked(name, shown, line)
        else:
            for owner in owners:
                if owner in GUARDED_MODULES:
                    what = f"`{shown}({owner}, …)` could be anything of `{owner}`"
                    self._add(Rule.DYNAMIC_ACCESS, line, what, _ACCESS_HINT)
        if function in _SETS:
            for owner in owners:
                self._check_owner(owner, f"{owner}.{name or '…'}", line)

    def _check_asked(self, name: str, shown: str, line: int) -> None:
        if name in HIDDEN_ATTRIBUTES:
            self._refuse_hidden(name, line)
        elif name.startswith("__") and name.endswith("__") and name not in PLAIN_DUNDERS:
            what = f"`{shown}` asks for `{name}`, past what can be checked"
            self._add(Rule.DYNAMIC_ACCESS, line, what, _ACCESS_HINT)

    def _check_vars(self, call: Call) -> None:
        for owner in self._resolver.dotted(call.node.args[0], call.scope):
            if owner in GUARDED_MODULES:
                what = f"`vars({owner})` could be anything of `{owner}`"
                self._add(Rule.DYNAMIC_ACCESS, call.node.lineno, what, _ACCESS_HINT)

    def _check_attrgetter(self, call: Call) -> None:
        for each in call.node.args:
            if isinstance(each, ast.Constant) and isinstance(each.value, str):
                for name in each.value.split("."):
                    self._check_asked(name, spelled(call.node.func), call.node.lineno)

    def check_changes(self) -> None:
        for change in self._module.changes:
            for owner in self._resolver.dotted(change.node.value, change.scope):
                self._check_owner(owner, f"{owner}.{change.node.attr}", change.node.lineno)

    def _check_owner(self, owner: str, shown: str, line: int) -> None:
        """Refuse a change to what all share; what a call returned is the caller's own."""
        if "(" in owner or owner.partition(".")[0] not in _HOUSE_MODULES:
            return
        hint = "Derive a class or wrap the function in the bundle, and leave the original be."
        what = f"`{shown}` is changed, which everything in the process shares"
        self._add(Rule.MONKEY_PATCH, line, what, hint)

    # --- permissions -----------------------------------------------------------------------------

    def check_permissions(self, permissions: Permissions) -> None:
        for permission, table in (("network", NETWORK), ("processes", PROCESSES)):
            if permission in permissions:
                continue
            first: dict[str, int] = {}
            for line, name in [*self._imported, *self._used]:
                if found := entry(name, table):
                    first[found] = min(line, first.get(found, line))
            for name, line in first.items():
                self._deny(name, permission, line)
        if "llm" not in permissions and (at := self._first_use("llm")):
            self._deny("ctx.llm", "llm", at)
        is_home = "home.read" in permissions or "home.act" in permissions
        if not is_home and (at := self._first_use("ha")):
            what = "`ctx.ha` needs the permission `home.read`, or `home.act` to change things"
            self._add(Rule.PERMISSION, at, what, line_to_add("home.read"))

    def _deny(self, name: str, permission: str, line: int) -> None:
        what = f"`{name}` needs the permission `{permission}`"
        self._add(Rule.PERMISSION, line, what, line_to_add(permission))

    def _first_use(self, attribute: str) -> int | None:
        return min(
            (
                each.node.lineno
                for each in self._module.references
                if isinstance(each.node, ast.Attribute)
                and each.node.attr == attribute
                and CTX in self._resolver.dotted(each.node.value, each.scope)
            ),
            default=None,
        )


def _imported(module: Module) -> Iterator[tuple[int, str]]:
    """Yield what a module imports by name from outside the bundle, with its line."""
    for statement in module.imports:
        node = statement.node
        if isinstance(node, ast.Import):
            for each in node.names:
                yield node.lineno, each.name
        elif not node.level:
            for each in node.names:
                name = node.module or ""
                yield node.lineno, name if each.name == "*" else f"{name}.{each.name}"
