"""Which of Home Assistant's tools a manifest permits, call by call."""

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from hairem_core.hotplug import home_rules
from hairem_core.hotplug.bundle import Manifest
from hairem_core.hotplug.home_rules import Refusal, decide, usable
from hairem_core.hotplug.permissions import Permissions
from hairem_core.sdk.chat import ToolCall, ToolSpec

DOMAINS = {"type": "array", "items": {"type": "string"}}
"""A parameter `domain` as Home Assistant 2026.10 describes it."""


def permissions(*entries: Any) -> Permissions:
    manifest = Manifest.model_validate({"id": "x", "name": "X", "permissions": list(entries)})
    return manifest.permissions


def spec(tool: str, /, **properties: Any) -> ToolSpec:
    return ToolSpec(name=tool, parameters={"type": "object", "properties": properties})


def tool_call(tool: str, /, **arguments: Any) -> ToolCall:
    return ToolCall(id="1", name=tool, arguments=arguments)


LIGHTS = permissions({"home.act": ["light"]})
LIGHTS_AND_COVERS = permissions({"home.act": ["light", "cover"]})
ONOFF = spec("intent__HassTurnOn", name={"type": "string"}, domain=DOMAINS)


def domains_after(decision: ToolCall | Refusal) -> Any:
    assert isinstance(decision, ToolCall), decision
    return decision.arguments.get("domain")


def refusal(decision: ToolCall | Refusal) -> Refusal:
    assert isinstance(decision, Refusal), decision
    return decision


READING = [
    "homeassistant__GetLiveContext",
    "GetLiveContext",
    "llm__GetDateTime",
    "assist__homeassistant__GetLiveContext",
    "HassGetState",
    "intent__HassTimerStatus",
    "weather__HassGetWeather",
    "todo__get_items",
    "todo_get_items",
    "calendar__get_events",
    "assist__calendar__get_events",
    "media_player__search_media",
]


@pytest.mark.parametrize("name", READING)
def test_reading_needs_home_read_and_acting_does_not_grant_it(name: str) -> None:
    call = tool_call(name)
    assert decide(call, permissions("home.read"), []) is call
    for entries in ([], ["home.act"], [{"home.act": ["light"]}]):
        denied = refusal(decide(call, permissions(*entries), []))
        assert (denied.permission, denied.is_whole) == ("home.read", True)
        assert "Add `- home.read` under `permissions:`." in denied.error


@pytest.mark.parametrize(
    "name",
    [
        "intent__HassTurnOn",
        "HassTurnOff",
        "light__HassLightSet",
        "script__good_night",
        "script__todo__get_items",
        "script__GetLiveContext",
        "intent_script__HassGetState",
        "unheard__of",
        "whatever",
        "get_items",
        "shop__get_items",
    ],
)
def test_acting_needs_home_act_and_what_is_unknown_acts(name: str) -> None:
    call = tool_call(name)
    assert decide(call, permissions("home.act"), []) is call
    for entries in ([], ["home.read"]):
        denied = refusal(decide(call, permissions(*entries), []))
        assert (denied.permission, denied.is_whole) == ("home.act", True)


@pytest.mark.parametrize(
    ("name", "domains"),
    [
        ("light__HassLightSet", ["light"]),
        ("HassLightSet", ["light"]),
        ("assist__light__HassLightSet", ["light"]),
        ("climate__HassClimateSetTemperature", ["climate"]),
        ("intent__HassSetPosition", ["cover", "valve"]),
        ("media_player__HassMediaPause", ["media_player"]),
        ("media_player__play_media", ["media_player"]),
        ("vacuum__HassVacuumStart", ["vacuum"]),
        ("todo__HassListAddItem", ["todo"]),
        ("HassShoppingListAddItem", ["todo"]),
        ("assist_satellite__HassBroadcast", ["assist_satellite"]),
        ("intent__HassStartTimer", ["timer"]),
        ("script__good_night", ["script"]),
        ("script__light__HassLightSet", ["script"]),
        ("music_assistant__play", ["music_assistant"]),
    ],
)
def test_a_tool_with_a_domain_of_its_own_passes_only_where_that_is_allowed(
    name: str, domains: list[str]
) -> None:
    call = tool_call(name, name="whatever")
    assert decide(call, permissions({"home.act": domains}), []) is call
    assert decide(call, permissions({"home.act": [*domains, "lock"]}), []) is call
    denied = refusal(decide(call, permissions({"home.act": ["lock"]}), []))
    assert not denied.is_whole
    assert "`home.act: [lock]`" in denied.error
    if len(domains) > 1:
        assert isinstance(decide(call, permissions({"home.act": domains[:1]}), []), Refusal)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["cover", "light"]),
        ({"domain": None}, ["cover", "light"]),
        ({"domain": []}, ["cover", "light"]),
        ({"domain": "  "}, ["cover", "light"]),
        ({"domain": ["light"]}, ["light"]),
        ({"domain": "light"}, ["light"]),
        ({"domain": [" Light ", "lock"]}, ["light"]),
    ],
)
def test_a_tool_that_takes_a_domain_is_held_to_those_allowed(
    given: dict[str, Any], expected: list[str]
) -> None:
    """Home Assistant matches entities of the domains it is told: a lock's name matches none."""
    call = tool_call("intent__HassTurnOn", name="Front door", **given)
    decision = decide(call, LIGHTS_AND_COVERS, [spec("other"), ONOFF])
    assert domains_after(decision) == expected
    assert isinstance(decision, ToolCall)
    assert decision.arguments["name"] == "Front door"
    assert (decision.id, decision.name) == (call.id, call.name)


