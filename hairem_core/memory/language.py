"""How recall reads text: the same words in two forms count as one, in English and in French."""

import functools
from datetime import date

import tantivy

from hairem_core.memory.days import MONTHS

_ENGLISH = """
    a about after again all also am an and any are as at be because been before being but by can
    could d did do does doing don done down for from had has have having he her here hers him his
    how i if in into is it its itself just ll m me more most my myself no nor not now of off on
    once only or other our ours out over own re s same say she should so some such t than that the
    their theirs them then there these they this those through to too under until up us ve very
    was we were what when where which while who whom why will with would you your yours please
    tell told remember know said
"""
_FRENCH = """
    ai aie ait alors as au aucun aussi autre aux avait avant avec avez avoir avons c ça ce ceci
    cela ces cet cette ceux chez ci comme comment d dans de des dès dit dis dire dois doit donc
    dont du elle elles en encore entre es est et étaient étais était été êtes être eu eux fait
    faire fais fut il ils j je l la là le les leur leurs lui m ma mais me même mes moi mon n ne ni
    nos notre nous on ont ou où par parce pas peu peut peux plus pour pourquoi qu quand que quel
    quelle quelles quels qui quoi s sa sais sait sans se sera ses si sien son sont sous souviens
    suis sur t ta tandis te tes toi ton tous tout toute toutes très tu un une va vais vas vers
    voici voilà vos votre vous vu y rappelle rappelles
"""
LANGUAGES = ("english", "french")


def analyzer(language: str) -> tantivy.TextAnalyzer:
    """Return the analyzer of "english" or "french": lower case, no small words, stems, no accents.

    The small words of both languages are dropped by both, since a house may speak both. Stems come
    before the accents go: Snowball's French rules read them.
    """
    builder = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(64))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.custom_stopword(sorted(_small_words())))
        .filter(tantivy.Filter.stemmer(language))
        .filter(tantivy.Filter.ascii_fold())
    )
    return builder.build()


@functools.cache
def _analyzers() -> tuple[tantivy.TextAnalyzer, ...]:
    return tuple(analyzer(language) for language in LANGUAGES)


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text that say something, as English and as French stems."""
    return frozenset(word for each in _analyzers() for word in each.analyze(text))


def date_words(at: date, language: str) -> str:
    """Return a day as it is spoken of in "english" or "french": `8 May 2023`, `8 mai 2023`."""
    return f"{at.day} {MONTHS[language][at.month - 1]} {at.year}"


def _small_words() -> set[str]:
    words = {*_ENGLISH.split(), *_FRENCH.split()}
    # Many write French without its accents.
    folded = {"".join(_PLAIN.get(letter, letter) for letter in word) for word in words}
    return words | folded


_PLAIN = dict(zip("àâçéèêëîïôùûü", "aaceeeeiiouuu", strict=True))
