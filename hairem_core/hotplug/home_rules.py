"""Which of Home Assistant's tools an agent may use, by `home.read` and `home.act` of its manifest.

A tool that is not known here counts as one that acts, on whatever: as Home Assistant itself takes
tools that say nothing of themselves (`ToolAnnotations` in its helpers/llm.py). The names are those
of the Assist API of Home Assistant 2026.10, which begin with the integration that offers them
(`light__HassLightSet`), of earlier releases, which do not (`HassLightSet`), and of merged APIs,
which have one more part in front (`assist__light__HassLightSet`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hairem_core.hotplug.permissions import Permissions, line_to_add
from hairem_core.sdk.chat import ToolCall, ToolSpec

READ = "home.read"
ACT = "home.act"

_READING = frozenset(
    {
        "GetLiveContext",
        "GetDateTime",
        "HassGetState",
        "HassGetWeather",
        "HassClimateGetTemperature",
        "HassGetCurrentDate",
        "HassGetCurrentTime",
        "HassTimerStatus",
        "HassShoppingListLastItems",
        "HassNevermind",
        "HassRespond",
        "todo_get_items",
        "todo__get_items",
        "calendar_get_events",
        "calendar__get_events",
        "media_player__search_media",
    }
)
"""Tools that change nothing."""
_DOMAINS: Mapping[str, frozenset[str]] = {
    tool: frozenset(domains.split())
    for domains, tools in {
        "assist_satellite": "HassBroadcast",
        "climate": "HassClimateSetTemperature HassClimateSetFanMode",
        "cover": "HassOpenCover HassCloseCover",
        "cover valve": "HassSetPosition HassStopMoving",
        "fan": "HassFanSetSpeed",
        "humidifier": "HassHumidifierSetpoint HassHumidifierMode",
        "lawn_mower": "HassLawnMowerStartMowing HassLawnMowerDock",
        "light": "HassLightSet",
        "media_player": """HassMediaPause HassMediaUnpause HassMediaNext HassMediaPrevious
            HassMediaPlayerMute HassMediaPlayerUnmute HassSetVolume HassSetVolumeRelative
            HassMediaSearchAndPlay""",
        "timer": """HassStartTimer HassCancelTimer HassCancelAllTimers HassIncreaseTimer
            HassDecreaseTimer HassPauseTimer HassUnpauseTimer""",
        "todo": """HassListAddItem HassListCompleteItem HassListRemoveItem HassShoppingListAddItem
            HassShoppingListCompleteItem""",
        "vacuum": "HassVacuumStart HassVacuumReturnToBase HassVacuumCleanArea",
    }.items()
    for tool in tools.split()
}
"""What a tool acts on, whatever its arguments."""
_ANY_DOMAIN = frozenset({"HassTurnOn", "HassTurnOff", "HassToggle"})
"""Tools that act on what their arguments say, `domain` among them."""
_USERS_OWN = frozenset({"script", "intent_script"})
"""Tools that people made: what follows their prefix is a name of theirs."""
_NO_DOMAIN = frozenset({"intent", "homeassistant", "llm", "assist", "mcp"})
"""Prefixes that say nothing of what a tool acts on."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why a call may not be made, in words for a model and the author."""

    permission: str
    """The permission that would allow it."""
    is_whole: bool
    """Whether the manifest lacks the permission altogether, not just for this domain."""
    error: str


@dataclass(frozen=True, kw_only=True)
class _Tool:
    reads: bool
    domains: frozenset[str] | None
    """None: not known from the name."""
    takes_domain: bool
    """Whether an argument `domain` limits what it acts on."""


def decide(
    call: ToolCall, permissions: Permissions, offered: Sequence[ToolSpec]
) -> ToolCall | Refusal:
    """Return the call as it may be made, or why not.

    With `home.act: [light]` a call that could reach other domains is limited to those allowed by
    its argument `domain`, if the tool, as it was `offered`, has one.
    """
    tool = _known(call.name)
    needed = READ if tool.reads else ACT
    if needed not in permissions:
        return Refusal(
            permission=needed,
            is_whole=True,
            error=f"{call.name} needs the permission {needed}. {line_to_add(needed)}",
        )
    if tool.reads or permissions.domains is None:
        return call
    return _limit(call, tool, permissions.domains, offered)


