"""`hairem agent`: write, check, test, install and look after agents."""

import asyncio
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from hairem_core.cli.bundles import bundle_at, find_agent, looked_at, writable_folder
from hairem_core.cli.client import BridgeClient, BridgeError, get_json
from hairem_core.cli.options import ConfigOption, DataOption, JsonOption
from hairem_core.cli.output import complain, json_text, printable
from hairem_core.cli.places import NotRunning, Places, find_places
from hairem_core.errors import HairemError

app = typer.Typer(help="Write, check, test, install and look after agents.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the agent.")]
IntoOption = Annotated[
    Path | None,
    typer.Option("--into", help="The folder for it; else the first of agents.folders."),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")]
_RECONNECT_SECONDS = 0.5
_LEVEL_COLOURS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red", "DEBUG": "bright_black"}


@app.command()
def new(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="Who it is, for ever: fern.")],
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    description: Annotated[str | None, typer.Option(help="One sentence.")] = None,
    languages: Annotated[
        list[str] | None,
        typer.Option("--language", help="What it speaks, the preferred first: en, fr."),
    ] = None,
    code: Annotated[bool | None, typer.Option(help="Whether it has code of its own.")] = None,
    home: Annotated[bool | None, typer.Option(help="Whether it may act in the house.")] = None,
    network: Annotated[bool | None, typer.Option(help="Whether it may use the network.")] = None,
    into: IntoOption = None,
    yes: YesOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a bundle to start from. What is not given as an option is asked for."""
    from hairem_core.cli.agent_new import Wishes, check_wishes, make_bundle, reason, staged
    from hairem_core.hotplug.gatekeeper import check_folder

    places = find_places(data, config)
    check_wishes(agent_id, "x", ["en"])
    folder = writable_folder(places, into)
    taken = find_agent(places, agent_id, folder)
    if taken is not None or (taken := folder / agent_id).exists():
        raise HairemError(
            f"there is a {agent_id} already", where=str(taken), hint="Choose another."
        )
    asks = not yes and sys.stdin.isatty()
    name = _text(name, "Its name", agent_id.replace("_", " ").title(), asks)
    description = _text(description, "What it does, in one sentence", "", asks)
    spoken = languages or _text(None, "Its languages", "en fr", asks).replace(",", " ").split()
    check_wishes(agent_id, name, spoken)
    wishes = Wishes(
        id=agent_id,
        name=name,
        description=description,
        languages=spoken,
        with_code=_choice(code, "Shall it have code: tools, things it does unasked", True, asks),
        acts_in_home=_choice(home, "May it act in the house", False, asks),
        uses_network=_choice(network, "May it use the network", False, asks),
    )
    target = folder / agent_id
    try:
        with staged(folder, agent_id) as place:
            make_bundle(wishes, place)
            report = check_folder(place)
            if not report.is_accepted:
                raise HairemError(f"the template is rejected:\n{report.reason}", where=str(target))
            place.rename(target)
    except OSError as err:
        raise HairemError(
            f"cannot be written: {reason(err)}",
            where=str(target),
            hint="Make room there, or choose another folder with --into.",
        ) from err
    shown = os.path.relpath(target) if target.is_relative_to(Path.cwd()) else target
    typer.echo(f"{name} is in {shown}")
    commands = {f"hairem agent test {shown}": "tries it"}
    if looked_at(places, folder):
        commands[f"hairem ask {agent_id} Hello"] = "talks"
    width = max(len(command) for command in commands)
    for command, does in commands.items():
        typer.echo(f"  {command:<{width}}    {does}")
    _tell_of_folder(places, folder)


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The bundle's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Look whether a bundle would be let in, without running any of it."""
    from hairem_core.cli.agent_report import print_report
    from hairem_core.hotplug.gatekeeper import check_folder

    report = check_folder(bundle_at(path))
    if as_json:
        typer.echo(json_text(report.as_dict()))
    else:
        print_report(report, path)
    raise typer.Exit(0 if report.is_accepted else 1)


