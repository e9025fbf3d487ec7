"""How much something that was said matters, by rule, without a model."""

import re

from hairem_core.memory.interpret.text import plain

WORTHLESS = 0.25
"""Up to here nothing is to be learned from a sentence: no model is asked about it."""
_READ = 240
"""Letters that are looked at: what matters is told early, and this must take no time."""
_AGENT_SHARE = 0.5
"""What an agent says itself matters less than what it is told."""

_REMEMBER = re.compile(
    r"\b(?:remember (?:that|this|my|our|:)|(?:please|can you) remember|don'?t (?:you )?forget"
    r"|keep in mind"
    r"|note that|make a note|for the record|souviens[- ]toi|rappelle[- ]toi|retiens|n'oublie"
    r"|oublie pas|n'oubliez|note (?:bien )?que|notez que|sache que|memorise)"
)
_GREETING = re.compile(
    r"(?:(?:hi|hello|hey|good (?:morning|evening|night|afternoon)|bye|goodbye|see you|thanks?"
    r"|thank you|ok"
    r"|okay|yes|yeah|yep|no|nope|sure|fine|great|cool|nice|perfect|right|alright|never ?mind"
    r"|please|well"
    r"|got it|i see|of course|welcome|cheers|sorry|wow|oh|ah|hm+|uh|lol|haha"
    r"|salut|bonjour|bonsoir|bonne (?:nuit|journee|soiree)|coucou|au revoir|a (?:plus|demain"
    r"|bientot)"
    r"|merci|oui|ouais|non|d'accord|ca marche|super|genial|parfait|tres bien|bien|bof|pas de"
    r" probleme"
    r"|de rien|s'il (?:te|vous) plait|stp|ok merci|voila|tant pis|pardon|desolee?|so much|very much"
    r"|beaucoup|there|everyone|all|tout le monde|then|you|again)\b[\s,.!]*)+(?:[\w-]+[\s.!]*)?"
)
_COMMAND = re.compile(
    r"(?:please |can you |could you |would you |(?:peux|pourrais|veux)[- ]tu |tu peux |s'il te"
    r" plait,? )?"
    r"(?:turn|switch|dim|open|close|shut|lock|unlock|play|pause|resume|stop|start|set|increase"
    r"|decrease"
    r"|raise|lower|mute|unmute|skip|run|activate|deactivate|arm|disarm|add|remove|cancel|wake me"
    r"|remind"
    r"|tell me|show|read|give me|say|sing|repeat|put on|search|find|order|send|call (?!me )"
    r"|allume|eteins?|eteindre|ouvre|ferme|verrouille|deverrouille|lance|mets|monte|baisse|augmente"
    r"|diminue|coupe|arrete|demarre|joue|active|desactive|regle|ajoute|enleve|supprime|annule"
    r"|reveille"
    r"|rappelle[- ]moi|dis[- ](?:moi|nous)|montre|lis|donne[- ]moi|repete|chante|cherche|trouve"
    r"|envoie"
    r"|commande|appelle (?!moi))\b"
)
_QUESTION = re.compile(
    r"\?\s*$|^(?:what|who|whom|whose|when|where|why|how|which|is|are|was|were|do|does|did|can"
    r"|could|will"
    r"|would|should|have you|has|isn't|aren't|don't you|any idea|est-ce|qu'est|qui|que |quoi"
    r"|quand|ou |"
    r"comment|pourquoi|combien|quel|quelle|quels|quelles|as-tu|es-tu|peux-tu|sais-tu|c'est quoi"
    r"|tu sais"
    r"|do you)\b"
)
_HEALTH = re.compile(
    r"\b(?:allerg\w*|diabet\w*|asthm\w*|medic\w*|doctor|hospital|pregnan\w*|surgery|illness"
    r"|cancer|pills?"
    r"|insulin|blood|epilep\w*|coeliac|celiac|intoleran\w*|vegan|vegetari\w*|medecin|hopital"
    r"|enceinte"
    r"|maladi\w*|malade|traitement|insuline|sang|intoleran\w*|died|death|deced\w*|est morte?)\b"
)
_DATED = re.compile(
    r"\b(?:birthday|born|anniversary|wedding|appointment|deadline|anniversaire|nee? le|nee? a"
    r"|mariage"
    r"|rendez-vous|rdv|january|february|march \d|april|june|july|august|september|october|november"
    r"|december|janvier|fevrier|avril|juin|juillet|aout|septembre|octobre|novembre|decembre"
    r"|\d{1,2}[/.]\d{1,2}[/.]\d{2,4})\b"
)
_SECRET = re.compile(
    r"\b(?:password|code|pin|key|keys|phone number|address|e-?mail|mot de passe|cles?|clefs?|numero"
    r"|adresse|telephone)\b"
)
_PEOPLE = re.compile(
    r"\b(?:(?:my|our|mon|ma|mes|notre|nos) (?:\w+ )?(?:wife|husband|partner|girlfriend|boyfriend"
    r"|mother|father"
    r"|mum|mom|dad|sister|brother|son|daughter|kids?|child(?:ren)?|baby|friend|boss|colleague"
    r"|neighbou?r"
    r"|cousin|aunt|uncle|grand\w+|niece|nephew|dog|cat|family|femme|mari|copine|copain"
    r"|conjointe?|mere"
    r"|pere|maman|papa|s(?:oe|œ)ur|frere|fils|fille|enfants?|bebe|amie?|chef|patronn?e?|collegue"
    r"|voisine?"
    r"|cousine|tante|oncle|chien(?:ne)?|chat(?:te)?|famille)"
    r"|(?:is|est) (?:my|mon|ma)|call me|my name|appelle[- ]moi|m'appelle|s'appelle|called|named"
    r"|i(?:'m| am) (?:an? )?\w+er)\b"
)
_TASTE = re.compile(
    r"\b(?:favou?rite|prefer\w*|i (?:\w+ )?(?:like|love|hate|dislike|enjoy)|don't like|can't stand"
    r"|fond of|fan of|(?:likes|loves|hates)|j'(?:aime|adore|deteste)|n'aime|aime|adore|deteste"
    r"|horreur)\b"
)
_PLACE = re.compile(
    r"\b(?:live[sd]? (?:in|at|on|with)|mov(?:ed|ing) (?:to|in|out)|work(?:s|ed|ing)? (?:at|for"
    r"|in|as)|from here"
    r"|job|school|university|habite\w*|vis a|vit a|demenag\w*|emmenag\w*|travaille\w*|boulot|ecole"
    r"|universite)\b"
)
_PLAN = re.compile(
    r"\b(?:going to|we're going|i'll be|holiday|vacation|trip|flight|travel\w*|next (?:week"
    r"|month|year)"
    r"|on (?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|vacances|voyage|vol|partons|pars"
    r"|semaine prochaine|mois prochain|demain|(?:lundi|mardi|mercredi|jeudi|vendredi|samedi"
    r"|dimanche))\b"
)
_FIRST_PERSON = re.compile(
    r"\b(?:i|i'm|i've|my|we|we're|we've|our|je|j'\w+|mon|ma|mes|nous|notre|nos|moi)\b"
)
_STATEMENTS = (
    (_HEALTH, 0.8),
    (_DATED, 0.75),
    (_SECRET, 0.7),
    (_PEOPLE, 0.7),
    (_PLACE, 0.65),
    (_TASTE, 0.65),
    (_PLAN, 0.6),
)


def importance_of(text: str, *, by_agent: bool) -> float:
    """Return from 0 to 1 how much a sentence matters. `by_agent`: the agent said it itself.

    About 0.1 for greetings and commands to the house, 0.2 for questions, 0.3 to 0.4 for small talk,
    0.6 to 0.8 for what is told of people, dates, tastes, health, places and plans, 0.9 for what is
    asked to be remembered.
    """
    value = _told(plain(text[:_READ]).strip())
    return round(value * _AGENT_SHARE, 3) if by_agent else value


def _told(text: str) -> float:
    is_question = bool(_QUESTION.search(text))
    if not is_question and _REMEMBER.search(text):
        return 0.9
    if _GREETING.fullmatch(text) or _COMMAND.match(text):
        return 0.1
    if is_question:
        return 0.2
    for pattern, value in _STATEMENTS:
        if pattern.search(text):
            return value
    if len(text) < 12:
        return 0.3
    return 0.4 if _FIRST_PERSON.search(text) else 0.35
