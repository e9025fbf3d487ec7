"""What a fact says of its subject, under one name for all the words that people have for it.

An update of the same thing in other words, or in the other language, must meet the old fact; two
things of which one may have several must never meet.
"""

import re
from typing import Literal

from hairem_core.memory.interpret.text import plain

type ValueKind = Literal["colour", "place", "time", "number", "name", "other"]

_COLOURS = {
    "red": "rouge rouges",
    "blue": "bleu bleue bleus bleues",
    "green": "vert verte verts vertes",
    "yellow": "jaune jaunes",
    "orange": "",
    "purple": "violet violette violets violettes",
    "mauve": "lilac lilas",
    "pink": "rose roses",
    "black": "noir noire noirs noires",
    "white": "blanc blanche blancs blanches",
    "grey": "gray gris grise grises",
    "brown": "marron brun brune bruns brunes",
    "turquoise": "teal",
    "beige": "",
    "gold": "golden dore doree",
    "silver": "argente argentee",
    "navy": "marine",
    "burgundy": "bordeaux",
    "crimson": "",
    "indigo": "",
    "cyan": "",
    "magenta": "",
    "khaki": "kaki",
}
COLOURS = {word: name for name, more in _COLOURS.items() for word in (name, *more.split())}
_SHADES = r"(?:(?:dark|light|deep|bright|pale|navy|royal|sky|emerald|bottle)[ -])?"
_SHADED = r"(?: (?:fonce|clair|vif|pale|marine|ciel|emeraude|turquoise)e?s?)?"
_COLOUR = re.compile(rf"(?:the |le |la |l')?{_SHADES}(?P<base>{'|'.join(COLOURS)}){_SHADED}")

