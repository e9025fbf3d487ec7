"""Step 3: class `Agent`, its handlers and its tools."""

import ast
import inspect

from hairem_core.hotplug.bundle import LOGIC_NAME
from hairem_core.hotplug.gatekeeper.code import (
    Assigned,
    Binding,
    Class,
    Code,
    Function,
    Kind,
    Module,
    spelled,
)
from hairem_core.hotplug.gatekeeper.manifest import ManifestStep
from hairem_core.hotplug.gatekeeper.resolver import BASE_AGENTS, Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule
from hairem_core.hotplug.permissions import line_to_add
from hairem_core.sdk.agent import BaseAgent

LOGIC = (LOGIC_NAME.removesuffix(".py"),)
_AGENT = "Agent"
_HANDLERS = {
    name: list(inspect.signature(method).parameters)
    for name, method in vars(BaseAgent).items()
    if inspect.iscoroutinefunction(method)
}
"""The methods an agent may override, and their parameters."""
_INIT = ["self", "ctx"]
_OVERRIDES = frozenset({"typing.override", "typing_extensions.override"})
_TOOLS = frozenset({"hairem_core.sdk.tool", "hairem_core.sdk.tools.tool"})


def check_form(code: Code, resolver: Resolver, step: ManifestStep, findings: Findings) -> None:
    """Note what keeps class `Agent`, its handlers or its tools from working."""
    form = _Form(resolver, findings)
    for module in code.modules.values():
        for function in module.functions:
            form.check_tool(function)
    logic = code.modules.get(LOGIC)
    agent = form.check_agent(logic) if logic is not None else None
    is_persona_only = logic is None and LOGIC not in code.unread
    is_told = step.permissions is None or "llm" in step.permissions
    if (agent is not None or is_persona_only) and not is_told and form.needs_model(agent):
        findings.add(
            Rule.PERMISSION_LLM,
            "the agent answers people with a language model, which it may not use",
            f"{line_to_add('llm')} Or override `on_utterance`.",
            file=step.name,
        )


