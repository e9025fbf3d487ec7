"""Facts of names, and of whom and what people have: family, friends, animals."""

from hairem_core.memory.interpret.extracted import ExtractedFact, Link
from hairem_core.memory.interpret.slots import canonical, value_of
from hairem_core.memory.interpret.told import Told, person
from hairem_core.memory.interpret.vocabulary import OWNABLES, PARTNERS, PETS, ROLES, SINGLE_ROLES


def name(told: Told) -> list[ExtractedFact]:
    """Make `my name is Anna`, `I go by Max`."""
    if not told.subject.is_speaker:
        return called(told)
    if (name := told.name()) is None:
        return []
    slot = (
        "name"
        if "appelle" in told.match.group() or " go by" not in told.match.group()
        else ("goes by")
    )
    return [told.fact(slot, value_of(name), 0.8, spoken=name)]


def called(told: Told) -> list[ExtractedFact]:
    """Make `my sister is called Anna`, `ma sœur s'appelle Julie`."""
    name, role = told.name(strict=False), told.subject.role
    if name is None or told.subject.name is not None:
        return []
    if role is None:
        return []
    return [_named_role(told, role, name)]


def _named_role(told: Told, role: str, name: str, *, retracts: bool = False) -> ExtractedFact:
    """Return the fact that someone of the speaker's has a name."""
    mention = person(name)
    if role in PETS:
        slot, importance = f"pet:{role}:{value_of(name)}", 0.7
    elif role in SINGLE_ROLES:
        slot, importance = "partner" if role in PARTNERS else role, 0.75
    else:
        slot, importance = f"{role}:{value_of(name)}", 0.75
    return told.fact(
        slot,
        value_of(name),
        importance,
        spoken=name,
        subject=told.speaker,
        mentions=(mention,),
        links=() if retracts else (Link(kind="knows", source=told.speaker, target=mention.key),),
        retracts=retracts,
    )


def is_role(told: Told) -> list[ExtractedFact]:
    """Make `Anna is my sister`."""
    role, name = canonical(told.group("v") or ""), told.subject.name
    if role not in ROLES | PETS or name is None:
        return []
    return [_named_role(told, role, name, retracts=told.denied)]


def has(told: Told) -> list[ExtractedFact]:
    """Make `we have a dog called Rex`, `I no longer have a cat`."""
    spoken_thing = told.group("v") or ""
    thing = canonical(spoken_thing)
    name = told.name("name", strict=False) if told.group("name") else None
    if thing in PETS:
        slot = f"pet:{thing}" + (f":{value_of(name)}" if name else "")
    elif thing in ROLES:
        slot = f"{thing}:{value_of(name)}" if name else f"has:{thing}"
        if thing in SINGLE_ROLES and name is None:
            return []
    elif thing in OWNABLES and told.group("n") != "two":
        slot = f"has:{thing}"
    else:
        return []
    if name is None and thing in ROLES:
        count = told.group("n") or "a"
        slot = f"has:{thing}" if count in {"a", "an", "une", "un"} else f"{thing} count"
    mentions = (person(name),) if name else ()
    links = tuple(Link(kind="knows", source=told.speaker, target=each.key) for each in mentions)
    return [
        told.fact(
            slot,
            value_of(name or thing),
            0.65,
            mentions=mentions,
            links=links if told.subject.is_speaker and not told.gone else (),
            retracts=told.gone,
        )
    ]


def trusts(told: Told) -> list[ExtractedFact]:
    """Make `I trust Anna`."""
    if (name := told.name()) is None:
        return []
    mention = person(name)
    links = (Link(kind="trusts", source=told.subject.key, target=mention.key),)
    value = "no" if told.denied else "yes"
    slot = f"trust:{value_of(name)}"
    return [told.fact(slot, value, 0.6, mentions=(mention,), links=() if told.denied else links)]


def knows(told: Told) -> list[ExtractedFact]:
    """Make `I know Anna`."""
    if (name := told.name()) is None or not name[0].isupper():
        return []
    mention = person(name)
    link = Link(kind="knows", source=told.subject.key, target=mention.key)
    return [told.fact(f"knows:{value_of(name)}", "yes", 0.5, mentions=(mention,), links=(link,))]


def married(told: Told) -> list[ExtractedFact]:
    """Make `I am married to Anna`."""
    if (name := told.name()) is None:
        return []
    mention = person(name)
    link = Link(kind="knows", source=told.subject.key, target=mention.key)
    return [
        told.fact("partner", value_of(name), 0.75, spoken=name, mentions=(mention,), links=(link,))
    ]


def died(told: Told) -> list[ExtractedFact]:
    """Make `our cat Minou died`."""
    role, name = told.subject.role, told.subject.name
    if role in PETS and name is not None:
        slot = f"pet:{role}:{value_of(name)}"
        return [told.fact(slot, "died", 0.8, subject=told.speaker)]
    return [told.fact("died", "died", 0.85)] if role or name else []
