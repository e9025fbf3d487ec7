"""`hairem bench portable`: an import and an export of very many fragments, and what they hold.

A made-up house of ten agents, with vectors and a graph, is written as an export, taken in by a
fresh process, and exported by another: what comes out must be what went in. The peak of memory is
counted apart from what the same memory takes when it is merely open. The raw limit is the engine,
storing and reading the same rows and nothing else.
"""

import argparse
import asyncio
import hashlib
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import batched
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from benchmarks._child import told_by
from benchmarks._house import AGENTS, DIMENSIONS, Said, WordVectors, agent_of, said
from benchmarks._report import between, machine, publish_report, ratio
from hairem_core import __version__
from hairem_core.errors import HairemError
from hairem_core.memory.fragment import Embedding, Fragment
from hairem_core.memory.interpret.triage import importance_of
from hairem_core.memory.portable.lines import (
    AgentLine,
    EndLine,
    EntityLine,
    FragmentLine,
    HeaderLine,
    RelationLine,
)

_CHILD = "benchmarks._portable_child"
_RAW = 50_000
"""Rows that the engine alone stores and reads: its speed hardly changes with their number."""
_EACH = 10
"""Of so many fragments, one tells of an entity of its own, and how it stands to another."""
_PAGE = 500

type _Written = HeaderLine | FragmentLine | AgentLine | EntityLine | RelationLine


def main(arguments: list[str]) -> None:
    """Run the benchmark and print its report. Exits with 2 on options it does not know."""
    parser = argparse.ArgumentParser(
        prog="hairem bench portable",
        description="Import and export of very many fragments, and the memory that they take.",
    )
    parser.add_argument(
        "--fragments",
        type=between(1_000, 5_000_000),
        default=1_000_000,
        help="how many; default: one million",
    )
    parser.add_argument("--folder", type=Path, help="where files and stores go; default: /tmp")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    publish_report(asyncio.run(_run(options)), as_json=options.json)


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    count = options.fragments
    with tempfile.TemporaryDirectory(prefix="hairem-bench-", dir=options.folder) as name:
        folder = Path(name)
        given, made, store = folder / "given.ndjson", folder / "made.ndjson", folder / "store"
        store.mkdir()
        _say(f"writing {count:,} fragments to a file …")
        written = _write(given, count)
        _say(f"importing {given.stat().st_size / 1e6:,.0f} MB …")
        imported = await told_by(_CHILD, "import", store, given)
        if imported["problems"] or imported["stored"] != count:
            raise HairemError(f"the import is not whole: {imported}")
        _say("exporting …")
        exported = await told_by(_CHILD, "export", store, made)
        _check(given, made, written)
        _say("the engine alone …")
        raw = await told_by(_CHILD, "raw", folder, given, min(_RAW, count))
        size = sum(each.stat().st_blocks * 512 for each in store.rglob("*") if each.is_file())
        return _report(count, given.stat().st_size, size, imported, exported, raw)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


# --- what is exported and imported ------------------------------------------------------------


def _write(file: Path, count: int) -> Counter[str]:
    """Write an export; return how many lines of each kind there are."""
    digest, counts = hashlib.sha256(), Counter[str]()
    with file.open("wb") as out:
        for line in _lines(count):
            raw = line.to_bytes()
            counts[line.line] += 1
            digest.update(raw)
            out.write(raw)
        end = EndLine(counts=dict(counts), number=0, sha256=digest.digest())
        out.write(end.to_bytes())
    return counts


