"""What is said in a made-up house, in English and in French: the same for the same seed.

Words are few and often used, or many and rare, as in speech. A vector is the sum of its words' own
directions: what shares words lies near, and no model is needed.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from hairem_core.memory.arrays import Vectors
from hairem_core.memory.days import days_asked_about, without_days
from hairem_core.memory.language import words_of
from hairem_core.sdk.message import Message, MessageType, Topic
from hairem_core.sdk.utterance import Utterance

DIMENSIONS = 384
PEOPLE = ("Anna", "Bruno", "Chloé", "Dorian", "Elise", "Farid")
AGENTS = 10
BEGAN = datetime(2025, 1, 6, 7, tzinfo=UTC)
_TURNS = 12
"""Things said in one conversation."""

_ENGLISH = (
    "The {thing} is {where} now, I put it there {when}.",
    "I saw {name} at the {place} {when}, we talked about the {thing}.",
    "Could you remind me to bring the {thing} to {name}?",
    "{name} wants to paint the {place} {colour}, what do you think?",
    "We had {food} {when}, and the {thing} broke again.",
    "My favourite {food} comes from the market near {name} street.",
    "Where did I leave the {thing}?",
    "The repair of the {thing} costs {number} euros, {name} told me.",
    "I am reading a book by {name} about a {colour} {thing}.",
    "Please do not forget that {name} arrives {when} with the {thing}.",
    "The {place} smelled of {food} all day long.",
    "That is wonderful, I am so happy for you!",
    "I learned to play the {thing} when I lived in {name}.",
    "The code of the {place} is {number}.",
)
_FRENCH = (
    "Le {thing} est {where} maintenant, je l'ai rangé {when}.",
    "J'ai vu {name} à la {place} {when}, nous avons parlé du {thing}.",
    "Tu peux me rappeler d'apporter le {thing} à {name} ?",
    "{name} veut peindre la {place} en {colour}, qu'en penses-tu ?",
    "Nous avons mangé du {food} {when}, et le {thing} est encore tombé en panne.",
    "Où ai-je laissé le {thing} ?",
    "La réparation du {thing} coûte {number} euros, d'après {name}.",
    "N'oublie pas que {name} arrive {when} avec le {thing}.",
    "La {place} a senti le {food} toute la journée.",
    "C'est magnifique, je suis très contente pour toi !",
    "J'ai appris le {thing} quand j'habitais à {name}.",
    "Le code de la {place} est {number}.",
)
_WORDS = {
    "en": {
        "thing": "keys umbrella lamp kettle bicycle guitar piano drill ladder blanket camera radio"
        " telescope suitcase passport charger notebook vacuum thermostat speaker curtain mirror"
        " carpet printer toaster hammer violin tent rucksack scarf helmet oven fridge boiler",
        "place": "kitchen garden cellar attic garage bathroom library workshop balcony hallway"
        " office nursery laundry veranda pantry greenhouse shed station bakery museum pool",
        "colour": "red green blue yellow white grey orange purple turquoise brown",
        "food": "soup bread cheese apples lasagne curry pancakes salmon mushrooms cherries honey"
        " chocolate pumpkin lentils rhubarb olives noodles walnuts figs",
        "where": "on-the-shelf in-the-drawer behind-the-door under-the-stairs next-to-the-sofa"
        " in-the-blue-bowl on-the-roof beside-the-window",
        "when": "yesterday last-week this-morning on-Tuesday on-Friday in-March tonight tomorrow",
    },
    "fr": {
        "thing": "parapluie vélo piano marteau tapis miroir radiateur canapé rideau téléphone"
        " chargeur casque violon carnet passeport four aspirateur grille-pain réfrigérateur sac"
        " manteau tournevis ordinateur haut-parleur télescope appareil jeu tableau",
        "place": "cuisine cave chambre bibliothèque terrasse buanderie véranda serre gare piscine"
        " boulangerie salle-de-bains remise entrée mezzanine école",
        "colour": "rouge vert bleu jaune blanc gris orange violet turquoise brun",
        "food": "pain fromage saumon miel chocolat potiron riz gratin ragoût poisson gâteau"
        " beurre jambon taboulé couscous cassoulet",
        "where": "sur-l'étagère dans-le-tiroir derrière-la-porte sous-l'escalier près-du-canapé"
        " dans-le-bol-bleu sur-le-toit à-côté-de-la-fenêtre",
        "when": "hier la-semaine-dernière ce-matin mardi vendredi en-mars ce-soir demain",
    },
}
_SYLLABLES = (
    "ba be bo da di do fa fe ga go ka ki la le li lo ma mi mo na ne no ra re ri ro sa so ta to va"
)


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that was said."""

    number: int
    conversation: int
    speaker: str
    language: str
    text: str
    at: datetime