class _Form:
    def __init__(self, resolver: Resolver, findings: Findings) -> None:
        self._resolver = resolver
        self._findings = findings

    def _add(self, rule: Rule, module: Module, line: int | None, what: str, hint: str) -> None:
        self._findings.add(rule, what, hint, file=module.file, line=line)

    # --- the class -------------------------------------------------------------------------------

    def check_agent(self, logic: Module) -> Class | None:
        """Return the class `Agent` of the bundle, if it is one."""
        values = self._resolver.member(LOGIC, _AGENT)
        bindings = logic.scope.bindings.get(_AGENT, [])
        if bindings and all(_is_constant(each) for each in bindings):
            values = None
        if values is None:
            self._refuse_missing(logic)
            return None
        for value in values:
            if isinstance(value, Class):
                self._check_class(value)
                return value
            if isinstance(value, Function):
                hint = "Write `class Agent(BaseAgent):`."
                what = "`Agent` is a function"
                self._add(Rule.AGENT_MISSING, logic, value.node.lineno, what, hint)
        return None

    def _refuse_missing(self, logic: Module) -> None:
        line, hint = None, "Write `class Agent(BaseAgent):` at the top level of logic.py."
        for each in logic.classes:
            if each.scope.kind is Kind.MODULE and self._resolver.is_agent(each):
                line, hint = each.node.lineno, f"Rename `{each.name}` to `Agent`."
            elif each.name == _AGENT:
                line, hint = each.node.lineno, "Move it to the top level of logic.py."
        self._add(Rule.AGENT_MISSING, logic, line, "there is no class `Agent`", hint)

    def _check_class(self, agent: Class) -> None:
        if self._resolver.is_agent(agent) is False:
            hint = "Write `class Agent(BaseAgent):`, with `from hairem_core.sdk import BaseAgent`."
            what = "`Agent` does not derive from BaseAgent"
            self._add(Rule.AGENT_BASE, agent.module, agent.node.lineno, what, hint)
        for each in self._resolver.lineage(agent):
            for name, parameters in _HANDLERS.items():
                if (handler := _last_function(each, name)) is not None:
                    self._check_handler(handler, parameters)
            if (init := _last_function(each, "__init__")) is not None:
                self._check_init(init, is_agent=each is agent)

    # --- handlers --------------------------------------------------------------------------------

    def _check_handler(self, handler: Function, parameters: list[str]) -> None:
        if not self._is_plain(handler):
            return
        name, line = handler.name, handler.node.lineno
        if not handler.is_async:
            what, hint = f"`{name}` is not `async def`", f"Write `async def {name}`."
            self._add(Rule.HANDLER_ASYNC, handler.module, line, what, hint)
        elif handler.is_generator:
            what = f"`{name}` holds `yield` and cannot be awaited"
            hint = "Return what it has to say, or send messages as you go."
            self._add(Rule.HANDLER_ASYNC, handler.module, line, what, hint)
        self._check_parameters(handler, parameters)

    def _check_parameters(self, function: Function, parameters: list[str]) -> None:
        arguments = function.node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        fewest, most = len(positional) - len(arguments.defaults), len(positional)
        count = len(parameters)
        is_callable = fewest <= count and (count <= most or arguments.vararg is not None)
        needs_more = any(default is None for default in arguments.kw_defaults)
        if is_callable and not needs_more:
            return
        wanted = ", ".join(parameters)
        word = "def" if function.name == "__init__" else "async def"
        self._add(
            Rule.HANDLER_PARAMETERS,
            function.module,
            function.node.lineno,
            f"`{function.name}` cannot be called as `{function.name}({wanted})`",
            f"Write `{word} {function.name}({wanted})`.",
        )

    def _check_init(self, init: Function, *, is_agent: bool) -> None:
        if init.is_async:
            what, hint = "`__init__` is `async def`", "Write `async def setup(self)` instead."
            self._add(Rule.HANDLER_ASYNC, init.module, init.node.lineno, what, hint)
            return
        if is_agent:
            self._check_parameters(init, _INIT)
        calls_super = any(
            isinstance(each.node.func, ast.Attribute) and each.node.func.attr == "__init__"
            for each in init.calls
        )
        if not calls_super and init.owner is not None and self._resolver.is_agent(init.owner):
            what = "`__init__` does not call that of BaseAgent, which sets `self.ctx`"
            hint = "Begin it with `super().__init__(ctx)`, or use `setup`."
            self._add(Rule.INIT_SUPER, init.module, init.node.lineno, what, hint)

    def _is_plain(self, function: Function) -> bool:
        """Return whether nothing that we do not know stands around a function."""
        return all(
            _OVERRIDES & set(self._resolver.dotted(each, function.scope))
            or self._is_tool_decorator(each, function)
            for each in function.decorators
        )

    # --- tools -----------------------------------------------------------------------------------

    def _is_tool_decorator(self, decorator: ast.expr, function: Function) -> bool:
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        return bool(_TOOLS & set(self._resolver.dotted(node, function.scope)))

    def check_tool(self, function: Function) -> None:
        """Note what is wrong with a function if it is a tool."""
        node = function.node
        if isinstance(node, ast.Lambda):
            return
        if not any(self._is_tool_decorator(each, function) for each in node.decorator_list):
            return
        module, line, name = function.module, node.lineno, function.name
        if function.owner is None:
            what, hint = f"the tool `{name}` is no method", "Move it into class `Agent`."
            self._add(Rule.TOOL_OUTSIDE, module, line, what, hint)
        if not function.is_async:
            what, hint = f"the tool `{name}` is not `async def`", f"Write `async def {name}`."
            self._add(Rule.TOOL_ASYNC, module, line, what, hint)
        elif function.is_generator:
            what, hint = f"the tool `{name}` holds `yield`", "Return one value."
            self._add(Rule.TOOL_ASYNC, module, line, what, hint)
        if not (ast.get_docstring(node) or "").strip():
            what = f"the tool `{name}` has no docstring"
            hint = "Say in one what it does: the model reads nothing else of it."
            self._add(Rule.TOOL_DOCSTRING, module, line, what, hint)
        self._check_tool_parameters(function, node.args)

    def _check_tool_parameters(self, tool: Function, arguments: ast.arguments) -> None:
        own = arguments.posonlyargs or arguments.args
        first = own[:1] if tool.owner is not None else []
        for each in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            if each in first:
                continue
            if each in arguments.posonlyargs:
                what = f"parameter `{each.arg}` of the tool `{tool.name}` has no name for callers"
                hint = "Move it behind the `/`: a model names its arguments."
            elif each.arg.startswith("_"):
                what = f"parameter `{each.arg}` of the tool `{tool.name}` begins with `_`"
                hint = f"Call it `{each.arg.lstrip('_') or 'value'}`."
            elif each.annotation is None:
                what = f"parameter `{each.arg}` of the tool `{tool.name}` has no type"
                hint = f"Write `{each.arg}: str`, or what it is: the model is told of it."
            else:
                continue
            self._add(Rule.TOOL_PARAMETERS, tool.module, each.lineno, what, hint)
        for rest, stars in ((arguments.vararg, "*"), (arguments.kwarg, "**")):
            if rest is not None:
                what = f"`{stars}{rest.arg}` of the tool `{tool.name}` tells a model nothing"
                hint = "Name each parameter."
                self._add(Rule.TOOL_PARAMETERS, tool.module, rest.lineno, what, hint)

    # --- the model -------------------------------------------------------------------------------

    def needs_model(self, agent: Class | None) -> bool:
        """Return whether an utterance surely comes to the model: nothing in its way answers it."""
        if agent is None:
            return True
        if not self._resolver.is_agent(agent) or not self._is_all_known(agent):
            return False
        for each in self._resolver.lineage(agent):
            if "on_utterance" in each.body.bindings:
                return False
        on_message = self._resolver.method(agent, "on_message")
        return on_message is None or any(
            spelled(each.node.func) == "super().on_message" for each in on_message.calls
        )

    def _is_all_known(self, agent: Class) -> bool:
        return all(
            isinstance(base, Class) or base in BASE_AGENTS or _is_typing(base)
            for each in self._resolver.lineage(agent)
            for base in self._resolver.bases(each)
        )


def _is_constant(binding: Binding) -> bool:
    return isinstance(binding, Assigned) and isinstance(binding.value, ast.Constant)


def _is_typing(base: object) -> bool:
    return isinstance(base, str) and base.partition(".")[0] in ("typing", "abc", "<builtins>")


def _last_function(of: Class, name: str) -> Function | None:
    bindings = of.body.bindings.get(name, [])
    last = bindings[-1] if bindings else None
    return last if isinstance(last, Function) else None
