"""Step 3: what would stop an agent's loop, or never run at all."""

import ast
from collections import deque
from dataclasses import dataclass

from hairem_core.hotplug.gatekeeper import contract
from hairem_core.hotplug.gatekeeper.code import Call, Class, Code, Function, Module, spelled
from hairem_core.hotplug.gatekeeper.resolver import Resolver
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule
from hairem_core.hotplug.gatekeeper.tables import (
    BLOCKING,
    COROUTINES,
    FILE_CALLS,
    FILE_METHODS,
    LOOSE_TASKS,
)

_HARMLESS_DECORATORS = frozenset(
    [
        *("<builtins>.staticmethod", "<builtins>.classmethod", "functools.wraps()"),
        *contract.OVERRIDE_DECORATORS,
        *contract.TOOL_DECORATORS,
        *(f"{each}()" for each in contract.TOOL_DECORATORS),
    ]
)
"""What leaves a function what it is."""
_LEAVES = (
    ast.Await,
    ast.AsyncFor,
    ast.AsyncWith,
    ast.Yield,
    ast.YieldFrom,
    ast.Return,
    ast.Break,
    ast.Raise,
)
"""What lets others run, or ends a loop."""
_CLOSED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass(frozen=True)
class _Reason:
    """Why a function blocks."""

    what: str
    file: str
    line: int
    hint: str


def check_asyncio(code: Code, resolver: Resolver, findings: Findings) -> None:
    """Note calls that block, loops that never pause, coroutines that nobody awaits."""
    rules = _Asyncio(code, resolver, findings)
    rules.check_loops()
    rules.find_blocking()
    for module in code.modules.values():
        for call in module.calls:
            rules.check_call(module, call)


