"""The commands."""

import asyncio
import errno
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hairem_core import __version__
from hairem_core.cli import agent, backup, bus, dream, memory, up
from hairem_core.cli.options import ConfigOption, DataOption, JsonOption, print_table, readable
from hairem_core.cli.output import OutputLost, complain, give_up, json_text, mark_output, printable
from hairem_core.cli.places import Places, find_places
from hairem_core.errors import HairemError

app = typer.Typer(
    name="hairem",
    help="A crew of agents that lives in Home Assistant.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
token_app = typer.Typer(help="Tokens of clients.", no_args_is_help=True)
app.add_typer(token_app, name="token")
app.add_typer(agent.app, name="agent")
app.add_typer(bus.app, name="bus")
app.add_typer(memory.app, name="memory")
app.add_typer(backup.app, name="backup")
app.command()(up.up)
app.command()(dream.dream)

_SAID = readable(may_be_empty=True)  # whether empty means anything, H-Core says
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_WRONG_INPUT = {"unknown_agent", "empty_text", "invalid_format"}


def main() -> None:
    """Run the command. Wrong input ends with exit code 2 and one clear error."""
    mark_output()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HairemError as err:
        complain(err)
        sys.exit(2)
    except OutputLost as lost:
        sys.exit(give_up(lost))
    except OSError as err:
        if err.errno not in _FULL:
            raise
        complain(f"{err.filename or 'a file'} cannot be written: {err.strerror}")
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hairem {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which this is.")
    ] = False,
) -> None: ...


@app.command()
def ask(
    agent: Annotated[
        str, typer.Argument(help="Id of the agent, for example renarde.", callback=_SAID)
    ],
    text: Annotated[str, typer.Argument(help="What to say.", callback=_SAID)],
    language: Annotated[
        str | None, typer.Option(help="Yours, such as fr-CH.", callback=_SAID)
    ] = None,
    conversation: Annotated[
        str | None, typer.Option(help="Go on with this conversation.", callback=_SAID)
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Say something to an agent and print the answer as it comes."""
    sys.exit(asyncio.run(_ask(find_places(data, config), agent, text, language, conversation)))


async def _ask(
    places: Places, agent: str, text: str, language: str | None, conversation: str | None
) -> int:
    from hairem_core.cli.client import BridgeClient, BridgeError
    from hairem_core.cli.hold import telling_of_a_hold

    said = ""

    def is_amid_a_line() -> bool:
        return sys.stdout.isatty() and bool(said) and not said.endswith("\n")

    fields = {"language": language, "conversation_id": conversation}
    given = {key: value for key, value in fields.items() if value is not None}
    try:
        async with (
            BridgeClient.connect(places) as client,
            telling_of_a_hold(places, is_amid_a_line=is_amid_a_line),
        ):
            await client.command("converse", agent_id=agent, text=text, **given)
            async for event in client.events():
                match event["kind"]:
                    case "delta":
                        said += event["content"]
                        print(printable(event["content"]), end="", flush=True)
                    case "done":
                        # An agent may give its answer whole, without pieces.
                        print(printable(event["text"].removeprefix(said)))
                        return 0
                    case "failed" | "cancelled":
                        error = event.get("error", {"message": "the turn was stopped"})
                        print(file=sys.stderr)
                        complain(f"{agent}: {error['message']}")
                        return 1
    except BridgeError as err:
        complain(err)
        return 2 if err.code in _WRONG_INPUT else 1
    return 1


@app.command()
def agents(
    data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the agents and how they are."""
    found = asyncio.run(_agents(find_places(data, config)))
    if as_json:
        print(json_text(found))
        return
    rows = [
        (
            *(str(each[key]) for key in ("id", "name", "state", "version", "restarts")),
            _notes(each),
            each["reason"] or each["progress"] or _sentence(each["description"]),
        )
        for each in found
    ]
    headers = ("id", "name", "state", "version", "restarts", "notes", "what it is")
    print_table(headers, rows)


def _sentence(description: dict[str, str]) -> str:
    """Return what an agent is, in English where it says so."""
    return description.get("en") or next(iter(description.values()), "")


def _notes(agent: dict[str, Any]) -> str:
    """Return what deserves a look: `hairem agent show` says more."""
    warnings = sum(each["severity"] == "warning" for each in agent["findings"])
    notes = {
        "disabled": not agent["enabled"],
        "runs an older version": agent["drift"] and not agent["progress"],
        f"{warnings} warning{'s' if warnings > 1 else ''}": warnings,
    }
    return ", ".join(note for note, applies in notes.items() if applies)


async def _agents(places: Places) -> list[dict[str, Any]]:
    from hairem_core.cli.client import BridgeClient

    async with BridgeClient.connect(places) as client:
        await client.command("agents/subscribe")
        async for event in client.events():
            if event["kind"] == "snapshot":
                found: list[dict[str, Any]] = event["agents"]
                return found
    return []


@app.command()
def doctor(
    data: DataOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Look at what is installed, reachable and misconfigured, and say what to do."""
    from hairem_core.cli.doctor import examine

    findings = asyncio.run(examine(find_places(data, config)))
    if as_json:
        print(json_text([finding.__dict__ for finding in findings]))
    else:
        rows = [(each.status, each.what, each.how, each.to_do) for each in findings]
        print_table(("", "what", "how it is", "what to do"), rows)
    sys.exit(1 if any(finding.status == "wrong" for finding in findings) else 0)


@app.command()
def health(data: DataOption = None) -> None:
    """Say whether H-Core answers: exit code 0 if so, for a container's health check."""
    from hairem_core.cli.health import answers

    is_right, status = answers(find_places(data, None).data)
    print(status, file=sys.stdout if is_right else sys.stderr)
    sys.exit(0 if is_right else 1)


@app.command(context_settings={"ignore_unknown_options": True})
def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; `list` names them.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Its own options.")] = None,
) -> None:
    """Measure, beside a peer or a raw limit in the same run."""
    from hairem_core.cli.bench import run_bench

    run_bench(name, arguments or [])


@token_app.command("new")
def token_new(
    name: Annotated[str, typer.Argument(help="What to call the client.")],
    data: DataOption = None,
) -> None:
    """Make a token and print it; it is shown only now."""
    print(_tokens(data).create(name))


@token_app.command("list")
def token_list(data: DataOption = None) -> None:
    """List the clients that have a token."""
    for record in _tokens(data).records():
        print(f"{record.created}  {record.name}")


@token_app.command("revoke")
def token_revoke(name: str, data: DataOption = None) -> None:
    """Forget a client's token; it is refused from its next connection on."""
    _tokens(data).revoke(name)


def _tokens(data: Path | None) -> Any:
    from hairem_core.api.tokens import TokenStore

    places = find_places(data, None)
    if not places.data.is_dir():
        raise HairemError(
            "there is no such data folder", where=str(places.data), hint="Start H-Core once first."
        )
    return TokenStore(places.data / "tokens.json")
