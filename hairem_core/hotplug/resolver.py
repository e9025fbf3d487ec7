"""uv, run as a process: what it says, as sentences for a person."""

import asyncio
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from uv import find_uv_bin

from hairem_core.hotplug.requirements_file import RequirementsError

_KEPT = 64 * 2**10
"""Characters of uv's output."""
_LONGEST_ERROR = 8_000
_SHORTEST_SECRET = 6
"""Characters; to hide a shorter one everywhere would hide ordinary words."""
_CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^/\s@]+@")
_PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
_OURS_TO_SAY = frozenset(
    {
        *("UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_TARGET", "UV_PREFIX", "UV_SYSTEM_PYTHON"),
        *("UV_PYTHON", "UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_OVERRIDE", "UV_PROJECT"),
        *("UV_WORKING_DIRECTORY", "UV_EXCLUDE", "UV_BUILD_CONSTRAINT", "UV_COMPILE_BYTECODE"),
        *("UV_LOG_CONTEXT", "UV_SHOW_RESOLUTION", "RUST_LOG"),
    }
)
_WHEELS_ONLY = (
    "Only wheels are installed: a source distribution would run its author's code as H-Core. "
    "Ask for a version that has a wheel for this Python and platform."
)
_HINTS: tuple[tuple[str, str], ...] = (
    # In this order: what comes first says more.
    ("No space left on device", "Free some space on the disk of the data folder."),
    ("Permission denied (os error 13)", "Let H-Core's user write into the data folder."),
    ("401 Unauthorized", "Check the login in `agents.package_index`."),
    ("403 Forbidden", "Check the login in `agents.package_index`."),
    ("no usable wheels", _WHEELS_ONLY),
    ("no wheels with a matching", _WHEELS_ONLY),
    ("building from source is disabled", _WHEELS_ONLY),
    ("Failed to fetch", "Check the network and `agents.package_index`, then reload the agent."),
    ("Failed to download", "Check the network and `agents.package_index`, then reload the agent."),
    ("error sending request", "Check the network and `agents.package_index`, then reload it."),
    ("was not found in the package registry", "Check how the package's name is spelt."),
    ("there is no version of", "Ask for a version that exists."),
    ("There are no versions of", "Ask for a version that exists."),
    ("are unsatisfiable", "Change requirements.txt so that its lines agree."),
)
_PROGRESS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Resolved (\d+ packages?) in"), r"resolved \1"),
    (re.compile(r"Downloading (\S+) \(([\d.]+)(\w+)\)"), r"downloading \1 (\2 \3)"),
    (re.compile(r"Downloaded (\S+)"), r"downloaded \1"),
    (re.compile(r"Installed (\d+ packages?) in"), r"installed \1"),
)


def uv_environment(environ: Mapping[str, str], cache: Path, index: str | None) -> dict[str, str]:
    """Return uv's environment: how to reach an index, and none of H-Core's secrets."""
    passed = {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON
        or (name.startswith("UV_") and name not in _OURS_TO_SAY and "PUBLISH" not in name)
    }
    passed |= {"UV_CACHE_DIR": str(cache), "UV_PYTHON_DOWNLOADS": "never"}
    if index is not None:
        # Not as `--default-index`: everybody may read a process's arguments, and its login in them.
        passed.pop("UV_INDEX_URL", None)
        passed["UV_DEFAULT_INDEX"] = index
    return passed


async def run_uv(
    *,
    requirements: Path,
    constraints: Path,
    target: Path,
    environment: Mapping[str, str],
    progress: Callable[[str], None],
    where: str,
    fixed: Sequence[str] = (),
) -> None:
    """Install `requirements` into `target`. Cancelling this ends uv and what it started.

    `fixed` are the lines of `constraints`. Raises RequirementsError with uv's explanation.
    """
    try:
        program = find_uv_bin()
    except FileNotFoundError as err:
        raise RequirementsError(
            "uv is not installed", where=where, hint="Reinstall H-Core with its dependencies."
        ) from err
    command = [
        *(program, "pip", "install", "--target", str(target), "--only-binary", ":all:"),
        *("--constraints", str(constraints), "--requirements", str(requirements)),
        *("--python", sys.executable, "--color", "never"),
        # A hard link into the cache would be one file for all agents that have the package.
        *("--link-mode", "copy"),
        # Agents may not write here: without it, each start would compile everything again.
        "--compile-bytecode",
    ]
    if setpriv := shutil.which("setpriv"):
        # Ends uv with H-Core, however H-Core ends.
        command = [setpriv, "--pdeathsig", "KILL", *command]
    process = await asyncio.create_subprocess_exec(
        *command,
        env=dict(environment),
        cwd="/",  # uv reads any pyproject.toml above its folder; above the data folder may be one
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    said = ""
    try:
        async for line in _lines(process):
            said = f"{said}{line}\n"[-_KEPT:]
            if sentence := progress_of(line):
                progress(sentence)
        status = await process.wait()
    finally:
        await _end(process)
    if status != 0:
        raise error_of(said, status, where=where, environment=environment, fixed=fixed)


async def _lines(process: Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    rest = b""
    # Not readline(): an explanation may be longer than what that takes.
    while chunk := await process.stdout.read(2**16):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
        rest = rest[-_KEPT:]
    yield rest.decode(errors="replace")


async def _end(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def progress_of(line: str) -> str | None:
    """Return what a line of uv's tells a person, None if nothing."""
    for pattern, sentence in _PROGRESS:
        if found := pattern.match(line.strip()):
            return found.expand(sentence)
    return None


def hide_credentials(text: str, *addresses: str) -> str:
    """Return `text` without what stands before the `@` of an address, wherever it stands in it."""
    text = _CREDENTIALS.sub(r"\1***@", text)
    for address in addresses:
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        secret = parts.password or parts.username or ""
        for form in (secret, unquote(secret)):
            if len(form) >= _SHORTEST_SECRET:
                text = text.replace(form, "***")
    return text


def error_of(
    said: str,
    status: int,
    *,
    where: str,
    environment: Mapping[str, str],
    fixed: Sequence[str] = (),
) -> RequirementsError:
    """Return uv's explanation as an error.

    `status` is its exit code, negative for a signal; `fixed` are the constraints, `name==version`.
    """
    start = re.search(r"^error: ", said, re.MULTILINE)
    explanation = said[start.end() :] if start else said.strip() or f"uv ended with status {status}"
    what = _flow(explanation)
    addresses = [value for name, value in environment.items() if "INDEX" in name]
    what = hide_credentials(what, *(each for value in addresses for each in value.split()))
    hint = next(
        (hint for words, hint in _HINTS if words in what), "Change requirements.txt, then save it."
    )
    if mine := next((each for each in fixed if re.search(rf"{re.escape(each)}\b", what)), None):
        hint = (
            f"H-Core itself runs on {mine.replace('==', ' ')}, and no agent can have another: "
            "ask for versions that fit it."
        )
    if len(what) > _LONGEST_ERROR:
        what = what[:_LONGEST_ERROR] + " …"
    return RequirementsError(what, where=where, hint=hint)


def _flow(explanation: str) -> str:
    """Return uv's paragraphs as one text: a cause follows what it caused, hints come last."""
    text = ""
    for line in filter(None, map(str.strip, explanation.splitlines())):
        if line.startswith("cause: "):
            text = f"{text.rstrip('.')}: {line.removeprefix('cause: ')}"
        elif line.startswith("hint: "):
            text = f"{text.rstrip('.')}. {line.removeprefix('hint: ')}"
        else:
            text = f"{text} {line}".strip()
    return text.rstrip(".")
