"""Corrections of what was said just before: "no, it's green now", "en fait, c'est le vert"."""

import re

from hairem_core.memory.interpret.extracted import Antecedent, ExtractedFact
from hairem_core.memory.interpret.guards import Clause
from hairem_core.memory.interpret.slots import family_of, is_of_name, kind_of_value, value_of
from hairem_core.memory.interpret.text import plain
from hairem_core.memory.interpret.told import person
from hairem_core.memory.interpret.values import is_worth
from hairem_core.memory.interpret.vocabulary import COLOURS

_IT = re.compile(
    r"(?:(?:it|that|they|this)(?:'s|'re| is| are)(?: now| actually| rather| really)* (?!no\b"
    r"|not\b)(?P<v>.+?)"
    r"|(?:it|that|this|they)(?: has|'s| have| was| were| got)?(?: been)?(?: just)? (?:changed"
    r"|switched|moved|postponed|rescheduled) to"
    r" (?P<v2>.+?)"
    r"|(?:make (?:it|that)|i mean(?:t)?|change (?:it|that) to) (?P<v3>.+?)"
    r"|(?:it|that)(?:'s| is) (?:not|no longer) .+?,? (?:it's|it is|but|rather|anymore,?) "
    r"(?P<v4>.+?)"
    r"|c'est(?: maintenant| plutot| desormais| devenu| en fait)* (?!pas\b|plus\b)(?P<v5>.+?)"
    r"|(?:elle|il|ca|elles|ils) (?:est|sont|a change pour|(?:est|a ete) (?:passee?|deplacee?"
    r"|reportee?|decalee?|avancee?) (?:a|au))(?: maintenant|"
    r" desormais| plutot)* (?!pas\b|plus\b)(?P<v6>.+?)"
    r"|ce n'est (?:plus|pas) .+?,? (?:c'est|mais) (?P<v7>.+?)"
    r"|je (?:voulais dire|veux dire) (?P<v8>.+?))"
)
_BARE = re.compile(r"(?:the |le |la |l')?(?P<v>\w+)")


def corrected(clause: Clause, antecedent: Antecedent) -> list[ExtractedFact]:
    """Return the fact that was told last with the value that a correction gives it.

    Empty where the clause is no correction, or gives a value of another kind: then it speaks of
    something else.
    """
    bare = clause.plain.strip(" .!,")
    match = _IT.fullmatch(bare)
    if match:
        group = next(name for name, each in match.groupdict().items() if each)
        start, end = match.span(group)
    elif (short := _BARE.fullmatch(bare)) and short["v"] in COLOURS:
        start, end = 0, len(bare)
    else:
        return []
    offset = clause.plain.index(bare)
    spoken = clause.text[offset + start : offset + end].strip()
    if clause.end < offset + start or not is_worth(plain(spoken)):
        return []
    kinds = {kind_of_value(spoken), kind_of_value(antecedent.spoken_value)}
    if len(kinds) > 1 and kinds != {"name", "other"}:
        return []
    if ":" in antecedent.slot and not is_of_name(antecedent.slot):
        return []
    value, content = value_of(spoken), antecedent.content
    place = content.rfind(antecedent.spoken_value)
    if place < 0 or not value:
        return []
    shown = _without_now(spoken)
    slot, about = antecedent.slot, antecedent.about
    named = (person(shown),) if is_of_name(slot) else None
    if named:
        slot = f"{family_of(slot)}:{value}"
        about = (antecedent.subject, *(each.key for each in named))
    content = content[:place] + shown + content[place + len(antecedent.spoken_value) :]
    return [
        ExtractedFact(
            content=content,
            subject=antecedent.subject,
            slot=slot,
            value=value,
            importance=antecedent.importance,
            about=about,
            entities=named or (),
            confidence=0.8,
            spoken_value=shown,
            corrects=True,
        )
    ]


def _without_now(spoken: str) -> str:
    end = re.search(
        r"[ ,]+(?:now|instead|actually|rather|anymore|maintenant|desormais|plutot|finalement|en"
        r" fait)$",
        plain(spoken),
    )
    return spoken[: end.start()] if end else spoken
