"""A bundle as a package in its agent's process, and what its author is told of its faults."""

from pathlib import Path

import pytest

from hairem_core.hotplug import frames
from tests.hotplug.agent_end import HEAD, agent_end, method


async def test_the_bundle_is_a_package_and_its_folder_is_not_on_the_path(tmp_path: Path) -> None:
    files = {
        "logic.py": HEAD
        + """
import sys
from . import helper
from .drivers.lamp.wire import NAME
from .lib import sums

class Agent(BaseAgent):
    async def setup(self):
        found = [__name__, helper.NAME, NAME, sums.NAME, sums.add(1, 2)]
        self.ctx.logger.info("%s", found)
        self.ctx.logger.info("on the path: %s", str(self.ctx.folder) in sys.path)
""",
        "helper.py": "NAME = __name__",
        "drivers/lamp/wire.py": "from ...helper import NAME as OTHER\nNAME = __name__",
        "lib/__init__.py": "",
        "lib/sums.py": "NAME = __name__\ndef add(a, b): return a + b",
        "json.py": "raise SystemExit('hides the standard library')",
    }
    async with agent_end(tmp_path, files) as host:
        await host.hear(frames.Ready)
    package = "hairem_agents.barkeep"
    expected = ["logic", "helper", "drivers.lamp.wire", "lib.sums"]
    assert host.logs[0].text == str([*(f"{package}.{name}" for name in expected), 3])
    assert host.logs[1].text == "on the path: False"


async def test_libraries_come_before_those_of_the_house(tmp_path: Path) -> None:
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "tabnanny.py").write_text("WHOSE = 'mine'")
    code = method("import tabnanny\nself.ctx.logger.info(tabnanny.WHOSE)")
    async with agent_end(tmp_path, {"logic.py": code}, libraries=str(libraries)) as host:
        await host.hear(frames.Ready)
    assert host.logs[0].text == "mine"


WRONG: dict[str, tuple[dict[str, str], str, str, int | None]] = {
    "syntax": ({"logic.py": "x = 1\ndef broken(:\n"}, "SyntaxError: invalid syntax", "logic.py", 2),
    "syntax of another module": (
        {"logic.py": "\nfrom .drivers import lamp\n", "drivers/lamp.py": "\n\nx = = 1\n"},
        "SyntaxError",
        "drivers/lamp.py",
        3,
    ),
    "failure in another module": (
        {"logic.py": "\nfrom .drivers import lamp\n", "drivers/lamp.py": "\n1 / 0\n"},
        "ZeroDivisionError",
        "drivers/lamp.py",
        2,
    ),
    "a library that is not there": (
        {"logic.py": "\nimport no_such_module\n"},
        "No module named 'no_such_module'. Is it in the bundle's requirements.txt?",
        "logic.py",
        2,
    ),
    "a module of its own, not relative": (
        {"logic.py": "import drivers.lamp\n", "drivers/lamp.py": ""},
        "It is the bundle's own: write `from .drivers import …`",
        "logic.py",
        1,
    ),
    "a module of its own that is not there": (
        {"logic.py": "from .lamp import X\n"},
        "The bundle has no lamp.py",
        "logic.py",
        1,
    ),
    "out of the bundle": (
        {"logic.py": "from ..electra import logic\n"},
        "No module named 'hairem_agents.electra'",
        "logic.py",
        1,
    ),
    "no class": (
        {"logic.py": "x = 1\n"},
        "there is no class Agent derived from BaseAgent. Write `class Agent(BaseAgent):",
        "logic.py",
        None,
    ),
    "another class": (
        {"logic.py": "class Agent:\n    pass\n"},
        "there is no class Agent derived from BaseAgent",
        "logic.py",
        None,
    ),
    "a constructor that forgets its base": (
        {"logic.py": HEAD + "class Agent(BaseAgent):\n    def __init__(self, ctx): pass\n"},
        "Begin it with `super().__init__(ctx)`",
        "logic.py",
        None,
    ),
    "setup": (
        {"logic.py": method("await asyncio.sleep(0)\n1 / 0")},
        "ZeroDivisionError: division by zero",
        "logic.py",
        7,
    ),
    "a group of setup": (
        {
            "logic.py": method(
                "async with asyncio.TaskGroup() as group:\n    group.create_task(self.connect())"
            )
            + "    async def connect(self):\n        raise OSError('refused')\n"
        },
        "OSError: refused",
        "logic.py",
        9,
    ),
    "exit at import": ({"logic.py": "import sys\nsys.exit(3)\n"}, "SystemExit: 3", "logic.py", 2),
    "a wrong tool": (
        {
            "logic.py": HEAD
            + "class Agent(BaseAgent):\n    @tool\n    async def add(self, item): pass\n"
        },
        "@tool Agent.add: parameter 'item': it has no annotation; write",
        "logic.py",
        4,
    ),
    "a tool without a schema": (
        {
            "logic.py": HEAD
            + "class Agent(BaseAgent):\n    @tool\n    async def add(self, item: Unknown): pass\n"
        },
        "an annotation cannot be resolved: name 'Unknown' is not defined",
        "logic.py",
        4,
    ),
}


@pytest.mark.parametrize(("files", "error", "file", "line"), WRONG.values(), ids=WRONG)
async def test_what_cannot_start_says_where_in_the_bundle(
    tmp_path: Path, files: dict[str, str], error: str, file: str, line: int | None
) -> None:
    async with agent_end(tmp_path, files) as host:
        failed = await host.hear(frames.StartFailed)
        assert await host.ended() == 0
    assert error in failed.error
    assert (failed.file, failed.line) == (file, line)
    assert str(tmp_path) not in failed.error + failed.traceback
    if line is not None and "Agent." not in error and "annotation" not in error:
        assert f'File "{file}", line {line}' in failed.traceback
