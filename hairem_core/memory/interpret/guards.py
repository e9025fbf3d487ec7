"""What nothing is learned from, and how what is left falls into clauses.

Each guard throws away too much rather than too little: what is missed is still there as an episode,
what is learned wrongly is told back as the truth.
"""

import re

from hairem_core.memory.interpret.requests import stated
from hairem_core.memory.interpret.text import plain, sentences

MOST_WORDS = 120
"""A longer speech is the television, or a story."""
_QUOTED = re.compile(r"[\"“”«»][^\"“”«»]*[\"“”«»]?|(?:(?<=\s)|^)'[^']{3,}'(?=[\s.,!?]|$)")
_STORY = re.compile(
    r"\b(?:in (?:the|a|this|my|that) (?:movie|film|song|book|novel|joke|dream|story|game|series"
    r"|show|play|episode)s?"
    r"|the (?:character|song|lyrics|joke|movie|film|story)|just kidding|kidding|lol|haha\w*|for"
    r" example"
    r"|for instance|let's say|let's pretend|role-?play|once upon a time|i dream\w*|a joke|knock"
    r" knock"
    r"|testing|dans (?:le|la|un|une|mon|ce|cette) (?:film|chanson|livre|roman|blague|reve"
    r"|histoire|jeu|serie"
    r"|episode)|le personnage|je plaisante|je rigole|je deconne|mdr|ptdr|par exemple|disons que"
    r"|il etait une fois|j'ai reve|c'est une blague|faisons comme si|on dirait que|jeu de role)\b"
)
_HYPOTHETICAL = re.compile(
    r"\b(?:if|unless|would|wouldn't|could|should|might|wish|wishes|suppose|supposing|imagine"
    r"|pretend|perhaps"
    r"|maybe|what if|hopefully|hope|as though|probably|possibly|not sure|i doubt|almost|were to"
    r"|may be"
    r"|si|s'ils?|imagine|imaginons|suppose|supposons|admettons|peut-etre|sans doute|probablement"
    r"|j'espere|pas sure?|j'aimerais|il faudrait|au cas ou|(?:aur|ser|voudr|pourr|devr|aimer|ir|fer"
    r"|habiter|viendr|prefer|prefer+er|dir|mettr)(?:ais|ait|ions|iez|aient))\b|\bi'd\b|\bwe'd\b"
)
_REPORTED = re.compile(
    r"\b(?:said|says|say|told|tells|claims?|claimed|thinks?|thought|believes?|asked|asks|heard"
    r"|read that"
    r"|according to|apparently|supposedly|allegedly|rumou?r|pretends?|mentioned|wrote|writes|sings?"
    r"|dit|disent|disait|dits|pense|pensait|pensent|croit|croient|raconte|racontent|pretend|affirme"
    r"|selon|d'apres|parait|apparemment|soi-disant|ecrit|chante|demande|demandait|entendu)\b"
)
_QUESTION_WORD = re.compile(
    r"^(?:what|who|whom|whose|when|where|why|how|which|is|are|was|were|do|does|did|can|could|will"
    r"|shall|have you|has|isn't|aren't|don't you|est-ce|qu'est|qui|quoi|quand|ou|comment|pourquoi"
    r"|combien|quel|quelle|quels|quelles|as-tu|es-tu|peux-tu|sais-tu|do you|tu sais|guess|devine"
    r"|tell me|dis-moi|i wonder|i forgot|i don't (?:know|remember)|je me demande|je ne sais|je"
    r" sais pas"
    r"|j'ai oublie)\b"
)
_MARKER = re.compile(
    r"^(?:(?:no+|yes|yeah|yep|nope|actually|in fact|well|sorry|correction|wait|oh|ah|hey|hi"
    r"|hello|hmm+|um|uh|ok"
    r"|okay|so|also|and|but|by the way|btw|oops|my mistake|now|right|listen|look|you know(?:"
    r" what)?|to be honest"
    r"|honestly|fyi|just so you know|for your information|for the record|then|anyway|finally|as"
    r" i said|please"
    r"|thanks|thank you|of course|good news|bad news|update|since \w+|nowadays|these days|from"
    r" now on|as of now"
    r"|as of today|not any ?more|this year|at the moment|currently"
    r"|non|oui|ouais|en fait|finalement|desolee?|pardon|au fait|attends|ben|bah|euh|bon|alors|et"
    r"|mais|donc|aussi"
    r"|tu sais(?: quoi)?|ecoute|salut|bonjour|bonsoir|coucou|merci|en realite|a vrai dire|pour"
    r" info|maintenant"
    r"|desormais|a present|depuis \w+|d'ailleurs|du coup|moi,|bonne nouvelle|plus maintenant"
    r"|cette annee"
    r"|en ce moment|c'est que|rectification|correction|dorenavant)"
    r"(?:\s*[,:!.-]+\s*|\s+))+"
)
_TOLD = re.compile(
    r"^(?:i (?:already )?(?:told you|said|mentioned)(?: already)?(?: that)?|like i said,?|i"
    r"(?:'d)? want you to know"
    r"(?: that)?|you should know(?: that)?|i have to (?:say|tell you)(?: that)?|let me tell you"
    r"(?: that)?"
    r"|did i (?:tell|mention)\b.*|je (?:te|vous|t'ai|vous ai)(?: ai)?(?: deja)? (?:dis|dit)(?:"
    r" que| qu')?|il faut que tu"
    r" saches que|je voulais te dire que|comme je (?:te )?(?:l'ai dit|disais),?)\s*"
)
_HEDGE = re.compile(
    r"^(?:i (?:think|believe|guess|reckon|suppose)(?: that)?|i'm (?:pretty|fairly|quite) sure(?:"
    r" that)?"
    r"|je (?:crois|pense)(?: bien)? (?:que |qu')|il me semble (?:que |qu')|if i remember "
    r"(?:right|correctly),?)\s*"
)
_REMEMBER = re.compile(
    r"^(?:(?:please|also|and|can you|could you|i(?:'d like| want) you to|you (?:must|need to"
    r"|have to)|make sure"
    r" (?:to|you)|always|s'il te plait|stp|tu peux|je veux que tu|il faut que tu|j'aimerais que"
    r" tu|et)[\s,]+)*"
    r"(?:remember(?: (?:that|this))?|don'?t (?:you )?(?:ever )?forget(?: that)?|do not forget(?:"
    r" that)?|keep in mind"
    r"(?: that)?|bear in mind(?: that)?|note(?: down)?(?: that)?|make a note(?: that| of this)?"
    r"|take note(?: that)?"
    r"|for the record|(?:souviens|souvenez|rappelle|rappelez)[- ](?:toi|vous)(?: bien)?(?: que|"
    r" qu'| de ceci)?"
    r"|(?:te )?(?:souviennes|rappelles)(?: que| qu')|retiens(?: bien)?(?: que| qu'| ceci)?"
    r"|retenez(?: que| qu')?"
    r"|retiennes (?:que |qu')|n'oublie(?:z|s)?(?: pas| jamais)?(?: que| qu')?"
    r"|oubliez? (?:pas|jamais)(?: que| qu')?"
    r"|note(?:z)?(?: bien)?"
    r"(?: que| qu')|sache(?:z)?(?: que| qu')|memorise(?: que| qu')?|garde(?:z)? en tete(?: que|"
    r" qu'))"
    r"(?=[\s,:]|(?<='))\s*[:,]?\s*"
)
_WHOLE = re.compile(r"(?:\b(?:that|this|que|ceci|record)|\bqu'|:)[\s,:]*$")
_NO_REMEMBERED = re.compile(
    r"^(?:to|me|you|us|him|her|them|it|when|how|what|where|who|why|(?:the |that )?(?:time|day"
    r"|night|week|summer|winter|movie|film|guy|one|way)\b"
    r"|this|that|de|d'|du|moi|toi|quand|comment|ce que|qui|quoi|la fois|le jour|lorsque)\b(?!.* "
    r"(?:is|are|est|sont)"
    r" )"
)
_JOINED = re.compile(
    r"(?:\s*[,:]\s*|\s+-\s+|\s+(?=(?:and|but|so|because|since|et|mais|car|parce que|puisque"
    r"|alors|donc)\b))"
    r"(?:(?:and|but|so|because|since|et|mais|car|parce que|puisque|alors|donc)\s+)?"
)
_TAIL = re.compile(
    r"\s*(?:,(?! c'est| ce sont)|\s-\s|\b(?:because|since|so that|when|although|though|even|but"
    r"|which|who|whenever|while|parce"
    r"|car (?=je|j'|il|elle|on|nous|c'est|le|la|les|mon|ma|mes|ce)|puisque|quand|mais|dont|alors"
    r"|afin|pendant que|by the way|au fait|lorsque|depuis que|thanks|right|you know|hein"
    r"|isn't it|n'est-ce pas|if|just so you know|don't forget|n'oublie)\b).*$"
)
_VOCATIVE = re.compile(r"^[A-Z][\w-]{2,},\s+(?=\S)")


