"""Patterns of whole clauses of the form "the such-and-such of so-and-so is this".

A pattern's name says what is made of it: see `attributes.py`. Its groups: `own` or `name` whose it
is, `noun`, `thing` or `head` what it is, `v` its value.
"""

import re

_IS = (
    r"(?:'s| is| are)(?: now| currently| actually| still| definitely| called| no longer .+? but)*"
    r"|(?: has| have|'s| was| were| got)?(?: just| now| been)* (?:changed|switched|moved|changes"
    r"|postponed|rescheduled|brought forward) (?:from .+? )?to|(?: has)? become"
)
_EST = (
    r"(?: est| sont| a ete| ont ete) (?:deplace|reporte|decale|avance|repousse)e?s?"
    r"(?: a| au| pour)?"
    r"|(?:,? (?:c'est|ce sont)| est| sont|,? c'est)(?: maintenant| desormais| toujours|"
    r" actuellement| en fait| devenue?"
    r"| plutot| passee?s? a)*| (?:s'appelle|s'appellent)|(?: a| ont)(?: change pour| ete"
    r" changee? (?:en|pour))|(?: est)? passe a"
    r"| devient"
)
_NAME = r"(?P<name>[^\W\d_][\w-]+(?: [^\W\d_][\w-]+)?)"
_NOUN = r"(?P<noun>[^\W\d_][\w'œ-]*(?: [\w'œ-]+){0,4}?)"
_OF = r"(?: (?:de la |de l'|du |des |de |d'))"
SEEN = (
    "dentist|doctor|hairdresser|barber|vet|optician|physio|plumber|electrician|dentiste"
    "|medecin|docteur|coiffeur|coiffeuse|veterinaire|opticien|kine|plombier|electricien"
)
"""Whoever is on a day is not called so: it is the appointment with them."""

_CHANGED = r"(?:i|we)(?:'ve| have)?(?: just)? (?:changed|reset|set|updated) "

