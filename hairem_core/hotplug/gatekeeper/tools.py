"""Step 3: what is marked `@tool`, held against what the SDK makes of it."""

import ast
import builtins
import re
from collections.abc import Iterator

from hairem_core.hotplug.gatekeeper.code import Code, Function
from hairem_core.hotplug.gatekeeper.contract import TOOL_DECORATORS
from hairem_core.hotplug.gatekeeper.resolver import Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}")
_FIELDS = frozenset({"pydantic.Field()", "pydantic.fields.Field()"})
_OWN_NAMES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def is_tool_decorator(decorator: ast.expr, function: Function, resolver: Resolver) -> bool:
    """Return whether a decorator is `@tool` or `@tool(…)`."""
    node = decorator.func if isinstance(decorator, ast.Call) else decorator
    return bool(TOOL_DECORATORS & set(resolver.dotted(node, function.scope)))


def check_tools(code: Code, resolver: Resolver, findings: Findings) -> None:
    """Note what is wrong with tools."""
    for module in code.modules.values():
        for function in module.functions:
            decorators = function.decorators
            if any(is_tool_decorator(each, function, resolver) for each in decorators):
                for rule, line, what, hint in _Tool(function, resolver).problems():
                    findings.add(rule, what, hint, file=module.file, line=line)


type _Problem = tuple[Rule, int, str, str]


class _Tool:
    def __init__(self, function: Function, resolver: Resolver) -> None:
        self._function = function
        self._resolver = resolver

    def problems(self) -> Iterator[_Problem]:
        """Yield what is wrong, with its line."""
        node, name = self._function.node, self._function.name
        if isinstance(node, ast.Lambda):
            return
        line = node.lineno
        if self._function.owner is None:
            what, hint = f"the tool `{name}` is no method", "Move it into class `Agent`."
            yield Rule.TOOL_OUTSIDE, line, what, hint
        if not self._function.is_async:
            what, hint = f"the tool `{name}` is not `async def`", f"Write `async def {name}`."
            yield Rule.TOOL_ASYNC, line, what, hint
        elif self._function.is_generator:
            yield Rule.TOOL_ASYNC, line, f"the tool `{name}` holds `yield`", "Return one value."
        if not _NAME.fullmatch(name):
            what = f"a model cannot call a tool by the name `{name}`"
            hint = "Use at most 64 of a-z, A-Z, 0-9 and `_`, a letter first."
            yield Rule.TOOL_NAME, line, what, hint
        if not (ast.get_docstring(node) or "").strip():
            what = f"the tool `{name}` has no docstring"
            hint = "Say in one what it does: the model reads nothing else of it."
            yield Rule.TOOL_DOCSTRING, line, what, hint
        yield from self._parameters(node.args)

    def _parameters(self, arguments: ast.arguments) -> Iterator[_Problem]:
        own = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(own) - len(arguments.defaults))
        given = [*zip(own, [*defaults, *arguments.defaults], strict=True)]
        if self._function.owner is not None:
            given = given[1:]
        given += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        for each, default in given:
            shown = f"parameter `{each.arg}` of the tool `{self._function.name}`"
            if each in arguments.posonlyargs:
                what, hint = (
                    "has no name for callers",
                    "Take the `/` away: a model names arguments.",
                )
            elif each.annotation is None:
                what = "has no type"
                hint = f"Write `{each.arg}: str`, or what it is: the model is told of it."
            elif missing := self._missing_name(each.annotation):
                what = f"has a type, `{missing}`, that is not there when the agent runs"
                hint = "Import it outside `if TYPE_CHECKING:`."
            elif self._is_field(default):
                what, hint = "has a `Field(…)` as its default", "Write `Annotated[…, Field(…)]`."
            else:
                continue
            yield Rule.TOOL_PARAMETERS, each.lineno, f"{shown} {what}", hint
        for rest, stars in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
            if rest is not None:
                what = f"`{stars}{rest.arg}` of the tool `{self._function.name}` says nothing"
                yield Rule.TOOL_PARAMETERS, rest.lineno, what, "Name each parameter."

    def _is_field(self, default: ast.expr | None) -> bool:
        if default is None:
            return False
        return bool(_FIELDS & set(self._resolver.dotted(default, self._function.scope)))

    def _missing_name(self, annotation: ast.expr) -> str | None:
        """Return a name in an annotation that nothing binds, if that is sure."""
        node, scope = self._function.node, self._function.scope
        if isinstance(node, ast.Lambda) or scope.module.stars or scope.module.own_stars:
            return None
        generic = {getattr(each, "name", "") for each in node.type_params}
        waiting: list[ast.AST] = [annotation]
        while waiting:
            each = waiting.pop()
            if isinstance(each, ast.Name):
                is_bound = each.id in generic or scope.find(each.id) is not None
                if not is_bound and not hasattr(builtins, each.id):
                    return each.id
            elif not isinstance(each, _OWN_NAMES):
                waiting += ast.iter_child_nodes(each)
        return None
