"""docs/agents.md keeps its word: its files are let in, its agent lives, its commands exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from hairem_core.cli.main import app
from hairem_core.hotplug.gatekeeper import check_folder
from tests.support.command import hairem
from tests.support.core import ROOT

PAGE = ROOT / "docs" / "agents.md"
FRENCH = ROOT / "docs" / "fr" / "agents.md"
_FILE = re.compile(r"^`agents/([\w./]+)`\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files(page: Path, until: str | None = None) -> Iterator[tuple[str, str]]:
    text = page.read_text()
    if until is not None:
        assert until in text
        text = text.partition(until)[0]
    for path, _, content in _FILE.findall(text):
        yield path, content


def write(folder: Path, page: Path, until: str | None = None) -> list[Path]:
    """Write the files of the page, those further down over those further up."""
    bundles = set()
    for path, content in files(page, until):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        bundles.add(folder / path.partition("/")[0])
    return sorted(bundles)


@pytest.mark.parametrize("page", [PAGE, FRENCH])
@pytest.mark.parametrize("step", ["### 2.", "### 4.", "### 5.", "### 6.", None])
def test_the_gatekeeper_accepts_every_step(tmp_path: Path, page: Path, step: str | None) -> None:
    bundles = write(tmp_path, page, step)
    assert [each.name for each in bundles] == (["fern"] if step else ["fern", "tock", "vault"])
    for bundle in bundles:
        report = check_folder(bundle)
        assert not report.findings, report.reason


@pytest.mark.parametrize("page", [PAGE, FRENCH])
def test_every_block_of_code_is_a_file_or_commands(page: Path) -> None:
    text = page.read_text()
    in_files = len(list(files(page)))
    blocks = _BLOCK.findall(text)
    assert sum(kind in ("yaml", "python") for kind, _ in blocks) == in_files
    assert {kind for kind, _ in blocks} <= {"yaml", "python", "console", ""}


@pytest.mark.parametrize("page", [PAGE, FRENCH])
def test_every_command_exists(page: Path) -> None:
    text = page.read_text()
    console = "".join(body for kind, body in _BLOCK.findall(text) if kind == "console")
    lines = re.findall(r"^\$ (hairem .*)$", console, re.MULTILINE)
    lines += re.findall(r"`(hairem [^`]+)`", text)
    assert len(lines) > 15
    for line in lines:
        words = shlex.split(line)[1:]
        # Typer carries a click of its own, so its classes are not those of click.
        command: Any = typer.main.get_command(app)
        while hasattr(command, "commands") and words:
            name = words.pop(0)
            assert name in command.commands, line
            command = command.commands[name]
        known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_both_languages_have_the_same_code() -> None:
    assert list(files(PAGE)) == list(files(FRENCH))


WEATHER = """
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

HEARD = []


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        HEARD.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"rain_mm": 12}).encode())


SERVER = ThreadingHTTPServer(("127.0.0.1", 0), Service)
Thread(target=SERVER.serve_forever, daemon=True).start()
URL = f"http://127.0.0.1:{SERVER.server_port}/today"


@pytest.mark.agent(
    config={"look_every_seconds": 0.1, "weather_url": URL}, secrets={"WEATHER_KEY": "sunny-0815"}
)
async def test_rain_is_asked_for_with_the_key(agent):
    await agent.state.set("plants", {"the ficus": "2026-01-01T08:00+00:00"})

    async def is_asked():
        return len(HEARD) > 1

    await agent.until(is_asked)
    assert set(HEARD) == {"Bearer sunny-0815"}
    assert not await agent.published()
"""


async def test_the_agent_of_the_tutorial_lives(tmp_path: Path) -> None:
    """Its own tests pass on a real H-Core, and its secret reaches the weather service."""
    (fern,) = write(tmp_path / "agents", PAGE, "# Reference")
    (fern / "tests" / "test_weather.py").write_text(WEATHER)
    done = await hairem("agent", "test", fern, "--data", tmp_path / "data", timeout=120)
    assert done.code == 0, done.out
    assert "3 passed" in done.out