@pytest.mark.parametrize("given", ["lock", ["lock"], ["lock", "alarm_control_panel"], {"x": 1}, 7])
def test_a_domain_that_is_not_allowed_is_refused_by_name(given: Any) -> None:
    denied = refusal(decide(tool_call("intent__HassTurnOn", domain=given), LIGHTS, [ONOFF]))
    assert not denied.is_whole
    assert "`home.act: [light]`" in denied.error
    assert "lock" in denied.error or not isinstance(given, str | list)


def test_a_tool_of_two_domains_is_narrowed_where_it_can_be() -> None:
    tool = spec("intent__HassSetPosition", domain=DOMAINS)
    call = tool_call("intent__HassSetPosition", name="Blind", position=50)
    assert domains_after(decide(call, LIGHTS_AND_COVERS, [tool])) == ["cover"]
    assert isinstance(decide(call, LIGHTS, [tool]), Refusal)


def test_a_tool_that_takes_one_domain_only_must_be_told_which() -> None:
    tool = spec("HassTurnOn", domain={"type": "string"})
    assert domains_after(decide(tool_call("HassTurnOn"), LIGHTS, [tool])) == "light"
    call = tool_call("HassTurnOn", domain=["cover"])
    assert domains_after(decide(call, LIGHTS_AND_COVERS, [tool])) == "cover"
    denied = refusal(decide(tool_call("HassTurnOn"), LIGHTS_AND_COVERS, [tool]))
    assert "say in `domain` which of cover, light" in denied.error
    either = spec("HassTurnOn", domain={"anyOf": [{"type": "string"}, DOMAINS]})
    assert domains_after(decide(tool_call("HassTurnOn"), LIGHTS, [either])) == ["light"]


@pytest.mark.parametrize(
    "offered",
    [[], [spec("intent__HassTurnOn", name={"type": "string"})], [spec("intent__HassTurnOff")]],
)
def test_what_cannot_be_limited_is_refused(offered: list[ToolSpec]) -> None:
    call = tool_call("intent__HassTurnOn", domain=["light"])
    assert "cannot be limited" in refusal(decide(call, LIGHTS, offered)).error


@pytest.mark.parametrize(
    "name", ["whatever", "intent__HassNew", "script__x", "unheard__of", "homeassistant__restart"]
)
def test_a_parameter_domain_of_an_unknown_tool_limits_nothing(name: str) -> None:
    """A script may call it what it likes."""
    offered = [spec(name, domain=DOMAINS)]
    assert isinstance(decide(tool_call(name, domain=["light"]), LIGHTS, offered), Refusal)


def test_a_timer_must_not_carry_a_command_past_the_domains() -> None:
    timers = permissions({"home.act": ["timer"]})
    plain = tool_call("intent__HassStartTimer", minutes=5)
    later = tool_call("intent__HassStartTimer", minutes=5, conversation_command="open the door")
    assert decide(plain, timers, []) is plain
    assert "could reach anything" in refusal(decide(later, timers, [])).error
    assert decide(later, permissions("home.act"), []) is later


def test_what_an_agent_is_shown_is_what_it_may_use() -> None:
    offered = [
        ONOFF,
        spec("HassTurnOff", domain={"type": "string"}),
        spec("homeassistant__GetLiveContext", domain=DOMAINS),
        spec("light__HassLightSet"),
        spec("climate__HassClimateSetTemperature"),
        spec("script__x"),
    ]

    def names(*entries: Any) -> list[str]:
        return [each.name for each in usable(permissions(*entries), offered)]

    assert names() == []
    assert names("home.read") == ["homeassistant__GetLiveContext"]
    assert names("home.read", "home.act") == [each.name for each in offered]
    assert names({"home.act": ["light", "cover"]}) == [
        "intent__HassTurnOn",
        "HassTurnOff",
        "light__HassLightSet",
    ]


def _home_assistant() -> Path:
    found = importlib.util.find_spec("homeassistant")
    assert found
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0])


def test_every_intent_of_the_installed_home_assistant_is_known() -> None:
    """A new one must be looked at: until then it acts, and is refused where domains are listed."""
    root = _home_assistant()
    files = [root / "helpers/intent.py", *root.glob("components/*/intent.py")]
    files += [*root.glob("components/*/const.py"), *root.glob("components/*/llm.py")]
    found = set()
    for path in files:
        # `INTENT_X = "HassX"`: what a file says elsewhere is prose.
        found |= set(re.findall(r'^INTENT_\w+ = "(Hass\w+)"', path.read_text(), re.MULTILINE))
    assert len(found) > 40
    known = home_rules._READING | home_rules._DOMAINS.keys() | home_rules._ANY_DOMAIN
    assert found - known == set()


def test_every_tool_that_says_it_reads_only_is_known_to() -> None:
    reading: set[str] = set()
    acting: set[str] = set()
    for path in _home_assistant().glob("components/*/llm.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            fields = {
                target.id: ast.unparse(each.value)
                for each in node.body
                if isinstance(each, ast.Assign)
                for target in each.targets
                if isinstance(target, ast.Name)
            }
            if name := fields.get("name"):
                only = "read_only=True" in fields.get("annotations", "")
                (reading if only else acting).add(ast.literal_eval(name))
    assert "homeassistant__GetLiveContext" in reading
    assert "media_player__play_media" in acting
    for name in reading:
        assert isinstance(decide(tool_call(name), permissions("home.read"), []), ToolCall), name
    for name in acting:
        assert isinstance(decide(tool_call(name), permissions("home.read"), []), Refusal), name
