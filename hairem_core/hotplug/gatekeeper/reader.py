"""Reads one syntax tree, in one pass and without recursion, into what `code` describes."""

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hairem_core.hotplug.gatekeeper.code import (
    Assigned,
    Call,
    Change,
    Class,
    Function,
    Import,
    Imported,
    Kind,
    Loop,
    Module,
    OwnImport,
    Parameter,
    Reference,
    Scope,
    Unknown,
    relative_base,
)
from hairem_core.hotplug.gatekeeper.conditions import catches_missing, is_main, is_type_checking

DEEPEST = 500
"""Levels of a syntax tree. Python's own compiler gives up at some thousands."""

_UNKNOWN = Unknown()
_MOST_STARS = 20
"""Imports of everything that are followed in one module."""
_MOST_ATTRIBUTES = 16
"""Assignments to one attribute of `self` that are kept."""
_STATIC = frozenset({"staticmethod"})
_LEAVES = frozenset({ast.Constant, ast.alias})


class TooComplex(Exception):
    """The code is nested too deeply."""

    def __init__(self, line: int | None) -> None:
        super().__init__()
        self.line = line


def read_module(module: Module) -> None:
    """Fill `module` with what its tree holds. Raises TooComplex."""
    _Reader(module).read()


class _Reader:
    def __init__(self, module: Module) -> None:
        self._module = module
        self._waiting: list[tuple[ast.AST, Scope, int]] = []
        self._awaited = set[int]()
        self._statements = set[int]()
        self._optional = set[int]()

    def read(self) -> None:
        self._push(self._module.tree.body, self._module.scope, 0)
        while self._waiting:
            node, scope, depth = self._waiting.pop()
            if depth > DEEPEST:
                raise TooComplex(getattr(node, "lineno", None))
            if visit := _VISITS.get(type(node)):
                visit(self, node, scope, depth)
            elif node._fields and type(node) not in _LEAVES:
                self._push(ast.iter_child_nodes(node), scope, depth)

    def _push(self, nodes: Iterable[ast.AST | None], scope: Scope, depth: int) -> None:
        # Last in, first out: reversed, so that names are bound in the order of the text.
        self._waiting += [
            (node, scope, depth + 1) for node in reversed(list(nodes)) if node is not None
        ]

    # --- statements ------------------------------------------------------------------------------

    def _function(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope, depth: int
    ) -> None:
        owner = scope.owner if scope.kind is Kind.CLASS else None
        function = Function(node.name, node, self._module, scope, owner)
        self._module.functions.append(function)
        scope.bind(node.name, function)
        inner = self._inside(function, node.args, scope, node.type_params)
        self._push(node.body, inner, depth)
        self._push([node.args, node.returns], scope, depth)
        self._push(node.decorator_list, scope, depth)

    def _lambda(self, node: ast.Lambda, scope: Scope, depth: int) -> None:
        function = Function("<lambda>", node, self._module, scope)
        inner = self._inside(function, node.args, scope, [])
        self._push([node.body], inner, depth)
        self._push([node.args], scope, depth)

    def _inside(
        self,
        function: Function,
        arguments: ast.arguments,
        scope: Scope,
        type_params: Sequence[ast.type_param],
    ) -> Scope:
        inner = Scope(Kind.FUNCTION, self._module, scope, function=function)
        for generic in type_params:
            inner.bind(getattr(generic, "name", ""), _UNKNOWN)
        owner = function.owner
        if any(isinstance(each, ast.Name) and each.id in _STATIC for each in function.decorators):
            owner = None
        for each in [*arguments.posonlyargs, *arguments.args]:
            inner.bind(each.arg, Parameter(each, scope, owner))
            owner = None
        for other in [*arguments.kwonlyargs]:
            inner.bind(other.arg, Parameter(other, scope))
        for rest in (arguments.vararg, arguments.kwarg):
            if rest is not None:
                inner.bind(rest.arg, _UNKNOWN)
        return inner

    def _class(self, node: ast.ClassDef, scope: Scope, depth: int) -> None:
        body = Scope(Kind.CLASS, self._module, scope, function=scope.function)
        found = Class(node.name, node, self._module, scope, body)
        body.owner = found
        for each in node.type_params:
            body.bind(getattr(each, "name", ""), _UNKNOWN)
        self._module.classes.append(found)
        scope.bind(node.name, found)
        self._push(node.body, body, depth)
        self._push([*node.decorator_list, *node.bases, *node.keywords], scope, depth)

    def _if(self, node: ast.If, scope: Scope, depth: int) -> None:
        test = node.test
        is_negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        if is_type_checking(test) or is_main(test):
            # Never true in an agent: what stands there does not run.
            self._push(node.orelse, scope, depth)
        elif is_negated and isinstance(test, ast.UnaryOp) and is_type_checking(test.operand):
            self._push(node.body, scope, depth)
        else:
            self._push(ast.iter_child_nodes(node), scope, depth)

    def _try(self, node: ast.Try | ast.TryStar, scope: Scope, depth: int) -> None:
        if any(catches_missing(each.type) for each in node.handlers):
            for statement in node.body:
                if isinstance(statement, ast.Import | ast.ImportFrom):
                    self._optional.add(id(statement))
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _except(self, node: ast.ExceptHandler, scope: Scope, depth: int) -> None:
        if node.name:
            scope.bind(node.name, _UNKNOWN)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _import(self, node: ast.Import, scope: Scope, depth: int) -> None:
        self._module.imports.append(Import(node, scope, id(node) in self._optional))
        for each in node.names:
            if each.asname:
                scope.bind(each.asname, Imported(each.name))
            else:
                top = each.name.partition(".")[0]
                scope.bind(top, Imported(top))

    def _import_from(self, node: ast.ImportFrom, scope: Scope, depth: int) -> None:
        self._module.imports.append(Import(node, scope, id(node) in self._optional))
        parts = tuple(node.module.split(".")) if node.module else ()
        base = relative_base(self._module, node.level) if node.level else None
        for each in node.names:
            name = each.asname or each.name
            if not node.level:
                if each.name == "*":
                    _note(self._module.stars, node.module or "")
                else:
                    scope.bind(name, Imported(f"{node.module}.{each.name}"))
            elif base is None:
                scope.bind(name, _UNKNOWN)
            elif each.name == "*":
                _note(self._module.own_stars, (*base, *parts))
            else:
                scope.bind(name, OwnImport((*base, *parts), each.name))

    def _assign(self, node: ast.Assign, scope: Scope, depth: int) -> None:
        for target in node.targets:
            self._bind_target(target, node.value, scope)
        self._push([*node.targets, node.value], scope, depth)

    def _annotated(self, node: ast.AnnAssign, scope: Scope, depth: int) -> None:
        if node.value is not None:
            self._bind_target(node.target, node.value, scope)
        elif scope.kind is not Kind.CLASS:
            self._bind_target(node.target, None, scope)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _augmented(self, node: ast.AugAssign, scope: Scope, depth: int) -> None:
        self._bind_target(node.target, None, scope)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _bind_target(self, target: ast.expr, value: ast.expr | None, scope: Scope) -> None:
        binding = _UNKNOWN if value is None else Assigned(value, scope)
        if isinstance(target, ast.Name):
            scope.bind(target.id, binding)
        elif isinstance(target, ast.Attribute):
            self._bind_attribute(target, value, scope)
        elif isinstance(target, ast.Starred):
            self._bind_target(target.value, None, scope)
        elif isinstance(target, ast.Tuple | ast.List):
            values: Sequence[ast.expr | None] = [None] * len(target.elts)
            if (
                isinstance(value, ast.Tuple | ast.List)
                and len(value.elts) == len(target.elts)
                and not any(isinstance(each, ast.Starred) for each in [*value.elts, *target.elts])
            ):
                values = value.elts
            for each, of_each in zip(target.elts, values, strict=True):
                self._bind_target(each, of_each, scope)

    def _bind_attribute(self, target: ast.Attribute, value: ast.expr | None, scope: Scope) -> None:
        if not isinstance(target.value, ast.Name):
            return
        for each in scope.find(target.value.id) or ():
            if isinstance(each, Parameter) and each.owner is not None:
                bound = Assigned(value if value is not None else ast.Constant(None), scope)
                known = each.owner.attributes.setdefault(target.attr, [])
                if len(known) < _MOST_ATTRIBUTES:
                    known.append(bound)

    def _for(self, node: ast.For | ast.AsyncFor, scope: Scope, depth: int) -> None:
        if isinstance(node, ast.AsyncFor):
            self._awaited.add(id(node.iter))
        self._bind_target(node.target, None, scope)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope, depth: int) -> None:
        for each in node.items:
            if isinstance(node, ast.AsyncWith):
                self._awaited.add(id(each.context_expr))
            if each.optional_vars is not None:
                self._bind_target(each.optional_vars, each.context_expr, scope)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _while(self, node: ast.While, scope: Scope, depth: int) -> None:
        is_forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
        if is_forever and scope.function is not None and scope.kind is Kind.FUNCTION:
            self._module.loops.append(Loop(node, scope.function))
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _global(self, node: ast.Global, scope: Scope, depth: int) -> None:
        for name in node.names:
            if scope is not self._module.scope:
                scope.elsewhere[name] = self._module.scope

    def _nonlocal(self, node: ast.Nonlocal, scope: Scope, depth: int) -> None:
        for name in node.names:
            outer = scope.parent
            while outer is not None and (outer.kind is Kind.CLASS or name not in outer.bindings):
                outer = outer.parent
            if outer is not None:
                scope.elsewhere[name] = outer

    def _statement(self, node: ast.Expr, scope: Scope, depth: int) -> None:
        self._statements.add(id(node.value))
        self._push([node.value], scope, depth)

    def _type_alias(self, node: ast.TypeAlias, scope: Scope, depth: int) -> None:
        # Its value is never evaluated unless somebody asks for it.
        scope.bind(node.name.id, _UNKNOWN)

    # --- patterns --------------------------------------------------------------------------------

    def _capture(self, node: ast.MatchAs | ast.MatchStar, scope: Scope, depth: int) -> None:
        if node.name:
            scope.bind(node.name, _UNKNOWN)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _match_mapping(self, node: ast.MatchMapping, scope: Scope, depth: int) -> None:
        if node.rest:
            scope.bind(node.rest, _UNKNOWN)
        self._push(ast.iter_child_nodes(node), scope, depth)

    # --- expressions -----------------------------------------------------------------------------

    def _await(self, node: ast.Await, scope: Scope, depth: int) -> None:
        self._awaited.add(id(node.value))
        self._push([node.value], scope, depth)

    def _yield(self, node: ast.Yield | ast.YieldFrom, scope: Scope, depth: int) -> None:
        if scope.function is not None:
            scope.function.is_generator = True
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _named(self, node: ast.NamedExpr, scope: Scope, depth: int) -> None:
        target = scope
        while target.kind is Kind.COMPREHENSION and target.parent is not None:
            target = target.parent
        target.bind(node.target.id, Assigned(node.value, scope))
        self._push([node.value], scope, depth)

    def _comprehension(
        self,
        node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp,
        scope: Scope,
        depth: int,
    ) -> None:
        inner = Scope(Kind.COMPREHENSION, self._module, scope, function=scope.function)
        for each in node.generators:
            if each.is_async:
                self._awaited.add(id(each.iter))
            self._bind_target(each.target, None, inner)
        self._push(ast.iter_child_nodes(node), inner, depth)

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> None:
        key = id(node)
        call = Call(node, scope, key in self._awaited, key in self._statements)
        self._module.calls.append(call)
        if scope.function is not None:
            scope.function.calls.append(call)
        self._push(ast.iter_child_nodes(node), scope, depth)

    def _name(self, node: ast.Name, scope: Scope, depth: int) -> None:
        if isinstance(node.ctx, ast.Load):
            self._module.references.append(Reference(node, scope))

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> None:
        if isinstance(node.ctx, ast.Load):
            self._module.references.append(Reference(node, scope))
        else:
            self._module.changes.append(Change(node, scope))
        self._push([node.value], scope, depth)

    def _subscript(self, node: ast.Subscript, scope: Scope, depth: int) -> None:
        self._module.subscripts.append((node, scope))
        self._push([node.value, node.slice], scope, depth)


