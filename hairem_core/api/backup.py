"""`/api/backup`: everything stands still while its files are copied. See `docs/bridge.md`."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from hairem_core.api import errors
from hairem_core.errors import HairemError

type IsKnown = Callable[[Request], bool]


class Backup(Protocol):
    """What holds everything still."""

    @property
    def longest(self) -> float:
        """Seconds after which a hold ends by itself."""
        ...

    async def hold(self) -> bool:
        """Hold everything still; return whether that is prolonged. Raises HairemError."""
        ...

    async def release(self) -> str:
        """Let everything go on; return "released", "nothing_held" or "expired"."""
        ...


def backup_router(backup: Backup, is_known: IsKnown) -> APIRouter:
    """Return the routes. Who is not known gets nothing."""
    router = APIRouter(prefix="/api/backup")

    @router.post("/hold")
    async def hold(request: Request) -> JSONResponse:
        async def held() -> dict[str, object]:
            return {"prolonged": await backup.hold(), "seconds": backup.longest}

        return await _answer(request, held)

    @router.post("/release")
    async def release(request: Request) -> JSONResponse:
        async def released() -> dict[str, object]:
            return {"state": await backup.release()}

        return await _answer(request, released)

    async def _answer(
        request: Request, order: Callable[[], Awaitable[dict[str, object]]]
    ) -> JSONResponse:
        if not is_known(request):
            return errors.unauthorized()
        try:
            return JSONResponse(await order())
        except HairemError as err:
            return errors.told(err)

    return router