@app.command("test", context_settings={"ignore_unknown_options": True})
def run_tests(
    bundle: Annotated[str, typer.Argument(metavar="PATH|ID", help="The bundle, or its id.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="For pytest, such as -k.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Run a bundle's own tests on a real H-Core."""
    from hairem_core.cli.agent_report import print_report
    from hairem_core.hotplug.gatekeeper import check_folder

    places = find_places(data, config)
    is_path = bundle != "" and Path(bundle).exists()
    folder = bundle_at(Path(bundle)) if is_path else find_agent(places, bundle)
    if folder is None:
        raise HairemError(f"there is no folder and no agent {bundle!r}")
    if not (folder / "tests").is_dir():
        hint = "`hairem agent new` makes one with tests; docs/agents.md says how they are written."
        raise HairemError("this bundle has no tests", where=str(folder / "tests"), hint=hint)
    if find_spec("pytest") is None:
        raise HairemError("pytest is not installed", hint="`uv pip install pytest` gets it.")
    report = check_folder(folder)
    if not report.is_accepted:
        print_report(report, folder)
        raise typer.Exit(1)
    raise typer.Exit(_run_pytest(folder.resolve(), arguments or [], places.config_file))


@app.command()
def install(
    source: Annotated[str, typer.Argument(metavar="GIT-URL|ZIP|FOLDER", help="Where it is.")],
    ref: Annotated[str | None, typer.Option(help="Branch or tag of the repository.")] = None,
    bundle: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of this id.")] = False,
    into: IntoOption = None,
    yes: YesOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Check somebody's agent and install it once you say yes."""
    from hairem_core.cli.agent_install import InstallRefused
    from hairem_core.cli.agent_install import install as install_bundle

    places = find_places(data, config)
    try:
        target = install_bundle(
            places, source, into=into, ref=ref, bundle=bundle, replace=replace, yes=yes
        )
    except InstallRefused as err:
        complain(err)
        raise typer.Exit(1) from err
    if looked_at(places, target.parent):
        typer.echo(f"Installed in {target}; `hairem agent show {target.name}` says how it is.")
    else:
        typer.echo(f"Installed in {target}")
        _tell_of_folder(places, target.parent)


@app.command()
def show(
    agent_id: IdArgument,
    data: DataOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print all that is known of an agent."""
    from hairem_core.cli.agent_report import print_details

    none = f"there is no agent {agent_id!r}"
    if not agent_id:
        raise HairemError(none)
    status, body = get_json(find_places(data, config), f"/api/agents/{quote(agent_id, safe='')}")
    if status != 200:
        # An id with a slash is no address of the API's at all.
        error = body.get("error", {})
        is_id = error.get("code") != "unknown_route"
        raise HairemError(error.get("message", none) if is_id else none)
    if as_json:
        typer.echo(json_text(body))
    else:
        print_details(body)


@app.command()
def logs(
    agent_id: IdArgument,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("-n", min=0, max=500, help="How many past lines.")] = 100,
    as_json: JsonOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Print the last lines of an agent's log."""
    raise typer.Exit(
        asyncio.run(_logs(find_places(data, config), agent_id, lines, follow, as_json))
    )


@app.command()
def enable(agent_id: IdArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Start an agent that was disabled, or that is in quarantine."""
    _order("enable", agent_id, data, config)


@app.command()
def disable(agent_id: IdArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Stop an agent and leave it stopped."""
    _order("disable", agent_id, data, config)


@app.command()
def reload(agent_id: IdArgument, data: DataOption = None, config: ConfigOption = None) -> None:
    """Vet an agent's bundle again and start it anew."""
    _order("reload", agent_id, data, config)


@app.command()
def remove(
    agent_id: IdArgument,
    yes: YesOption = False,
    data: DataOption = None,
    config: ConfigOption = None,
) -> None:
    """Stop an agent and move its bundle to <data>/removed."""
    if not yes and not _confirm(f"Remove {agent_id}?"):
        complain("nobody said yes; nothing was removed")
        raise typer.Exit(1)
    _order("remove", agent_id, data, config)


def _tell_of_folder(places: Places, folder: Path) -> None:
    if not looked_at(places, folder):
        what = "H-Core does not look there until system.yaml names it under agents.folders"
        typer.echo(f"{what}: {folder}")


def _order(order: str, agent_id: str, data: Path | None, config: Path | None) -> None:
    async def give() -> None:
        async with BridgeClient.connect(find_places(data, config)) as client:
            await client.command(f"agents/{order}", agent_id=agent_id)

    try:
        asyncio.run(give())
    except BridgeError as err:
        complain(err)
        raise typer.Exit(2 if err.code == "unknown_agent" else 1) from err


async def _logs(places: Any, agent_id: str, lines: int, follow: bool, as_json: bool) -> int:
    was_connected = False
    while True:
        try:
            async with BridgeClient.connect(places) as client:
                wanted = 0 if was_connected else lines
                left = (await client.command("agents/logs", agent_id=agent_id, lines=wanted))[
                    "lines"
                ]
                if was_connected:
                    complain("connected again")
                was_connected = True
                if not left and not follow:
                    return 0
                async for event in client.events():
                    _print_line(event, as_json)
                    left -= 1
                    if left <= 0 and not follow:
                        return 0
        except (BridgeError, NotRunning) as err:
            if not (follow and was_connected):
                complain(err)
                return 2 if err.code in ("unknown_agent", NotRunning.code) else 1
            if err.code == "connection_lost":
                complain("H-Core went away; waiting for it")
            await asyncio.sleep(_RECONNECT_SECONDS)


def _print_line(event: dict[str, Any], as_json: bool) -> None:
    from datetime import datetime

    if as_json:
        shown = {key: event[key] for key in ("at", "level", "text")}
        typer.echo(json_text(shown))
        return
    at = datetime.fromisoformat(event["at"]).astimezone()
    level = typer.style(f"{event['level']:<7}", fg=_LEVEL_COLOURS.get(event["level"]))
    typer.echo(f"{at:%Y-%m-%d %H:%M:%S} {level} {printable(event['text'])}")


def _run_pytest(folder: Path, arguments: list[str], config: Path | None) -> int:
    command = [
        *(sys.executable, "-P", "-m", "pytest", "-p", "hairem_core.testing.plugin"),
        # The project that the bundle happens to lie in has its own ideas of tests.
        *("-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider"),
        *("--import-mode=importlib", "tests", *arguments),
    ]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    if config is not None:
        environment["HAIREM_CONFIG"] = str(config)
    code = subprocess.run(  # noqa: S603 - pytest, on what its owner wants tested
        command, cwd=folder, env=environment, check=False
    ).returncode
    # Of pytest's codes, 4 is a wrong option and 5 that no test was found.
    return 2 if code in (4, 5) else min(code, 1)


def _text(given: str | None, question: str, default: str, asks: bool) -> str:
    if given is not None or not asks:
        return default if given is None else given
    answer: str = typer.prompt(question, default=default, show_default=bool(default))
    return answer.strip()


def _choice(given: bool | None, question: str, default: bool, asks: bool) -> bool:
    if given is not None or not asks:
        return default if given is None else given
    return typer.confirm(f"{question}?", default=default)


def _confirm(question: str) -> bool:
    try:
        return typer.confirm(question, default=False)
    except typer.Abort:
        return False