_DENIES = re.compile(
    r"(?:(?:oh|ah|wait|well|sorry|oops|mais|ah|euh|ben|bah|pardon|desolee?|attends)\b[\s,.!]*)*"
    r"(?:(?:no+|nope|actually|in fact|non|en fait|en realite)\b"
    r"(?!\s*,?\s*(?:thanks?|thx|merci|idea|problem|worries|way|doubt|need|wonder|hurry|matter"
    r"|kidding|longer|more|one|plus)\b)"
    r"|(?P<meant>(?:(?:no|non)[\s,]+)?(?:correction|rectification|i meant?"
    r"|je (?:voulais|veux) dire))\b)"
)
_NO = re.compile(r"\W*(?:(?:no+|nope|non|mais)\b\W*)+")
_BESIDE = re.compile(
    r"\b(?:also|too|as well|another|other|second|third|aussi|egalement|encore|autre|deuxieme"
    r"|troisieme)\b"
)
"""What is said beside something, and not in its place."""
_MEANT = re.compile(
    r"^(?:i meant?(?: to say)?(?: that)?[\s,:]+|je (?:voulais|veux) dire(?: que\s+| qu'|[\s,:]+))"
)


class Clause:
    """A part of a sentence that may say something, and how it was said."""

    def __init__(
        self,
        text: str,
        *,
        is_correction: bool = False,
        is_hedged: bool = False,
        is_to_remember: bool = False,
        is_told_whole: bool = False,
        corrects: bool = False,
        is_meant: bool = False,
    ) -> None:
        self.text = text
        """As it was said, without what leads up to it."""
        self.plain = plain(text)
        self.is_correction = is_correction
        self.is_hedged = is_hedged
        self.is_to_remember = is_to_remember
        self.is_told_whole = is_told_whole
        """It was asked to be remembered as it is: "remember that …", not "remember, …"."""
        self.corrects = corrects
        """It began as what denies something does: "no, …", "en fait …"."""
        self.is_meant = is_meant
        """It began as nothing does but what corrects oneself: "I meant …"."""

    @property
    def end(self) -> int:
        """Return where what the clause says is over, and what is hung onto it begins."""
        tail = _TAIL.search(self.plain)
        return tail.start() if tail else len(self.plain)


