"""What is said of someone, in English and French: patterns of what follows the subject.

A pattern begins right behind the subject and reaches to the end of the clause. Its groups: `v` the
value, `gone` where it says that something holds no more, `neg` where it is denied.
"""

import re
from dataclasses import dataclass

_EN_ADVERB = (
    r"(?: (?:really|also|just|now|currently|actually|still|absolutely|totally|always|personally"
    r"|recently|finally"
    r"|both|all|only|mostly|usually|particularly|especially|quite|so|do|very much|already"
    r"|officially|generally))*"
)
_BE = r"(?:'m|'re|'s| am| are| is)"
_HAVE = r"(?:'ve| have|'s| has)?"
_GONE_EN = (
    r"(?P<gone> no longer|(?: do|'m| am| are| is| does|'re)(?:n't| not)(?=.* any ?(?:more"
    r"|longer)\b))"
)
_NOT_EN = r"(?P<neg> (?:do|does)(?:n't| not))"
_MORE = r"(?: any ?(?:more|longer))"
_FR_ADVERB = (
    r"(?: (?:aussi|vraiment|toujours|maintenant|desormais|actuellement|beaucoup|surtout|bien"
    r"|enormement|tellement"
    r"|trop|tres|en fait|depuis \w+|a present|plutot|encore|tous|toutes))*"
)
_NE = r"(?: n[e']| n'|'?)?"


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """One way to say one thing."""

    what: str
    """Name of what is made of it: see `facts.py`."""
    pattern: re.Pattern[str]


def _make(what: str, *patterns: str) -> list[Predicate]:
    return [Predicate(what=what, pattern=re.compile(each)) for each in patterns]


_HOME_EN = r" (?:in|at|near|on|outside|close to)"
_FR_AT = r"(?: (?:a|en|au|aux|dans|chez|pres de|sur)| d')"
_DET_FR = r"(?: (?:une?|des|deux|trois|quatre|plusieurs))"

