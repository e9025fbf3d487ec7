"""Synthesis: what many fading fragments say, in one paragraph that lasts longer."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta, tzinfo
from uuid import UUID, uuid5

from hairem_core.config.system import Language
from hairem_core.errors import HairemError
from hairem_core.memory.dream import prompt
from hairem_core.memory.dream.clusters import Candidate, Clusters
from hairem_core.memory.dream.digest import Synthesised, shortened
from hairem_core.memory.dream.journal import Progress
from hairem_core.memory.dream.parts import LanguageModel
from hairem_core.memory.dream.run import EVERYTHING, FADING, Part, Run
from hairem_core.memory.fragment import Fragment
from hairem_core.memory.rows import storable
from hairem_core.memory.writer import Change

_LOWERED = 0.5
"""What is left of a source's importance: what it says is kept twice now."""
_NIGHT = timedelta(hours=20)
"""Dreams that began within it share the model calls of one night."""
_MOST_REFUSED = 3
"""Useless answers, one after another, after which the model is not asked any more."""


@dataclass(frozen=True, kw_only=True)
class Synthesiser:
    """Asks a model. `model` None: there is none."""

    model: LanguageModel | None
    language: Language
    """The house's."""
    zone: tzinfo | None
    """The house's; None: the system's."""
    timeout: float
    """Seconds that the model has for one answer."""

    async def __call__(self, run: Run) -> None:
        """Make syntheses of what is fading, as many as the night may have."""
        if run.config.synthesis_calls == 0:
            run.progress.digest.skipped["synthesis"] = "switched_off"
            return
        names = run.store.names
        parts = [
            part
            for part in run.parts()
            if self.model is not None and self.model.has_model(names.name(part.agent), "lite")
        ]
        if not parts or self.model is None:
            run.progress.digest.skipped["synthesis"] = "no_model"
            return
        refused = 0
        for part in parts:
            for cluster in await _clusters(run, part, self._left(run)):
                if _id(cluster) in run.progress.refused:
                    continue
                if self._left(run) <= 0:
                    return
                run.tell(run.config.synthesis_calls - self._left(run), run.config.synthesis_calls)
                is_made = await self._synthesise(run, self.model, part.agent, cluster)
                refused = 0 if is_made else refused + 1
                if refused >= _MOST_REFUSED:
                    return

    def _left(self, run: Run) -> int:
        """Return how often the model may still be asked this night."""
        asked = run.journal.calls_since(run.dream.moment - _NIGHT)
        return max(0, run.config.synthesis_calls - asked)

    async def _synthesise(
        self, run: Run, model: LanguageModel, agent: UUID, cluster: Sequence[Candidate]
    ) -> bool:
        """Make one synthesis; return whether the model's answer was one.

        Raises HairemError when the model fails.
        """
        ids = [each.id for each in cluster]
        there = await run.store.fragments.fetch(ids, EVERYTHING)
        sources = [there[each] for each in ids if each in there]
        if len(sources) < len(ids):
            return True  # forgotten meanwhile
        language = prompt.language_of(sources, self.language)
        try:
            async with asyncio.timeout(self.timeout):
                request = prompt.request(sources, language, self.zone)
                answer = await run.outside(model.complete(run.store.names.name(agent), request))
        except TimeoutError as err:
            raise HairemError(
                f"the model did not answer within {self.timeout:.0f} s",
                hint="It is asked again the next night.",
            ) from err
        text = prompt.paragraph(storable(answer) or "", sources, self.zone)

        async def keep(change: Change, draft: Progress) -> None:
            draft.digest.model_calls += 1
            if text is None:
                draft.refused.append(_id(cluster))
                what = "an answer of the model was no synthesis of what it was given"
                draft.digest.fail("synthesis", what)
                return
            now = await run.store.fragments.fetch(ids, EVERYTHING)
            made = synthesis(sources, text, language, run)
            # Somebody may have been forgotten while the model was thinking.
            if len(now) < len(ids) or await run.store.fragments.existing([made.id]):
                return
            change.added.append(made)
            change.changed += [
                replace(each, importance=each.importance * _LOWERED) for each in now.values()
            ]
            draft.digest.synthesised_count += 1
            entry = Synthesised(
                fragment_id=made.id,
                agent=run.store.names.name(agent),
                sources=len(ids),
                content=shortened(text),
            )
            draft.digest.keep(draft.digest.synthesised, entry)

        await run.batch(keep)
        return text is not None


def synthesis(sources: Sequence[Fragment], text: str, language: str, run: Run) -> Fragment:
    """Return the fragment that stands for its sources, which come in the order of time."""
    subjects = {each.subject for each in sources}
    is_shared = all(each.visibility == "shared" for each in sources)
    return Fragment(
        id=synthesis_id(sources[0].agent, [each.id for each in sources]),
        agent=sources[0].agent,
        kind="synthesis",
        content=text,
        at=sources[-1].at,
        visibility="shared" if is_shared else "private",
        language=language,
        subject=subjects.pop() if len(subjects) == 1 else None,
        about=tuple(dict.fromkeys(key for each in sources for key in each.about)),
        importance=max(each.importance for each in sources),
        confidence=min(each.confidence for each in sources),
        last_used=run.dream.moment,
        valid_from=run.dream.moment,
        derived_from=tuple(dict.fromkeys(one for each in sources for one in each.derived_from)),
        sources=tuple(each.id for each in sources),
    )


def synthesis_id(agent: UUID, sources: Collection[UUID]) -> UUID:
    """Return the id of the synthesis of some fragments: always the same for the same."""
    return uuid5(agent, f"synthesis/{'/'.join(sorted(map(str, sources)))}")


def _id(cluster: Sequence[Candidate]) -> UUID:
    """Return what a cluster is known by among those that were refused."""
    return uuid5(cluster[0].id, "/".join(sorted(str(each.id) for each in cluster)))


async def _clusters(run: Run, part: Part, most: int) -> list[list[Candidate]]:
    """Return clusters of what is fading of an agent's, without what is in a synthesis already."""
    left = await asyncio.to_thread(run.strengths, part)
    is_fading = part.is_valid & part.is_kind("episode", "note") & (left < FADING)
    # All there are: this dream has made some already, if it was broken off.
    everything = Part.of(part.agent, part.columns)
    made = await run.read(await everything.ids(everything.is_kind("synthesis")), "sources")
    used = {each for (sources,) in made.values() for each in sources}
    ids = await part.ids(is_fading)
    places = {
        each: (int(row), int(at))
        for each, row, at in zip(ids, part.rows[is_fading], part.at[is_fading], strict=True)
        if each not in used
    }
    found = await run.read(list(places), "about", "subject")
    columns = part.columns

    def find() -> list[list[Candidate]]:
        candidates = [
            Candidate(
                id=each,
                row=places[each][0],
                at=places[each][1],
                keys=frozenset([*about, *([subject] if subject else [])]),
            )
            for each, (about, subject) in found.items()
        ]
        # As many more as were refused before, since those are passed over.
        room = most + len(run.progress.refused)
        return Clusters(candidates, columns.vectors, columns.embedded).find(room)

    return await asyncio.to_thread(find)
