"""What can go wrong on the bus."""

from hairem_core.errors import HairemError


class BusError(HairemError):
    """A message could not be carried."""

    code = "bus"


class BusUnavailable(BusError):
    """Redis cannot be reached."""

    code = "bus_unavailable"


class RedisTooOld(BusError):
    """The Redis found lacks what H-Link needs."""

    code = "redis_too_old"


class RedisServerError(BusError):
    """The private redis-server cannot be started."""

    code = "redis_server"


class Undeliverable(BusError):
    """Raised by a handler: this message must not be tried again.

    It goes to the dead letters with this error's text as the reason.
    """

    code = "undeliverable"