ENGLISH: tuple[Predicate, ...] = (
    # Where someone lives.
    *_make(
        "lives",
        rf"{_BE}?{_EN_ADVERB} (?:live|lives|living|reside|resides){_EN_ADVERB}{_HOME_EN} (?P<v>.+)",
        rf"{_HAVE}{_EN_ADVERB} (?:moved|relocated){_EN_ADVERB}(?: house| home| back| away)?"
        r"(?: from .+?)?(?: to| into) (?P<v>.+?)(?: from .+)?",
        rf"{_HAVE}{_EN_ADVERB} (?:settled|settled down) in (?P<v>.+)",
        rf"{_BE}{_EN_ADVERB} based in (?P<v>.+)",
        rf"(?P<gone> no longer lives?| (?:do|does)(?:n't| not) live){_HOME_EN} (?P<v>.+?){_MORE}?",
    ),
    *_make("born", rf"(?: was| were|'s){_EN_ADVERB} born(?: (?:in|on|at))? (?P<v>.+)"),
    *_make(
        "from",
        rf"{_BE}{_EN_ADVERB} (?:originally )?from (?P<v>.+)",
        r" (?:come|comes) from (?P<v>.+)",
    ),
    # What someone does.
    *_make(
        "works",
        rf"{_BE}?{_EN_ADVERB} (?:work|works|working){_EN_ADVERB} (?:at|for|with) (?P<v>.+)",
        rf"{_HAVE}{_EN_ADVERB} (?:got|found|have|has|started|accepted|took) (?:a |my |his |her"
        rf" )?(?:new )?(?:job|position|work)"
        r"(?: working)? (?:at|with|for) (?P<v>.+)",
        rf"{_HAVE}{_EN_ADVERB} (?:started(?: working| work)? (?:at|for)|joined) (?P<v>(?!a |an "
        rf"|my ).+)",
        r"(?P<gone> no longer) works? (?:at|for|with) (?P<v>.+)",
        rf"(?P<gone> (?:do|does)(?:n't| not)) work (?:at|for|with) (?P<v>.+?){_MORE}?",
    ),
    *_make(
        "job",
        rf"{_BE}?{_EN_ADVERB} (?:work|works|working){_EN_ADVERB} as (?P<v>.+)",
        rf"{_BE}{_EN_ADVERB} (?P<v>(?!not |no )(?:an? )?[\w ]+)",
        rf"{_BE}(?P<gone> no longer)(?: working as)? (?P<v>an? [\w ]+)",
        rf"{_BE}(?: not|n't) (?P<v>an? [\w ]+)(?P<gone2>{_MORE})",
        rf"{_HAVE}{_EN_ADVERB} (?:became|become|becomes) (?P<v>an? .+)",
        r" (?:do|does) (?P<v>[\w ]+) for a living",
    ),
    # Names.
    *_make(
        "name",
        r"(?:'m| am)(?: called| named) (?P<v>.+)",
        r" go by (?P<v>.+)",
        r" prefer to be called (?P<v>.+)",
        r" want (?:you )?to (?:be called|call me) (?P<v>.+)",
    ),
    *_make("called", r"(?:'s| is) (?:called|named) (?P<v>.+)"),
    # Body and health.
    *_make(
        "allergy",
        rf"{_BE}{_EN_ADVERB}(?: very| highly| severely| deathly| badly)? allergic to (?P<v>.+)",
        r" (?:have|has|'ve got)(?: got)?(?: a| an)?(?: \w+)? allergy to (?P<v>.+)",
        r" (?:have|has) an? (?P<v>\w+) allergy",
        rf"{_BE}(?P<gone> no longer) allergic to (?P<v>.+)",
        rf"{_BE}(?P<gone> not|n't) allergic to (?P<v>.+?){_MORE}?",
    ),
    *_make(
        "diet",
        rf"{_BE}{_EN_ADVERB} (?:an? )?(?P<v>vegetarian|vegan|pescatarian|gluten[- ]free"
        rf"|lactose[- ]intolerant"
        r"|lactose[- ]free|flexitarian|halal|kosher)",
        rf"{_HAVE} (?:became|gone|turned|become|went) (?P<v>vegetarian|vegan|pescatarian)",
        rf"{_BE}(?P<gone> no longer| not)(?: an?)? (?P<v>vegetarian|vegan|pescatarian){_MORE}?",
    ),
    *_make(
        "eats",
        r"(?P<neg> (?:don't|doesn't|do not|does not|can't|cannot|never)) (?:eat|eats|drink"
        r"|drinks) (?P<v>.+)",
    ),
    *_make(
        "condition",
        rf"{_BE}{_EN_ADVERB} (?:an? )?(?P<v>diabetic|asthmatic|epileptic|deaf|blind|colou?r[-"
        rf" ]?blind|pregnant"
        r"|left-handed|right-handed|dyslexic|autistic|c(?:o)?eliac)",
        r" (?:have|has|suffer from|suffers from|got|'ve got)(?: type [12])? (?P<v>diabetes"
        r"|asthma|epilepsy|arthritis|migraines"
        r"|hypertension|high blood pressure|c(?:o)?eliac disease|insomnia|adhd|tinnitus"
        r"|parkinson's|alzheimer's|cancer"
        r"|hay fever|eczema|a pacemaker|a peanut intolerance|lactose intolerance)",
    ),
    *_make(
        "age",
        rf"{_BE}{_EN_ADVERB}(?: turning)? (?P<v>\d{{1,3}}|[a-z-]+) years? old",
        rf"{_HAVE} (?:just )?(?:turned|turns) (?P<v>\d{{1,3}})(?: now)?",
        rf"{_BE}(?: now)? (?P<v>\d{{1,2}})(?: now)?",
    ),
    # Tastes.
    *_make(
        "taste",
        rf"{_EN_ADVERB} (?P<verb>like|likes|love|loves|adore|adores|enjoy|enjoys|hate|hates"
        rf"|dislike|dislikes|detest"
        r"|detests|loathe|loathes|can't stand|cannot stand) (?P<v>.+)",
        rf"{_BE}{_EN_ADVERB} (?:an? )?(?:big |huge |great )?(?P<verb>fan of|fond of|crazy about"
        rf"|keen on) (?P<v>.+)",
        rf"{_NOT_EN}{_EN_ADVERB} (?:like|enjoy|love) (?P<v>.+)",
        r"(?P<neg> no longer) (?:like|likes|love|loves|enjoy|enjoys) (?P<v>.+)",
    ),
    *_make(
        "prefers",
        rf"{_EN_ADVERB} prefers? (?P<v>.+?) (?:to|over|rather than|instead of) (?P<w>.+)",
        rf"{_EN_ADVERB} prefers? (?P<v>.+)",
    ),
    # Whom and what one has.
    *_make(
        "has",
        rf"(?:{_HAVE}{_EN_ADVERB}(?: got)?| (?:have|has|own|owns|adopted|bought|got)) (?P<n>a|an"
        rf"|one|two|three|four|five|\d)"
        r"(?P<adj>(?: (?:little|big|older|younger|elder|twin|new|small|old|black|white|grey"
        r"|ginger|rescue|baby|pet|second"
        r"|half|lovely|great|beautiful))*) (?P<v>[\w -]+?)(?:,? (?:called|named|whose names? "
        r"(?:is|are)) (?P<name>.+?))?",
        r"(?P<gone> no longer) (?:have|has|own|owns) (?:an? |any |the |our |my )?(?P<v>[\w -]+?)"
        r"(?:,? (?:called|named) (?P<name>.+?))?",
        rf" (?:do|does)(?:n't| not) (?:have|own) (?:an? |any |the |our |my )?(?P<v>[\w -]+?)"
        rf"(?P<gone2>{_MORE})",
    ),
    *_make(
        "keeps",
        (
            rf"{_HAVE}{_EN_ADVERB} (?:keep|keeps|kept|put|puts|store|stores|stored|hid|hide"
            rf"|hides|left|leave|moved|placed)"
            r" (?P<thing>(?:the|my|our|a) .+?) (?P<v>(?:in|on|under|underneath|behind|inside"
            r"|beside|next to|above|below|near|at|to"
            r"|into|by|between|in front of|on top of|outside)\b .+)"
        ),
    ),
    # Between people.
    *_make(
        "trusts",
        rf"{_EN_ADVERB} trusts? (?P<v>.+)",
        rf"{_NOT_EN} trust (?P<v>.+)",
        r"(?P<neg> no longer) trusts? (?P<v>.+)",
    ),
    *_make("knows", rf"{_EN_ADVERB} (?:know|knows|met) (?P<v>.+)"),
    *_make(
        "married",
        rf"{_BE}{_EN_ADVERB} (?:married to|engaged to|dating|going out with) (?P<v>.+)",
        rf"{_HAVE}(?: just)?(?: got)? married(?: to)? (?P<v>.+)",
    ),
    *_make("speaks", rf"{_EN_ADVERB} (?:speak|speaks) (?P<v>.+)"),
    *_make("studies", rf"{_BE}?{_EN_ADVERB} (?:study|studies|studying) (?P<v>.+)"),
    *_make("plays", rf"{_EN_ADVERB} (?:play|plays) (?P<v>(?:the )?[\w ]+)"),
    *_make("is_role", r"(?:'s| is)(?P<neg> no longer| not)? (?:my|our) (?P<v>.+?)"),
    *_make(
        "died",
        r"(?: has| just)* (?P<v>died|passed away)(?P<rest>.*)",
        r" is (?P<v>dead)(?P<rest>)",
    ),
)

