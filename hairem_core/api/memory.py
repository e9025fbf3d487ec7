"""`/api/memory`: what a house remembers, for its owner. The format is in `docs/memory.md`."""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import fields
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.requests import ClientDisconnect

from hairem_core.api import errors
from hairem_core.api.dreams import Dreams
from hairem_core.api.memory_files import Upload, streamed
from hairem_core.api.memory_models import (
    DreamAnswer,
    DreamStarted,
    EntityShown,
    ExportQuery,
    ForgetAnswer,
    ForgetOrder,
    FragmentFound,
    FragmentShown,
    GraphAnswer,
    GraphQuery,
    HistoryAnswer,
    ImportAnswer,
    RelationShown,
    SearchAnswer,
    SearchQuery,
    StatsAnswer,
    VerifyAnswer,
)
from hairem_core.config.system import Language
from hairem_core.errors import HairemError
from hairem_core.memory.decay import half_life, strength
from hairem_core.memory.errors import MemoryRefused
from hairem_core.memory.fragment import KINDS, Fragment
from hairem_core.memory.graph import read_graph
from hairem_core.memory.history import History, Located
from hairem_core.memory.portable.exporter import export
from hairem_core.memory.portable.importer import import_
from hairem_core.memory.recall.columns import FOREVER
from hairem_core.memory.scope import Scope
from hairem_core.memory.service import MemoryService

_LOGGER = logging.getLogger(__name__)

type IsKnown = Callable[[Request], bool]

OWNER = Scope(agent=None, with_shared=True)
_SHOWN = [each.name for each in fields(Fragment) if each.name not in ("agent", "seq", "rev")]


class ImportUnderWay(HairemError):
    """One import at a time."""

    code = "import_under_way"


class UnknownAgent(HairemError):
    """Memory has never heard of such an agent."""

    code = "unknown_agent"


