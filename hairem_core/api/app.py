"""The HTTP application."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hairem_core.api import errors
from hairem_core.api.backup import Backup, backup_router
from hairem_core.api.bridge import BridgeContext, BridgeSession
from hairem_core.api.memory import memory_router
from hairem_core.errors import HairemError

type HealthCheck = Callable[[], Awaitable[dict[str, Any]]]


def create_app(
    context: BridgeContext,
    health: HealthCheck,
    backup: Backup,
    page: APIRouter | None = None,
) -> FastAPI:
    """Return the application. `health` gives `{"status": "up" or "down", …}` with all details.

    `page` is what Home Assistant shows of an app; it looks itself at who asks for it.

    Nothing is served to a stranger but whether H-Core is up: no documentation pages either.
    """
    app = FastAPI(title="hAIrem", version=context.version, openapi_url=None)
    app.add_exception_handler(HTTPException, errors.no_route)

    def is_known(request: Request) -> bool:
        return errors.is_known(request, context.tokens)

    @app.get("/api/health")
    async def get_health(request: Request) -> JSONResponse:
        details = await health()
        status = 200 if details["status"] == "up" else 503
        shown = details if is_known(request) else {"status": details["status"]}
        return JSONResponse(shown, status)

    @app.get("/api/agents")
    async def get_agents(request: Request) -> JSONResponse:
        if not is_known(request):
            return errors.unauthorized()
        return JSONResponse({"agents": [each.as_dict() for each in context.registry.records()]})

    @app.get("/api/agents/{agent_id}")
    async def get_agent(request: Request, agent_id: str) -> JSONResponse:
        if not is_known(request):
            return errors.unauthorized()
        try:
            return JSONResponse(context.control.details(agent_id))
        except HairemError as err:
            if err.code != "unknown_agent":
                raise
            return errors.told(err)

    app.include_router(memory_router(context.memory, context.dreams, is_known))
    app.include_router(backup_router(backup, is_known))

    if page is not None:
        app.include_router(page)

    @app.websocket("/api/ws")
    async def bridge(socket: WebSocket) -> None:
        await BridgeSession(socket, context).run()

    return app
