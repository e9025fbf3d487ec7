"""The HTTP application."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse

from hairem_core.api.bridge import BridgeContext, BridgeSession
from hairem_core.errors import HairemError

type HealthCheck = Callable[[], Awaitable[dict[str, Any]]]


def create_app(context: BridgeContext, health: HealthCheck) -> FastAPI:
    """Return the application. `health` gives `{"status": "up" or "down", …}` with all details.

    Nothing is served to a stranger but whether H-Core is up: no documentation pages either.
    """
    app = FastAPI(title="hAIrem", version=context.version, openapi_url=None)

    def is_known(request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and context.tokens.verify(token.strip()) is not None

    @app.get("/api/health")
    async def get_health(request: Request) -> JSONResponse:
        details = await health()
        status = 200 if details["status"] == "up" else 503
        shown = details if is_known(request) else {"status": details["status"]}
        return JSONResponse(shown, status)

    @app.get("/api/agents")
    async def get_agents(request: Request) -> JSONResponse:
        if not is_known(request):
            return _unauthorized()
        return JSONResponse({"agents": [each.as_dict() for each in context.registry.records()]})

    @app.get("/api/agents/{agent_id}")
    async def get_agent(request: Request, agent_id: str) -> JSONResponse:
        if not is_known(request):
            return _unauthorized()
        try:
            return JSONResponse(context.control.details(agent_id))
        except HairemError as err:
            if err.code != "unknown_agent":
                raise
            return JSONResponse({"error": {"code": err.code, "message": str(err)}}, 404)

    @app.websocket("/api/ws")
    async def bridge(socket: WebSocket) -> None:
        await BridgeSession(socket, context).run()

    return app


def _unauthorized() -> JSONResponse:
    error = {
        "code": "invalid_token",
        "message": "send `Authorization: Bearer <token>` with a token of this H-Core",
    }
    return JSONResponse({"error": error}, 401, {"WWW-Authenticate": "Bearer"})
