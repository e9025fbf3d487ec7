"""Step 3: class `Agent` and its handlers."""

import ast

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
from hairem_core.hotplug.gatekeeper.contract import BASE_AGENTS, HANDLERS, INIT, OVERRIDE_DECORATORS
from hairem_core.hotplug.gatekeeper.manifest import ManifestStep
from hairem_core.hotplug.gatekeeper.resolver import Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule
from hairem_core.hotplug.gatekeeper.tools import is_tool_decorator
from hairem_core.hotplug.permissions import line_to_add

LOGIC = (LOGIC_NAME.removesuffix(".py"),)
_AGENT = "Agent"


def check_form(code: Code, resolver: Resolver, step: ManifestStep, findings: Findings) -> None:
    """Note what keeps class `Agent` or its handlers from working."""
    form = _Form(resolver, findings)
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
            for name, parameters in HANDLERS.items():
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
            self._check_parameters(init, INIT)
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
            OVERRIDE_DECORATORS & set(self._resolver.dotted(each, function.scope))
            or is_tool_decorator(each, function, self._resolver)
            for each in function.decorators
        )

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
