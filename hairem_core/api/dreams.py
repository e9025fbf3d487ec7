"""Dreams for clients: asked for, followed, told in the language of the house."""

import asyncio
import logging
from collections.abc import Callable

from hairem_core.api import frames
from hairem_core.api.memory_models import DreamAnswer, DreamError
from hairem_core.config.system import Language
from hairem_core.errors import HairemError
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.dream.dreamer import Dreamer
from hairem_core.memory.dream.parts import DreamProgress
from hairem_core.memory.dream.words import in_words

_LOGGER = logging.getLogger(__name__)

type Emit = Callable[[frames.DreamProgressed | frames.DreamDone | frames.DreamFailed], None]


class Dreams:
    """Starts dreams, and goes on although the client that asked for one leaves."""

    def __init__(self, dreamer: Dreamer, language: Language) -> None:
        self._dreamer = dreamer
        self.language = language
        """The house's."""
        self._under_way: asyncio.Task[None] | None = None
        self._error: DreamError | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a dream is being dreamt."""
        is_dreaming: bool = self._dreamer.status()["state"] == "dreaming"
        return is_dreaming

    def start(self) -> bool:
        """Dream, or join the dream that is under way; return whether there was one."""
        joined = self.is_under_way
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._dream(), name="dream asked for")
        return joined

    def describe(self) -> DreamAnswer:
        """Return what the dreamer does, and what its last dream did."""
        digest = self._dreamer.latest()
        status = self._dreamer.status()
        if self._under_way is not None and not self._under_way.done():
            status["state"] = "dreaming"
        return DreamAnswer(
            status=status,
            error=self._error,
            digest=digest,
            text=None if digest is None else self._in_words(digest),
        )

    async def follow(self, emit: Emit) -> None:
        """Dream, or join the dream that is under way, and emit how it goes on to its end."""

        def tell(progress: DreamProgress) -> None:
            if progress.state == "running":
                emit(
                    frames.DreamProgressed(
                        dream_id=progress.dream_id,
                        reason=progress.reason,
                        step=progress.step,
                        fraction=progress.fraction,
                        done=progress.done,
                        total=progress.total,
                    )
                )

        unsubscribe = self._dreamer.subscribe(tell)
        try:
            digest = await self._dreamer.dream("asked")
        except HairemError as err:
            emit(frames.DreamFailed(error=frames.ErrorBody(code=err.code, message=str(err))))
        except Exception:  # told to who waits, like any failure of a command
            _LOGGER.exception("A dream failed")
            what = "an error in H-Core; see its log"
            emit(frames.DreamFailed(error=frames.ErrorBody(code="internal", message=what)))
        else:
            emit(frames.DreamDone(digest=digest, text=self._in_words(digest)))
        finally:
            unsubscribe()

    def _in_words(self, digest: Digest) -> str:
        return in_words(digest, self.language, self._dreamer.zone)

    async def _dream(self) -> None:
        self._error = None
        try:
            await self._dreamer.dream("asked")
        except HairemError as err:
            self._error = DreamError(code=err.code, message=str(err))
        except Exception:  # nobody waits for this task; who asks next is told
            _LOGGER.exception("A dream failed")
            self._error = DreamError(code="internal", message="an error in H-Core; see its log")
