"""A digest in words, for people, in English and in French."""

from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import Any

from hairem_core.config.system import Language
from hairem_core.memory.dream.digest import Digest
from hairem_core.memory.dream.parts import Step
from hairem_core.memory.zone import local

_SHOWN = 10
"""Entries of one kind that are told in full."""
_AWAY = "archive_away"
_STEPS: dict[Language, dict[Step, str]] = {
    "en": {
        "interpret": "Catching up",
        "decay": "Counting what fades",
        "merge": "Merging",
        "synthesis": "Synthesis",
        "archive": "Archiving",
        "verify": "Verifying",
        "digest": "Digest",
    },
    "fr": {
        "interpret": "Rattrapage",
        "decay": "Décompte de l'oubli",
        "merge": "Fusion",
        "synthesis": "Synthèse",
        "archive": "Archivage",
        "verify": "Vérification",
        "digest": "Résumé",
    },
}
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "night": "The night of {at:%Y-%m-%d}:",
        "strengths": "Memories: {fresh} fresh, {fading} fading, {faded} faded.",
        "learned": "Learned {count}:|Learned nothing new.",
        "fact": "- {agent}, of {subject}: {content}",
        "fact_of_none": "- {agent}: {content}",
        "merged": "Merged {count} that said the same.|Merged nothing.",
        "contradicted": "Contradictions settled, {count}:|No contradictions.",
        "contradiction": "- {agent}: “{old}” → “{new}”",
        "synthesised": "Summed up {count}:|Summed up nothing.",
        "synthesis": "- {agent}, of {sources}: {content}",
        "archived": "Archived {count}.|Archived nothing.",
        "whole": "The record of {checked} events is whole.",
        "whole_alone": "The record of {checked} events is whole, as far as it can be told without "
        "the archive as a witness.",
        "kept": "The archive bears witness to it.",
        "anew": "The archive bears witness to it from now on: it is not the one that did before, "
        "and what was archived there is missing.",
        "broken": "THE RECORD OF EVENTS IS BROKEN: event {broken_at} {what}.",
        "unverified": "The record of events was not verified.",
        "more": "- and {count} more",
        "no_model": "{step}: there is no language model, and nothing is made up.",
        "no_archive": "{step}: there is no archive.",
        "archive_away": "The archive cannot be reached, and is tried again the next night: {what}|"
        "The archive cannot be reached, and is tried again the next night.",
        "switched_off": "{step}: switched off.",
        "failure": "{step} failed: {what}",
    },
    "fr": {
        "night": "La nuit du {at:%d/%m/%Y} :",
        "strengths": "Souvenirs : {fresh} frais, {fading} qui pâlissent, {faded} effacés.",
        "learned": "Appris, {count} :|Rien appris de nouveau.",
        "fact": "- {agent}, sur {subject} : {content}",
        "fact_of_none": "- {agent} : {content}",
        "merged": "Fusionné {count} qui disaient la même chose.|Rien à fusionner.",
        "contradicted": "Contradictions résolues, {count} :|Aucune contradiction.",
        "contradiction": "- {agent} : « {old} » → « {new} »",
        "synthesised": "Synthèses, {count} :|Aucune synthèse.",
        "synthesis": "- {agent}, de {sources} : {content}",
        "archived": "Archivé {count}.|Rien à archiver.",
        "whole": "Le registre des {checked} événements est intact.",
        "whole_alone": "Le registre des {checked} événements est intact, autant qu'on puisse le "
        "dire sans le témoignage de l'archive.",
        "kept": "L'archive en témoigne.",
        "anew": "L'archive en témoigne désormais : ce n'est pas celle d'avant, et ce qui y était "
        "archivé manque.",
        "broken": "LE REGISTRE DES ÉVÉNEMENTS EST ROMPU : événement {broken_at}, {what}.",
        "unverified": "Le registre des événements n'a pas été vérifié.",
        "more": "- et {count} de plus",
        "no_model": "{step} : il n'y a pas de modèle de langue, et rien n'est inventé.",
        "no_archive": "{step} : il n'y a pas d'archive.",
        "archive_away": "L'archive est injoignable, nouvel essai la nuit prochaine : {what}|"
        "L'archive est injoignable, nouvel essai la nuit prochaine.",
        "switched_off": "{step} : désactivé.",
        "failure": "{step}, échec : {what}",
    },
}


def in_words(digest: Digest, language: Language, zone: tzinfo | None = None) -> str:
    """Return a digest as lines of text. `zone` is that of its night; None is the system's."""
    return "\n".join(_lines(digest, language, zone))


def _lines(digest: Digest, language: Language, zone: tzinfo | None) -> Iterator[str]:
    words = _WORDS[language]
    yield words["night"].format(at=local(digest.started_at, zone))
    yield words["strengths"].format(**digest.strengths.model_dump())
    learned = [
        _line(words, "fact" if each.subject else "fact_of_none", each.model_dump())
        for each in digest.learned
    ]
    yield from _listed(words, "learned", digest.learned_count, learned)
    yield _counted(words, "merged", digest.merged_count)
    contradicted = [_line(words, "contradiction", e.model_dump()) for e in digest.contradicted]
    yield from _listed(words, "contradicted", digest.contradicted_count, contradicted)
    if "synthesis" not in digest.skipped:
        made = [_line(words, "synthesis", each.model_dump()) for each in digest.synthesised]
        yield from _listed(words, "synthesised", digest.synthesised_count, made)
    if digest.skipped.get("archive") in (None, _AWAY) or digest.archived_count:
        yield _counted(words, "archived", digest.archived_count)
    yield _chain(digest, words)
    names = _STEPS[language]
    for step, why in digest.skipped.items():
        if why != _AWAY:
            yield words[why].format(step=names[step])
    away = [step for step, why in digest.skipped.items() if why == _AWAY]
    # Each step that needed it says the same of it.
    problem = next((each.what for each in digest.failures if each.step in away), None)
    if away:
        told, untold = words[_AWAY].split("|")
        yield untold if problem is None else told.format(what=problem)
    for failure in digest.failures:
        if failure.what != problem:
            yield words["failure"].format(step=names[failure.step], what=failure.what)


def _chain(digest: Digest, words: Mapping[str, str]) -> str:
    chain = digest.chain
    if chain is None:
        return words["unverified"]
    if not chain.is_whole:
        return words["broken"].format(**chain.model_dump())
    form = words["whole_alone" if chain.anchor == "away" else "whole"]
    whole = form.format(**chain.model_dump())
    return f"{whole} {words[chain.anchor]}" if chain.anchor in ("kept", "anew") else whole


def _line(words: Mapping[str, str], name: str, values: Mapping[str, Any]) -> str:
    return words[name].format(**values)


def _counted(words: Mapping[str, str], name: str, count: int) -> str:
    some, none = words[name].split("|")
    return some.format(count=count) if count else none


def _listed(words: Mapping[str, str], name: str, count: int, lines: list[str]) -> Iterator[str]:
    yield _counted(words, name, count)
    yield from lines[:_SHOWN]
    if count > (shown := min(len(lines), _SHOWN)):
        yield words["more"].format(count=count - shown)