def _lines(count: int) -> Iterator[_Written]:
    agents = {f"a{number}": uuid5(NAMESPACE_URL, f"a{number}") for number in range(AGENTS)}
    yield HeaderLine(hairem=__version__, made_at=next(said(1)).at)
    for name, agent in agents.items():
        yield AgentLine(id=agent, name=name)
    choose = np.random.default_rng(3)
    for some in batched(said(count), _PAGE, strict=False):
        vectors = choose.standard_normal((len(some), DIMENSIONS)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        for each, vector in zip(some, vectors.astype("<f2"), strict=True):
            fragment = _fragment(each, agents[agent_of(each)])
            embedding = Embedding(
                fragment_id=fragment.id, model=WordVectors.model, vector=vector.tobytes()
            )
            yield FragmentLine.of(fragment, embedding)
    told = [(number, agents[f"a{number % AGENTS}"]) for number in range(count // _EACH)]
    at = next(said(1)).at
    for number, agent in told:
        yield EntityLine(
            agent=agent,
            key=f"name:thing {number}",
            name=f"Thing {number}",
            kind="thing",
            mentions=1,
            last_at=at,
        )
    for number, agent in told:
        yield RelationLine(
            agent=agent,
            source=f"name:thing {number}",
            kind="about",
            target=f"name:thing {number // 2}",
            weight=1.0,
            last_at=at,
        )


def _fragment(each: Said, agent: UUID) -> Fragment:
    return Fragment(
        id=uuid5(agent, str(each.number)),
        agent=agent,
        kind="episode",
        content=each.text,
        at=each.at,
        speaker=f"user:{each.speaker.lower().replace('é', 'e')}",
        speaker_name=each.speaker,
        language=each.language,
        conversation_id=f"c{each.conversation}",
        importance=importance_of(each.text, by_agent=False),
        last_used=each.at,
        valid_from=each.at,
    )


def _check(given: Path, made: Path, written: Counter[str]) -> None:
    """Raise HairemError unless both files hold the same lines, fragments in the same order."""
    kinds = ("agent", "fragment", "entity", "relation")
    before, after = _summary(given, kinds), _summary(made, kinds)
    if before != after or any(before[kind][0] != written[kind] for kind in kinds):
        raise HairemError(f"what came out is not what went in: {before}, {after}")


def _summary(file: Path, kinds: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Return of each kind how many lines there are, and a sum of them.

    Fragments are summed in their order, all else in whatever order it comes.
    """
    counts, ordered, sums = Counter[str](), hashlib.sha256(), Counter[str]()
    starts = {kind: f'{{"line":"{kind}",'.encode() for kind in kinds}
    with file.open("rb") as lines:
        for raw in lines:
            kind = next((kind for kind, start in starts.items() if raw.startswith(start)), None)
            if kind is None:
                continue
            counts[kind] += 1
            if kind == "fragment":
                ordered.update(raw)
            else:
                sums[kind] ^= int.from_bytes(hashlib.sha256(raw).digest())
    told = {kind: f"{sums[kind]:064x}" for kind in kinds} | {"fragment": ordered.hexdigest()}
    return {kind: (counts[kind], told[kind]) for kind in kinds}


# --- the report -------------------------------------------------------------------------------


def _report(
    count: int,
    size: int,
    on_disk: int,
    imported: dict[str, Any],
    exported: dict[str, Any],
    raw: dict[str, Any],
) -> dict[str, Any]:
    rows = min(_RAW, count)
    ours = {
        "import_per_second": count / imported["seconds"],
        "import_seconds": imported["seconds"],
        "import_peak_mb": imported["peak_mb"],
        "import_peak_over_open_mb": imported["peak_mb"] - exported["before_mb"],
        "export_per_second": count / exported["seconds"],
        "export_seconds": exported["seconds"],
        "export_peak_mb": exported["peak_mb"],
        "export_peak_over_open_mb": exported["peak_mb"] - exported["before_mb"],
        "open_mb": exported["before_mb"],
        "opening_seconds": exported["opening_seconds"],
        "file_mb": size / 1e6,
        "store_mb": on_disk / 1e6,
    }
    engine = {
        "import_per_second": rows / raw["write_seconds"],
        "export_per_second": rows / raw["read_seconds"],
    }
    return {
        "bench": "portable",
        "machine": machine("surrealdb", "tantivy", "pydantic"),
        "setting": {"fragments": count, "agents": AGENTS, "dimensions": DIMENSIONS, "raw": rows},
        "ours": {
            **{name: round(value, 1) for name, value in ours.items()},
            "configuration": "import and export as lines, with vectors, a graph and the index",
        },
        "peers": {
            "engine": {
                **{name: round(value, 1) for name, value in engine.items()},
                "configuration": "SurrealDB alone: the same rows of fragments, 500 at a time, "
                "without vectors, index, graph and JSON",
            }
        },
        "ratios": {
            f"engine_{name}": ratio(ours[name], engine[name])
            for name in ("import_per_second", "export_per_second")
        },
    }
