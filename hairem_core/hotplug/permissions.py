"""What an agent may do: the `permissions` of its manifest."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

type Permission = Literal["llm", "home.read", "home.act", "memory.shared", "network", "processes"]
NAMES: tuple[str, ...] = get_args(Permission.__value__)
"""Every permission there is."""


@dataclass(frozen=True, kw_only=True)
class Permissions:
    """The permissions of one agent."""

    names: frozenset[str] = frozenset()
    domains: frozenset[str] | None = None
    """Home Assistant's domains that `home.act` is for; None is all of them."""
    ports: frozenset[int] | None = None
    """TCP ports that `network` is for; None is all of them."""

    def __contains__(self, permission: str) -> bool:
        return permission in self.names

    def as_list(self) -> list[Any]:
        """Return them as a manifest writes them, in a fixed order."""
        found: list[Any] = []
        for name in NAMES:
            if name not in self.names:
                continue
            if name == "home.act" and self.domains is not None:
                found.append({name: sorted(self.domains)})
            elif name == "network" and self.ports is not None:
                found.append({name: sorted(self.ports)})
            else:
                found.append(name)
        return found


def line_to_add(permission: str) -> str:
    """Return what to do in a manifest for a permission that it lacks."""
    return f"Add `- {permission}` under `permissions:`."


def _parse(value: Any) -> Any:
    """Return `[llm, {home.act: [light]}, …]` as Permissions. Raises ValueError."""
    if isinstance(value, Permissions):
        return value
    if not isinstance(value, list):
        raise ValueError("permissions are a list, such as `- llm`")  # noqa: TRY004 - pydantic's
    names: set[str] = set()
    domains: frozenset[str] | None = None
    ports: frozenset[int] | None = None
    for entry in value:
        name, only = next(iter(entry.items())) if _is_limited(entry) else (entry, None)
        if not isinstance(name, str) or name not in NAMES:
            raise ValueError(f"there is no permission {name!r}; there are {', '.join(NAMES)}")
        if name in names:
            raise ValueError(f"{name} is listed twice")
        names.add(name)
        if only is None:
            continue
        if name == "home.act":
            domains = _domains(only)
        elif name == "network":
            ports = _ports(only)
        else:
            raise ValueError(f"{name} takes no list")
    return Permissions(names=frozenset(names), domains=domains, ports=ports)


def _is_limited(entry: Any) -> bool:
    return isinstance(entry, dict) and len(entry) == 1


def _domains(only: Any) -> frozenset[str]:
    if not isinstance(only, list) or not only:
        raise ValueError("home.act takes a list of domains, such as `home.act: [light, cover]`")
    for each in only:
        if not isinstance(each, str) or not each.replace("_", "").isalnum() or each.lower() != each:
            raise ValueError(f"{each!r} is no domain of Home Assistant, such as `light`")
    return frozenset(only)


def _ports(only: Any) -> frozenset[int]:
    if not isinstance(only, list) or not only:
        raise ValueError("network takes a list of TCP ports, such as `network: [443]`")
    for each in only:
        if not isinstance(each, int) or isinstance(each, bool) or not 0 < each < 65536:
            raise ValueError(f"{each!r} is no TCP port, 1 to 65535")
    return frozenset(only)


_JSON_SCHEMA: dict[str, Any] = {
    "type": "array",
    "uniqueItems": True,
    "items": {
        "anyOf": [
            {"enum": list(NAMES)},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "additionalProperties": False,
                "properties": {
                    "home.act": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "string", "pattern": "^[a-z0-9_]+$"},
                    },
                    "network": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "integer", "minimum": 1, "maximum": 65535},
                    },
                },
            },
        ]
    },
}

PermissionsField = Annotated[
    Permissions,
    BeforeValidator(_parse),
    PlainSerializer(Permissions.as_list),
    WithJsonSchema(_JSON_SCHEMA),
    Field(),
]