_FR_BE = r" (?:suis|est|sommes|sont)"
FRENCH: tuple[Predicate, ...] = (
    *_make(
        "lives",
        rf"(?:'| )(?:habit(?:e|es|ons|ent)|vi[st]|vivons|vivent|loge|logeons|reside){_FR_ADVERB}"
        rf"(?:{_FR_AT})? ?(?P<v>.+)",
        rf"(?:'ai| a| avons| ont|'a){_FR_ADVERB} (?:demenage|emmenage){_FR_ADVERB}(?: de .+?)? "
        rf"(?:a|en|au|aux|dans|sur|chez) (?P<v>.+)",
        rf"(?: me| s'| nous| m'| se)*(?: ?suis| ?est| sommes| sont){_FR_ADVERB} installee?s? "
        rf"(?:a|en|au|aux|dans|sur|chez) (?P<v>.+)",
        r" (?:viens|vient|venons) d(?:e |')(?:emmenager|m'installer|s'installer|demenager|nous"
        r" installer) (?:a|en|au|aux|dans|sur|chez) (?P<v>.+)",
        rf" n'habit(?:e|ons|ent)(?P<gone> plus| pas)(?:{_FR_AT})? (?P<v>.+)",
        rf" ne vi(?:s|t|vons|vent)(?P<gone> plus| pas)(?:{_FR_AT})? (?P<v>.+)",
        r" (?:demenage|emmenage|demenageons)(?: a| en| au| aux) (?P<v>.+)",
    ),
    *_make("born", r" (?:suis|est) nee?(?: (?:le|en|a|au|aux))? (?P<v>.+)"),
    *_make(
        "from",
        r" (?:viens|vient|venons) d(?:e |u |'|es )(?P<v>.+)",
        rf"{_FR_BE} originaires? d(?:e |u |')(?P<v>.+)",
    ),
    *_make(
        "works",
        rf" (?:travaill(?:e|es|ons|ent)|bosse|bosses|bossons){_FR_ADVERB} (?:chez|a|au|aux|pour"
        rf"|avec|dans) (?P<v>.+)",
        r"(?:'ai| a) (?:trouve|commence|decroche)(?: un| mon)?(?: nouveau| nouvel)? (?:travail"
        r"|boulot|emploi|poste|job) (?:chez|a|au|pour) (?P<v>.+)",
        r" ne (?:travaille|bosse)(?P<gone> plus| pas) (?:chez|a|au|aux|pour) (?P<v>.+)",
    ),
    *_make(
        "job",
        rf" (?:travaill(?:e|es)|bosse|bosses){_FR_ADVERB} (?:comme|en tant que) (?P<v>.+)",
        rf"{_FR_BE}{_FR_ADVERB} (?P<v>(?:une? )?[\w -]+)",
        r" (?:suis|est) devenue? (?P<v>.+)",
        r" (?:ne suis|n'est)(?P<gone> plus) (?P<v>(?:une? )?[\w -]+)",
    ),
    *_make("name", r" (?:m'appelle|me nomme) (?P<v>.+)", r" prefere qu'on m'appelle (?P<v>.+)"),
    *_make("called", r" s'appelle(?:nt)? (?P<v>.+)", r" se nomme (?P<v>.+)"),
    *_make(
        "allergy",
        rf"{_FR_BE}{_FR_ADVERB} allergiques? (?P<v>(?:a|au|aux)\b.+)",
        r"(?:'ai| a) une allergie (?P<v>(?:a|au|aux)\b.+)",
        r" ne (?:suis|est|sommes|sont)(?P<gone> plus| pas) allergiques? (?P<v>(?:a|au|aux)\b.+)",
        r" n'est(?P<gone> plus| pas) allergique (?P<v>(?:a|au|aux)\b.+)",
    ),
    *_make(
        "diet",
        rf"(?:{_FR_BE}|(?: suis| est) devenue?){_FR_ADVERB} (?P<v>vegetarien(?:ne)?s?|vegan"
        rf"(?:e)?s?|vegetalien(?:ne)?|pescetarien(?:ne)?"
        r"|intolerante?s? au (?:gluten|lactose)|c(?:oe|œ)liaque)",
        r" ne (?:suis|est)(?P<gone> plus| pas) (?P<v>vegetarien(?:ne)?|vegane?|vegetalien(?:ne)?)",
        r" n'est(?P<gone> plus| pas) (?P<v>vegetarien(?:ne)?|vegane?|vegetalien(?:ne)?)",
    ),
    *_make(
        "eats",
        r" ne (?:mange|mangeons|mangent|bois|boit|buvons)(?P<neg> pas| plus| jamais) (?P<v>d(?:e"
        r" |u |')(?:la |l')?.+)",
    ),
    *_make(
        "condition",
        rf"{_FR_BE}{_FR_ADVERB} (?P<v>diabetique|asthmatique|epileptique|sourde?|aveugle"
        rf"|daltonien(?:ne)?|enceinte|gauch(?:er|ere)"
        r"|droiti(?:er|ere)|dyslexique|autiste)",
        r"(?:'ai| a|'a) (?:du |de l'|de la |un |des )?(?P<v>diabete|asthme|epilepsie|arthrose"
        r"|migraines|hypertension|insomnies"
        r"|rhume des foins|eczema|pacemaker|cancer)",
    ),
    *_make(
        "age",
        r"(?:'ai| a|'a) (?:maintenant )?(?P<v>\d{1,3}|[a-z-]+) ans(?: maintenant)?",
        r" (?:vient|viens) d'avoir (?P<v>\d{1,3}) ans",
    ),
    *_make(
        "taste",
        rf"(?:'| )(?P<verb>aim(?:e|es|ons|ent)|ador(?:e|es|ons|ent)|detest(?:e|es|ons|ent)"
        rf"|hai[st]|kiffe){_FR_ADVERB} (?P<v>(?:le|la|les|l'|un|une"
        r"|faire|manger|boire|regarder|ecouter|jouer|lire)\b.+|[\w]+er .+)",
        r"(?:'ai| a|'a) (?P<verb>horreur) d(?:e |u |es |')(?P<v>.+)",
        rf"{_FR_BE}{_FR_ADVERB} (?:une? )?(?:grande? )?(?P<verb>fan) d(?:e |u |es |')(?P<v>.+)",
        rf" n'aim(?:e|es|ons|ent)(?P<neg> pas| plus){_FR_ADVERB}(?: du tout)? (?P<v>.+)",
        r" ne (?:supporte|supportons)(?P<neg> pas| plus) (?P<v>(?:le|la|les|l')\b.+)",
    ),
    *_make(
        "prefers",
        r" prefer(?:e|es|ons|ent) (?P<v>(?:le|la|les|l'|un|une|du)\b.+?) (?:a la|a l'|au|aux"
        r"|plutot que) ?(?P<w>.+)",
        r" prefer(?:e|es|ons|ent)(?: maintenant| desormais)? (?P<v>(?:le |la |les |l'|un |une ).+)",
    ),
    *_make(
        "has",
        rf"(?:'ai| a|'a| avons| ont| as|'avons)(?: maintenant| aussi| adopte| achete)*{_DET_FR}"
        rf"(?P<adj>(?: (?:petite?|grande?|nouvelle|nouveau|nouvel|vieux|vieille"
        r"|autre))*) (?P<v>[\w'œ-]+(?: d'inde| rouge)?)(?: (?:noire?|blanche?|rousse|roux"
        r"|grise?))?(?:(?:,? qui (?:s'appelle|se nomme)(?:nt)?|,? nommee?|,? appelee?) "
        r"(?P<name>.+))?",
        r" n'(?:ai|a|avons|ont)(?P<gone> plus) (?:d'|de )(?P<v>[\w'œ -]+)",
    ),
    *_make(
        "keeps",
        (
            r"(?:'ai| a| avons|'a)? ?(?:garde|range|mets|met|cache|laisse|pose|mis|deplace"
            r"|gardons|rangeons|mettons|garde|planque) (?P<thing>(?:le|la|les|l'|mon|ma|mes"
            r"|notre|nos|un|une)\b.+?)"
            r" (?P<v>(?:dans|sur|sous|derriere|devant|au-dessus|au dessus|en dessous|pres|a cote"
            r"|chez|entre|a l'entree|au|a la|a l')\b.+)"
        ),
    ),
    *_make(
        "trusts",
        r" (?:fais|fait|faisons) confiance a (?P<v>.+)",
        r" ne (?:fais|fait)(?P<neg> pas| plus) confiance a (?P<v>.+)",
    ),
    *_make("knows", r" connai(?:s|t|ssons) (?P<v>.+)"),
    *_make("married", rf"{_FR_BE} (?:mariee?|fianceee?|en couple) (?:a|avec) (?P<v>.+)"),
    *_make(
        "speaks",
        r" parl(?:e|es|ons|ent) (?:couramment )?(?P<v>(?:le |l'|la )?\w+(?: et (?:le |l'|la"
        r" )?\w+)?)",
    ),
    *_make("studies", r"(?:'| )etudie (?P<v>(?:le|la|les|l')\b.+)"),
    *_make("plays", r" jou(?:e|es|ons|ent) (?P<v>(?:du|de la|de l'|au|aux|a la) .+)"),
    *_make(
        "is_role",
        r"(?: est|, c'est)(?P<neg> plus| pas)? (?:mon|ma|notre) (?P<v>.+?)",
        r" n'est(?P<neg> plus| pas) (?:mon|ma|notre) (?P<v>.+?)",
    ),
    *_make(
        "died",
        r" est (?P<v>morte?|decedee?)(?P<rest>.*)",
        r" nous a (?P<v>quittes?)(?P<rest>)",
    ),
)