def memory_router(service: MemoryService, dreams: Dreams, is_known: IsKnown) -> APIRouter:
    """Return the routes. Who is not known gets nothing."""
    router = APIRouter(prefix="/api/memory", route_class=_guarded(is_known))
    views = MemoryViews(service, dreams.language)

    @router.get("/stats")
    async def get_stats() -> StatsAnswer:
        return await views.stats()

    @router.get("/search")
    async def search(query: Annotated[SearchQuery, Query()]) -> SearchAnswer:
        return await views.search(query)

    @router.get("/fragments/{fragment_id}")
    async def get_fragment(fragment_id: UUID) -> FragmentShown:
        return await views.fragment(fragment_id)

    @router.get("/fragments/{fragment_id}/history")
    async def get_history(fragment_id: UUID) -> HistoryAnswer:
        return await views.history(fragment_id)

    @router.get("/graph")
    async def get_graph(query: Annotated[GraphQuery, Query()]) -> GraphAnswer:
        return await views.graph(query)

    @router.post("/verify")
    async def verify() -> VerifyAnswer:
        return await views.verify()

    @router.post("/forget")
    async def forget(request: Request) -> ForgetAnswer:
        # Whatever its Content-Type says: curl calls everything a form.
        return await views.forget(ForgetOrder.model_validate_json(await request.body()))

    @router.post("/dream", status_code=202)
    async def start_dream() -> DreamStarted:
        return DreamStarted(joined=dreams.start())

    @router.get("/dream")
    async def get_dream() -> DreamAnswer:
        return dreams.describe()

    @router.get("/export")
    async def export_memory(query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
        return await streamed(views.export(query))

    @router.post("/import")
    async def import_memory(request: Request) -> ImportAnswer:
        return await views.import_(Upload(request))

    return router


class MemoryViews:
    """What the owner of the house is shown of memory."""

    def __init__(self, service: MemoryService, language: Language) -> None:
        self._service = service
        self._language = language
        self._importing = asyncio.Lock()
        self._store = service.store

    async def stats(self) -> StatsAnswer:
        """Return figures by part. Raises MemoryUnavailable."""
        memory = await self._store.statistics()
        try:
            archive: dict[str, Any] = {"status": "up", **await self._service.archive.statistics()}
        except HairemError as err:
            archive = {"status": "down", "error": str(err)}
        agents: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for agent, columns in self._store.index.columns().items():
            live = columns.live[: columns.size]
            kinds: dict[str, int] = {
                kind: int((live & (columns.kind[: columns.size] == number)).sum())
                for number, kind in enumerate(KINDS)
            }
            valid = live & (columns.valid_to[: columns.size] == FOREVER)
            shared = live & columns.shared[: columns.size]
            if live.any():
                agents[self._store.names.name(agent)].update(
                    {
                        "fragments": int(live.sum()),
                        **kinds,
                        "valid": int(valid.sum()),
                        "shared": int(shared.sum()),
                    }
                )
        return StatsAnswer(
            memory=memory,
            agents={name: dict(counts) for name, counts in sorted(agents.items())},
            archive=archive,
        )

    async def search(self, query: SearchQuery) -> SearchAnswer:
        """Return what fits, best first. Raises UnknownAgent, MemoryUnavailable."""
        scope = self._scope(query.agent)
        question = await self._store.question(
            query.q,
            scope,
            limit=query.limit,
            kinds=tuple(query.kind),
            about=self._store.about_keys(query.about, scope),
            since=query.since,
            until=query.until,
            as_of=query.as_of,
        )
        found = await self._store.find(scope, question, include_archived=query.archived)
        return SearchAnswer(
            archive_error=found.archive_error,
            results=[
                FragmentFound(
                    **self._values(fragment),
                    archived=fragment.id in found.archived,
                    score=hit.score,
                    why=hit.why,
                )
                for hit, fragment in found.hits
            ],
        )

    async def fragment(self, fragment_id: UUID) -> FragmentShown:
        """Return one fragment, archived or not.

        Raises UnknownFragment, MemoryUnavailable, ArchiveUnavailable.
        """
        return self._shown(await self._history().get(fragment_id))

    async def history(self, fragment_id: UUID) -> HistoryAnswer:
        """Return what a fragment replaced and what replaced it, as `History.chain` does."""
        chain = await self._history().chain(fragment_id)
        return HistoryAnswer(fragments=[self._shown(each) for each in chain])

    async def graph(self, query: GraphQuery) -> GraphAnswer:
        """Return entities and relations. Raises UnknownAgent, MemoryUnavailable."""
        scope = self._scope(query.agent)
        keys = self._store.about_keys(query.about, scope) if query.about is not None else None
        found = await read_graph(
            self._store.database, agents=scope.owners, keys=keys, limit=query.limit
        )
        name = self._store.names.name
        return GraphAnswer(
            entities=[
                EntityShown(**{**vars(each), "agent": name(each.agent)}) for each in found.entities
            ],
            relations=[
                RelationShown(**{**vars(each), "agent": name(each.agent)})
                for each in found.relations
            ],
        )

    async def verify(self) -> VerifyAnswer:
        """Return whether the chain of events is whole. Raises MemoryUnavailable."""
        found = await self._service.examine()
        if found.what is not None:
            return VerifyAnswer(
                whole=False,
                number=found.number,
                msg_id=found.msg_id,
                what=found.what,
                anchor=found.anchor,
            )
        return VerifyAnswer(
            whole=True, checked=found.checked, erased=found.erased, anchor=found.anchor
        )

    async def forget(self, order: ForgetOrder) -> ForgetAnswer:
        """Return what would be erased, or erase it.

        Raises UnknownAgent, MemoryUnavailable and what is away.
        """
        selector = order.selector
        self._scope(selector.agent)
        if order.dry_run:
            plan = await self._service.forgetter.plan(selector)
            return ForgetAnswer(plan=plan, text=plan.words(self._language))
        receipt = await self._service.forgetter.forget(selector)
        return ForgetAnswer(receipt=receipt, text=receipt.words(self._language))

    def export(self, query: ExportQuery) -> AsyncGenerator[bytes]:
        """Return an export, piece by piece. Raises UnknownAgent, and what `export` does."""
        self._scope(query.agent)
        return export(self._store, archive=self._service.archive, agent=query.agent)

    async def import_(self, upload: Upload) -> ImportAnswer:
        """Take an export in.

        Raises InvalidFormat, ImportUnderWay, MemoryUnavailable, ArchiveUnavailable.
        """
        try:
            if self._importing.locked():
                raise ImportUnderWay("another import is under way", hint="Wait for its end.")
            async with self._importing:
                # So that the cursor moves on with what was interpreted elsewhere.
                await self._service.interpreter.settle()
                report = await import_(
                    self._store,
                    upload,
                    archive=self._service.archive,
                    exclusively=self._service.mover.exclusively,
                    between_dreams=self._service.dreamer.between_dreams,
                )
        except MemoryRefused as err:
            await upload.skip()
            raise errors.InvalidFormat(err.what, where=err.where, hint=err.hint) from err
        except HairemError:
            await upload.skip()
            raise
        return ImportAnswer.of(report)

    def _scope(self, agent_id: str | None) -> Scope:
        """Return what is looked at: one agent's memory, or with None everyone's."""
        if agent_id is None:
            return OWNER
        agents = sorted(self._store.names.meant(agent_id))
        if not agents:
            raise UnknownAgent(
                f"memory knows no agent {agent_id!r}", hint="`hairem memory stats` names them."
            )
        return Scope(agent=agents[0], namesakes=frozenset(agents[1:]))

    def _history(self) -> History:
        return History(self._store.fragments, self._service.archive, OWNER)

    def _shown(self, each: Located) -> FragmentShown:
        return FragmentShown(**self._values(each.fragment), archived=each.is_archived)

    def _values(self, fragment: Fragment) -> dict[str, Any]:
        values = {name: getattr(fragment, name) for name in _SHOWN}
        left = 1.0
        if not fragment.pinned:
            lasts = half_life(fragment.importance, fragment.uses)
            left = strength(self._store.clock() - fragment.last_used, lasts)
        return {
            **values,
            "agent": self._store.names.name(fragment.agent),
            "strength": round(left, 4),
        }


def _guarded(is_known: IsKnown) -> type[APIRoute]:
    """Return routes that look at the token before anything else, and tell errors as we do."""

    class GuardedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                if not is_known(request):
                    return errors.unauthorized()
                try:
                    return await handle(request)
                except (RequestValidationError, ValidationError) as err:
                    return errors.unreadable(err)
                except HairemError as err:
                    return errors.told(err)
                except ClientDisconnect:
                    _LOGGER.info("A client left in the middle of %s", request.url.path)
                    return Response(status_code=400)

            return guarded

    return GuardedRoute
