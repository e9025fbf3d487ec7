"""The command's way to memory: the running H-Core, or the memory itself where none runs."""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import typer

from hairem_core.cli.hold import telling_of_a_hold
from hairem_core.cli.output import complain
from hairem_core.cli.places import NotRunning, Places
from hairem_core.errors import HairemError

_TIMEOUT = httpx.Timeout(None, connect=5.0)
"""Verifying a chain, or forgetting someone, takes as long as it takes."""
_TAIL = 65_536
_WRONG_INPUT = frozenset({"invalid_format", "unknown_agent", "unknown_fragment"})


class MemoryRefusal(HairemError):
    """Memory did not do what was asked; `code` is one of `docs/memory.md`."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what)
        self.code = code  # type: ignore[misc]  # the class's constant, told by the server


class BrokenOff(HairemError):
    """An answer ended before its end: H-Core went away, or could not go on."""

    code = "connection_lost"


class MemoryClient:
    """Asks `/api/memory`. Every method raises MemoryRefusal, BrokenOff and NotRunning."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.may_wait = asyncio.Event()
        """Set once something was asked for that waits while a backup is made."""

    async def get(self, path: str, **params: Any) -> Any:
        """Return the answer to a question; parameters that are None or empty are left out."""
        return await self._ask("GET", path, params=_given(params))

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the answer to an order."""
        return await self._ask("POST", path, json=body)

    async def send(self, path: str, content: AsyncIterable[bytes], **params: Any) -> Any:
        """Return the answer to a body that is sent as it comes."""
        headers = {"Content-Type": "application/x-ndjson"}
        return await self._ask(
            "POST", path, content=content, headers=headers, params=_given(params)
        )

    async def pieces(self, path: str, **params: Any) -> AsyncIterator[bytes]:
        """Yield an answer as it comes."""
        tail = b""
        self.may_wait.set()
        try:
            async with self._http.stream("GET", path, params=_given(params)) as response:
                if response.is_error:
                    await response.aread()
                    raise _refusal(response)
                async for piece in response.aiter_raw():
                    tail = (tail + piece)[-_TAIL:]
                    yield piece
        except httpx.TransportError as err:
            raise _why_broken_off(tail) from err

    async def _ask(self, method: str, path: str, **request: Any) -> Any:
        if method != "GET":
            self.may_wait.set()
        with _told():
            response = await self._http.request(method, path, **request)
        if response.is_error:
            raise _refusal(response)
        return response.json()


@asynccontextmanager
async def open_memory(
    places: Places, *, make: bool = False, why_core: str | None = None
) -> AsyncIterator[MemoryClient]:
    """Yield a client of the H-Core that runs on the data folder, else of its memory itself.

    `make` lets a memory begin where there is none; `why_core` says why H-Core must run. Raises
    NotRunning, DataFolderError, MemoryUnavailable, ConfigError.
    """
    try:
        address, token = places.core_address(), places.command_token()
    except NotRunning:
        pass
    else:
        headers = {"Authorization": f"Bearer {token}"}
        async with _http(f"http://{address}", headers=headers) as http:
            if await _answers(http):
                client = MemoryClient(http)
                async with telling_of_a_hold(places, may_wait=client.may_wait):
                    yield client
                return
    if why_core is not None:
        raise NotRunning(
            f"no H-Core runs on this data folder: {why_core}",
            where=str(places.data),
            hint="Start it with `hairem up`.",
        )
    from hairem_core.cli.memory_alone import serve_alone

    async with serve_alone(places, make=make) as socket:
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        async with _http("http://memory", transport=transport) as http:
            yield MemoryClient(http)


def run[T](places: Places, work: Callable[[MemoryClient], Awaitable[T]], **options: Any) -> T:
    """Return what `work` returns; `options` are those of `open_memory`.

    What memory refuses ends the command, in words.
    """

    async def ask() -> T:
        async with open_memory(places, **options) as memory:
            return await work(memory)

    try:
        return asyncio.run(ask())
    except (MemoryRefusal, BrokenOff) as err:
        complain(err)
        raise typer.Exit(2 if err.code in _WRONG_INPUT else 1) from err


def _http(base_url: str, **options: Any) -> httpx.AsyncClient:
    # A proxy is for the way to others, not for this machine.
    return httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT, trust_env=False, **options)


async def _answers(http: httpx.AsyncClient) -> bool:
    """Return whether somebody listens. An address may be left over from an H-Core that died."""
    try:
        await http.get("/api/health", timeout=5.0)
    except httpx.ConnectError:
        return False
    except httpx.TransportError as err:
        raise NotRunning(
            f"H-Core does not answer: {str(err) or type(err).__name__}",
            where=str(http.base_url.netloc, "ascii"),
            hint="Look whether `hairem up` still runs; `hairem doctor` says more.",
        ) from err
    return True


@contextmanager
def _told() -> Iterator[None]:
    """Turn errors of the connection into ours."""
    try:
        yield
    except httpx.TransportError as err:
        raise _gone() from err


def _why_broken_off(tail: bytes) -> BrokenOff:
    """Return why an answer ended before its end: the last line says so, where it still could."""
    try:
        what = str(json.loads(tail.splitlines()[-1])["error"]["message"])
    except ValueError, KeyError, TypeError, IndexError:
        return _gone()
    return BrokenOff(f"the answer broke off before its end: {what}")


def _gone() -> BrokenOff:
    return BrokenOff(
        "H-Core went away before it had answered",
        hint="Look whether `hairem up` still runs, and try again.",
    )


def _refusal(response: httpx.Response) -> MemoryRefusal:
    try:
        error = json.loads(response.content)["error"]
        if error["code"] != "unknown_route":
            return MemoryRefusal(str(error["code"]), str(error["message"]))
    except ValueError, KeyError, TypeError:
        pass
    if response.status_code == 404:
        what = "this H-Core is of a version without these commands"
        return MemoryRefusal("no_memory", what)
    what = f"H-Core answered with status {response.status_code}; see its log"
    return MemoryRefusal("internal", what)


def _given(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if value not in (None, [], "")}
