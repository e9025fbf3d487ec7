"""Processes that a benchmark starts, to have them fresh, or to kill them."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from hairem_core.cli.places import code_root
from hairem_core.errors import HairemError


async def told_by(module: str, *arguments: object, patience: float = 1_800.0) -> dict[str, Any]:
    """Return the JSON object that a module prints when it is run with `arguments`.

    Raises HairemError where it fails, TimeoutError after `patience` seconds.
    """
    process = await spawn(module, *arguments)
    try:
        async with asyncio.timeout(patience):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    if process.returncode != 0:
        words = " ".join(map(str, arguments))
        raise HairemError(f"{module} {words} ended with {process.returncode}")
    told: dict[str, Any] = json.loads(out)
    return told


async def spawn(module: str, *arguments: object) -> asyncio.subprocess.Process:
    """Start a module with `arguments`, its output a pipe."""
    words = [str(each.absolute() if isinstance(each, Path) else each) for each in arguments]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *words, cwd=code_root(), stdout=asyncio.subprocess.PIPE
    )