def said(count: int, *, seed: int = 1) -> Iterator[Said]:
    """Yield what was said, in order: conversations of twelve turns, an hour apart."""
    choose = random.Random(seed)
    for number in range(count):
        conversation = number // _TURNS
        language = "fr" if conversation % 3 == 2 else "en"
        yield Said(
            number=number,
            conversation=conversation,
            speaker=PEOPLE[(conversation + number % 2) % len(PEOPLE)],
            language=language,
            text=_text(choose, language),
            at=BEGAN + timedelta(minutes=30 * conversation, seconds=10 * (number % _TURNS)),
        )


def questions(sayings: Sequence[Said], count: int, *, seed: int = 2) -> list[tuple[str, Said]]:
    """Return questions, each with what it asks for: some of its words, and whose they are.

    None asks for "yesterday": recall looks for that day, of which the exact formula knows nothing.
    """
    choose = random.Random(seed)
    asked: list[tuple[str, Said]] = []
    for each in choose.sample(sayings, count):
        form = "What did {} say about {}?" if each.language == "en" else "Qu'a dit {} sur {} ?"
        words = [
            word.strip(".,!?")
            for word in without_days(each.text).split()
            if words_of(word) and not days_asked_about(form.format("", word), each.at.date())
        ]
        kept = choose.sample(words, min(len(words), choose.randint(2, 5)))
        asked.append((form.format(each.speaker, " ".join(kept)), each))
    return asked


def agent_of(each: Said) -> str:
    """Return the id of the agent that it is said to: each conversation is one agent's."""
    return f"a{each.conversation % AGENTS}"


def message(each: Said, agent_id: str) -> Message:
    """Return it as a message to an agent."""
    made = Message.create(
        sender=f"user:{each.speaker.lower().replace('é', 'e')}",
        recipient=f"agent:{agent_id}",
        type=MessageType.RAW,
        topic=Topic.USER_UTTERANCE,
        content=each.text,
        data=Utterance(language=each.language, speaker_name=each.speaker).as_data(),
        conversation_id=f"c{each.conversation}",
    )
    header = made.header.model_copy(update={"timestamp": each.at})
    return made.model_copy(update={"header": header})


class WordVectors:
    """An embedder without a model. It has no time of its own worth speaking of."""

    model = f"words-{DIMENSIONS}"

    def __init__(self) -> None:
        self._words: dict[str, Vectors] = {}
        self._ready: dict[str, bytes] = {}

    async def embed(self, texts: Sequence[str], *, timeout: float) -> list[bytes]:
        """Return a vector of length 1 for each text: float16, little-endian."""
        return [self._ready.get(each) or self.pack(each) for each in texts]

    def prepare(self, texts: Sequence[str]) -> None:
        """Make the vectors of questions now, so that asking takes no time for them."""
        self._ready |= {each: self.pack(each) for each in texts}

    def pack(self, text: str) -> bytes:
        """Return the vector of a text as bytes."""
        return self.vector(text).astype("<f2").tobytes()

    def vector(self, text: str) -> Vectors:
        """Return the vector of a text, of length 1; shape (384,)."""
        total = 0.7 * self._direction(f"text {text}")
        for word in sorted(words_of(text)):
            total = total + self._direction(word)
        found: Vectors = total / np.linalg.norm(total)
        return found

    def _direction(self, word: str) -> Vectors:
        known = self._words.get(word)
        if known is None:
            seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest())
            known = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
            known /= np.linalg.norm(known)
            if not word.startswith("text "):
                self._words[word] = known
        return known


def _text(choose: random.Random, language: str) -> str:
    forms = _ENGLISH if language == "en" else _FRENCH
    filled = [
        choose.choice(forms).format(name=_name(choose), number=choose.randint(10, 9_999), **words)
        for words in (_draw(choose, language) for _ in range(choose.choice((1, 1, 2))))
    ]
    return " ".join(filled)


def _draw(choose: random.Random, language: str) -> dict[str, str]:
    lists = _WORDS[language]
    return {name: choose.choice(each.split()).replace("-", " ") for name, each in lists.items()}


def _name(choose: random.Random) -> str:
    """Return a name: a few that everyone knows, and many that were said once or twice."""
    rank = int(choose.paretovariate(0.7))
    inner = random.Random(rank % 50_000)
    return "".join(inner.choices(_SYLLABLES.split(), k=3)).capitalize()
