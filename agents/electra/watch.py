"""When something is worth a sentence, and that it is said once. No clock, no network: pure logic.

What is remembered of each rule outlives the process: since when an entity matches it, and whether
that was spoken of. What was so before she first looked is not news; what began while she was away
is, for a while. Times are seconds since 1970.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any

from .drivers.states import State, StateChanged
from .rules import Rule, Settings

_FRESH = 300.0
"""Seconds for which an event is news. Nobody is welcomed home ten minutes late."""
_HOUR = 3600.0
_HOME = "home"


@dataclass(frozen=True, kw_only=True)
class Match:
    """An entity that is in the state a rule is about."""

    since: float
    said: bool
    """It was spoken of, or is not to be."""


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """Something to say now."""

    rule: Rule
    state: State
    since: float
    minutes: float
    """How long it has been so."""

    def cause(self) -> dict[str, Any]:
        """Return it as the `cause` in a message's data."""
        since = datetime.fromtimestamp(self.since).astimezone()
        return {
            "rule": self.rule.name,
            "entity_id": self.state.entity_id,
            "state": self.state.state,
            "since": since.isoformat(timespec="seconds"),
        }


class Watch:
    """Holds the rules against the states."""

    def __init__(self, settings: Settings, memory: Mapping[str, Any] | None = None) -> None:
        """Go on from `memory`, what an earlier one returned from `memory()`."""
        self._settings = settings
        self._rules = settings.watch
        known = memory or {}
        self._seen: dict[str, dict[str, Match | None]] = {
            rule.name: _read_matches((known.get("seen") or {}).get(rule.name))
            for rule in self._rules
        }
        self._spoken: dict[str, float] = dict(known.get("spoken") or {})
        self._recent: list[float] = list(known.get("recent") or [])

    def memory(self) -> dict[str, Any]:
        """Return what is to be remembered, as JSON."""
        return {
            "seen": {
                name: {
                    entity: None if match is None else [match.since, match.said]
                    for entity, match in seen.items()
                }
                for name, seen in self._seen.items()
            },
            "spoken": self._spoken,
            "recent": self._recent,
        }

    def look(self, states: Mapping[str, State], now: float) -> bool:
        """Take all states as they are; return whether there is anything new to remember."""
        changed = False
        for state in states.values():
            changed |= self._take(state, states, now, since=min(state.changed_at, now))
        for seen in self._seen.values():
            for gone in seen.keys() - states.keys():
                # It may come back; until then nothing can be said of it, and nothing forgotten.
                if (match := seen[gone]) is not None and not match.said:
                    seen[gone] = replace(match, said=True)
                    changed = True
        return changed

    def take(self, change: StateChanged, states: Mapping[str, State], now: float) -> bool:
        """Take one change; return whether there is anything new to remember."""
        if change.new is None:
            return False
        since = min(change.new.changed_at, now) if change.missed else now
        return self._take(change.new, states, now, since=since)

    def due(
        self, states: Mapping[str, State], now: float, zone: tzinfo | None = None
    ) -> Occurrence | None:
        """Return what is to be said now, if anything; `said()` follows before it is asked again.

        `zone` is the house's, for the quiet hours; None is that of this process.
        """
        for rule, state, match, ready in self._waiting(states):
            if ready > now:
                continue
            if self._may_speak(rule, state, now, zone):
                minutes = (now - match.since) / 60
                return Occurrence(rule=rule, state=state, since=match.since, minutes=minutes)
            if rule.hold == 0:
                # It has happened, and is no news once the silence is over.
                self._seen[rule.name][state.entity_id] = replace(match, said=True)
        return None

    def said(self, occurrence: Occurrence, now: float) -> None:
        """Note that it is being said, now."""
        rule, entity = occurrence.rule, occurrence.state.entity_id
        self._seen[rule.name][entity] = Match(since=occurrence.since, said=True)
        self._spoken[_key(rule, entity)] = now
        self._recent = [*self._lately(now), *([] if rule.at_night else [now])]

    def next_due(self, states: Mapping[str, State]) -> float | None:
        """Return when the next waiting thing is due, None when nothing waits for its time."""
        return min((ready for _, _, _, ready in self._waiting(states)), default=None)

    def _take(self, state: State, states: Mapping[str, State], now: float, *, since: float) -> bool:
        changed = False
        # A device that is lost for a moment has not changed the house.
        for rule in self._rules if state.is_known else ():
            if rule.covers(state):
                changed |= self._note(rule, state, states, now, since)
        return changed

    def _note(
        self, rule: Rule, state: State, states: Mapping[str, State], now: float, since: float
    ) -> bool:
        seen = self._seen[rule.name]
        entity = state.entity_id
        if not rule.matches(state):
            changed = entity not in seen or seen[entity] is not None
            seen[entity] = None
            return changed
        if entity not in seen:
            seen[entity] = Match(since=since, said=True)
        elif seen[entity] is None:
            # What lasts is true still; what happened is news only for a while.
            stale = rule.hold == 0 and (now - since > _FRESH or _held_since(rule, states) is None)
            seen[entity] = Match(since=since, said=stale)
        else:
            return False
        return True

    def _waiting(self, states: Mapping[str, State]) -> Iterator[tuple[Rule, State, Match, float]]:
        """Yield what was not spoken of yet, with the moment from which it may be."""
        for rule in self._rules:
            held = _held_since(rule, states)
            if held is None:
                continue
            for entity, match in list(self._seen[rule.name].items()):
                state = states.get(entity)
                if match is None or match.said or state is None or not state.is_known:
                    continue
                yield rule, state, match, max(match.since, held) + rule.hold * 60

    def _may_speak(self, rule: Rule, state: State, now: float, zone: tzinfo | None) -> bool:
        spoken = self._spoken.get(_key(rule, state.entity_id))
        # A clock that was set back must not silence a rule for ever.
        if spoken is not None and 0 <= now - spoken < rule.cooldown * 60:
            return False
        if rule.at_night:
            return True
        quiet = self._settings.quiet_hours
        if quiet is not None and datetime.fromtimestamp(now, zone) in quiet:
            return False
        return len(self._lately(now)) < self._settings.at_most_per_hour

    def _lately(self, now: float) -> list[float]:
        return [each for each in self._recent if 0 <= now - each < _HOUR]


def _key(rule: Rule, entity: str) -> str:
    return f"{rule.name}|{entity}" if rule.each else rule.name


def _held_since(rule: Rule, states: Mapping[str, State]) -> float | None:
    """Return since when the rule's condition holds, None where it does not.

    Where one person's whereabouts are unknown, nobody is said to be away.
    """
    if rule.condition is None:
        return 0.0
    people = [state for state in states.values() if state.domain == "person"]
    home = [each.changed_at for each in people if each.state == _HOME]
    if rule.condition == "somebody_home":
        return min(home, default=None)
    if home or not people or not all(each.is_known for each in people):
        return None
    return max(each.changed_at for each in people)


def _read_matches(raw: Mapping[str, Any] | None) -> dict[str, Match | None]:
    return {
        entity: None if match is None else Match(since=float(match[0]), said=bool(match[1]))
        for entity, match in (raw or {}).items()
    }
