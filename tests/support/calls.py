"""Watches real functions at work: in which thread each is called."""

import functools
import threading
from typing import Any

import pytest


class ThreadWatch:
    """Tells which of the functions it watches computed on the thread that made it.

    What blocks an event loop is told so without a clock, which would measure the machine too.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self._own = threading.get_ident()
        self.called: set[str] = set()
        self.on_the_loop: set[str] = set()

    def watch(self, owner: Any, name: str) -> None:
        """Watch a function of a module or class. It goes on working as it does."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.called.add(name)
            if threading.get_ident() == self._own:
                self.on_the_loop.add(name)
            return function(*args, **kwargs)

        self._patch.setattr(owner, name, watched)
