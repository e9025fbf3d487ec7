"""Which values are worth keeping: a value that may be anything is none."""

import re

from hairem_core.memory.interpret.text import plain

MOST_WORDS = 8
_NO_VALUE = re.compile(
    r"^(?:it|that|this|these|those|them|him|her|you|me|us|what|when|where|how|who|why|to be|the way|the idea|your"
    r"|nothing|everything|something|anything|someone|everyone|so|very|too|not|here|there|the same|one|ones|being"
    r"|done|gone|going|having|getting|ok|okay|fine|good|great|wrong|right|broken|dead|empty|full|ready|off"
    r"|late|lost|tired|busy|bored|happy|sad|sick|ill|hungry|thirsty|sure|sorry|afraid|glad|(?:on|back|home|up|down)$"
    r"|ca|cela|ce|c'est|ceci|que|quoi|qui|ou|quand|comment|toi|moi|lui|eux|vous|tu|te|tout|rien|tres|trop|pas|ici|la$"
    r"|votre|ton|ta|tes|en train|bien|mal|pret|fini|casse|vide|fatigue|content|triste|desole|malade|quel|quelle"
    r"|aussi|encore|bientot|un peu|a bit|a little|kind of|sort of)\b"
)
_QUESTIONED = re.compile(r"\b(?:what|where|who|which|quoi|quel|quelle|lequel|laquelle)$")
_DANGLING = re.compile(r"\b(?:you|your|tu|toi|vous|this|that|it|ca)\b")

_JOBS = (
    "nurse doctor teacher engineer developer programmer lawyer baker butcher plumber electrician carpenter"
    " driver pilot cook chef waiter waitress student accountant architect artist musician writer journalist"
    " photographer designer dentist vet veterinarian pharmacist scientist researcher professor policeman"
    " policewoman firefighter farmer gardener hairdresser mechanic secretary salesman manager consultant"
    " translator librarian psychologist therapist physiotherapist midwife soldier banker cashier cleaner"
    " painter builder tailor actor actress singer dancer surgeon paramedic judge plumber analyst freelancer"
    " entrepreneur director technician operator pensioner"
    " infirmier infirmiere medecin professeur prof instituteur institutrice ingenieur ingenieure developpeur"
    " developpeuse programmeur avocat avocate boulanger boulangere boucher plombier electricien electricienne"
    " menuisier chauffeur pilote cuisinier cuisiniere serveur serveuse etudiant etudiante comptable architecte"
    " artiste musicien musicienne ecrivain journaliste photographe graphiste dentiste veterinaire pharmacien"
    " pharmacienne scientifique chercheur chercheuse policier policiere pompier agriculteur agricultrice"
    " jardinier coiffeur coiffeuse mecanicien secretaire vendeur vendeuse consultant consultante traducteur"
    " traductrice bibliothecaire psychologue kine sage-femme soldat banquier caissier peintre macon acteur"
    " actrice chanteur chanteuse chirurgien juge facteur factrice apprenti retraite retraitee directeur directrice"
)
JOBS = frozenset(_JOBS.split())
_RETIRED = frozenset({"retired", "retraite", "retraitee", "a la retraite", "unemployed", "au chomage"})
INSTRUMENTS = frozenset(
    "piano guitar violin cello drums flute bass trumpet saxophone clarinet harp ukulele tennis football chess"
    " basketball guitare violon violoncelle batterie trompette clarinette echecs badminton rugby handball"
    .split()
)
LANGUAGES_SPOKEN = frozenset(
    "english french german spanish italian portuguese russian arabic chinese japanese dutch polish greek turkish"
    " swedish hebrew korean hindi anglais francais allemand espagnol italien portugais russe arabe chinois japonais"
    " neerlandais polonais grec turc suedois hebreu coreen breton basque catalan catalan flemish flamand".split()
)
OWNABLES = frozenset(
    "piano guitar violin boat motorbike motorcycle scooter caravan campervan garden pool greenhouse allotment"
    " car bike guitare violon bateau moto caravane jardin piscine serre potager".split()
)


def is_worth(value: str, *, most_words: int = MOST_WORDS) -> bool:
    """Return whether a plain value says something by itself."""
    words = value.split()
    if not 1 <= len(words) <= most_words or len(value) < 2:
        return False
    return not (_NO_VALUE.match(value) or _QUESTIONED.search(value) or _DANGLING.search(value))


def is_job(value: str) -> bool:
    """Return whether a plain value is someone's work."""
    bare = re.sub(r"^(?:an?|une?|le|la) ", "", value)
    if bare in _RETIRED:
        return True
    words = [each.removesuffix("s") for each in bare.split()]
    return 1 <= len(words) <= 5 and any(each in JOBS for each in words)


def items_of(text: str) -> list[tuple[int, int]]:
    """Return the places of the things that are listed in a text: `nuts, milk and dust`."""
    spots, start = [], 0
    bare = plain(text)
    for joint in re.finditer(r"\s*,\s*(?:and |or |et |ou )?|\s+(?:and|or|et|ou|ni|nor)\s+", bare):
        spots.append((start, joint.start()))
        start = joint.end()
    spots.append((start, len(text)))
    return [(a, b) for a, b in spots if text[a:b].strip()]