_PATTERNS: tuple[tuple[str, str], ...] = (
    # Names of people.
    (
        "call",
        (
            r"(?:you (?:can|may|should) |just |please |everyone |everybody |people |friends |my"
            r" friends )*(?:call|calls) me (?P<v>.+)"
        ),
    ),
    (
        "call",
        (
            r"(?:tu peux |vous pouvez |on |tout le monde )?(?:m'appelle[rz]?|appelle[- ]moi"
            r"|appelez[- ]moi|m'appeler) (?P<v>.+)"
        ),
    ),
    # Favourites.
    (
        "favourite",
        (
            rf"(?P<own>my|our|{_NAME}'s) (?:(?:all[- ]time|new|current|absolute) )*favou?rite "
            rf"(?P<noun>[\w -]+?)(?:{_IS}) (?P<v>.+)"
        ),
    ),
    (
        "favourite",
        (
            rf"(?P<own>mon|ma|mes|notre|nos) (?:nouvelle? |nouveau )?(?P<noun>[\w'œ -]+?) "
            rf"(?:prefere|favorit|favori)e?s?(?:{_EST}) (?P<v>.+)"
        ),
    ),
    (
        "favourite",
        (
            rf"(?:la|le|les|l')\s?(?P<noun>[\w'œ -]+?) (?:prefere|favorit|favori)e?s? (?:de |d')"
            rf"(?P<own>{_NAME})(?:{_EST}) (?P<v>.+)"
        ),
    ),
    (
        "favourite",
        (
            r"(?P<v>.+?)(?: is| are|'s) (?:now |actually )?(?P<own>my|our) (?:new |all[- ]time"
            r" )?favou?rite (?P<noun>[\w -]+)"
        ),
    ),
    (
        "favourite",
        (
            r"(?P<v>.+?)(?: est| sont|, c'est) (?:maintenant |desormais )?(?P<own>mon|ma|mes) "
            r"(?:nouvelle? |nouveau )?(?P<noun>[\w'œ -]+?) (?:prefere|favorit|favori)e?s?(?:"
            r" maintenant)?"
        ),
    ),
    (
        "favourite",
        (
            rf"(?:the|my) (?P<noun>[\w-]+) (?:that )?(?P<own>i) (?:like|love|prefer)(?: the)?(?:"
            rf" best| most)?(?:{_IS}) (?P<v>.+)"
        ),
    ),
    (
        "favourite",
        (rf"(?:le|la|l')\s?(?P<noun>[\w-]+) que (?P<own>je) (?:prefere)(?:{_EST}) (?P<v>.+)"),
    ),
    # Codes and passwords.
    (
        "code",
        (
            r"(?P<own>the|my|our)(?: new)?(?: (?P<thing>[\w' -]+?))? (?P<head>access code|door code"
            r"|pin code|code|password|pin|passcode|combination)"
            rf"(?: (?:to|for|of) (?P<thing2>[\w' -]+?))?(?:{_IS}) (?P<v>.+)"
        ),
    ),
    (
        "code",
        (
            r"(?P<own>le|la|l'|mon|ma|notre)\s?(?:nouveau |nouvelle )?(?P<head>code pin|code"
            r" d'acces"
            r"|digicode|code|mot de passe|mdp|combinaison|pin)"
            rf"(?:{_OF}(?P<thing>[\w'œ -]+?)| (?P<thing2>wifi|wi-fi))?(?:{_EST}) (?P<v>.+)"
        ),
    ),
    # Anna's birthday is …, l'anniversaire d'Anna est …
    ("named", rf"{_NAME}'s {_NOUN}(?:{_IS}) (?P<v>.+)"),
    ("named", rf"(?:le |la |les |l'){_NOUN} (?:de |d'){_NAME}(?:{_EST}) (?P<v>.+)"),
    # Where things are.
    (
        "place",
        (
            rf"(?P<own>the|my|our) {_NOUN}(?:{_IS}|(?: is| are)? (?:kept|stored|hidden|hanging))"
            rf"(?: "
            rf"(?:kept|stored|hidden|always|hanging|back))*"
            r" (?P<v>(?:in|on|under|underneath|behind|inside|beside|next to|above|below|near|by|at"
            r"|between|in front of|on top of|at the back of|outside|the)\b .+)"
        ),
    ),
    (
        "place",
        (
            rf"(?P<own>le |la |les |l'|mon |ma |mes |notre |nos ){_NOUN}(?:{_EST}|(?: se trouve| se"
            rf" trouvent))(?: (?:rangee?s?|cachee?s?|toujours|posee?s?))*"
            r" (?P<v>(?:dans|sur|sous|derriere|devant|au-dessus|au dessus|en dessous|pres|a cote"
            r"|chez|entre|a l'interieur|a l'entree|au|a la|a l'|accrochee?s?|en)\b.+)"
        ),
    ),
    # My … is …
    (
        "mine",
        (
            rf"(?P<own>my|our|the) {_NOUN}'s (?P<attribute>name|birthday|phone number|number|email"
            rf"|address|age)(?:{_IS}) (?P<v>.+)"
        ),
    ),
    (
        "mine",
        (
            rf"(?:l'|le |la )(?P<attribute>anniversaire|prenom|nom|numero(?: de telephone)?"
            rf"|adresse) (?:de |d')(?P<own>ma|mon|notre) {_NOUN}(?:{_EST}) (?P<v>.+)"
        ),
    ),
    ("mine", rf"(?P<own>my|our) {_NOUN}(?:{_IS}) (?P<v>.+)"),
    ("mine", rf"(?P<own>mon|ma|mes|notre|nos) {_NOUN}(?:{_EST}) (?P<v>.+)"),
    # When things happen.
    (
        "when",
        (
            r"(?:the )?(?P<noun>(?:bins?|trash|garbage|recycling|rubbish)(?: collection| day)?)"
            rf"(?:(?: is| are) collected|{_IS}| (?:go|goes) out)(?: on)? (?P<v>.+)"
        ),
    ),
    (
        "when",
        (
            r"(?:les|la|le) (?P<noun>poubelles?|ordures|recyclage)"
            rf"(?: sont ramassees|{_EST}| (?:passent?|se sortent|sortent)) (?P<v>.+)"
        ),
    ),
    (
        "event",
        (
            r"the (?P<noun>(?:[\w-]+ ){0,2}(?:appointment|meeting|party|wedding|flight|exam"
            r"|concert|match|interview|dinner|lunch|lesson|rehearsal|barbecue|delivery"
            rf"|{SEEN}))(?:{_IS})(?: on| at)? (?P<v>.+)"
        ),
    ),
    (
        "event",
        (
            r"(?:le |la |l')(?P<noun>(?:rendez-vous|rdv|reunion|fete|mariage|vol|examen|concert"
            r"|match|entretien|diner|dejeuner|cours|repetition|barbecue|livraison"
            rf"|{SEEN})(?: (?:chez|de|du|avec) [\w '-]+?)?)(?:{_EST}) (?P<v>.+)"
        ),
    ),
    # Changed on purpose.
    (
        "code",
        (
            rf"{_CHANGED}(?P<own>the|my|our)(?: (?P<thing>[\w' -]+?))? "
            r"(?P<head>access code|door code|pin code|code|password|pin|passcode|combination)"
            r"(?: (?:to|for|of) (?P<thing2>[\w' -]+?))? to (?P<v>.+)"
        ),
    ),
    ("favourite", rf"{_CHANGED}(?P<own>my) favou?rite (?P<noun>[\w -]+?) to (?P<v>.+)"),
    ("mine", rf"{_CHANGED}(?P<own>my|our) {_NOUN} to (?P<v>.+)"),
    (
        "cause",
        (
            r"(?P<a>(?:the |a |my |our )?[\w' -]+?) (?:caused|has caused) (?P<v>(?:the |a |my |our"
            r" )[\w' -]+)"
        ),
    ),
    (
        "cause",
        (
            r"(?P<a>(?:le |la |les |l'|un |une )[\w'œ -]+?) a (?:cause|provoque) (?P<v>(?:le |la "
            r"|les |l'|un |une )[\w'œ -]+)"
        ),
    ),
)
ATTRIBUTE_PATTERNS = [(what, re.compile(pattern)) for what, pattern in _PATTERNS]
