"""What forgetting will do, and what it did: as data and in words, English and French."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

type Language = Literal["en", "fr"]

_PLACES = {
    "en": {
        "events": ("event", "events"),
        "fragments": ("fragment", "fragments"),
        "archived": ("archived fragment", "archived fragments"),
        "entities": ("entity", "entities"),
        "relations": ("relation", "relations"),
        "states": ("value that an agent kept", "values that agents kept"),
        "digests": ("digest of a dream", "digests of dreams"),
        "messages": ("message on the bus", "messages on the bus"),
    },
    "fr": {
        "events": ("événement", "événements"),
        "fragments": ("fragment", "fragments"),
        "archived": ("fragment archivé", "fragments archivés"),
        "entities": ("entité", "entités"),
        "relations": ("relation", "relations"),
        "states": ("valeur gardée par un agent", "valeurs gardées par des agents"),
        "digests": ("compte rendu d'un rêve", "comptes rendus de rêves"),
        "messages": ("message sur le bus", "messages sur le bus"),
    },
}
type Place = Literal[
    "others_words",
    "agents_words",
    "backups",
    "agents_files",
    "logs",
    "providers",
    "server_files",
    "mariadb_logs",
    "redis_files",
]
_UNREACHED: dict[str, dict[Place, str]] = {
    "en": {
        "others_words": "what others said that names them, which --subject erases",
        "agents_words": "what agents said of it later in words of their own",
        "backups": "backups and exports made before",
        "agents_files": "files of the agents' own, and what their services keep",
        "logs": "log files, and Home Assistant's own history",
        "providers": "what language models' providers keep of what was sent to them",
        "server_files": "the files of the SurrealDB server, which are its own business",
        "mariadb_logs": "MariaDB's binary, redo and undo logs, and its replicas",
        "redis_files": "the files of the Redis server, which is not hAIrem's alone",
    },
    "fr": {
        "others_words": "ce que d'autres ont dit en les nommant, que --subject efface",
        "agents_words": "ce que des agents en ont dit ensuite avec leurs propres mots",
        "backups": "les sauvegardes et exports faits avant",
        "agents_files": "les fichiers propres aux agents, et ce que gardent leurs services",
        "logs": "les journaux, et l'historique propre à Home Assistant",
        "providers": "ce que les fournisseurs de modèles gardent de ce qui leur a été envoyé",
        "server_files": "les fichiers du serveur SurrealDB, qui sont son affaire",
        "mariadb_logs": "les journaux binaires, redo et undo de MariaDB, et ses réplicas",
        "redis_files": "les fichiers du serveur Redis, qui n'est pas à hAIrem seul",
    },
}


class _Report(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Plan(_Report):
    """What would be erased. It shows some of it: it is for whoever decides, and nobody else."""

    counts: dict[str, int]
    """By place."""
    samples: list[str]
    kept_events: int
    """Events that stay, though what would go came from them: something else rests on them."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to erase."""
        return not any(self.counts.values())

    def words(self, language: Language = "en") -> str:
        """Return it in words."""
        told = _counted(self.counts, language)
        if language == "fr":
            lines = [f"Seraient effacés : {told}." if told else "Il n'y a rien à effacer."]
        else:
            lines = [f"To be erased: {told}." if told else "There is nothing to erase."]
        lines += _kept(self.kept_events, language)
        return "\n".join([*lines, *(f"  « {each} »" for each in self.samples)])


class Receipt(_Report):
    """What was erased. It holds no word of it, and can be kept."""

    id: UUID
    by: str
    """Address of who asked for it."""
    selected_by: list[str]
    """Which kinds of selectors were given, without what they were."""
    started_at: datetime
    finished_at: datetime
    counts: dict[str, int]
    """By place."""
    events: list[tuple[int, int]] = Field(default_factory=list)
    """First and last numbers of the events that were emptied."""
    erased_by: list[int] = Field(default_factory=list)
    """Numbers of the events that say so in the chain."""
    fragments: list[UUID] = Field(default_factory=list)
    """Ids of the fragments that went."""
    kept_events: int = 0
    """Events that stay, though some of what went came from them: something else rests on them."""
    vacuumed: bool
    """Whether the store's files were written anew, so that they hold nothing of it."""
    unfinished: list[str] = Field(default_factory=list)
    """What could not be done yet, and why; it is tried again each night, and at the next start.
    """
    not_reached: list[Place]
    """Where it may still be."""

    @property
    def is_complete(self) -> bool:
        """Whether everything was done that can be."""
        return not self.unfinished

    def words(self, language: Language = "en") -> str:
        """Return it in words."""
        told = _counted(self.counts, language)
        unreached = [_UNREACHED[language][each] for each in self.not_reached]
        if language == "fr":
            lines = [f"Effacés : {told}." if told else "Il n'y avait rien à effacer."]
            lines += _kept(self.kept_events, language)
            lines += [f"Reste à faire : {each}" for each in self.unfinished]
            lines.append(f"Hors d'atteinte : {' ; '.join(unreached)}.")
        else:
            lines = [f"Erased: {told}." if told else "There was nothing to erase."]
            lines += _kept(self.kept_events, language)
            lines += [f"Still to do: {each}" for each in self.unfinished]
            lines.append(f"Out of reach: {'; '.join(unreached)}.")
        return "\n".join(lines)


def _kept(events: int, language: Language) -> list[str]:
    if not events:
        return []
    if language == "fr":
        one, more = "1 événement reste : autre chose repose sur lui.", "événements restent"
        return [one if events == 1 else f"{events:,} {more} : autre chose repose sur eux."]
    one = "1 event stays: something else rests on it."
    return [one if events == 1 else f"{events:,} events stay: something else rests on them."]


def _counted(counts: dict[str, int], language: Language) -> str:
    names = _PLACES[language]
    return ", ".join(
        f"{number:,} {names[place][number > 1]}" for place, number in counts.items() if number
    )
