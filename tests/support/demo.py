"""`scripts/demo`: a real Home Assistant and a real H-Core, and the scene played in them.

With `HAIREM_CHAT_MODEL` set (a LiteLLM name) and its key, the agents think with that model; else
with the scripted model server of the tests, and the demo says so.
"""

import argparse
import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import aiohttp

from hairem_core import __version__
from tests.support.child import ProgramError
from tests.support.core_process import CoreProcess
from tests.support.home_assistant import HomeAssistant, HomeAssistantError
from tests.support.home_assistant_socket import CommandError
from tests.support.house import House
from tests.support.scene import Scene, SceneError
from tests.support.scripted_model import ScriptedModel

_FAILURES = (
    SceneError,
    ProgramError,
    HomeAssistantError,
    CommandError,
    ConnectionError,
    TimeoutError,
    LookupError,
    aiohttp.ClientError,
    OSError,
)
_SCRIPTED_FIRST, _SCRIPTED_CHUNK = 0.15, 0.02
"""Seconds; about what a small model at home takes."""
_USER = "demo"


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


@contextlib.asynccontextmanager
async def _model(name: str | None) -> AsyncGenerator[tuple[str | None, dict[str, str]]]:
    """Yield the address of a model server, if one is started, and H-Core's environment."""
    if name:
        say(f"The agents think with {name}.")
        # The provider's key, whatever it is called, and where it is.
        yield None, dict(os.environ)
        return
    say("HAIREM_CHAT_MODEL is not set: a scripted model server stands for a language model.")
    async with ScriptedModel(delay_first=_SCRIPTED_FIRST, delay_chunk=_SCRIPTED_CHUNK) as scripted:
        yield scripted.openai_base, {}


async def _run(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    name = os.environ.get("HAIREM_CHAT_MODEL")
    password = secrets.token_urlsafe(9)
    started = time.perf_counter()
    async with _model(name) as (base, environment):
        say("Starting Redis, H-Core and Home Assistant …")
        async with House(
            folder,
            model_base=base,
            environment=environment,
            username=_USER,
            password=password,
            port=arguments.port,
        ) as house:
            seconds = time.perf_counter() - started
            say(f"… all up and joined after {seconds:.1f} s.\n")
            scene = Scene(house, say=say, exact=base is not None)
            await scene.play()
            agents = await house.core.agents(house.token)
            report = {
                "home_assistant": await house.home.version(),
                "hairem": __version__,
                "agents": [agent["id"] for agent in agents],
                "model": name or "scripted",
                "scripted": base is not None,
                "start_ms": round(seconds * 1000, 1),
                **scene.report(),
            }
            if not arguments.exit:
                await _stay(house.home, house.core, password, await house.pipeline("renarde"))
    return report


async def _stay(home: HomeAssistant, core: CoreProcess, password: str, pipeline: str) -> None:
    await home.socket.command("assist_pipeline/pipeline/set_preferred", pipeline_id=pipeline)
    say(
        f"\nHome Assistant  {home.url}\n"
        f"  log in as     {_USER}\n"
        f"  password      {password}\n"
        "  then          Assist, at the top right: Renarde answers\n"
        f"H-Core          {core.url}\n"
        f"  try           .venv/bin/hairem agents --data {core.data}\n"
        f"  try           .venv/bin/hairem bus tail --data {core.data}\n"
        f"Their logs      {home.child.log}\n"
        f"                {core.child.log}\n\n"
        "Both stay up until you press Ctrl-C."
    )
    while True:
        await asyncio.sleep(1)
        home.child.check()
        core.child.check()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A real Home Assistant talks to agents in H-Core.",
        epilog="HAIREM_CHAT_MODEL (a LiteLLM name) and the provider's key choose a real model.",
    )
    parser.add_argument(
        "--exit", action="store_true", help="stop after the scene; the last line is JSON"
    )
    parser.add_argument("--port", type=int, help="port of Home Assistant; any free one otherwise")
    return parser.parse_args()


async def _main(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    # As for Ctrl-C: the children are stopped on the way out.
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await _run(arguments, folder)


def main() -> int:
    """Run the demo; return the exit code."""
    arguments = _parse()
    folder = Path(tempfile.mkdtemp(prefix="hairem-demo-"))
    try:
        report = asyncio.run(_main(arguments, folder))
    except KeyboardInterrupt, asyncio.CancelledError:
        say("\nStopped.")
        shutil.rmtree(folder, ignore_errors=True)
        return 130 if arguments.exit else 0
    except (BaseExceptionGroup, *_FAILURES) as error:
        if not all(isinstance(leaf, _FAILURES) for leaf in _leaves(error)):
            raise
        for leaf in _leaves(error):
            what = str(leaf) or type(leaf).__name__
            print(f"\ndemo: {what}", file=sys.stderr, flush=True)
        print(f"demo: the logs are kept in {folder}", file=sys.stderr, flush=True)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    say(json.dumps(report, ensure_ascii=False))
    return 0


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


if __name__ == "__main__":
    sys.exit(main())