def usable(permissions: Permissions, offered: Sequence[ToolSpec]) -> list[ToolSpec]:
    """Return those of the tools that came with a message which the agent may use at all."""
    tries = [{}, *({"domain": domain} for domain in sorted(permissions.domains or ()))]
    return [
        spec
        for spec in offered
        if any(
            isinstance(
                decide(ToolCall(id="?", name=spec.name, arguments=each), permissions, [spec]),
                ToolCall,
            )
            for each in tries
        )
    ]


def _known(name: str) -> _Tool:
    *prefixes, bare = name.split("__")
    if own := next((each for each in prefixes if each in _USERS_OWN), None):
        return _Tool(reads=False, domains=frozenset({own}), takes_domain=False)
    prefix = prefixes[-1] if prefixes else ""
    if bare in _READING or f"{prefix}__{bare}" in _READING:
        return _Tool(reads=True, domains=None, takes_domain=False)
    if bare in _ANY_DOMAIN:
        return _Tool(reads=False, domains=None, takes_domain=True)
    if bare in _DOMAINS:
        domains = _DOMAINS[bare]
        return _Tool(reads=False, domains=domains, takes_domain="timer" not in domains)
    known = frozenset({prefix}) if prefix and prefix not in _NO_DOMAIN else None
    return _Tool(reads=False, domains=known, takes_domain=False)


def _limit(
    call: ToolCall, tool: _Tool, allowed: frozenset[str], offered: Sequence[ToolSpec]
) -> ToolCall | Refusal:
    """Return the call limited to `allowed`, or why it cannot be."""
    if tool.domains == frozenset({"timer"}) and call.arguments.get("conversation_command"):
        return _refuse(call, allowed, "with a command to run later it could reach anything")
    parameter = _domain_parameter(call.name, offered) if tool.takes_domain else None
    if parameter is None:
        if tool.domains is None:
            return _refuse(call, allowed, "what it acts on cannot be limited to that")
        if not tool.domains <= allowed:
            return _refuse(call, allowed, f"it acts on {_list(tool.domains)}")
        return call
    wanted = allowed if tool.domains is None else allowed & tool.domains
    given = _given(call.arguments.get("domain"))
    if given is not None:
        wanted &= given
    if not wanted:
        asked = given if given is not None else tool.domains
        return _refuse(call, allowed, f"it was to act on {_list(asked or ())}")
    return _with_domains(call, sorted(wanted), parameter, allowed)


def _with_domains(
    call: ToolCall, domains: list[str], parameter: Mapping[str, Any], allowed: frozenset[str]
) -> ToolCall | Refusal:
    if _takes_list(parameter):
        value: Any = domains
    elif len(domains) == 1:
        value = domains[0]
    else:
        return _refuse(call, allowed, f"say in `domain` which of {_list(domains)}")
    return call.model_copy(update={"arguments": {**call.arguments, "domain": value}})


def _given(value: Any) -> frozenset[str] | None:
    """Return the domains that a model named; None if it named none.

    What is no text or list of texts names none that is allowed.
    """
    if value is None or value == [] or (isinstance(value, str) and not value.strip()):
        return None
    values = value if isinstance(value, list) else [value]
    return frozenset(each.strip().lower() if isinstance(each, str) else "?" for each in values)


def _domain_parameter(name: str, offered: Sequence[ToolSpec]) -> Mapping[str, Any] | None:
    for spec in offered:
        if spec.name == name:
            properties = spec.parameters.get("properties")
            found = properties.get("domain") if isinstance(properties, dict) else None
            return found if isinstance(found, dict) else None
    return None


def _takes_list(parameter: Mapping[str, Any]) -> bool:
    options = [parameter, *parameter.get("anyOf", ()), *parameter.get("oneOf", ())]
    return any(isinstance(each, dict) and each.get("type") == "array" for each in options)


def _refuse(call: ToolCall, allowed: frozenset[str], why: str) -> Refusal:
    return Refusal(
        permission=ACT,
        is_whole=False,
        error=f"{call.name} is not permitted: the manifest has `{ACT}: [{_list(allowed)}]`, "
        f"and {why}",
    )


def _list(domains: Collection[str]) -> str:
    return ", ".join(sorted(domains))
