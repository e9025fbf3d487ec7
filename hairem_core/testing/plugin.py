"""The pytest plugin: fixture `agent`, and tests that are `async def`.

@pytest.mark.agent(config={"every_seconds": 0.1}, secrets={"API_KEY": "x"}, timeout=30)
async def test_it_answers(agent: AgentUnderTest) -> None: ...
"""

import asyncio
import inspect
import os
from collections.abc import Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from hairem_core.config.system import load_config
from hairem_core.hotplug.bundle import find_manifest
from hairem_core.testing.harness import AgentUnderTest
from hairem_core.testing.place import find_bundle, make_importable, running_agent

_TIMEOUT = 60.0
_RUNNER = pytest.StashKey[asyncio.Runner]()
_AGENT = pytest.StashKey[AgentUnderTest]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and the bundle's own modules."""
    config.addinivalue_line(
        "markers",
        "agent(config={}, secrets={}, timeout=60): settings and secrets of the agent under test, "
        "and how many seconds the test may take",
    )
    if find_manifest(config.rootpath) is not None:
        make_importable(config.rootpath)


@pytest.fixture
def agent(request: pytest.FixtureRequest) -> Iterator[AgentUnderTest]:
    """The agent of the bundle that the test lies in, live, in an H-Core of its own."""
    options = _options(request.node)
    options.pop("timeout", None)
    named = os.environ.get("HAIREM_CONFIG")
    limits = load_config(Path(named)).agents if named else None
    bundle = find_bundle(request.path)
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        found = runner.run(
            stack.enter_async_context(running_agent(bundle, agents=limits, **options))
        )
        request.node.stash[_RUNNER] = runner
        request.node.stash[_AGENT] = found
        try:
            yield found
            complaints = found.complaints()
        finally:
            del request.node.stash[_RUNNER]
            runner.run(stack.aclose())
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is `async def` in the event loop of its agent."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {
        name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters
    }
    seconds = _options(pyfuncitem).get("timeout", _TIMEOUT)

    async def run() -> None:
        async with asyncio.timeout(seconds):
            await pyfuncitem.obj(**arguments)

    if runner := pyfuncitem.stash.get(_RUNNER, None):
        runner.run(run())
    else:
        asyncio.run(run())
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the agent's log with a test that failed."""
    report = yield
    agent = item.stash.get(_AGENT, None)
    if agent is not None and report.when == "call" and report.failed:
        lines = [f"{line.at:%H:%M:%S} {line.level:<7} {line.text}" for line in agent.log]
        report.sections.append((f"log of {agent.id}", "\n".join(lines)))
    return report


def _options(item: pytest.Item) -> dict[str, Any]:
    """Return what the markers of a test say, the nearest last."""
    options: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("agent"))):
        options |= marker.kwargs
    return options