_PHRASES = {
    "phone number": "telephone number|mobile number|cell number|cellphone number|phone|number|mobile"
    "|numero|numero de telephone|numero de tel|numero de portable|numero de mobile|telephone|tel",
    "email": "email address|e-mail|e-mail address|mail|mail address|adresse mail|adresse email"
    "|adresse e-mail|courriel",
    "address": "adresse|home address|postal address|adresse postale",
    "birthday": "anniversaire|date of birth|birth date|birthdate|date de naissance|b-day|bday",
    "password": "mot de passe|mdp|passphrase",
    "code": "pin|pin code|access code|door code|combination|passcode|code pin|code d'acces"
    "|combinaison|digicode",
    "name": "first name|prenom|nom",
    "surname": "last name|family name|nom de famille",
    "nickname": "surnom",
    "shoe size": "pointure|taille de chaussures",
    "blood type": "blood group|groupe sanguin",
    "height": "taille",
    "weight": "poids",
    "licence plate": "license plate|plaque|plaque d'immatriculation|immatriculation|number plate",
    "job": "profession|metier|travail|boulot|occupation|emploi",
    "doctor": "gp|medecin|docteur|medecin traitant|generaliste",
    "dentist": "dentiste",
    "hairdresser": "coiffeur|coiffeuse|barber",
    "boss": "patron|patronne|chef|cheffe|manager",
    "wife": "femme|epouse",
    "husband": "mari|epoux|hubby",
    "partner": "conjoint|conjointe|compagnon|compagne",
    "girlfriend": "copine|petite amie",
    "boyfriend": "copain|petit ami",
    "mother": "mum|mom|mummy|mere|maman",
    "father": "dad|daddy|pere|papa",
    "sister": "soeur|sœur|little sister|big sister|older sister|younger sister|elder sister"
    "|petite soeur|grande soeur|petite sœur|grande sœur|sister|sis",
    "brother": "frere|little brother|big brother|older brother|younger brother|petit frere"
    "|grand frere",
    "son": "fils|older son|younger son|eldest son|youngest son",
    "daughter": "fille|older daughter|younger daughter|eldest daughter|youngest daughter",
    "baby": "bebe",
    "grandmother": "grandma|granny|nan|grand-mere|mamie|grand mere|meme",
    "grandfather": "grandpa|grandad|granddad|grand-pere|papy|papi|grand pere",
    "aunt": "auntie|tante|tata",
    "uncle": "oncle|tonton",
    "cousin": "cousine",
    "niece": "",
    "nephew": "neveu",
    "friend": "best friend|close friend|ami|amie|meilleur ami|meilleure amie|pote|mate",
    "colleague": "collegue|coworker|co-worker",
    "neighbour": "neighbor|voisin|voisine",
    "roommate": "flatmate|housemate|coloc|colocataire",
    "teacher": "prof|professeur|maitresse|instituteur|institutrice",
    "mother-in-law": "belle-mere",
    "father-in-law": "beau-pere",
    "sister-in-law": "belle-soeur|belle-sœur",
    "brother-in-law": "beau-frere",
    "dog": "chien|chienne|puppy|chiot",
    "cat": "chat|chatte|kitten|chaton",
    "rabbit": "lapin",
    "hamster": "",
    "horse": "cheval|pony|poney",
    "parrot": "perroquet",
    "fish": "goldfish|poisson|poisson rouge",
    "bird": "oiseau|canary|canari|budgie",
    "turtle": "tortoise|tortue",
    "guinea pig": "cochon d'inde",
    "snake": "serpent",
    "spare key": "cle de secours|clef de secours|double des cles|double de la cle|spare keys"
    "|cles de secours|cle de rechange|double de cle|double de cles|house spare key|spare house key",
    "key": "keys|cle|cles|clef|clefs",
    "first aid kit": "trousse de secours|first-aid kit|trousse a pharmacie|pharmacie",
    "wifi": "wi-fi|wi fi|wlan|internet|box internet|box|reseau|network|router|routeur",
    "garage": "garage door|porte de garage|porte du garage",
    "garden": "jardin",
    "gate": "portail|front gate",
    "door": "porte",
    "front door": "porte d'entree",
    "alarm": "alarme|alarm system|burglar alarm|systeme d'alarme",
    "safe": "coffre|coffre-fort",
    "house": "maison",
    "building": "immeuble|apartment building",
    "cellar": "cave|basement",
    "shed": "cabanon|abri de jardin|remise",
    "letterbox": "boite aux lettres|mailbox",
    "bike": "velo|bicycle|bicyclette",
    "car": "voiture|auto|bagnole",
    "computer": "ordinateur|ordi|pc|laptop",
    "tablet": "tablette|ipad",
    "glasses": "lunettes",
    "remote": "telecommande|remote control",
    "battery": "batteries|pile|piles",
    "torch": "flashlight|lampe torche|lampe de poche",
    "medicine": "medication|medicaments|meds|medicament",
    "charger": "chargeur",
    "tools": "toolbox|outils|boite a outils|tool box",
    "bin": "bins|trash|garbage|rubbish|poubelle|poubelles|recycling|ordures",
    "school": "ecole",
    "bedroom": "chambre",
    "colour": "color|couleur|colors|colours|couleurs",
    "food": "foods|dish|meal|plat|nourriture|repas",
    "film": "movie|films|movies",
    "book": "livre|books|livres|novel|roman",
    "song": "chanson|songs|chansons",
    "band": "groupe|group",
    "singer": "chanteur|chanteuse",
    "drink": "boisson",
    "season": "saison",
    "game": "jeu|board game|jeu de societe|video game|jeu video",
    "show": "tv show|series|serie|emission|tv series",
    "team": "equipe|football team|equipe de foot",
    "flower": "fleur",
    "music": "musique|kind of music|style de musique|genre de musique",
    "author": "auteur|writer|ecrivain",
    "artist": "artiste",
    "ice cream": "glace|ice cream flavour|ice cream flavor|parfum de glace",
    "place": "endroit|lieu",
    "city": "ville|town",
    "country": "pays",
    "number": "chiffre|nombre",
    "subject": "matiere",
    "tea": "the",
    "appointment": "rendez-vous|rdv",
    "meeting": "reunion",
    "flight": "vol",
    "train": "",
}
_CANONICAL = {
    word: name for name, more in _PHRASES.items() for word in (name, *more.split("|")) if word
}
_ARTICLE = re.compile(
    r"^(?:the|a|an|some|my|our|all|le|la|les|l'|un|une|du|de la|de l'|des|de|d'|mon|ma|mes|notre|nos"
    r"|au|aux|a la|a l'|a)(?:(?<=')| +)"
)
_TRAILING = re.compile(
    r"(?:[ ,]+(?:now|nowadays|these days|any ?more|any longer|too|as well|again|instead|though|please|actually"
    r"|by the way|okay|ok|really|currently|today|at the moment|right now|from now on|very much|a lot|so much"
    r"|so|the most|best|most|maintenant|desormais|a present|aussi|en fait|du coup|dorenavant|plutot|hein"
    r"|tu sais|voila|beaucoup|vraiment|finalement|depuis peu|stp|le plus))+$"
)

PARTNERS = frozenset({"wife", "husband", "partner", "girlfriend", "boyfriend"})
SINGLE_ROLES = PARTNERS | {"mother", "father", "boss", "doctor", "dentist", "hairdresser"}
MANY_ROLES = frozenset(
    {
        *("sister", "brother", "son", "daughter", "baby", "grandmother", "grandfather", "aunt"),
        *("uncle", "cousin", "niece", "nephew", "friend", "colleague", "neighbour", "roommate"),
        *("teacher", "mother-in-law", "father-in-law", "sister-in-law", "brother-in-law"),
    }
)
ROLES = SINGLE_ROLES | MANY_ROLES
PETS = frozenset(
    {
        *("dog", "cat", "rabbit", "hamster", "horse", "parrot", "fish", "bird", "turtle"),
        *("guinea pig", "snake"),
    }
)
ATTRIBUTES = frozenset(
    {
        *("phone number", "email", "address", "birthday", "name", "surname", "nickname", "job"),
        *("shoe size", "blood type", "height", "weight", "licence plate", "star sign"),
    }
)
KEEPABLES = frozenset(
    {
        *("spare key", "key", "first aid kit", "glasses", "remote", "battery", "torch", "charger"),
        *("medicine", "tools", "passport", "wallet", "umbrella", "fuse box", "stopcock", "manual"),
        *("ladder", "drill", "matches", "candles", "scissors", "water meter", "gas meter"),
        *("passeport", "portefeuille", "parapluie", "tableau electrique", "disjoncteur"),
        *("compteur", "echelle", "perceuse", "allumettes", "bougies", "ciseaux", "papiers"),
        *("documents", "papers", "decorations", "suitcase", "suitcases", "valise", "valises"),
        *("tent", "tente", "sleeping bag", "lightbulbs", "ampoules", "bike", "stepladder"),
    }
)
HOUSE_THINGS = frozenset(
    {
        *("wifi", "garage", "gate", "door", "front door", "alarm", "safe", "house", "building"),
        *("cellar", "shed", "letterbox", "garden", "back door", "guest wifi"),
    }
)


