"""Connecting to Redis, and refusing one that is too old."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    RedisError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from hairem_core.hlink.errors import BusUnavailable, RedisTooOld

MINIMUM_VERSION = (7, 0)
OUTAGES = (RedisConnectionError, RedisTimeoutError, OSError)
"""What redis-py raises while the server is away."""


def create_client(url: str, *, retries: int = 5) -> Redis:
    """Return a client for `url` that, with five retries, gives up after about a second.

    Without retries it leaves a connection that broke as it is: the next command connects.
    """
    # What redis-py may retry after it connects again for, be it the last time.
    errors = (RedisConnectionError, RedisTimeoutError) if retries else ()
    return Redis.from_url(
        url,
        retry=Retry(ExponentialBackoff(cap=0.4, base=0.02), retries, supported_errors=errors),
        socket_connect_timeout=5,
        health_check_interval=0,
        max_connections=1024,
    )


async def check_server(client: Redis) -> str:
    """Return the server's version. Raises BusUnavailable, or RedisTooOld before 7.0."""
    async with outage_is_unavailable(client):
        info = await client.info("server")
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < MINIMUM_VERSION:
        raise _too_old(client, version)
    return version


def _too_old(client: Redis, version: str) -> RedisTooOld:
    return RedisTooOld(
        f"Redis {version} is too old",
        where=describe(client),
        hint="hAIrem needs Redis 7.0 or later; leave redis.url empty for a private one.",
    )


@asynccontextmanager
async def outage_is_unavailable(client: Redis) -> AsyncIterator[None]:
    """Turn redis-py's errors of the connection into BusUnavailable."""
    try:
        yield
    except AuthenticationError as err:
        raise BusUnavailable(
            f"Redis refuses the login: {err}",
            where=describe(client),
            hint="Check user and password in redis.url.",
        ) from err
    except OUTAGES as err:
        raise BusUnavailable(
            f"Redis cannot be reached: {err}",
            where=describe(client),
            hint="Start it, or mend redis.url in config/system.yaml.",
        ) from err
    except RedisError as err:
        if "HELLO" in str(err):
            # The first command of every connection; servers before 6 do not know it.
            raise _too_old(client, "before 6") from err
        raise BusUnavailable(
            f"Redis refuses: {err}", where=describe(client), hint="See the log of Redis."
        ) from err


def describe(client: Redis) -> str:
    """Return where `client` connects to, without its password."""
    options = client.connection_pool.connection_kwargs
    if path := options.get("path"):
        return f"unix://{path}"
    return f"redis://{options.get('host', 'localhost')}:{options.get('port', 6379)}"
