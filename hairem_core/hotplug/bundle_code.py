"""A bundle's code in its agent's process: loaded as a package, and named in errors as its author
knows it.

The bundle is the package `hairem_agents.<id>` and `logic.py` a module of it. Its folder is not on
`sys.path`: two agents may both have a module `drivers`, and none can hide one of a library.
"""

import importlib
import importlib.machinery
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, TracebackType

from hairem_core.hotplug.frames import Start
from hairem_core.sdk.agent import BaseAgent
from hairem_core.sdk.context import AgentContext
from hairem_core.sdk.errors import AgentError

_PARENT = "hairem_agents"
_LOGIC = "logic"
_LONGEST_TEXT = 16_384
"""Characters of one text that leaves the process: a line of the log, a traceback."""
_TAIL = 4_096


class BundleCode:
    """The code of one bundle."""

    def __init__(self, start: Start) -> None:
        self._folder = Path(start.folder)
        self._package = f"{_PARENT}.{start.persona.agent_id}"
        self._has_logic = start.has_logic
        self._libraries = start.libraries
        folders = {str(self._folder), str(self._folder.resolve())}
        longest_first = sorted(map(re.escape, folders), key=len, reverse=True)
        self._paths = re.compile(rf"(?:{'|'.join(longest_first)})(/|(?![\w.-]))")

    def create_agent(self, ctx: AgentContext) -> BaseAgent:
        """Return the bundle's agent.

        Raises whatever the author's code raises, and AgentError where it has no such class.
        """
        agent = self._agent_class()(ctx)
        if not hasattr(agent, "toolbox"):
            raise AgentError(
                "Agent.__init__ does not call that of BaseAgent",
                where=f"{_LOGIC}.py",
                hint="Begin it with `super().__init__(ctx)`.",
            )
        return agent

    def locate(self, err: BaseException) -> tuple[str, int | None]:
        """Return where in the bundle `err` comes from: its file, relative, and the line.

        The innermost frame that lies in the bundle; ("", None) if none does.
        """
        err = _first(err)
        if isinstance(err, SyntaxError) and (file := self._inside(err.filename or "")):
            return file, err.lineno
        found: tuple[str, int | None] = ("", None)
        for filename, line in _frames(err.__traceback__):
            if file := self._inside(filename):
                found = file, line
        where = getattr(err, "where", None)
        if not found[0] and isinstance(where, str):
            file, _, line_text = self.shown(where).rpartition(":")
            found = (file, int(line_text)) if line_text.isdecimal() else (self.shown(where), None)
        return found

    def describe(self, err: BaseException, *, where: bool = True) -> str:
        """Return an error's class and text, with a hint where one is known.

        Without `where` it leaves out the place, for those who are told it beside.
        """
        err = _first(err)
        if not isinstance(err, AgentError):
            text = f"{type(err).__name__}: {err}"
        elif where:
            text = str(err)
        else:
            text = str(AgentError(err.what, hint=err.hint))
        if isinstance(err, ModuleNotFoundError) and err.name:
            text = f"{text}. {self._advice(err.name)}"
        return self.shown(text)

    def trace(self, err: BaseException) -> str:
        """Return the traceback of `err`, its files relative to the bundle."""
        return self.shown("".join(traceback.format_exception(err)))

    def shown(self, text: str) -> str:
        """Return `text` as people may see it.

        Paths are relative to the bundle, for that of the snapshot means nothing to its author; what
        no encoding can express is replaced; the middle of a text longer than 16 KiB is left out.
        """
        text = self._paths.sub(lambda match: "" if match[1] else ".", text)
        text = text.encode(errors="replace").decode()
        if len(text) <= _LONGEST_TEXT:
            return text
        gap = f"\n… {len(text) - _LONGEST_TEXT:,} characters left out …\n"
        return text[: _LONGEST_TEXT - _TAIL - len(gap)] + gap + text[-_TAIL:]

    def _agent_class(self) -> type[BaseAgent]:
        # What is written beside a snapshot's files would change its hash.
        sys.dont_write_bytecode = True
        if self._libraries:
            sys.path.insert(0, self._libraries)
        if not self._has_logic:
            return BaseAgent
        self._make_package()
        module = importlib.import_module(f"{self._package}.{_LOGIC}")
        agent = getattr(module, "Agent", None)
        if not (isinstance(agent, type) and issubclass(agent, BaseAgent)):
            raise AgentError(
                "there is no class Agent derived from BaseAgent",
                where=f"{_LOGIC}.py",
                hint="Write `class Agent(BaseAgent): …`.",
            )
        return agent

    def _make_package(self) -> None:
        parent = ModuleType(_PARENT)
        parent.__path__ = []
        parent.__spec__ = importlib.machinery.ModuleSpec(_PARENT, None, is_package=True)
        sys.modules[_PARENT] = parent
        own = self._folder / "__init__.py"
        if own.is_file():
            spec = importlib.util.spec_from_file_location(
                self._package, own, submodule_search_locations=[str(self._folder)]
            )
        else:
            spec = importlib.machinery.ModuleSpec(self._package, None, is_package=True)
            spec.submodule_search_locations = [str(self._folder)]
        assert spec is not None
        package = importlib.util.module_from_spec(spec)
        sys.modules[self._package] = package
        setattr(parent, self._package.rpartition(".")[2], package)
        if spec.loader is not None and own.is_file():
            spec.loader.exec_module(package)

    def _inside(self, filename: str) -> str:
        """Return a file's path relative to the bundle, nothing if it is not in there."""
        shown = self.shown(filename)
        return shown if shown != filename else ""

    def _advice(self, module: str) -> str:
        inner = module.removeprefix(f"{self._package}.")
        if inner != module:
            return f"The bundle has no {inner.replace('.', '/')}.py"
        first = module.partition(".")[0]
        if (self._folder / first).is_dir() or (self._folder / f"{first}.py").is_file():
            return f"It is the bundle's own: write `from .{module} import …`"
        return "Is it in the bundle's requirements.txt?"


def _first(err: BaseException) -> BaseException:
    """Return the first error of a group, which says more than the group does."""
    while isinstance(err, BaseExceptionGroup):
        err = err.exceptions[0]
    return err


def _frames(trace: TracebackType | None) -> Iterator[tuple[str, int]]:
    for frame, line in traceback.walk_tb(trace):
        yield frame.f_code.co_filename, line