def canonical(noun: str) -> str:
    """Return the one name of a thing, given any of the words that people have for it."""
    bare = _TRAILING.sub("", " ".join(plain(noun).split()).strip(" .,!'\""))
    bare = _ARTICLE.sub("", bare)
    if bare in _CANONICAL:
        return _CANONICAL[bare]
    if bare.endswith("s") and bare[:-1] in _CANONICAL:
        return _CANONICAL[bare[:-1]]
    head, _, rest = bare.partition(" ")
    # The cellar key and la clé de la cave; a guest wifi stays one's own.
    if of := re.fullmatch(r"(.+?) (?:de la|de l'|du|des|de|d'|for the|to the|of the) ?(.+)", bare):
        thing, whole = canonical(of[1]), canonical(of[2])
        return f"{whole} {thing}"
    if rest:
        return f"{head} {canonical(rest)}" if rest in _CANONICAL else bare
    return bare


def value_of(text: str) -> str:
    """Return a value as it is compared with another one: without what does not belong to it."""
    bare = _TRAILING.sub("", " ".join(plain(text).split()).strip(" .,!?;:\"'«»“”"))
    if _TIME.match(bare):
        return re.sub(r"^(?:(?:on|at|the|le|les) )+", "", bare)
    if colour := _COLOUR.fullmatch(bare):
        # Dark green and green are two.
        return re.sub(rf"\b{colour['base']}\b", COLOURS[colour["base"]], _ARTICLE.sub("", bare))
    return " ".join(_ARTICLE.sub("", bare).split())


_PREPOSITION = re.compile(
    r"(?:in|on|under|underneath|behind|inside|beside|next to|above|below|near|by|at|between|in front of|with"
    r"|on top of|at the back of|outside"
    r"|dans|sur|sous|derriere|devant|au-dessus|au dessus|en dessous|pres|a cote|chez|entre|a l'interieur"
    r"|au|aux|en|a l'entree)\b"
)
_TIME = re.compile(
    r"(?:(?:on|at|every|in|each|le|les|a|en|tous les|chaque|next|this|vers|around|the)\s+)*"
    r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:lundi|mardi|mercredi|jeudi|vendredi|samedi"
    r"|dimanche)s?|tomorrow|demain|noon|midnight|midi|minuit"
    r"|\d{1,2}(?:st|nd|rd|th|er)?(?: of)? (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|fev|avr|mai|jui"
    r"|aou|dec)\w*|(?:january|february|march|april|may|june|july|august|september|october|november"
    r"|december|janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre)\b"
    r"|\d{1,2}(?:[:h.]\d{0,2})?\s?(?:am|pm|a\.m|p\.m|o'clock|h\b|heures?)|\d{1,2}[:h]\d{2}"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4})"
)
_NUMBER = re.compile(r"[+#*]?\d[\d .,/+#*-]*(?:[a-z%°]{0,3})?")


def kind_of_value(value: str) -> ValueKind:
    """Return what kind of thing a value is, as it was said."""
    bare = _TRAILING.sub("", plain(value).strip(" .,!"))
    if _COLOUR.fullmatch(bare):
        return "colour"
    if _TIME.match(bare):
        return "time"
    if _NUMBER.fullmatch(bare):
        return "number"
    if value.startswith("à ") or _PREPOSITION.match(bare):
        return "place"
    return "name" if value.strip()[:1].isupper() else "other"


_SINGLE = re.compile(
    r"favourite .+|lives_in|works_at|job|birthday|birthplace|from|name|goes by|surname|nickname|age|diet|location"
    r"|code|password|day|partner|mother|father|boss|doctor|dentist|hairdresser|phone number|email|address"
    r"|shoe size|blood type|height|weight|licence plate|star sign|studies"
    r"|.+ (?:colour|location|time|code|password|name|kind|count)"
)


def is_single(slot: str) -> bool:
    """Return whether a slot is one of those that have one value at a time, by rule.

    Slots of which one may have several name their value: `allergy:nuts`.
    """
    return ":" not in slot and bool(_SINGLE.fullmatch(slot))
