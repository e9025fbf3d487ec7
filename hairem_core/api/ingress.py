"""The page that Home Assistant shows of the app, through the Supervisor's ingress.

Source: https://developers.home-assistant.io/docs/apps/presentation#ingress
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse

from hairem_core import __version__
from hairem_core.api import ingress_page as page
from hairem_core.api.ingress_words import WORDS
from hairem_core.config.system import Language
from hairem_core.config.yaml_file import Problem
from hairem_core.hotplug.registry import AgentRegistry
from hairem_core.supervisor.app import AppStatus

_HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{page.STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, kw_only=True)
class Ingress:
    """Who may see the page, and what it knows of the Supervisor."""

    trusted: IPv4Address | IPv6Address
    """The Supervisor's address: no other's headers are believed."""
    language: Language = "en"
    """Of a browser that asks for none that is spoken here."""
    status: AppStatus


def ingress_router(
    ingress: Ingress, registry: AgentRegistry, health: page.HealthCheck, *, port: int
) -> APIRouter:
    """Return the page of an H-Core whose bridge is on `port`. To strangers it is not there."""
    router = APIRouter()

    @router.get("/")
    async def show(request: Request) -> HTMLResponse:
        _check(request, ingress.trusted)
        language = _language(request, ingress.language)
        body = page.running(
            WORDS[language], await health(), registry.records(), ingress.status, port, language
        )
        return _answer(body, language)

    return router


def create_misconfigured_app(ingress: Ingress, problems: Sequence[Problem]) -> FastAPI:
    """Return what is served instead of H-Core while its configuration is wrong."""
    app = FastAPI(title="hAIrem", version=__version__, openapi_url=None)

    @app.get("/api/health")
    async def get_health() -> JSONResponse:
        return JSONResponse({"status": "misconfigured"}, 503)

    @app.get("/")
    async def show(request: Request) -> HTMLResponse:
        _check(request, ingress.trusted)
        language = _language(request, ingress.language)
        return _answer(page.misconfigured(WORDS[language], problems, language), language)

    return app


def _check(request: Request, trusted: IPv4Address | IPv6Address) -> None:
    """Let nobody but the Supervisor through: others are told what they are told of any address."""
    is_through_ingress = "x-ingress-path" in request.headers
    if not (is_through_ingress and _peer(request) == trusted):
        raise HTTPException(404)


def _peer(request: Request) -> IPv4Address | IPv6Address | None:
    try:
        peer = ip_address(request.client.host) if request.client else None
    except ValueError:
        return None
    # A server that listens on IPv6 sees IPv4 so.
    mapped = peer.ipv4_mapped if isinstance(peer, IPv6Address) else None
    return mapped or peer


def _language(request: Request, usual: Language) -> Language:
    """Return the language that a browser likes best of those spoken here (RFC 9110, 12.5.4)."""
    best, best_weight = usual, 0.0
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, parameter = part.partition(";")
        primary = tag.strip().lower().partition("-")[0]
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
        except ValueError:
            continue
        if weight > best_weight:
            if primary == "fr":
                best, best_weight = "fr", weight
            elif primary == "en":
                best, best_weight = "en", weight
    return best


def _answer(body: str, language: Language) -> HTMLResponse:
    return HTMLResponse(body, headers=_HEADERS | {"Content-Language": language})
