"""Installing somebody's agent: fetched, vetted, shown, and put in place whole."""

import shutil
import tempfile
from datetime import datetime
from pathlib import Path

import typer

from hairem_core.cli.agent_fetch import fetch
from hairem_core.cli.agent_new import reason, staged
from hairem_core.cli.agent_report import print_report
from hairem_core.cli.agent_words import WORDS, language, permissions_in_words, secrets_wanted
from hairem_core.cli.bundles import find_agent, writable_folder
from hairem_core.cli.output import printable
from hairem_core.cli.places import Places
from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import REQUIREMENTS_NAME, Bundle, read_bundle, read_manifest


class InstallRefused(HairemError):
    """The agent was not installed."""

    code = "refused"


def install(
    places: Places,
    source: str,
    *,
    into: Path | None,
    ref: str | None,
    bundle: str | None,
    replace: bool,
    yes: bool,
) -> Path:
    """Install the bundle in `source` and return its folder.

    Raises FetchError, InstallRefused when it is rejected, its id is taken or nobody says yes.
    """
    from hairem_core.hotplug.gatekeeper import check_folder

    folder = writable_folder(places, into)
    with tempfile.TemporaryDirectory(prefix="hairem-install-") as place:
        fetched = fetch(source, Path(place), ref=ref, bundle=bundle)
        report = check_folder(fetched)
        if report.findings:
            print_report(report, Path(bundle or Path(source).name), to_stderr=True)
        if not report.is_accepted:
            raise InstallRefused("the Gatekeeper rejects this bundle; nothing was installed")
        found = read_bundle(fetched)
        old = find_agent(places, found.agent_id, folder)
        if old is not None and not replace:
            raise InstallRefused(
                f"there is an agent {found.agent_id} already",
                where=str(old),
                hint="Replace it with --replace.",
            )
        _show(found, old)
        _want_yes(yes)
        return _put(fetched, found.agent_id, folder, old, places)


def _show(bundle: Bundle, old: Path | None) -> None:
    words, manifest = WORDS[language()], bundle.manifest
    told = {str(key): text for key, text in manifest.description.items()}
    typer.echo(f"{manifest.name} ({manifest.id}) {manifest.version}")
    if text := told.get(language()) or next(iter(told.values()), ""):
        typer.echo(printable(text))
    if old is not None:
        try:
            before = read_manifest(old)
            name, version = before.name, before.version
        except HairemError:
            name, version = old.name, "?"
        typer.echo(words["replaces"].format(name=name, version=version, folder=old))
    _list(words["may"], permissions_in_words(manifest.permissions, language()))
    _list(words["installs"], _requirements(bundle.folder))
    _list(words["secrets"], secrets_wanted(manifest))
    code = [path for path in bundle.folder.rglob("*.py") if "tests" not in path.parts]
    lines = sum(len(path.read_bytes().splitlines()) for path in code)
    typer.echo(words["code"].format(lines=lines) if code else words["no code"])


def _list(title: str, entries: list[str]) -> None:
    if entries:
        typer.echo("\n".join([title, *(f"  - {printable(entry)}" for entry in entries)]))


def _requirements(folder: Path) -> list[str]:
    path = folder / REQUIREMENTS_NAME
    if not path.is_file():
        return []
    lines = [line.partition(" #")[0].strip() for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _want_yes(yes: bool) -> None:
    if yes:
        return
    if not _agrees(WORDS[language()]):
        raise InstallRefused("nobody said yes; nothing was installed", hint="--yes says it.")


def _agrees(words: dict[str, str]) -> bool:
    while True:
        try:
            said = typer.prompt(words["install?"], default="", show_default=False)
        except typer.Abort:
            typer.echo()
            return False
        said = said.strip().casefold()
        if said in ("", *words["no"].split()):
            return False
        if said in words["yes"].split():
            return True


def _put(fetched: Path, agent_id: str, folder: Path, old: Path | None, places: Places) -> Path:
    """Put the bundle in place with one rename, so that nobody ever sees half of it."""
    target = old or folder / agent_id
    if old is None and target.exists():
        raise InstallRefused(
            "a folder of this name is there already, and it is no bundle of this agent",
            where=str(target),
            hint="Move it away.",
        )
    try:
        with staged(target.parent, agent_id) as place:
            shutil.copytree(fetched, place)
            if old is not None:
                kept = place.with_name("old")
                old.rename(kept)
                place.rename(target)
                _keep(kept, agent_id, places)
            else:
                place.rename(target)
    except OSError as err:
        raise InstallRefused(
            f"cannot be written: {reason(err)}",
            where=str(target),
            hint="Give this user the right to write there, or choose another with --into.",
        ) from err
    return target


def _keep(old: Path, agent_id: str, places: Places) -> None:
    """Keep what was replaced where `hairem agent remove` keeps what it removes."""
    removed = places.data / "removed"
    removed.mkdir(parents=True, exist_ok=True)
    shutil.move(old, removed / f"{agent_id}-{datetime.now():%Y%m%dT%H%M%S.%f}")  # noqa: DTZ005
