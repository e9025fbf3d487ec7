"""Installs what bundles require, each agent's in a folder of its own."""

import asyncio
import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from hairem_core.hotplug.requirements_file import (
    RequirementsError,
    Wanted,
    house_constraints,
    interpreter,
    is_in_the_house,
    read_requirements,
    without_ourselves,
)
from hairem_core.hotplug.resolver import hide_credentials, run_uv, uv_environment

__all__ = ["RequirementInstaller", "RequirementsError"]

_LOGGER = logging.getLogger(__name__)
_TIMEOUT_SECONDS = 600.0
_AT_ONCE = 2
"""uv uses all processors and all of the network by itself."""
_GRACE_SECONDS = 600.0
"""How long an agent that was given a folder may take until it is seen to use it."""
_UNDER_WAY = ".install-"
_GOING = ".remove-"
_INSTALLED = re.compile(r"[a-z][a-z0-9_]*-[0-9a-f]{16}")


class RequirementInstaller:
    """Installs requirements under `<data>/deps`, by uv, from wheels only.

    A folder is named by the agent and a hash of all that decides what is in it, and appears whole
    or not at all: what is there is installed, and needs no process to be found.
    """

    def __init__(
        self, data: Path, *, index: str | None = None, timeout: float = _TIMEOUT_SECONDS
    ) -> None:
        self._folder = data.absolute() / "deps"
        self._index = index
        self._timeout = timeout
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        # Of each agent the last folder it was given, and when: held against a cleaning thread.
        self._given: dict[str, tuple[Path, float]] = {}
        self._given_lock = threading.Lock()

    async def install(
        self, agent_id: str, requirements_file: Path, progress: Callable[[str], None]
    ) -> Path | None:
        """Return the folder that holds an agent's requirements, None if the house has them all.

        `progress` is called with short sentences as long as it takes. Cancelling ends it without a
        trace. Raises RequirementsError: a line that is not understood, or why it cannot be done, in
        the words of the resolver.
        """
        wanted = await asyncio.to_thread(read_requirements, requirements_file)
        if not wanted or await asyncio.to_thread(is_in_the_house, wanted):
            return None
        wanted = without_ourselves(wanted, requirements_file)
        constraints = await asyncio.to_thread(house_constraints)
        folder = self._folder / f"{agent_id}-{_hash(wanted, constraints)}"
        lock = self._locks.setdefault(folder, asyncio.Lock())
        async with lock:
            self._give(agent_id, folder)
            if folder.is_dir():
                return folder
            if self._slots.locked():
                progress("waiting for other installations")
            async with self._slots:
                await self._install(folder, wanted, constraints, requirements_file, progress)
            self._give(agent_id, folder)
        return folder

    def clean(self, keep: Collection[Path]) -> list[Path]:
        """Remove the folders that no agent uses, and what an H-Core that was killed left behind.

        What an agent was given a moment ago stays, as it may be about to start with it. Returns
        those removed. It blocks: call it in a thread.
        """
        kept = {path.absolute() for path in keep}
        removed: list[Path] = []
        if not self._folder.is_dir():
            return removed
        for path in sorted(self._folder.glob("*")):
            if not _INSTALLED.fullmatch(path.name):
                continue
            # Killed in the middle, a removal must not leave half of what counts as installed.
            going = path.with_name(f"{_GOING}{path.name}-{os.getpid()}")
            with self._given_lock, suppress(OSError):
                if path not in kept and not self._is_given(path):
                    path.rename(going)
                    removed.append(path)
        with _one_at_a_time(self._folder):
            for path in self._folder.glob(f"{_UNDER_WAY}*"):
                if not _is_alive(path):
                    shutil.rmtree(path, ignore_errors=True)
        for path in self._folder.glob(f"{_GOING}*"):
            shutil.rmtree(path, ignore_errors=True)
        return removed

    def _give(self, agent_id: str, folder: Path) -> None:
        with self._given_lock:
            self._given[agent_id] = (folder, time.monotonic())

    def _is_given(self, folder: Path) -> bool:
        oldest = time.monotonic() - _GRACE_SECONDS
        return any(each == folder and at > oldest for each, at in self._given.values())

    async def _install(
        self,
        folder: Path,
        wanted: Sequence[Wanted],
        constraints: Sequence[str],
        file: Path,
        progress: Callable[[str], None],
    ) -> None:
        def say(sentence: str) -> None:
            sentence = hide_credentials(sentence, self._index or "")
            _LOGGER.info("%s: %s", folder.name, sentence)
            progress(sentence)

        say("resolving requirements")
        work: _Workplace | None = None
        try:
            work = await asyncio.to_thread(_Workplace, self._folder)
            work.write(wanted, constraints)
            async with asyncio.timeout(self._timeout):
                await run_uv(
                    requirements=work.requirements,
                    constraints=work.constraints,
                    target=work.target,
                    environment=uv_environment(os.environ, self._folder / ".cache", self._index),
                    progress=say,
                    where=str(file),
                    fixed=constraints,
                )
            await asyncio.to_thread(work.deliver, folder)
        except TimeoutError as err:
            raise RequirementsError(
                f"not installed within {self._timeout:g} seconds",
                where=str(file),
                hint="Check the network and `agents.package_index`, then reload the agent.",
            ) from err
        except OSError as err:
            raise RequirementsError(
                f"cannot be installed: {err.strerror or err}",
                where=err.filename or str(self._folder),
                hint="Check the free space and the rights of the data folder.",
            ) from err
        finally:
            if work is not None:
                await asyncio.to_thread(work.close)


class _Workplace:
    """A folder beside the installed ones, in which an installation is made. Its lock tells that
    whoever made it lives."""

    def __init__(self, deps: Path) -> None:
        deps.mkdir(parents=True, exist_ok=True)
        deps.chmod(0o755)
        (deps / ".cache").mkdir(mode=0o700, exist_ok=True)
        with _one_at_a_time(deps):
            self._folder = Path(tempfile.mkdtemp(dir=deps, prefix=_UNDER_WAY))
            self._lock = os.open(self._folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.target = self._folder / "target"
        self.requirements = self._folder / "requirements.txt"
        self.constraints = self._folder / "constraints.txt"

    def write(self, wanted: Sequence[Wanted], constraints: Sequence[str]) -> None:
        self.requirements.write_text("".join(f"{each}\n" for each in wanted), encoding="utf-8")
        self.constraints.write_text("".join(f"{each}\n" for each in constraints), encoding="utf-8")

    def deliver(self, folder: Path) -> None:
        """Make what was installed readable by all, final on the disk, and visible."""
        (self.target / ".lock").unlink(missing_ok=True)
        for here, _, files in os.walk(self.target):
            Path(here).chmod(0o755)
            for name in files:
                path = Path(here, name)
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        # A power cut must not leave empty files behind a name that says installed.
        os.sync()
        try:
            self.target.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            # Another H-Core on the same folder was quicker.

    def close(self) -> None:
        os.close(self._lock)
        shutil.rmtree(self._folder, ignore_errors=True)


@contextmanager
def _one_at_a_time(deps: Path) -> Iterator[None]:
    """Keep whoever cleans from what is being made, and has no lock of its own yet."""
    lock = os.open(deps / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _is_alive(folder: Path) -> bool:
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _hash(wanted: Sequence[Wanted], constraints: Sequence[str]) -> str:
    decisive = [sorted(map(str, wanted)), list(constraints), interpreter()]
    return hashlib.sha256(json.dumps(decisive).encode()).hexdigest()[:16]
