"""States of entities, and the compressed form in which Home Assistant sends them.

`subscribe_entities` answers with events that hold `a` (added, and first of all everything there
is), `c` (changed) and `r` (removed); a state is `{"s": state, "a": attributes, "c": context, "lc":
last changed, "lu": last updated}` with times in seconds since 1970, `lu` only where it differs.
Source: `homeassistant/components/websocket_api/messages.py`, `_state_diff_event`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

_UNKNOWN = frozenset({"unavailable", "unknown"})
_WATTS = {"mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9}


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What Home Assistant says of one entity. Times are seconds since 1970."""

    entity_id: str
    state: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    changed_at: float = 0.0
    """When `state` last became another. Home Assistant's restart counts as such a moment."""
    updated_at: float = 0.0
    """When anything, attributes included, last became another."""

    @property
    def domain(self) -> str:
        """The kind of entity: `light` of `light.kitchen`."""
        return self.entity_id.partition(".")[0]

    @property
    def name(self) -> str:
        """What people call it."""
        return str(self.attributes.get("friendly_name") or self.entity_id)

    @property
    def device_class(self) -> str | None:
        """What it measures or detects, such as `motion`."""
        found = self.attributes.get("device_class")
        return found if isinstance(found, str) else None

    @property
    def is_known(self) -> bool:
        """Whether the state says something of the house, and not of a lost device."""
        return self.state not in _UNKNOWN

    @property
    def number(self) -> float | None:
        """The state as a number, None where it is none."""
        try:
            return float(self.state)
        except ValueError:
            return None

    @property
    def watts(self) -> float | None:
        """The state in watts, None where it is no power."""
        factor = _WATTS.get(str(self.attributes.get("unit_of_measurement")))
        return None if factor is None or self.number is None else self.number * factor

    @property
    def last_changed(self) -> datetime:
        """`changed_at` as a moment in UTC."""
        return datetime.fromtimestamp(self.changed_at, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class StateChanged:
    """An entity that became another. At least one of `old` and `new` is there."""

    entity_id: str
    old: State | None
    """None: it was not there."""
    new: State | None
    """None: it is gone."""
    missed: bool = False
    """It happened while there was no connection; what lay between `old` and `new` is unknown."""
    merged: int = 0
    """Changes in between that were left out, since more came than were taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Synchronised:
    """The states known are those of the house, at the start and after each gap."""

    first: bool
    """Nothing was known before."""


def decode(entity_id: str, raw: Mapping[str, Any]) -> State:
    """Return a state that came whole. Raises KeyError, TypeError or ValueError for another form."""
    changed = float(raw["lc"])
    return State(
        entity_id=entity_id,
        state=str(raw["s"]),
        attributes=dict(raw.get("a") or {}),
        changed_at=changed,
        updated_at=float(raw.get("lu", changed)),
    )


def apply(old: State, diff: Mapping[str, Any]) -> State:
    """Return `old` after a change. Raises TypeError or ValueError for another form."""
    added: Mapping[str, Any] = diff.get("+") or {}
    attributes = {**old.attributes, **(added.get("a") or {})}
    for name in (diff.get("-") or {}).get("a") or ():
        attributes.pop(name, None)
    changed = float(added.get("lc", old.changed_at))
    # A change of the state is an update as well, and then only `lc` is sent.
    updated = float(added.get("lu", changed if "lc" in added else old.updated_at))
    return State(
        entity_id=old.entity_id,
        state=str(added.get("s", old.state)),
        attributes=attributes,
        changed_at=changed,
        updated_at=updated,
    )


def differences(before: Mapping[str, State], after: Mapping[str, State]) -> list[StateChanged]:
    """Return what became another between two readings, marked as missed.

    Times alone are no difference: Home Assistant's restart sets them all anew.
    """
    found: list[StateChanged] = []
    for entity_id in before.keys() | after.keys():
        old, new = before.get(entity_id), after.get(entity_id)
        if old and new and (old.state, old.attributes) == (new.state, new.attributes):
            continue
        found.append(StateChanged(entity_id=entity_id, old=old, new=new, missed=True))
    return sorted(found, key=lambda each: each.new.updated_at if each.new else 0.0)
