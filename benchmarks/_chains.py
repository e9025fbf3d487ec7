"""Things that change: what people tell of themselves and of the house, told again and again.

Each chain is one thing that holds (a colour that somebody likes best, where a key lies) with two to
six values, one after another, and a question whose answer is the last one.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks._house import BEGAN, Said

_SYLLABLES = "bel cor dan fen gal hel jor kan lor mar nol per quin ros sil tor ul ven wil zan"
_COLOURS = {
    "en": "red|green|blue|yellow|white|grey|orange|purple|turquoise|brown",
    "fr": "rouge|vert|bleu|jaune|blanc|gris|orange|violet|turquoise|brun",
}
_CITIES = "Lyon|Paris|Bern|Geneva|Turin|Oslo|Dublin|Madrid|Vienna|Porto|Lille|Nantes|Basel"
_FIRMS = "Nestlé|Migros|Siemens|Airbus|Renault|Philips|Bosch|Nokia|Michelin|Danone"
_PLACES = {
    "en": "the shed|the top drawer|the laundry|the car|the cellar|the wardrobe|the attic",
    "fr": "la remise|le tiroir du haut|la buanderie|la voiture|la cave|le grenier",
}
_MARKS = {
    "en": "spare|round|striped|rusty|wooden|folding|silver|tiny|second|long",
    "fr": "rond|rayé|rouillé|pliant|argenté|minuscule|second|long|neuf|carré",
}
_THINGS = {
    "en": "ladle|stapler|torch|whistle|compass|padlock|funnel|trowel|bobbin|ruler",
    "fr": "cadenas|entonnoir|sifflet|compas|arrosoir|bougeoir|tamis|rabot|burin|crochet",
}


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How something is told the first time, and then, and asked."""

    first: str
    later: tuple[str, ...]
    named: str
    own: str | None
    """As its owner asks; None where nobody in particular owns it."""


_FORMS = {
    "en": {
        "colour": _Form(
            first="My favourite colour is {value}.",
            later=("My favourite colour is {value} now.", "My favourite color is now {value}."),
            named="What is {name}'s favourite colour?",
            own="What is my favourite colour?",
        ),
        "home": _Form(
            first="I live in {value}.",
            later=("I moved to {value} last month.", "I live in {value} now."),
            named="Where does {name} live?",
            own="Where do I live?",
        ),
        "work": _Form(
            first="I work at {value}.",
            later=("I now work for {value}.", "I got a new job at {value}."),
            named="Where does {name} work?",
            own="Where do I work?",
        ),
        "thing": _Form(
            first="The {thing} is in {value}.",
            later=("I moved the {thing} to {value}.", "The {thing} is now in {value}."),
            named="Where is the {thing}?",
            own=None,
        ),
        "code": _Form(
            first="The code of the {thing} is {value}.",
            later=("The code of the {thing} is now {value}.", "The {thing} code is now {value}."),
            named="What is the code of the {thing}?",
            own=None,
        ),
    },
    "fr": {
        "colour": _Form(
            first="Ma couleur préférée est le {value}.",
            later=("Ma couleur préférée est maintenant le {value}.",),
            named="Quelle est la couleur préférée de {name} ?",
            own="Quelle est ma couleur préférée ?",
        ),
        "home": _Form(
            first="J'habite à {value}.",
            later=("J'habite maintenant à {value}.", "J'ai déménagé à {value}."),
            named="Où habite {name} ?",
            own="Où est-ce que j'habite ?",
        ),
        "work": _Form(
            first="Je travaille chez {value}.",
            later=("Je travaille maintenant chez {value}.",),
            named="Où travaille {name} ?",
            own="Où est-ce que je travaille ?",
        ),
        "thing": _Form(
            first="Le {thing} est dans {value}.",
            later=("Le {thing} est maintenant dans {value}.",),
            named="Où est le {thing} ?",
            own=None,
        ),
        "code": _Form(
            first="Le code du {thing} est {value}.",
            later=("Le code du {thing} est maintenant {value}.",),
            named="Quel est le code du {thing} ?",
            own=None,
        ),
    },
}
TOPICS = tuple(_FORMS["en"])


@dataclass(frozen=True, kw_only=True)
class Chain:
    """One thing that changed."""

    number: int
    topic: str
    language: str
    speaker: str
    told: list[Said]
    """The oldest first; the last one holds. At least two."""
    question: str
    is_own: bool
    """Whether its owner asks, and says "my"."""


def chains(count: int, until: datetime, *, seed: int = 3) -> list[Chain]:
    """Return things that changed between the beginning and `until`."""
    choose = random.Random(seed)
    names = _names(choose)
    made: list[Chain] = []
    for number in range(count):
        topic = TOPICS[number % len(TOPICS)]
        language = ("en", "fr")[number // len(TOPICS) % 2]
        made.append(_chain(choose, number, topic, language, next(names), until))
    return made


def _chain(
    choose: random.Random, number: int, topic: str, language: str, name: str, until: datetime
) -> Chain:
    form, thing = _FORMS[language][topic], _thing(number // (2 * len(TOPICS)), language)
    values = _values(choose, topic, language)
    span = int((until - BEGAN).total_seconds())
    moments = sorted(choose.sample(range(span), choose.randint(2, 6)))
    told: list[Said] = []
    for place, second in enumerate(moments):
        words = choose.choice(form.later) if place else form.first
        told.append(
            Said(
                number=place,
                conversation=10_000_000 + 10 * number + place,
                speaker=name,
                language=language,
                text=words.format(value=values[place], thing=thing),
                at=BEGAN + timedelta(seconds=second),
            )
        )
    own = form.own if choose.random() < 0.5 else None
    return Chain(
        number=number,
        topic=topic,
        language=language,
        speaker=name,
        told=told,
        question=own or form.named.format(name=name, thing=thing),
        is_own=own is not None,
    )


def _values(choose: random.Random, topic: str, language: str) -> list[str]:
    if topic == "code":
        return [str(each) for each in choose.sample(range(1_000, 9_999), 6)]
    lists = {
        "colour": _COLOURS[language],
        "home": _CITIES,
        "work": _FIRMS,
        "thing": _PLACES[language],
    }
    return choose.sample(lists[topic].split("|"), 6)


def _thing(number: int, language: str) -> str:
    marks, things = _MARKS[language].split("|"), _THINGS[language].split("|")
    mark = marks[number // len(things) % len(marks)]
    thing = things[number % len(things)]
    again = number // (len(marks) * len(things))
    words = f"{mark} {thing}" if language == "en" else f"{thing} {mark}"
    return f"{words} {again}" if again else words


def _names(choose: random.Random) -> Iterator[str]:
    """Yield names, each once."""
    known: set[str] = set()
    while True:
        name = "".join(choose.choices(_SYLLABLES.split(), k=3)).capitalize()
        if name not in known:
            known.add(name)
            yield name
