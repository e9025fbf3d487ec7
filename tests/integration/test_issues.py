"""What is wrong with an agent is a repair issue, for as long as it is so, and no longer."""

import json
from typing import Any

import pytest
from homeassistant.const import CONF_HOST, CONF_PORT, CONF_TOKEN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.hairem.const import DOMAIN
from custom_components.hairem.issues import MAX_FINDINGS, MAX_LOG_LINES, describe_problems
from custom_components.hairem.models import Agent, Changed, parse_agents_event
from tests.integration.bridge_server import TOKEN, BridgeServer, agent, finding
from tests.integration.conftest import eventually
from tests.integration.test_metadata import read


def found(hass: HomeAssistant, entry: MockConfigEntry, agent_id: str) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, f"agent_{entry.entry_id}_{agent_id}")


def ours(hass: HomeAssistant) -> list[ir.IssueEntry]:
    return [issue for issue in ir.async_get(hass).issues.values() if issue.domain == DOMAIN]


def parsed(**changes: Any) -> Agent:
    event = parse_agents_event({"kind": "changed", "agent": agent("alfred", **changes)})
    assert isinstance(event, Changed)
    return event.agent


@pytest.mark.parametrize(
    ("changes", "key", "severity"),
    [
        ({"state": "rejected", "findings": [finding()]}, "agent_rejected", "error"),
        ({"state": "rejected", "reason": "No manifest.yaml."}, "agent_rejected", "error"),
        ({"state": "quarantined", "reason": "It fell."}, "agent_quarantined", "error"),
        ({"findings": [finding()], "drift": True}, "agent_change_refused", "warning"),
    ],
)
async def test_an_issue_comes_is_said_anew_and_goes(
    hass: HomeAssistant,
    bridge: BridgeServer,
    loaded: MockConfigEntry,
    changes: dict[str, Any],
    key: str,
    severity: str,
) -> None:
    assert ours(hass) == []
    await bridge.set_agent(agent("electra", **changes))
    await eventually(lambda: found(hass, loaded, "electra") is not None)
    (issue,) = ours(hass)
    assert issue.translation_key == key
    assert issue.severity == severity
    assert issue.is_fixable is (key == "agent_quarantined")
    assert issue.is_persistent is False
    assert issue.learn_more_url == read("manifest.json")["documentation"]
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["agent"] == "Electra"
    assert issue.translation_placeholders["agent_id"] == "electra"
    assert issue.translation_placeholders["core"] == "Maison"

    await bridge.set_agent(agent("electra", state="rejected", findings=[finding("another thing")]))
    await eventually(lambda: "another thing" in str(found(hass, loaded, "electra")))
    assert len(ours(hass)) == 1

    await bridge.set_agent(agent("electra"))
    await eventually(lambda: ours(hass) == [])


@pytest.mark.parametrize(
    "changes",
    [
        {"findings": [finding(severity="warning")]},
        {"state": "crashed", "reason": "It exited with code 1."},
        {"state": "crashed", "reason": "It does not start.", "findings": [finding()]},
        {"state": "starting", "findings": [finding()]},
        {"state": "stopped", "enabled": False, "findings": [finding()]},
        {"drift": True},
        {"last_error": "ValueError"},
    ],
)
async def test_what_needs_nobody_to_mend_it_is_no_issue(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry, changes: dict[str, Any]
) -> None:
    await bridge.set_agent(agent("electra", **changes))
    await bridge.set_agent(agent("renarde", version="0.2.0"))
    await eventually(lambda: loaded.runtime_data.coordinator.agents["renarde"].version == "0.2.0")
    assert ours(hass) == []


