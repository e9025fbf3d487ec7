"""What is wrong with an agent, as a repair issue: one an agent, for as long as it is so.

How a finding is worded comes from H-Core, in English; what surrounds it is translated.
"""

import re
from collections.abc import Mapping
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.loader import async_get_loaded_integration

from .const import DOMAIN
from .models import Agent, Finding

MAX_FINDINGS: Final = 5
"""Shown at once. Mending the first often mends others, and a repair is no log."""
MAX_TEXT: Final = 300
"""Characters of one sentence."""
MAX_LOG_LINES: Final = 20
"""Of the last lines of an agent in quarantine."""

SEVERITIES: Final = {
    "agent_rejected": ir.IssueSeverity.ERROR,
    "agent_quarantined": ir.IssueSeverity.ERROR,
    "agent_change_refused": ir.IssueSeverity.WARNING,
}
"""By the issue's translation key."""
FIXABLE: Final = "agent_quarantined"
"""The others are mended in the bundle."""

_MARKUP = re.compile(r"([\\`*_\[\]<>&~|#])")


@callback
def async_sync_agent_issues(
    hass: HomeAssistant, entry: ConfigEntry, agents: Mapping[str, Agent]
) -> None:
    """Make the repair issues of one H-Core those of its agents.

    While an agent is looked at, started or restarted, what was said of it stays.
    """
    undecided = {_issue_id(entry, agent.id) for agent in agents.values() if not agent.is_settled}
    current = set()
    for agent in agents.values():
        if agent.is_settled and (key := _key(agent)):
            current.add(_issue_id(entry, agent.id))
            _create(hass, entry, agent, key)
    for issue_id in _issue_ids(hass, entry) - current - undecided:
        ir.async_delete_issue(hass, DOMAIN, issue_id)


@callback
def async_delete_agent_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Withdraw all that was said of the agents of one H-Core."""
    for issue_id in _issue_ids(hass, entry):
        ir.async_delete_issue(hass, DOMAIN, issue_id)


def describe_problems(agent: Agent) -> str:
    """Return in Markdown what is wrong with an agent, and how to mend it."""
    parts = []
    if agent.errors:
        parts.append(_as_list(agent.errors))
    if agent.reason and (not agent.errors or agent.state == "quarantined"):
        parts.append(_reason(agent.reason))
    return "\n\n".join(parts) or "?"


def _key(agent: Agent) -> str | None:
    if agent.state in {"rejected", "quarantined"}:
        return f"agent_{agent.state}"
    return "agent_change_refused" if agent.is_live and agent.errors else None


def _create(hass: HomeAssistant, entry: ConfigEntry, agent: Agent, key: str) -> None:
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, agent.id),
        data={"entry_id": entry.entry_id, "agent_id": agent.id},
        is_fixable=key == FIXABLE,
        learn_more_url=async_get_loaded_integration(hass, DOMAIN).documentation,
        severity=SEVERITIES[key],
        translation_key=key,
        translation_placeholders={
            "agent": agent.name,
            "agent_id": agent.id,
            "core": entry.title,
            "problems": describe_problems(agent),
        },
    )


def _issue_id(entry: ConfigEntry, agent_id: str) -> str:
    return f"agent_{entry.entry_id}_{agent_id}"


def _issue_ids(hass: HomeAssistant, entry: ConfigEntry) -> set[str]:
    prefix = _issue_id(entry, "")
    return {
        issue_id
        for domain, issue_id in ir.async_get(hass).issues
        if domain == DOMAIN and issue_id.startswith(prefix)
    }


def _as_list(findings: tuple[Finding, ...]) -> str:
    items = [_item(finding) for finding in findings[:MAX_FINDINGS]]
    if (more := len(findings) - MAX_FINDINGS) > 0:
        items.append(f"- … (+{more})")
    return "\n".join(items)


def _item(finding: Finding) -> str:
    where = f"{finding.file}:{finding.line}" if finding.line else finding.file
    location = f"`{where.replace('`', '')}`: " if where else ""
    hint = f" {_plain(finding.hint)}" if finding.hint else ""
    return f"- {location}{_plain(finding.what).rstrip('.')}.{hint}"


def _reason(reason: str) -> str:
    first, *rest = reason.strip().splitlines() or ["?"]
    if not rest:
        return _plain(first)
    lines = [_shortened(line.replace("`", "'")) for line in rest[-MAX_LOG_LINES:]]
    return "\n".join([_plain(first), "", "```text", *lines, "```"])


def _plain(text: str) -> str:
    """Return a text of which nothing is taken for Markdown or HTML but `code`."""
    *pairs, last = _shortened(" ".join(text.split())).split("`")
    if len(pairs) % 2:
        # One that stands alone would make code of all that follows.
        return _MARKUP.sub(r"\\\1", "`".join([*pairs, last]))
    parts = [
        f"`{part}`" if number % 2 and part else _MARKUP.sub(r"\\\1", part)
        for number, part in enumerate([*pairs, last])
    ]
    return "".join(parts)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