class _Asyncio:
    def __init__(self, code: Code, resolver: Resolver, findings: Findings) -> None:
        self._code = code
        self._resolver = resolver
        self._findings = findings
        self._reasons: dict[Function, _Reason] = {}
        """Functions that block, though not `async def`, and why."""

    def check_loops(self) -> None:
        """Note loops without end or pause."""
        for module in self._code.modules.values():
            for loop in module.loops:
                if _pauses(loop.node):
                    continue
                line = loop.node.lineno
                if loop.function.is_async:
                    self._findings.add(
                        Rule.ENDLESS_LOOP,
                        "the loop never ends and never lets others run",
                        "Add an `await`, such as `await asyncio.sleep(1)`, or a `break`.",
                        file=module.file,
                        line=line,
                    )
                elif not loop.function.is_generator:
                    hint = "Give the loop an end, or hand it to a thread."
                    reason = _Reason("a loop without end", module.file, line, hint)
                    self._reasons.setdefault(loop.function, reason)

    def find_blocking(self) -> None:
        """Find out which plain functions block, by themselves or by those they call."""
        callers: dict[Function, list[Function]] = {}
        for module in self._code.modules.values():
            for call in module.calls:
                function = call.scope.function
                if function is None or function.is_async or function.is_generator:
                    continue
                if reason := self._blocks_itself(call, module):
                    self._reasons.setdefault(function, reason)
                for target in self._plain_targets(call):
                    callers.setdefault(target, []).append(function)
        waiting = deque(self._reasons)
        while waiting:
            blocked = waiting.popleft()
            for caller in callers.get(blocked, ()):
                if caller not in self._reasons:
                    self._reasons[caller] = self._reasons[blocked]
                    waiting.append(caller)

    def _blocks_itself(self, call: Call, module: Module) -> _Reason | None:
        if call.is_awaited:
            return None
        for name in self._resolver.dotted(call.node.func, call.scope):
            if found := BLOCKING.get(name):
                shown = name.removeprefix("<builtins>.")
                return _Reason(f"`{shown}`", module.file, call.node.lineno, found.hint)
        return None

    def _plain_targets(self, call: Call) -> list[Function]:
        """Return the functions of the bundle that a call runs to their end before it returns."""
        if call.is_awaited:
            return []
        found: list[Function] = []
        for value in self._resolver.values(call.node.func, call.scope):
            target = self._resolver.method(value, "__init__") if isinstance(value, Class) else value
            if not isinstance(target, Function) or target.is_async or target.is_generator:
                continue
            if self._is_plain(target):
                found.append(target)
        return found

    def _is_plain(self, function: Function) -> bool:
        """Return whether a call runs the function itself: a decorator may do anything."""
        return all(
            any(
                name in _HARMLESS_DECORATORS for name in self._resolver.dotted(each, function.scope)
            )
            for each in function.decorators
        )

    def check_call(self, module: Module, call: Call) -> None:
        """Note what is wrong with one call."""
        function = call.scope.function
        if function is not None and function.is_async and not call.is_awaited:
            self._check_blocking(module, call)
        names = self._resolver.dotted(call.node.func, call.scope)
        line = call.node.lineno
        if call.is_statement and self._is_coroutine(call, names):
            shown = spelled(call.node.func)
            what = f"`{shown}()` is not awaited, and so never runs"
            hint = f"Write `await {shown}(…)`, or `self.ctx.spawn_task({shown}(…))`."
            self._findings.add(Rule.NOT_AWAITED, what, hint, file=module.file, line=line)
        if any(name in LOOSE_TASKS for name in names) and self._is_loose(call):
            what = "a task that nobody watches: its failure is silent, and it outlives a reload"
            hint = "Write `self.ctx.spawn_task(…)`."
            self._findings.add(Rule.LOOSE_TASK, what, hint, file=module.file, line=line)

    def _is_loose(self, call: Call) -> bool:
        """Return whether a new task is thrown away, or made where `ctx` is at hand."""
        function = call.scope.function
        while function is not None and function.owner is None:
            function = function.scope.function
        owner = function.owner if function is not None else None
        return call.is_statement or (owner is not None and bool(self._resolver.is_agent(owner)))

    def _check_blocking(self, module: Module, call: Call) -> None:
        line = call.node.lineno
        if reason := self._blocks_itself(call, module):
            what = f"{reason.what} stops the whole agent until it returns"
            self._findings.add(Rule.BLOCKING_CALL, what, reason.hint, file=module.file, line=line)
            return
        for target in self._plain_targets(call):
            if reason := self._reasons.get(target):
                shown = spelled(call.node.func)
                where = f"{reason.file}:{reason.line}"
                what = f"`{shown}()` stops the whole agent: {reason.what} in {where}"
                self._findings.add(
                    Rule.BLOCKING_CALL, what, reason.hint, file=module.file, line=line
                )
                return
        if name := self._file_call(call):
            what = f"{name} waits for the disk, and the agent with it"
            hint = "Large files: `await asyncio.to_thread(…)`. Small values: `ctx.state`."
            self._findings.add(Rule.BLOCKING_FILE, what, hint, file=module.file, line=line)

    def _file_call(self, call: Call) -> str | None:
        for name in self._resolver.dotted(call.node.func, call.scope):
            if name in FILE_CALLS:
                return f"`{name.removeprefix('<builtins>.')}`"
        node = call.node.func
        if isinstance(node, ast.Attribute) and node.attr in FILE_METHODS:
            # One of the bundle's own may be anything.
            own = self._resolver.values(node, call.scope)
            if all(isinstance(each, str) for each in own):
                return f"`{node.attr}`"
        return None

    def _is_coroutine(self, call: Call, names: list[str]) -> bool:
        """Return whether a call surely makes a coroutine and nothing more."""
        values = self._resolver.values(call.node.func, call.scope)
        return bool(values) and all(
            (
                isinstance(each, Function)
                and each.is_async
                and not each.is_generator
                and self._is_plain(each)
            )
            or each in COROUTINES
            or each in contract.COROUTINES
            for each in values
        )


def _pauses(loop: ast.While) -> bool:
    waiting: list[ast.AST] = [*loop.body, *loop.orelse]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _LEAVES):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        if not isinstance(node, _CLOSED):
            waiting += ast.iter_child_nodes(node)
    return False
