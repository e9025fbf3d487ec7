"""What Electra watches for: the `config` of her manifest."""

import re
from datetime import datetime, time
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    field_validator,
    model_validator,
)

from .drivers.states import State

_FIELDS = frozenset({"name", "state", "unit", "minutes"})
_ENTITY = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
_AUDIENCE = re.compile(r"crew|(?:area|user):[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _as_states(value: Any) -> Any:
    # A YAML parser of the old kind reads on and off as truth values.
    return [
        ("off", "on")[each] if isinstance(each, bool) else each for each in _as_list(value) or []
    ]


type Texts = Annotated[list[str], BeforeValidator(_as_list)]
type States = Annotated[list[str], BeforeValidator(_as_states)]


class Rule(BaseModel):
    """One thing worth a sentence: which entities, in which state, for how long, and when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """What her memory knows the rule by."""
    entity: Texts = Field(default_factory=list)
    """Entities by their ids; none: all of the kind."""
    domain: Texts = Field(default_factory=list)
    device_class: Texts = Field(default_factory=list)
    to: States = Field(default_factory=list)
    """The states in question, such as `on` or `home`."""
    above: float | None = None
    """Or a number that the state is over."""
    below: float | None = None
    hold: NonNegativeFloat = Field(default=0, alias="for")
    """Minutes that it must have been so."""
    condition: Literal["nobody_home", "somebody_home"] | None = Field(default=None, alias="while")
    cooldown: NonNegativeFloat = 60
    """Minutes after a sentence in which the rule stays silent."""
    each: bool = False
    """The cooldown counts for each entity by itself."""
    at_night: bool = False
    """Speak in the quiet hours as well."""
    say: dict[Literal["en", "fr"], str] = Field(min_length=1)
    """The fact in plain words, by language; `{name}`, `{state}`, `{unit}` and `{minutes}` are
    filled in. Her model says it in her own way; without a model it is said as it stands."""

    @field_validator("entity")
    @classmethod
    def _entities(cls, value: list[str]) -> list[str]:
        for each in value:
            if not _ENTITY.fullmatch(each):
                raise ValueError(f"{each!r} is no entity id, such as binary_sensor.front_door")
        return value

    @field_validator("say")
    @classmethod
    def _fields(cls, value: dict[str, str]) -> dict[str, str]:
        for text in value.values():
            for _, name, _, _ in Formatter().parse(text):
                if name is not None and name not in _FIELDS:
                    raise ValueError(f"{{{name}}} is none of {', '.join(sorted(_FIELDS))}")
        return value

    @model_validator(mode="after")
    def _says_enough(self) -> Self:
        if not (self.entity or self.domain or self.device_class):
            raise ValueError("which entities? Give `entity`, `domain` or `device_class`")
        if not self.to and self.above is None and self.below is None:
            raise ValueError("which state? Give `to`, `above` or `below`")
        return self

    def covers(self, state: State) -> bool:
        """Return whether the rule is about this entity at all."""
        return (
            (not self.entity or state.entity_id in self.entity)
            and (not self.domain or state.domain in self.domain)
            and (not self.device_class or state.device_class in self.device_class)
        )

    def matches(self, state: State) -> bool:
        """Return whether the entity is in the state in question."""
        if self.to and state.state not in self.to:
            return False
        if self.above is None and self.below is None:
            return True
        # Powers are compared in watts, whatever the sensor counts in.
        number = state.number if state.watts is None else state.watts
        return (
            number is not None
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def fact(self, language: str, state: State, minutes: float) -> str:
        """Return the plain words in `language`, or in another one if there are none."""
        text = self.say.get(language) or next(iter(self.say.values()))  # type: ignore[call-overload]
        return str(text).format(
            name=state.name,
            state=state.state,
            unit=state.attributes.get("unit_of_measurement") or "",
            minutes=round(minutes),
        )


class QuietHours(BaseModel):
    """From when to when she keeps silent."""

    model_config = ConfigDict(frozen=True)

    begin: time
    end: time

    def __contains__(self, moment: datetime) -> bool:
        now = moment.time()
        if self.begin <= self.end:
            return self.begin <= now < self.end
        return now >= self.begin or now < self.end


def _parse_quiet(value: Any) -> Any:
    if value is None or isinstance(value, QuietHours):
        return value
    found = re.fullmatch(r"\s*(\d\d:\d\d)\s*-\s*(\d\d:\d\d)\s*", str(value))
    if not found:
        raise ValueError('quiet hours are written as "22:30-07:00"')
    return {"begin": found[1], "end": found[2]}


class Settings(BaseModel):
    """The whole `config`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ha_url: str = "http://homeassistant.local:8123"
    audience: str = Field(default="crew", pattern=_AUDIENCE.pattern)
    """Whom she speaks to: `crew`, `area:<id>` or `user:<id>`."""
    quiet_hours: Annotated[QuietHours | None, BeforeValidator(_parse_quiet)] = None
    at_most_per_hour: NonNegativeInt = 6
    """Sentences unasked in any hour; what may be said at night is not counted."""
    watch: list[Rule] = Field(default_factory=list)

    @field_validator("watch")
    @classmethod
    def _names(cls, value: list[Rule]) -> list[Rule]:
        names = [rule.name for rule in value]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two rules are called {', '.join(sorted(twice))}")
        return value
