"""The Supervisor's API, as an app may use it.

Source: https://developers.home-assistant.io/docs/api/supervisor/endpoints
"""

from datetime import datetime
from typing import Any, ClassVar, Self
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from hairem_core.errors import HairemError

DEFAULT_BASE = "http://supervisor"
"""How an app reaches the Supervisor."""
SERVICE = "hairem"
"""What `discovery` in the app's configuration lists, and the integration's domain."""
_SECONDS = 5.0
_NO_SERVICE = frozenset({"Service not enabled", "Service does not exist"})
"""What the Supervisor says of a service that no app provides."""
_LONGEST_MESSAGE = 300


class SupervisorError(HairemError):
    """The Supervisor does not answer, refuses, or answers nonsense. Never holds the token."""

    code: ClassVar[str] = "supervisor"

    def __init__(self, what: str, *, is_refusal: bool = False) -> None:
        super().__init__(what, where="Supervisor")
        self.is_refusal = is_refusal
        """Whether it answered that it will not, which waiting does not change."""


class AppInfo(BaseModel):
    """What the Supervisor knows of this app."""

    model_config = ConfigDict(frozen=True)

    slug: str = Field(min_length=1)
    hostname: str = Field(min_length=1)
    """As which the app is known to Home Assistant and to other apps."""
    version: str
    ip_address: str
    ingress_url: str | None = None
    network: dict[str, int | None] | None = None
    """By port inside, such as `8127/tcp`: the port of the machine; None where it is closed."""

    def port_outside(self, port: int) -> int | None:
        """Return the machine's port that leads to `port`, None where none does."""
        return (self.network or {}).get(f"{port}/tcp")


class MySqlService(BaseModel):
    """A MariaDB that another app offers."""

    model_config = ConfigDict(frozen=True)

    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    username: str = Field(min_length=1)
    password: SecretStr


class _Announced(BaseModel):
    uuid: UUID


class SupervisorClient:
    """Asks the Supervisor. Use it as an async context manager."""

    def __init__(self, token: str, base: str = DEFAULT_BASE, *, timeout: float = _SECONDS) -> None:
        """`token` is the app's own; `timeout` are seconds for one answer."""
        self._http = httpx.AsyncClient(
            base_url=base,
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
            # Neither a proxy nor another address is to see the token.
            trust_env=False,
            follow_redirects=False,
        )
        self._timeout = timeout

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._http.aclose()

    async def info(self) -> AppInfo:
        """Return what the Supervisor knows of this app. Raises SupervisorError."""
        return _read(AppInfo, await self._ask("GET", "/addons/self/info"))

    async def mysql(self) -> MySqlService | None:
        """Return the MariaDB that an app offers, None where none does. Raises SupervisorError."""
        try:
            data = await self._ask("GET", "/services/mysql")
        except SupervisorError as err:
            if err.is_refusal and err.what in _NO_SERVICE:
                return None
            raise
        return _read(MySqlService, data)

    async def announce(self, host: str, port: int, token: str, started: datetime) -> UUID:
        """Tell Home Assistant where H-Core is, with a token for it; return the message's id.

        `started` is when H-Core was: what the Supervisor was told before, word for word, it does
        not pass on, and a Home Assistant that could not connect then would never try again. Raises
        SupervisorError.
        """
        config = {"host": host, "port": port, "token": token, "started": started.isoformat()}
        body = {"service": SERVICE, "config": config}
        return _read(_Announced, await self._ask("POST", "/discovery", body)).uuid

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            answer = await self._http.request(method, path, json=body)
        except httpx.TimeoutException as err:
            raise SupervisorError(f"no answer to {path} within {self._timeout:g} s") from err
        except httpx.HTTPError as err:
            raise SupervisorError(f"cannot be reached: {str(err) or type(err).__name__}") from err
        return _unwrap(answer, path)


def _unwrap(answer: httpx.Response, path: str) -> Any:
    """Return `data` of `{"result": "ok", "data": …}`. Raises SupervisorError."""
    is_refusal = 400 <= answer.status_code < 500
    try:
        body = answer.json()
    except ValueError as err:
        # 401 and 403 come without an envelope.
        what = f"answers {path} with HTTP {answer.status_code} and no JSON"
        raise SupervisorError(what, is_refusal=is_refusal) from err
    match body:
        case {"result": "ok", "data": data} if answer.is_success:
            return data
        case {"result": "error", "message": str(message)} if message:
            what = " ".join(message.split())[:_LONGEST_MESSAGE]
            raise SupervisorError(what, is_refusal=is_refusal)
    what = f"answers {path} with HTTP {answer.status_code} and something unknown"
    raise SupervisorError(what, is_refusal=is_refusal)


def _read[M: BaseModel](model: type[M], data: Any) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as err:
        # The values stay out of the message: one of them is a password.
        keys = ", ".join(".".join(map(str, each["loc"])) or "all" for each in err.errors())
        raise SupervisorError(f"its answer cannot be used: {keys}") from None