async def test_an_issue_stays_while_the_agent_is_looked_at_again(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    """Or one that was ignored would come back with every save."""
    await bridge.set_agent(agent("electra", state="rejected", findings=[finding()]))
    await eventually(lambda: found(hass, loaded, "electra") is not None)
    ir.async_ignore_issue(hass, DOMAIN, f"agent_{loaded.entry_id}_electra", ignore=True)
    for state in ("vetting", "starting", "crashed"):
        await bridge.set_agent(agent("electra", state=state))
        await eventually(
            lambda: loaded.runtime_data.coordinator.agents["electra"].state == state  # noqa: B023
        )
        assert found(hass, loaded, "electra") is not None
    await bridge.set_agent(agent("electra", state="rejected", findings=[finding("again")]))
    await eventually(lambda: "again" in str(found(hass, loaded, "electra")))
    issue = found(hass, loaded, "electra")
    assert issue is not None
    assert issue.dismissed_version is not None


async def test_an_issue_goes_when_the_new_version_answers_and_not_before(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    """Its requirements may be wrong yet."""
    for findings in ([finding()], []):
        await bridge.set_agent(agent("electra", findings=findings, drift=True))
        await bridge.set_agent(agent("renarde", version=str(len(findings))))
        await eventually(
            lambda: (
                loaded.runtime_data.coordinator.agents["renarde"].version == str(len(findings))  # noqa: B023
            )
        )
        assert found(hass, loaded, "electra") is not None
    await bridge.set_agent(agent("electra", version="0.2.0"))
    await eventually(lambda: ours(hass) == [])


async def test_an_issue_goes_with_its_agent(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.set_agent(agent("alfred", state="rejected", findings=[finding()]))
    await eventually(lambda: found(hass, loaded, "alfred") is not None)
    await bridge.remove_agent("alfred")
    await eventually(lambda: ours(hass) == [])


async def test_an_issue_that_was_there_before_goes_after_an_outage_if_it_was_mended(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    await bridge.set_agent(agent("electra", state="rejected", findings=[finding()]))
    await eventually(lambda: found(hass, loaded, "electra") is not None)
    await bridge.stop()
    await eventually(lambda: not loaded.runtime_data.coordinator.available)
    assert found(hass, loaded, "electra") is not None, "nobody has said that it is mended"
    bridge.agents["electra"] = agent("electra")
    await bridge.start()
    await eventually(lambda: ours(hass) == [])


async def test_issues_that_are_there_from_the_start_go_with_the_entry(
    hass: HomeAssistant, bridge: BridgeServer, entry: MockConfigEntry
) -> None:
    bridge.agents["alfred"] = agent("alfred", state="rejected", findings=[finding()])
    bridge.agents["dieu"] = agent("dieu", state="quarantined", reason="It fell.")
    for _ in range(2):
        assert await hass.config_entries.async_setup(entry.entry_id)
        assert len(ours(hass)) == 2
        assert await hass.config_entries.async_unload(entry.entry_id)
        assert ours(hass) == []
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    await hass.config_entries.async_remove(entry.entry_id)
    assert ours(hass) == []


async def test_two_cores_have_issues_of_their_own(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    other = BridgeServer()
    other.hello |= {"server_id": "0199a0c4-0000-7000-8000-000000000002", "name": "Cabane"}
    await other.start()
    entry = MockConfigEntry(
        domain=DOMAIN,
        title="Cabane",
        unique_id=other.hello["server_id"],
        data={CONF_HOST: "127.0.0.1", CONF_PORT: other.port, CONF_TOKEN: TOKEN},
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    try:
        for server in (bridge, other):
            await server.set_agent(agent("electra", state="rejected", findings=[finding()]))
        await eventually(lambda: len(ours(hass)) == 2)
        assert {
            issue.translation_placeholders["core"]
            for issue in ours(hass)
            if issue.translation_placeholders
        } == {"Maison", "Cabane"}
        await other.set_agent(agent("electra"))
        await eventually(lambda: found(hass, entry, "electra") is None)
        assert found(hass, loaded, "electra") is not None
    finally:
        await hass.config_entries.async_unload(entry.entry_id)
        await other.stop()
    assert found(hass, loaded, "electra") is not None


async def test_placeholders_are_those_of_the_sentences(
    hass: HomeAssistant, bridge: BridgeServer, loaded: MockConfigEntry
) -> None:
    strings = read("strings.json")["issues"]
    for changes in ({"state": "rejected"}, {"state": "quarantined"}, {"findings": [finding()]}):
        await bridge.set_agent(agent("electra"))
        await eventually(lambda: ours(hass) == [])
        await bridge.set_agent(agent("electra", **changes))
        await eventually(lambda: len(ours(hass)) == 1)
        (issue,) = ours(hass)
        assert issue.translation_placeholders is not None
        sentences = json.dumps(strings[str(issue.translation_key)])
        # `error` is of the flow's own.
        sentences = sentences.replace("{error}", "")
        for name in issue.translation_placeholders:
            assert f"{{{name}}}" in sentences
            sentences = sentences.replace(f"{{{name}}}", "")
        assert not [word for word in ("{agent", "{core", "{problems") if word in sentences]


# What is said


def test_a_finding_says_where_what_and_how_to_mend_it() -> None:
    assert describe_problems(parsed(findings=[finding()])) == (
        "- `manifest.yaml:3`: the key `name` is missing. Add it."
    )
    assert describe_problems(
        parsed(findings=[finding("there is no logic.py", file="", line=None, hint="")])
    ) == ("- there is no logic.py.")
    assert describe_problems(
        parsed(findings=[finding("is too big", file="assets/a.png", line=None, hint="")])
    ) == ("- `assets/a.png`: is too big.")


def test_warnings_are_not_what_keeps_it_out() -> None:
    text = describe_problems(
        parsed(findings=[finding("a warning", severity="warning"), finding("an error")])
    )
    assert "an error" in text
    assert "a warning" not in text


def test_there_is_an_end_to_what_is_said() -> None:
    text = describe_problems(
        parsed(findings=[finding("long " * 500, hint="and wide " * 500) for _ in range(50)])
    )
    assert text.count("\n") == MAX_FINDINGS
    assert text.endswith(f"(+{50 - MAX_FINDINGS})")
    assert len(text) < 5000


def test_what_a_bundle_says_is_neither_markdown_nor_html() -> None:
    text = describe_problems(
        parsed(
            findings=[
                finding(
                    "the key [click](https://example.org) <img src=x>\n# is *not* known",
                    file="a`b.yaml",
                    hint="",
                )
            ]
        )
    )
    assert text == (
        "- `ab.yaml:3`: the key \\[click\\](https://example.org) \\<img src=x\\> "
        "\\# is \\*not\\* known."
    )


def test_a_backtick_that_stands_alone_makes_no_code() -> None:
    text = describe_problems(parsed(findings=[finding("a ` and *b*", file="", line=None, hint="")]))
    assert text == "- a \\` and \\*b\\*."


def test_the_last_lines_of_a_log_are_shown_as_they_were() -> None:
    log = "\n".join(f"line `{number}` of *it*" for number in range(100))
    text = describe_problems(
        parsed(state="quarantined", reason=f"It ended 3 times in 60 s.\n{log}")
    )
    lines = text.splitlines()
    assert lines[:3] == ["It ended 3 times in 60 s.", "", "```text"]
    assert lines[3:-1] == [f"line '{number}' of *it*" for number in range(80, 100)]
    assert len(lines[3:-1]) == MAX_LOG_LINES
    assert lines[-1] == "```"


def test_quarantine_says_why_beside_what_was_found() -> None:
    text = describe_problems(
        parsed(state="quarantined", reason="It fell.", findings=[finding("an error")])
    )
    assert "an error" in text
    assert text.endswith("\n\nIt fell.")


def test_a_core_that_gives_no_reason() -> None:
    assert describe_problems(parsed(state="rejected")) == "?"
    assert describe_problems(parsed(state="rejected", reason=" ")) == "?"
