"""`hairem bus`: look at what travels, and at what could not be delivered."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from redis.asyncio import Redis

from hairem_core.cli.options import ConfigOption, DataOption, JsonOption, print_table
from hairem_core.cli.output import escaped, json_text, printable
from hairem_core.cli.places import find_places
from hairem_core.hlink import dead, keys
from hairem_core.hlink.connection import create_client, outage_is_unavailable
from hairem_core.sdk.message import Message

app = typer.Typer(help="Look at the bus.", no_args_is_help=True)
dead_app = typer.Typer(help="Messages that were given up.", invoke_without_command=True)
app.add_typer(dead_app, name="dead")


@app.command()
def tail(
    data: DataOption = None,
    config: ConfigOption = None,
    lines: Annotated[
        int, typer.Option("-n", min=0, help="How many past messages to begin with.")
    ] = 10,
    follow: Annotated[bool, typer.Option(help="Go on with what comes.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Print messages from the journal."""
    asyncio.run(_tail(data, config, lines, follow, as_json))


@dead_app.callback()
def dead_default(
    context: typer.Context, data: DataOption = None, config: ConfigOption = None
) -> None:
    """List the dead letters, unless a command says otherwise."""
    if context.invoked_subcommand is None:
        asyncio.run(_list(data, config, as_json=False, everything=False))


@dead_app.command("list")
def dead_list(
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    everything: Annotated[bool, typer.Option("--all", help="Also those sent again.")] = False,
) -> None:
    """List the dead letters."""
    asyncio.run(_list(data, config, as_json=as_json, everything=everything))


@dead_app.command("show")
def dead_show(letter: str, data: DataOption = None, config: ConfigOption = None) -> None:
    """Print one dead letter whole; LETTER is its entry id or msg_id."""
    asyncio.run(_show(data, config, letter))


@dead_app.command("resend")
def dead_resend(letter: str, data: DataOption = None, config: ConfigOption = None) -> None:
    """Deliver a dead letter once more."""
    asyncio.run(_resend(data, config, letter))


@asynccontextmanager
async def _redis(data: Path | None, config: Path | None) -> AsyncIterator[Redis]:
    client = create_client(find_places(data, config).redis_url())
    try:
        async with outage_is_unavailable(client):
            yield client
    finally:
        await client.aclose()


async def _tail(
    data: Path | None, config: Path | None, lines: int, follow: bool, as_json: bool
) -> None:
    async with _redis(data, config) as redis:
        last: Any = "0-0"
        newest: Any = await redis.xrevrange(keys.JOURNAL, count=max(lines, 1))
        if newest:
            last = newest[0][0]
        for _, fields in reversed(newest[:lines]):
            _print(fields[keys.FIELD.encode()], as_json)
        while follow:
            replies: Any = await redis.xread({keys.JOURNAL: last}, count=100, block=1000)
            for entry_id, fields in replies[0][1] if replies else ():
                last = entry_id
                _print(fields[keys.FIELD.encode()], as_json)


def _print(raw: bytes, as_json: bool) -> None:
    if as_json:
        print(escaped(raw.decode(errors="replace")), flush=True)
        return
    try:
        message = Message.model_validate_json(raw)
    except ValidationError:
        print(f"(not a message) {raw[:200]!r}", flush=True)
        return
    header, payload = message.header, message.payload
    text = payload.content or json_text(payload.data)
    print(
        f"{header.timestamp.astimezone():%H:%M:%S.%f}"[:-3],
        f"{header.priority} {header.type:<10} {header.topic:<18}",
        f"{header.sender} > {header.recipient}:",
        printable(" ".join(text.split())[:500]),
        flush=True,
    )


async def _list(data: Path | None, config: Path | None, *, as_json: bool, everything: bool) -> None:
    async with _redis(data, config) as redis:
        letters = [each async for each in dead.dead_letters(redis, include_resent=everything)]
    if as_json:
        for letter in letters:
            print(json_text({**letter.__dict__, "at": letter.at.isoformat()}))
        return
    if not letters:
        print("No dead letters.")
        return
    headers = ("entry", "when", "from", "to", "topic", "reason")
    print_table(headers, [_row(letter) for letter in letters])


def _row(letter: dead.DeadLetter) -> tuple[str, ...]:
    header = letter.message.header if letter.message else None
    addresses = (header.sender, header.recipient, header.topic.value) if header else ("?",) * 3
    at = f"{letter.at.astimezone():%Y-%m-%d %H:%M:%S}"
    reason = f"{letter.reason} (sent again)" if letter.resent else letter.reason
    return (letter.entry_id, at, *addresses, reason)


async def _show(data: Path | None, config: Path | None, wanted: str) -> None:
    async with _redis(data, config) as redis:
        letter = await dead.find(redis, wanted)
    message = letter.message.model_dump(mode="json") if letter.message else letter.raw
    body = {**letter.__dict__, "at": letter.at.isoformat(), "message": message}
    del body["raw"]
    print(json_text(body, indent=2))


async def _resend(data: Path | None, config: Path | None, wanted: str) -> None:
    async with _redis(data, config) as redis:
        message = await dead.resend(redis, await dead.find(redis, wanted))
    print(f"Sent {message.header.msg_id} to {message.header.recipient} again.")
