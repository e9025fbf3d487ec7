"""What is learned of a piece of a conversation: by a model where there is one, else by rule."""

import asyncio
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from datetime import tzinfo
from uuid import UUID

from hairem_core.errors import HairemError
from hairem_core.memory.database import Database
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.fragments import FragmentStore
from hairem_core.memory.interpret.batch import Piece
from hairem_core.memory.interpret.budget import CallBudget
from hairem_core.memory.interpret.draft import Learned
from hairem_core.memory.interpret.entities import entities_of
from hairem_core.memory.interpret.extracted import Antecedent, Said
from hairem_core.memory.interpret.facts import antecedent_of, extract
from hairem_core.memory.interpret.guards import may_correct
from hairem_core.memory.interpret.model_extractor import (
    MOST_CANDIDATES,
    LanguageModel,
    is_order,
    read_answer,
    request_of,
)
from hairem_core.memory.interpret.supersede import candidates
from hairem_core.memory.interpret.triage import WORTHLESS, importance_of

_LOGGER = logging.getLogger(__name__)

ATTEMPTS = 3
"""Calls of a model for one piece, before the rules do it."""
_KEPT_ANTECEDENTS = 512
_KEPT_RECALLED = 12
_KEPT_RECALLS = 64
_LOOKED_BACK = 6
"""Turns of a conversation that are looked through for what a correction speaks of."""

type Identify = Callable[[str], UUID]


class Learner:
    """Extracts facts of pieces of conversations. It writes nothing."""

    def __init__(
        self,
        database: Database,
        fragments: FragmentStore,
        identify: Identify,
        model: LanguageModel | None,
        budget: CallBudget,
        *,
        pause: float,
        zone: tzinfo | None,
    ) -> None:
        """`zone` is that of the times a model is told; None is the system's."""
        self._database = database
        self._fragments = fragments
        self._identify = identify
        self._model = model
        self._budget = budget
        self._pause = pause
        self._zone = zone
        self._antecedents: OrderedDict[tuple[UUID, str, str], Antecedent | None] = OrderedDict()
        self._recalled: OrderedDict[UUID, deque[str]] = OrderedDict()
        self.counts: Counter[str] = Counter()

    def note_recall(self, agent: UUID, contents: Iterable[str]) -> None:
        """Note what an agent was given from memory: what repeats it is no news."""
        kept = self._recalled.setdefault(agent, deque(maxlen=_KEPT_RECALLED))
        kept.extend(each for each in contents if each not in kept)
        self._recalled.move_to_end(agent)
        while len(self._recalled) > _KEPT_RECALLS:
            self._recalled.popitem(last=False)

    def forget(self) -> None:
        """Keep nothing in mind: some of it was forgotten. What is left is read again if need be."""
        self._antecedents.clear()
        self._recalled.clear()

    def has_model(self, agent_id: str | None = None) -> bool:
        """Return whether a model is asked."""
        return self._model is not None and self._model.has_model(agent_id, "lite")

    async def learn(self, piece: Piece) -> list[Learned]:
        """Return what is learned of a piece. Raises MemoryUnavailable."""
        if self.has_model(piece.agent_id) and (asked := await self._by_model(piece)) is not None:
            return asked
        return await self._by_rule(piece)

    async def _by_rule(self, piece: Piece) -> list[Learned]:
        agent = self._identify(piece.agent_id)
        found: list[Learned] = []
        for turn in piece.turns:
            if not turn.is_user:
                continue
            key = (agent, piece.talk, turn.said.speaker)
            antecedent = self._antecedents.get(key)
            facts = extract(turn.said, antecedent=antecedent)
            if not facts and key not in self._antecedents and may_correct(turn.said.text):
                antecedent = await self._antecedent(piece, key, turn.event)
                facts = extract(turn.said, antecedent=antecedent)
            for fact in facts:
                antecedent = antecedent_of(fact) or antecedent
                found.append(
                    Learned(
                        agent=agent,
                        event=turn.event,
                        said=turn.said,
                        fact=fact,
                        conversation_id=piece.conversation_id,
                        heard=piece.heard[turn.event],
                    )
                )
            self._antecedents[key] = antecedent
            self._antecedents.move_to_end(key)
        while len(self._antecedents) > _KEPT_ANTECEDENTS:
            self._antecedents.popitem(last=False)
        return found

    async def _by_model(self, piece: Piece) -> list[Learned] | None:
        """Return what a model found; None where the rules are to do it."""
        if self._model is None:
            return None
        worth = [each for each in piece.turns if each.is_user and not is_order(each.said.text)]
        if all(importance_of(each.said.text, by_agent=False) <= WORTHLESS for each in worth):
            self.counts["skipped"] += 1
            return []
        agent = self._identify(piece.agent_id)
        known = await self._candidates(agent, piece)
        request = request_of(
            piece.turns,
            known,
            recalled=tuple(self._recalled.get(agent, ())),
            language=worth[-1].said.language,
            zone=self._zone,
        )
        for attempt in range(ATTEMPTS):
            if not self._budget.take():
                self.counts["over_limit"] += 1
                return None
            self.counts["calls"] += 1
            try:
                answer = await self._model.complete(piece.agent_id, request)
            except (HairemError, OSError, TimeoutError, ValueError) as err:
                self.counts["failures"] += 1
                _LOGGER.warning("A model did not answer, attempt %s: %s", attempt + 1, err)
                if attempt + 1 < ATTEMPTS:
                    await asyncio.sleep(self._pause * 4**attempt)
                continue
            read = read_answer(answer, piece.turns, known)
            self.counts["dropped"] += read.dropped
            self.counts["garbage"] += read.is_garbage
            return [
                Learned(
                    agent=agent,
                    event=each.turn.event,
                    said=each.turn.said,
                    fact=each.fact,
                    conversation_id=piece.conversation_id,
                    heard=piece.heard[each.turn.event],
                    replaces=each.replaces,
                    by_model=True,
                )
                for each in read.facts
            ]
        self.counts["fallbacks"] += 1
        return None

    async def _candidates(self, agent: UUID, piece: Piece) -> list[Fragment]:
        """Return the valid facts that a piece may replace: of who speaks, and of who is named."""
        users = [each.said for each in piece.turns if each.is_user]
        subjects = {each.speaker for each in users}
        for said in users:
            subjects |= {each.key for each in entities_of(said.text)}
            # The rules know things, too: the spare key, the garage.
            subjects |= {fact.subject for fact in extract(said)}
        known: list[Fragment] = []
        for subject in sorted(subjects):
            known += await self._fragments.current(agent, subject)
        return candidates((each.text for each in users), known, limit=MOST_CANDIDATES)

    async def _antecedent(
        self, piece: Piece, key: tuple[UUID, str, str], event: UUID
    ) -> Antecedent | None:
        """Return the fact that a speaker told last in a conversation, before an event."""
        if piece.conversation_id is None:
            return None
        # After a restart it is read once more from what was said.
        rows = await self._database.query(
            "SELECT * FROM raw_event WHERE conversation_id = $conversation",
            {"conversation": piece.conversation_id},
        )
        rows.sort(key=lambda row: row["number"])
        numbers = [row["number"] for row in rows if row["id"].id == event]
        before = [
            row
            for row in rows
            if numbers
            and row["number"] < numbers[0]
            and row.get("sender") == key[2]
            and row.get("content")
        ]
        antecedent: Antecedent | None = None
        for row in before[-_LOOKED_BACK:]:
            said = Said(text=row["content"], speaker=key[2], at=row["at"])
            for fact in extract(said, antecedent=antecedent):
                antecedent = antecedent_of(fact) or antecedent
        return antecedent