_VISITS: dict[type[ast.AST], Callable[[_Reader, Any, Scope, int], None]] = {
    ast.FunctionDef: _Reader._function,
    ast.AsyncFunctionDef: _Reader._function,
    ast.Lambda: _Reader._lambda,
    ast.ClassDef: _Reader._class,
    ast.If: _Reader._if,
    ast.Try: _Reader._try,
    ast.TryStar: _Reader._try,
    ast.ExceptHandler: _Reader._except,
    ast.Import: _Reader._import,
    ast.ImportFrom: _Reader._import_from,
    ast.Assign: _Reader._assign,
    ast.AnnAssign: _Reader._annotated,
    ast.AugAssign: _Reader._augmented,
    ast.For: _Reader._for,
    ast.AsyncFor: _Reader._for,
    ast.With: _Reader._with,
    ast.AsyncWith: _Reader._with,
    ast.While: _Reader._while,
    ast.Global: _Reader._global,
    ast.Nonlocal: _Reader._nonlocal,
    ast.Expr: _Reader._statement,
    ast.TypeAlias: _Reader._type_alias,
    ast.MatchAs: _Reader._capture,
    ast.MatchStar: _Reader._capture,
    ast.MatchMapping: _Reader._match_mapping,
    ast.Await: _Reader._await,
    ast.Yield: _Reader._yield,
    ast.YieldFrom: _Reader._yield,
    ast.NamedExpr: _Reader._named,
    ast.ListComp: _Reader._comprehension,
    ast.SetComp: _Reader._comprehension,
    ast.DictComp: _Reader._comprehension,
    ast.GeneratorExp: _Reader._comprehension,
    ast.Call: _Reader._call,
    ast.Name: _Reader._name,
    ast.Attribute: _Reader._attribute,
    ast.Subscript: _Reader._subscript,
}


def _note[T](known: list[T], new: T) -> None:
    if new not in known and len(known) < _MOST_STARS:
        known.append(new)
