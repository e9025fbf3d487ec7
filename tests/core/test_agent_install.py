"""`hairem agent install`: somebody else's bundle, of which nothing is trusted."""

import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hairem_core.cli import agent_fetch
from hairem_core.cli.agent_fetch import FetchError, copy_bundle, fetch, find_bundle, unpack
from hairem_core.cli.main import app
from tests.support.command import Outcome, hairem
from tests.support.core import write_agent

LOGIC = '''"""Ticks."""

from hairem_core.sdk import BaseAgent


class Agent(BaseAgent):
    """Does nothing of its own."""
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A bundle as its author has it: with what is no part of it beside it."""
    bundle = write_agent(tmp_path / "shop", "clock", LOGIC, "[llm, home.act: [light], network]")
    with (bundle / "manifest.yaml").open("a") as manifest:
        manifest.write(
            "description: {en: Tells the time., fr: Donne l'heure.}\nsecrets: {API_KEY: }\n"
        )
    (bundle / "__pycache__").mkdir()
    (bundle / "__pycache__" / "logic.pyc").write_bytes(b"old")
    (bundle / ".env").write_text("KEY=1")
    return bundle


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house with an empty folder for agents; returns its system.yaml."""
    (tmp_path / "agents").mkdir()
    config = tmp_path / "system.yaml"
    config.write_text(f"agents:\n  folders: [{tmp_path / 'agents'}]\n")
    return config


async def install(
    house: Path, *arguments: str | Path, locale: str = "C.UTF-8", git_config: str = "/dev/null"
) -> Outcome:
    data = house.parent / "data"
    places = ("--config", house, "--data", data)
    environment = {"LC_ALL": locale, "GIT_CONFIG_GLOBAL": git_config}
    return await hairem("agent", "install", *arguments, *places, timeout=40, **environment)


async def test_a_folder_is_shown_then_installed_whole(house: Path, shop: Path) -> None:
    done = await install(house, shop, "--yes")
    assert done.code == 0, done
    installed = house.parent / "agents" / "clock"
    assert str(installed) in done.out
    found = sorted(each.relative_to(installed).as_posix() for each in installed.rglob("*"))
    assert found == ["logic.py", "manifest.yaml"]
    for said in (
        "Clock (clock) 0.1.0",
        "Tells the time.",
        "think with your language model",
        "switch and change in your home: light",
        "reach your network and the internet",
        "API_KEY (CLOCK_API_KEY)",
    ):
        assert said in done.out
    assert [each.name for each in installed.parent.iterdir()] == ["clock"], "nothing is left over"


async def test_in_french_where_the_terminal_is(house: Path, shop: Path) -> None:
    done = await install(house, shop, "--yes", locale="fr_FR.UTF-8")
    assert "Donne l'heure." in done.out
    assert "actionner et changer dans votre maison : light" in done.out


async def test_without_a_yes_nothing_is_installed(house: Path, shop: Path) -> None:
    done = await install(house, shop)
    assert done.code == 1
    assert "nobody said yes; nothing was installed" in done.err
    assert not list((house.parent / "agents").iterdir())


def test_a_yes_said_at_the_question_is_enough(house: Path, shop: Path) -> None:
    arguments = ["agent", "install", str(shop), "--config", str(house), "--data", str(house.parent)]
    answered = CliRunner().invoke(app, arguments, input="n\n")
    assert answered.exit_code == 1
    answered = CliRunner().invoke(app, arguments, input="oui\n")
    assert answered.exit_code == 1, "it is no word of this language, and nothing follows"
    french = {"LC_ALL": "fr_FR.UTF-8"}
    answered = CliRunner().invoke(app, arguments, input="\n", env=french)
    assert answered.exit_code == 1
    answered = CliRunner().invoke(app, arguments, input="bof\nO\n", env=french)
    assert answered.exit_code == 0, answered.output
    assert answered.output.count("L'installer ? [o/N]") == 2
    assert (house.parent / "agents" / "clock").is_dir()


def test_a_bundle_where_nobody_looks_is_called_that(house: Path, shop: Path) -> None:
    elsewhere = house.parent / "elsewhere"
    elsewhere.mkdir()
    arguments = ["agent", "install", str(shop), "--config", str(house), "--yes"]
    done = CliRunner().invoke(app, [*arguments, "--into", str(elsewhere)])
    assert done.exit_code == 0, done.output
    assert "does not look there" in done.output
    assert "hairem agent show" not in done.output


async def test_a_rejected_bundle_is_not_installed(house: Path, shop: Path) -> None:
    (shop / "logic.py").write_text("class Agent(:\n")
    done = await install(house, shop, "--yes")
    assert done.code == 1
    assert "logic.py:1: error:" in done.err
    assert "nothing was installed" in done.err
    assert not list((house.parent / "agents").iterdir())


async def test_an_id_that_is_taken_is_replaced_only_when_asked(house: Path, shop: Path) -> None:
    assert (await install(house, shop, "--yes")).code == 0
    again = await install(house, shop, "--yes")
    assert again.code == 1
    assert "there is an agent clock already. Replace it with --replace." in again.err
    installed = house.parent / "agents" / "clock"
    # Under whatever name its folder has, and with what its owner has changed in it.
    other = installed.rename(installed.with_name("renamed"))
    (other / "notes.txt").write_text("mine")
    manifest = shop / "manifest.yaml"
    manifest.write_text(manifest.read_text() + "version: 0.2.0\n")
    done = await install(house, shop, "--yes", "--replace")
    assert done.code == 0, done
    assert f"It replaces Clock 0.1.0, in {other}." in done.out
    assert "0.2.0" in (other / "manifest.yaml").read_text()
    assert not (other / "notes.txt").exists()
    (kept,) = (house.parent / "data" / "removed").iterdir()
    assert (kept / "notes.txt").read_text() == "mine"
    assert [each.name for each in installed.parent.iterdir()] == ["renamed"]


async def test_a_folder_in_the_way_is_left_alone(house: Path, shop: Path) -> None:
    (house.parent / "agents" / "clock").mkdir()
    done = await install(house, shop, "--yes")
    assert done.code == 1
    assert "a folder of this name is there already" in done.err


async def test_a_zip_as_hosts_of_code_make_them(house: Path, shop: Path, tmp_path: Path) -> None:
    archive = tmp_path / "clock-main.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in shop.rglob("*"):
            packed.write(path, Path("clock-main") / path.relative_to(shop))
    done = await install(house, archive, "--yes")
    assert done.code == 0, done
    assert (house.parent / "agents" / "clock" / "logic.py").read_text() == LOGIC


def git(folder: Path, *arguments: str | Path) -> None:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    subprocess.run(["git", *identity, *arguments], cwd=folder, env=environment, check=True)


async def test_a_repository_is_cloned_without_running_anything_of_it(
    house: Path, shop: Path, tmp_path: Path
) -> None:
    git(shop, "init", "-q", "-b", "main")
    git(shop, "add", "-A")
    git(shop, "commit", "-q", "-m", "first")
    git(shop, "tag", "v1")
    (shop / "logic.py").write_text(LOGIC + "\n# later\n")
    git(shop, "commit", "-q", "-am", "second")
    # A hook that this user has for all their clones must not run for a stranger's.
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    trap = hooks / "post-checkout"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    config = tmp_path / "gitconfig"
    config.write_text(f"[core]\n  hooksPath = {hooks}\n")
    url = f"file://{shop}"
    done = await install(house, url, "--yes", "--ref", "v1", git_config=str(config))
    assert done.code == 0, done
    installed = house.parent / "agents" / "clock"
    assert (installed / "logic.py").read_text() == LOGIC
    assert not (installed / ".git").exists()
    assert not (tmp_path / "sprung").exists()
    done = await install(house, url, "--yes", "--replace")
    assert "# later" in (installed / "logic.py").read_text()
    done = await install(house, url, "--yes", "--replace", "--ref", "v2")
    assert "--ref names a branch or a tag" in done.err, done
    git(tmp_path, "clone", "-q", "--bare", shop, "bare.git")
    done = await install(house, tmp_path / "bare.git", "--yes", "--replace")
    assert f"write file://{tmp_path}/bare.git" in done.err, done


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("file:///no/such/repository", "does not appear to be a git repository"),
        ("nonsense", "is no folder, no zip file and no address of a Git repository"),
        ("--upload-pack=touch /tmp/x", "No such option"),
        ("ext::sh -c touch% /tmp/x", "is no folder, no zip file and no address"),
        ("https://127.0.0.1:1/x.git", "Check the address"),
    ],
)
async def test_what_is_nowhere_is_wrong_input(house: Path, source: str, complaint: str) -> None:
    done = await install(house, source, "--yes")
    assert done.code == 2, done
    assert complaint in done.err
    assert "Traceback" not in done.err


def test_options_in_disguise_do_not_reach_git(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="no branch and no tag"):
        fetch("https://127.0.0.1:1/x", tmp_path, ref="--upload-pack=x")


def zipped(path: Path, *entries: tuple[str, bytes, int]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


@pytest.mark.parametrize(
    ("name", "mode", "complaint"),
    [
        ("../escape", stat.S_IFREG, "leads out of the archive"),
        ("a/../../escape", stat.S_IFREG, "leads out of the archive"),
        ("/etc/escape", stat.S_IFREG, "leads out of the archive"),
        ("..\\escape", stat.S_IFREG, "leads out of the archive"),
        ("C:escape", stat.S_IFREG, "leads out of the archive"),
        ("link", stat.S_IFLNK, "is no file"),
        ("pipe", stat.S_IFIFO, "is no file"),
        ("x" * 300, stat.S_IFREG, "cannot be unpacked: .*too long"),
    ],
)
def test_a_zip_that_leads_elsewhere(tmp_path: Path, name: str, mode: int, complaint: str) -> None:
    archive = zipped(tmp_path / "a.zip", (name, b"/etc/passwd", mode | 0o644))
    with pytest.raises(FetchError, match=complaint):
        unpack(archive, tmp_path / "out")
    assert not [each for each in tmp_path.rglob("*escape*") if each.is_file()]
    assert not any(each.is_symlink() for each in tmp_path.rglob("*"))


def test_a_file_twice_in_a_zip(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zipped(tmp_path / "a.zip", ("a", b"1", 0), ("a", b"2", 0))
    with pytest.raises(FetchError, match="cannot be unpacked"):
        unpack(archive, tmp_path / "out")


def test_a_zip_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_fetch, "LARGEST_BUNDLE", 1_000_000)
    archive = zipped(tmp_path / "a.zip", ("a", b"0" * 600_000, 0), ("b", b"0" * 600_000, 0))
    with pytest.raises(FetchError, match="holds more than"):
        unpack(archive, tmp_path / "out")


def test_a_zip_bomb_that_lies_about_its_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zipped(tmp_path / "a.zip", ("a", b"0" * 3_000_000, 0))
    raw = archive.read_bytes()
    assert raw.count((3_000_000).to_bytes(4, "little")) == 2
    archive.write_bytes(raw.replace((3_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    monkeypatch.setattr(agent_fetch, "LARGEST_BUNDLE", 1_000_000)
    with pytest.raises(FetchError):
        unpack(archive, tmp_path / "out")
    assert sum(each.stat().st_size for each in (tmp_path / "out").iterdir()) <= 1_000_000


def test_a_zip_of_many_files(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", *((f"f{n}", b"", 0) for n in range(2_001)))
    with pytest.raises(FetchError, match="holds more than"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 30])
def test_what_is_no_zip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(FetchError, match="cannot be unpacked"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


def test_a_folder_with_links_or_too_much(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "link").symlink_to("/etc/passwd")
    with pytest.raises(FetchError, match="link: is a link"):
        copy_bundle(shop, tmp_path / "one")
    (shop / "link").unlink()
    (shop / "folder").symlink_to("/etc")
    with pytest.raises(FetchError, match="folder: is a link"):
        copy_bundle(shop, tmp_path / "two")
    (shop / "folder").unlink()
    os.mkfifo(shop / "pipe")
    with pytest.raises(FetchError, match="pipe: is neither a file nor a folder"):
        copy_bundle(shop, tmp_path / "three")
    (shop / "pipe").unlink()
    (shop / "big").write_bytes(b"0" * 2_000_000)
    monkeypatch.setattr(agent_fetch, "LARGEST_BUNDLE", 1_000_000)
    with pytest.raises(FetchError, match="holds more than"):
        copy_bundle(shop, tmp_path / "four")


def test_what_may_not_be_read_is_named(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str | Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", refuse)
        with pytest.raises(
            FetchError, match=r"cannot be copied: Permission denied. Give this user"
        ):
            copy_bundle(shop, tmp_path / "file")
    (shop / "closed").mkdir()
    real = os.scandir
    monkeypatch.setattr(
        os, "scandir", lambda path: refuse(path) if str(path).endswith("closed") else real(path)
    )
    with pytest.raises(FetchError, match="closed: cannot be copied"):
        copy_bundle(shop, tmp_path / "folder")


def test_the_bundle_is_found_at_the_top_or_one_level_down(tmp_path: Path) -> None:
    shelf = tmp_path / "shelf"
    first = write_agent(shelf, "first")
    assert find_bundle(first) == first
    assert find_bundle(shelf) == first
    second = write_agent(shelf, "second")
    write_agent(shelf, "_template")
    with pytest.raises(FetchError, match="several bundles: first, second"):
        find_bundle(shelf)
    assert find_bundle(shelf, "second") == second
    with pytest.raises(FetchError, match="no bundle 'third'"):
        find_bundle(shelf, "third")
    with pytest.raises(FetchError, match="holds no bundle"):
        find_bundle(tmp_path)