_CORRECTS = re.compile(
    r"\b(?:no|nope|actually|in fact|sorry|correction|wait|oops|my mistake|now|instead|rather"
    r"|changed|moved|postponed|rescheduled"
    r"|i mean|i meant|not|any ?more|after all|non|en fait|finalement|desolee?|pardon|au fait"
    r"|attends"
    r"|en realite|rectification|maintenant|desormais|plutot|plus|je (?:veux|voulais) dire"
    r"|a present|change|deplacee?|reportee?|decalee?|dorenavant)\b"
)


_REWRITES = (
    # Dr. Keller ends no sentence.
    (re.compile(r"\b(Dr|Mr|Mrs|Ms|St|M|Mme)\.(?= )"), r"\1"),
    (
        re.compile(r"\b(is|are) (?:no longer|not) (?:\S+ ){1,4}?but (?:now )?", re.IGNORECASE),
        (r"\1 "),
    ),
    (re.compile(r"\bn'est (?:plus|pas) (?:\S+ ){1,4}?mais ", re.IGNORECASE), "est "),
    (re.compile(r" (?:has )?(?:just )?changed, (?:it's|it is)(?= )", re.IGNORECASE), " is"),
    (re.compile(r" a chang[ée], c'est(?= )", re.IGNORECASE), " est"),
    (
        re.compile(
            r"\b(?:j'ai|on a|nous avons) chang[ée] (?=(?:le |la |l'|mon |ma |notre )[^,]+, c'est )",
            re.IGNORECASE,
        ),
        "",
    ),
)
"""Longer ways to say a thing, and the short one that the patterns know."""
_NO_MORE = re.compile(
    r"(?P<en>\b(?:is|are)(?:n't| not| no longer)\b|\bused to be\b)"
    r"|(?P<fr>\b(?:n'est|ne sont) (?:plus|pas)\b)"
)
_ANY_MORE = re.compile(r",? any ?(?:more|longer)\b")


def no_more(clause: Clause) -> Clause | None:
    """Return a clause that says that something does not hold, as if it did; None for others."""
    match = _NO_MORE.search(clause.plain)
    if match is None:
        return None
    verb = "est" if match["fr"] else "is"
    text = f"{clause.text[: match.start()]}{verb}{clause.text[match.end() :]}"
    if more := _ANY_MORE.search(plain(text)):
        text = text[: more.start()] + text[more.end() :]
    return Clause(text)


def may_correct(text: str) -> bool:
    """Return whether a text can speak of what was said before it."""
    return bool(_CORRECTS.search(plain(text)))


