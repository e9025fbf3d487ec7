"""`hairem memory`: search what the house remembers, look at it, verify, forget, back up."""

import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import typer

from hairem_core.api.limits import LONGEST_AGENT_ID, LONGEST_NAME, LONGEST_QUESTION
from hairem_core.cli import memory_tables as tables
from hairem_core.cli.moments import moment
from hairem_core.cli.options import ConfigOption, DataOption, JsonOption, WrongInput, readable
from hairem_core.cli.output import complain, json_text, printable
from hairem_core.cli.places import find_places

if TYPE_CHECKING:
    from hairem_core.cli.memory_client import MemoryClient

app = typer.Typer(help="Search what the house remembers, and look after it.", no_args_is_help=True)

type Kind = Literal["episode", "fact", "note", "synthesis"]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the fragment.")]
AgentOption = Annotated[
    str | None,
    typer.Option(
        "--agent",
        help="Whose memory; else that of every agent.",
        callback=readable(LONGEST_AGENT_ID),
    ),
]


@app.command()
def search(
    text: Annotated[
        str,
        typer.Argument(
            metavar="TEXT",
            help="A question, or words.",
            callback=readable(LONGEST_QUESTION, may_be_empty=True),
        ),
    ],
    agent: AgentOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 10,
    kind: Annotated[
        list[Kind] | None, typer.Option(help="Only of this kind; may be given several times.")
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(help="Only what names this person or thing.", callback=readable(LONGEST_NAME)),
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only what was said then or later.")] = None,
    until: Annotated[str | None, typer.Option(help="Only what was said up to then.")] = None,
    as_of: Annotated[str | None, typer.Option(help="What was held then, not now.")] = None,
    archived: Annotated[
        bool, typer.Option("--archived", help="Also what has faded into the archive.")
    ] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find what fits, best first."""
    now = datetime.now().astimezone()
    if not text.strip():
        raise WrongInput("there is nothing to search for", hint="Give a word or a question.")
    params = {
        "q": text,
        "agent": agent,
        "limit": limit,
        "kind": kind,
        "about": about,
        **_period(since, until, now),
        "as_of": _moment(as_of, "--as-of", now, is_end=True),
        "archived": archived or None,
    }
    answer = _run(data, config, lambda memory: memory.get("/api/memory/search", **params))
    if as_json:
        _print_json(answer["results"])
    elif answer["results"]:
        tables.fragments(answer["results"], tables.console())
    else:
        print("Nothing fits.")
    if error := answer.get("archive_error"):
        complain(f"the archive was not searched: {error}")
        raise typer.Exit(1)


@app.command()
def show(
    fragment: IdArgument,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print one fragment whole."""
    path = f"/api/memory/fragments/{_id(fragment)}"
    found = _run(data, config, lambda memory: memory.get(path))
    if as_json:
        _print_json(found)
    else:
        tables.pairs(tables.described(found), tables.console())


@app.command()
def history(
    fragment: IdArgument,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what a fragment replaced and what replaced it, the oldest first."""
    path = f"/api/memory/fragments/{_id(fragment)}/history"
    found = _run(data, config, lambda memory: memory.get(path))["fragments"]
    if as_json:
        _print_json(found)
        return
    tables.history(found, tables.console())


@app.command()
def stats(
    data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Print how much is remembered, by whom, and where it is kept."""
    found = _run(data, config, lambda memory: memory.get("/api/memory/stats"))
    if as_json:
        _print_json(found)
        return
    out = tables.console()
    archive = {f"archive: {key}": value for key, value in found["archive"].items()}
    tables.pairs(((key, _figure(value)) for key, value in (found["memory"] | archive).items()), out)
    if found["agents"]:
        headers = ["agent", *next(iter(found["agents"].values()))]
        rows = [[name, *counts.values()] for name, counts in found["agents"].items()]
        print()
        tables.grid(headers, rows, out)


@app.command()
def verify(
    data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Look whether what happened is as it was written down, from the first event to the last."""
    found = _run(data, config, lambda memory: memory.post("/api/memory/verify"))
    if as_json:
        _print_json(found)
    elif found["whole"]:
        erased = f", {found['erased']:,} of them erased on purpose" if found["erased"] else ""
        print(f"The chain is whole: {tables.counted(found['checked'], 'event')}{erased}.")
        if found["anchor"] == "away":
            complain("the archive cannot be reached, and bears no witness to it")
        elif found["anchor"] == "lost":
            complain(
                "the archive knows nothing of it, though it bore witness once: it was deleted, or "
                "is another one"
            )
    else:
        print(f"The chain is broken: event {found['number']} {found['what']}.")
        if found["msg_id"]:
            print(f"It is {found['msg_id']}. Compare with a backup.")
    raise typer.Exit(0 if found["whole"] else 1)


@app.command()
def forget(
    subject: Annotated[
        str | None,
        typer.Option(
            help="A name, or the key of an entity: all that names it.",
            callback=readable(LONGEST_NAME),
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(
            help="A name, or user:<id>: what they said, and what is known of them.",
            callback=readable(LONGEST_NAME),
        ),
    ] = None,
    agent: Annotated[
        str | None,
        typer.Option(
            help="Id of an agent: all that it holds.", callback=readable(LONGEST_AGENT_ID)
        ),
    ] = None,
    fragment: Annotated[str | None, typer.Option(help="Id of one fragment.")] = None,
    since: Annotated[str | None, typer.Option(help="What was said from then on.")] = None,
    until: Annotated[str | None, typer.Option(help="What was said up to then.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase for good what fits all that is given. What would go is shown first."""
    now = datetime.now().astimezone()
    selector = {
        "subject": subject,
        "person": person,
        "agent": agent,
        "fragment": None if fragment is None else str(_id(fragment)),
        **_period(since, until, now),
    }
    if not any(selector.values()):
        raise WrongInput(
            "nothing is selected",
            hint="Name a --subject, --person, --agent, --fragment, or a time: --since, --until.",
        )

    def order(*, dry_run: bool) -> dict[str, Any]:
        why = None if dry_run else "what is on the bus can be erased only while it does"
        body = {**selector, "dry_run": dry_run}
        answer: dict[str, Any] = _run(
            data, config, lambda memory: memory.post("/api/memory/forget", body), why_core=why
        )
        return answer

    if not yes:
        found = order(dry_run=True)
        plan = found["plan"]
        if as_json:
            _print_json(plan)
            return
        if not any(plan["counts"].values()):
            print(printable(found["text"]))
            return
        _print_plan(plan)
        if not sys.stdin.isatty():
            print("Nothing was erased: this only tells what would be. Say --yes to erase it.")
            return
        if not _confirm("Erase it for good?"):
            complain("nobody said yes; nothing was erased")
            raise typer.Exit(1)
    found = order(dry_run=False)
    if as_json:
        _print_json(found["receipt"])
    else:
        print(printable(found["text"]))
    raise typer.Exit(1 if found["receipt"]["unfinished"] else 0)


@app.command("export")
def export_memory(
    target: Annotated[
        str, typer.Argument(metavar="[FILE]", help="`-` is standard output, .gz compresses.")
    ] = "-",
    agent: AgentOption = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Write everything that is remembered, or what one agent holds, to a file of lines."""
    from hairem_core.cli.memory_files import opened_to_write

    with opened_to_write(target) as sink:

        async def receive(memory: MemoryClient) -> None:
            async for piece in memory.pieces("/api/memory/export", agent=agent):
                sink.write(piece)

        _run(data, config, receive)
    counts = sink.counts
    told = ", ".join(f"{count:,} of {kind}" for kind, count in counts.items() if kind != "header")
    where = "" if target == "-" else f" to {target}"
    # The last line counts the others.
    typer.echo(
        f"Wrote {sum(counts.values()) + 1:,} lines{where}: {told or 'nothing yet'}.", err=True
    )


@app.command("import")
def import_memory(
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="What `export` wrote; `-` is standard input.")
    ],
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in what an export holds and is not here yet. It can be run again at any time."""
    from hairem_core.cli.memory_files import opened_to_read

    with opened_to_read(source) as file:
        try:
            found: dict[str, Any] = _run(
                data, config, lambda memory: memory.send("/api/memory/import", file), make=True
            )
        except typer.Exit:
            if file.damage is not None:
                complain(f"{source}: {file.damage}")
            raise
    if file.damage is not None:
        hint = "What could be read of it was taken in; get the whole file and import it again."
        found["problems"].insert(0, {"line": 0, "what": file.damage, "hint": hint})
        found["problem_count"] += 1
        found["whole"] = False
    if as_json:
        _print_json(found)
    else:
        _print_report(found)
    raise typer.Exit(0 if found["whole"] else 1)


def _print_report(report: dict[str, Any]) -> None:
    rows = [(kind, *tally.values()) for kind, tally in report["tallies"].items()]
    rows.append(("(unreadable)", 0, 0, 0, report["unreadable"]))
    headers = ("of", "added", "known", "left out", "refused")
    tables.grid(headers, [row for row in rows if any(row[1:])], tables.console())
    print(f"\nRead {tables.counted(report['lines'], 'line')}, added {report['added']:,}.")
    if report["chain"] == "appended":
        print("Its events have new places, behind those that were here: their chain is not kept.")
    if broken := report["chain_break"]:
        print(f"The chain is broken: event {broken['number']} {broken['what']}.")
    for note in report["notes"]:
        print(tables.line(note))
    for each in report["problems"]:
        where = f"line {each['line']:,}" if each["line"] else "the file"
        print(tables.line(f"{where}: {each['what']}. {each['hint']}"))
    if (more := report["problem_count"] - len(report["problems"])) > 0:
        print(f"and {tables.counted(more, 'more problem')}")


def _print_plan(plan: dict[str, Any]) -> None:
    out = tables.console()
    rows = [(place, count) for place, count in plan["counts"].items() if count]
    tables.grid(("what", "how much"), rows, out)
    if plan["samples"]:
        print("\nFor example:")
        for each in plan["samples"]:
            print(f"  {tables.cut(tables.line(each), out.width - 2)}")
    if plan["kept_events"]:
        is_one = plan["kept_events"] == 1
        stay, them = ("event stays", "it") if is_one else ("events stay", "them")
        print(f"\n{plan['kept_events']:,} {stay}: something else rests on {them}.")
    print()


def _confirm(question: str) -> bool:
    try:
        return typer.confirm(question, default=False)
    except typer.Abort:
        return False


def _run[T](
    data: Path | None,
    config: Path | None,
    work: Callable[[MemoryClient], Awaitable[T]],
    **options: Any,
) -> T:
    # What speaks HTTP takes a tenth of a second to import, which other commands need not wait for.
    from hairem_core.cli.memory_client import run

    return run(find_places(data, config), work, **options)


def _period(since: str | None, until: str | None, now: datetime) -> dict[str, str | None]:
    start = _moment(since, "--since", now)
    end = _moment(until, "--until", now, is_end=True)
    if start and end and datetime.fromisoformat(start) > datetime.fromisoformat(end):
        raise WrongInput(
            f"{since!r} is after --until {until!r}", where="--since", hint="Exchange them."
        )
    return {"since": start, "until": end}


def _moment(text: str | None, option: str, now: datetime, *, is_end: bool = False) -> str | None:
    if text is None:
        return None
    found = moment(text, option, now=now, is_end=is_end)
    if (found.utcoffset() or timedelta()) % timedelta(minutes=1):
        found = found.astimezone(UTC)  # before there were zones; RFC 3339 has no such seconds
    return found.isoformat()


def _id(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError as err:
        raise WrongInput(
            f"{text!r} is no id of a fragment",
            hint="It looks like 0199a0b1-2c3d-7e4f-8a9b-0c1d2e3f4a5b; `hairem memory search` "
            "prints them.",
        ) from err


def _figure(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case None:
            return "-"
        case _:
            return tables.line(value)


def _print_json(value: Any) -> None:
    print(json_text(value))