def clauses_of(text: str) -> list[Clause]:
    """Return the clauses of what was said that may say something.

    None where it was a question, a request to forget, a hypothesis, a quotation, a story or
    hearsay.
    """
    text = stated(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'"))
    for pattern, short in _REWRITES:
        text = pattern.sub(short, text)
    whole = plain(text)
    if len(whole.split()) > MOST_WORDS or _STORY.search(whole):
        return []
    found: list[Clause] = []
    is_denied = False
    for sentence in sentences(_unquoted(text)):
        found += _of_sentence(sentence, is_denied=is_denied)
        is_denied = bool(_NO.fullmatch(plain(sentence)))
    return found


def _unquoted(text: str) -> str:
    """Return a text with its quotations blanked; those of one word or two are names."""

    def blank(match: re.Match[str]) -> str:
        inner = match.group().strip("\"“”«»' ")
        if len(inner.split()) <= 2:
            return re.sub(r"[\"“”«»]", " ", match.group())
        return " said "  # whoever says it, it is not the speaker

    return _QUOTED.sub(blank, text)


def _of_sentence(sentence: str, *, is_denied: bool) -> list[Clause]:
    if sentence.endswith("?"):
        return []
    is_correction = bool(_CORRECTS.search(plain(sentence)))
    text, is_to_remember, is_hedged, is_told_whole = sentence, False, False, False
    text = _stripped(_VOCATIVE, text, exact=True)
    # "Non, …" looks as if somebody were called so.
    led = _DENIES.match(plain(sentence)) or _DENIES.match(plain(text))
    corrects = (is_denied or led is not None) and not _BESIDE.search(plain(text))
    for _ in range(3):
        text = _stripped(_MARKER, text)
        text = _stripped(_TOLD, text)
        if _SUBJECT.match(plain(meant := _stripped(_MEANT, text))) or _NAMED.match(meant):
            text = meant
        if (shorter := _stripped(_REMEMBER, text)) != text:
            if _NO_REMEMBERED.match(plain(shorter)) or not shorter.strip(" .!"):
                return []
            asked = plain(text[: len(text) - len(shorter)])
            is_told_whole = bool(_WHOLE.search(asked))
            text, is_to_remember = shorter, True
        if (shorter := _stripped(_HEDGE, text)) != text:
            text, is_hedged = shorter, True
    bare = plain(text)
    if _QUESTION_WORD.match(bare) or _HYPOTHETICAL.search(bare) or _REPORTED.search(bare):
        return []
    parts = [text] if is_to_remember else _split(text)
    return [
        Clause(
            each,
            is_correction=is_correction,
            is_hedged=is_hedged,
            is_to_remember=is_to_remember,
            is_told_whole=is_told_whole,
            corrects=corrects,
            is_meant=corrects and led is not None and bool(led["meant"]),
        )
        for each in parts
    ]


def _stripped(pattern: re.Pattern[str], text: str, *, exact: bool = False) -> str:
    match = pattern.match(text if exact else plain(text))
    return text[match.end() :].lstrip() if match else text


def _split(text: str) -> list[str]:
    """Return a sentence's clauses: it falls apart where a new subject follows."""
    parts, start = [], 0
    bare = plain(text)
    for joint in _JOINED.finditer(bare):
        rest = bare[joint.end() :]
        if _HEADED.fullmatch(bare[start : joint.start()]) and rest.startswith(("c'est", "ce sont")):
            continue
        if not _SUBJECT.match(rest) and not _NAMED.match(text[joint.end() :]):
            continue
        parts.append(text[start : joint.start()])
        start = joint.end()
    parts.append(text[start:])
    stripped = (_stripped(_MARKER, each.strip(" .!,;:")) for each in parts)
    return [each for each in stripped if len(each) > 3]


_HEADED = re.compile(
    r"\W*(?:mon|ma|mes|notre|nos|le|la|les|l')\s?(?!.*\b(?:est|sont|suis|a|ai|c'est)\b)[\w'œ -]+"
)
"""What `c'est` goes on with: `ma couleur préférée, c'est le vert`."""
_SUBJECT = re.compile(
    r"(?:no,? |now |actually |non,? |en fait,? |maintenant )?"
    r"(?:i|we|my|our|i'm|we're|i've|we've|it|it's|she|he|she's|he's|they|you|the|please|you're"
    r"|there|that's|this"
    r"|je|on|nous|mon|ma|mes|notre|nos|il|elle|ils|elles|tu|vous|c'est|ce n'est|ce|ca|ses|sa|son"
    r"|his|her"
    r"|their|remember|call me|appelle-moi|appelez-moi)\b|j'\w|(?:le|la|les) .+? (?:est|sont)\b"
    r"|l'\w+.+? (?:est|sont)\b"
)
_NAMED = re.compile(
    r"[A-Z][\w-]+(?: [A-Z][\w-]+)?(?:'s\b| is | lives | works | likes | loves | hates | est |"
    r" habite"
    r" | vit | travaille | aime | adore | déteste | s'appelle )"
)
