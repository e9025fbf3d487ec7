"""What bundles require is installed for each of them: a real uv, against an index of our own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
import pytest

from hairem_core.hotplug import requirements, resolver
from hairem_core.hotplug.requirements import RequirementInstaller, RequirementsError
from hairem_core.hotplug.requirements_file import (
    house_constraints,
    is_in_the_house,
    read_requirements,
)
from tests.support.bus import until
from tests.support.child import ROOT, free_port
from tests.support.package_index import PackageIndex


@pytest.fixture(autouse=True)
def _own_index_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex() as index:
        index.add("colour", "1.0")
        index.add("colour", "2.0")
        index.add("old-paint", requires=["colour<2"])
        index.add("new-paint", requires=["colour>=2"])
        yield index


@pytest.fixture
def installer(tmp_path: Path, index: PackageIndex) -> RequirementInstaller:
    return RequirementInstaller(tmp_path, index=index.url)


def asking_for(folder: Path, text: str) -> Path:
    file = folder / "requirements.txt"
    file.write_text(text)
    return file


async def install(
    installer: RequirementInstaller, folder: Path, text: str, agent: str = "electra"
) -> Path | None:
    return await installer.install(agent, asking_for(folder, text), lambda _: None)


async def refusal(installer: RequirementInstaller, folder: Path, text: str) -> RequirementsError:
    with pytest.raises(RequirementsError) as caught:
        await install(installer, folder, text)
    deps = folder / "deps"
    assert not deps.exists() or not [each for each in deps.iterdir() if each.name[0] != "."]
    assert not list(deps.glob(".install-*"))
    return caught.value


def printed_by(code: str, libraries: Path) -> str:
    """Return what a process of H-Core's Python prints that has `libraries` first on its path."""
    code = f"import sys; sys.path.insert(0, {str(libraries)!r}); {code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def children() -> set[psutil.Process]:
    """Return what this process started and what that did: servers of other tests, too."""
    return set(psutil.Process().children(recursive=True))


async def test_two_agents_have_two_versions_of_one_library(
    tmp_path: Path, installer: RequirementInstaller
) -> None:
    old = await install(installer, tmp_path, "old-paint\n", "electra")
    new = await install(installer, tmp_path, "new-paint\n", "dieu")
    assert old is not None
    assert new is not None
    code = "import colour; print(colour.VERSION, colour.__file__)"
    assert printed_by(code, old) == f"1.0 {old}/colour.py"
    assert printed_by(code, new) == f"2.0 {new}/colour.py"
    assert old.name.startswith("electra-")
    assert new.parent == tmp_path / "deps"


async def test_what_is_installed_is_found_without_a_process(
    tmp_path: Path, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await install(
        RequirementInstaller(tmp_path, index=index.url), tmp_path, "colour==1.0\nold-paint\n"
    )
    asked = len(index.requests)

    def no_uv() -> str:
        raise AssertionError("uv was started")

    monkeypatch.setattr(resolver, "find_uv_bin", no_uv)
    again = RequirementInstaller(tmp_path, index=index.url)
    text = "# the same, said differently\n\nOld_Paint\nCOLOUR == 1.0  # exactly\n"
    assert await install(again, tmp_path, text) == first
    assert len(index.requests) == asked


async def test_another_version_is_another_folder(
    tmp_path: Path, installer: RequirementInstaller
) -> None:
    one = await install(installer, tmp_path, "colour==1.0")
    two = await install(installer, tmp_path, "colour==2.0")
    assert one is not None
    assert two is not None
    assert one != two
    assert installer.clean([two]) == [one]
    assert [each.name for each in two.parent.iterdir() if each.name[0] != "."] == [two.name]
    assert installer.clean([two]) == []


async def test_what_an_agent_is_about_to_start_with_is_not_cleaned_away(
    tmp_path: Path, installer: RequirementInstaller, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = await install(installer, tmp_path, "colour==1.0")
    assert folder is not None
    assert installer.clean([]) == []
    monkeypatch.setattr(requirements, "_GRACE_SECONDS", 0.0)
    assert installer.clean([folder]) == []
    assert installer.clean([]) == [folder]
    assert not folder.exists()


async def test_what_the_house_has_is_not_installed(
    tmp_path: Path, installer: RequirementInstaller, index: PackageIndex
) -> None:
    for text in (
        "",
        "# nothing\n",
        "pydantic>=2\n",
        "uvicorn\nwebsockets>=1 ; python_version > '3'\n",
        "colour==1.0 ; sys_platform == 'win32'\n",
        "hairem\n",
    ):
        assert await install(installer, tmp_path, text) is None
    assert await installer.install("x", tmp_path / "none.txt", lambda _: None) is None
    assert index.requests == []


def test_the_house_lacks_what_an_extra_needs(tmp_path: Path) -> None:
    assert is_in_the_house(read_requirements(asking_for(tmp_path, "pydantic")))
    assert not is_in_the_house(read_requirements(asking_for(tmp_path, "no-such-thing-here")))
    assert not is_in_the_house(read_requirements(asking_for(tmp_path, "redis[circuit-breaker]")))


def test_the_constraints_are_all_that_an_agent_has_imported() -> None:
    code = """
import sys, hairem_core.hotplug._zygote
from importlib.metadata import packages_distributions
owners = packages_distributions()
tops = {name.partition(".")[0] for name, module in sys.modules.items()
        if "site-packages" in (getattr(module, "__file__", None) or "")}
print(*sorted({each.replace("_", "-") for top in tops for each in owners.get(top, [])}))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    imported = set(run.stdout.split()) - {"hairem"}
    fixed = dict(each.split("==") for each in house_constraints())
    assert imported <= set(fixed)
    assert fixed["pydantic"] == version("pydantic")


async def test_requirements_that_exclude_each_other(
    tmp_path: Path, installer: RequirementInstaller
) -> None:
    error = await refusal(installer, tmp_path, "old-paint\nnew-paint\n")
    assert error.what == (
        "No solution found when resolving dependencies: Because all versions of new-paint depend "
        "on colour>=2 and all versions of old-paint depend on colour<2, we can conclude that all "
        "versions of new-paint and all versions of old-paint are incompatible. And because you "
        "require old-paint and new-paint, we can conclude that your requirements are "
        "unsatisfiable"
    )
    assert error.where == str(tmp_path / "requirements.txt")
    assert error.hint == "Change requirements.txt so that its lines agree."


async def test_a_version_that_h_core_cannot_run_beside(
    tmp_path: Path, installer: RequirementInstaller, index: PackageIndex
) -> None:
    index.add("pydantic", "1.10.0")
    index.add("pydantic", version("pydantic"))
    error = await refusal(installer, tmp_path, "colour\npydantic<2\n")
    assert f"you require pydantic<2 and pydantic=={version('pydantic')}" in error.what
    assert "H-Core itself runs on pydantic" in (error.hint or "")
    index.add("veteran", requires=["pydantic<2"])
    error = await refusal(installer, tmp_path, "veteran\n")
    assert "veteran" in error.what
    assert "H-Core itself runs on pydantic" in (error.hint or "")


async def test_a_package_that_does_not_exist(
    tmp_path: Path, installer: RequirementInstaller
) -> None:
    error = await refusal(installer, tmp_path, "colur\n")
    assert "colur was not found in the package registry" in error.what
    assert error.hint == "Check how the package's name is spelt."
    error = await refusal(installer, tmp_path, "colour==3\n")
    assert "no version of colour==3" in error.what
    assert error.hint == "Ask for a version that exists."


async def test_an_index_that_is_down(tmp_path: Path) -> None:
    address = f"http://keeper:open-sesame@127.0.0.1:{free_port()}/simple"
    error = await refusal(RequirementInstaller(tmp_path, index=address), tmp_path, "colour\n")
    assert "Connection refused" in error.what
    assert "agents.package_index" in (error.hint or "")
    assert "open-sesame" not in str(error)


async def test_nothing_is_built(
    tmp_path: Path, installer: RequirementInstaller, index: PackageIndex
) -> None:
    index.add_sdist("tempting", setup=f"open({str(tmp_path / 'ran')!r}, 'w')")
    error = await refusal(installer, tmp_path, "tempting\n")
    assert "tempting==1.0 has no usable wheels" in error.what
    assert "would run its author's code as H-Core" in (error.hint or "")
    index.add("foreign", tag="cp314-cp314-win_amd64")
    error = await refusal(installer, tmp_path, "foreign\n")
    assert "win_amd64" in error.what
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://elsewhere.example/simple",
        "-r ../../secrets.yaml",
        "-e .",
        "--no-binary colour",
        "colour @ https://user:open-sesame@elsewhere.example/colour-1.0-py3-none-any.whl",
        "colour @ git+https://elsewhere.example/colour",
        "git+https://user:open-sesame@elsewhere.example/colour",
        "./colour",
        "/etc/passwd",
        "colour=1.0",
        "colour>=",
        "${OPENAI_API_KEY}",
    ],
)
async def test_a_line_that_may_not_be_there(
    tmp_path: Path, installer: RequirementInstaller, index: PackageIndex, line: str
) -> None:
    error = await refusal(installer, tmp_path, f"# mine\nold-paint\n{line}\n")
    assert error.where == f"{tmp_path / 'requirements.txt'}:3"
    assert error.hint
    assert "open-sesame" not in str(error)
    assert index.requests == []


async def test_another_h_core_is_asked_for(
    tmp_path: Path, installer: RequirementInstaller, index: PackageIndex
) -> None:
    index.add("hairem", "99.0", {"hairem_core/__init__.py": "raise SystemExit('not us')"})
    error = await refusal(installer, tmp_path, "hairem>=99\n")
    assert "is not this H-Core" in error.what
    folder = await install(installer, tmp_path, "hairem\ncolour\n")
    assert folder is not None
    assert not (folder / "hairem_core").exists()


async def test_a_wheel_that_is_not_what_its_hash_says(
    tmp_path: Path, installer: RequirementInstaller
) -> None:
    text = f"colour==1.0 \\\n    --hash=sha256:{'0' * 64}\n"
    error = await refusal(installer, tmp_path, text)
    assert "hash" in error.what.lower()


async def test_progress_in_sentences(
    tmp_path: Path, installer: RequirementInstaller, index: PackageIndex
) -> None:
    index.add("heavy", files={"heavy.py": "", "heavy.bin": os.urandom(2_500_000)})
    heard: list[str] = []
    file = asking_for(tmp_path, "heavy\nold-paint\n")
    await installer.install("electra", file, heard.append)
    assert heard == [
        "resolving requirements",
        "resolved 3 packages",
        "downloading heavy (2.4 MiB)",
        "downloaded heavy",
        "installed 3 packages",
    ]


async def test_agents_of_another_user_can_read_it_and_write_nothing(
    tmp_path: Path, index: PackageIndex
) -> None:
    before = os.umask(0o077)
    try:
        installer = RequirementInstaller(tmp_path, index=index.url)
        folder = await install(installer, tmp_path, "colour==1.0")
    finally:
        os.umask(before)
    assert folder is not None
    for path in (folder.parent, folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path
        assert path.is_dir() or path.stat().st_nlink == 1
    assert list(folder.rglob("colour.*.pyc"))
    assert (folder.parent / ".cache").stat().st_mode & 0o777 == 0o700


async def test_credentials_of_the_index_stay_hidden(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    with PackageIndex(user="keeper", password="open-sesame") as index:
        index.add("colour")
        index.hold.clear()
        installer = RequirementInstaller(tmp_path, index=index.url)
        work = asyncio.create_task(install(installer, tmp_path, "colour\n"))
        await until(lambda: any(path.endswith(".whl") for path in index.requests))
        for process in children():
            assert "open-sesame" not in " ".join(process.cmdline())
        index.hold.set()
        assert await work
        wrong = RequirementInstaller(
            tmp_path / "other", index=index.url.replace("open-sesame", "open-barley")
        )
        (tmp_path / "other").mkdir()
        error = await refusal(wrong, tmp_path / "other", "colour\n")
    assert "401 Unauthorized" in error.what
    assert "login" in (error.hint or "")
    for text in (str(error), caplog.text):
        assert "open-" not in text.replace(str(tmp_path), "")


async def test_secrets_of_h_core_do_not_reach_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-s3cret")
    monkeypatch.setenv("ELECTRA_HA_TOKEN", "s3cret")
    monkeypatch.setenv("UV_PUBLISH_TOKEN", "s3cret")
    monkeypatch.setenv("UV_NO_BINARY", "colour")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    passed = resolver.uv_environment(os.environ, tmp_path, "http://index/simple")
    assert not [value for value in passed.values() if "s3cret" in value]
    assert "UV_NO_BINARY" not in passed
    assert passed["HTTPS_PROXY"] == "http://proxy:1"
    assert passed["UV_DEFAULT_INDEX"] == "http://index/simple"


async def test_installations_at_the_same_time(
    tmp_path: Path, index: PackageIndex, installer: RequirementInstaller
) -> None:
    other = RequirementInstaller(tmp_path, index=index.url)  # of another process, as it were
    file = asking_for(tmp_path, "old-paint\n")
    found = await asyncio.gather(
        *(
            each.install(agent, file, lambda _: None)
            for each in (installer, other)
            for agent in ("electra", "electra", "dieu")
        )
    )
    assert len(set(found)) == 2
    for folder in found:
        assert folder is not None
        assert printed_by("import colour; print(colour.VERSION)", folder) == "1.0"
    assert not list((tmp_path / "deps").glob(".install-*"))


async def test_cancelled_it_leaves_no_process_and_no_folder(
    tmp_path: Path, index: PackageIndex, installer: RequirementInstaller
) -> None:
    before = children()
    index.hold.clear()
    work = asyncio.create_task(install(installer, tmp_path, "colour\n"))
    await until(lambda: any(path.endswith(".whl") for path in index.requests))
    running = children() - before
    assert running
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await work
    assert not [each for each in running if each.is_running()]
    assert [each.name for each in (tmp_path / "deps").glob(".install-*")] == []
    index.hold.set()
    assert await install(installer, tmp_path, "colour\n")


async def test_it_does_not_take_forever(tmp_path: Path, index: PackageIndex) -> None:
    before = children()
    index.hold.clear()
    installer = RequirementInstaller(tmp_path, index=index.url, timeout=0.5)
    async with asyncio.timeout(5):
        error = await refusal(installer, tmp_path, "colour\n")
    assert error.what == "not installed within 0.5 seconds"
    assert not children() - before


async def test_killed_in_the_middle(tmp_path: Path, index: PackageIndex) -> None:
    index.hold.clear()
    file = asking_for(tmp_path, "colour\n")
    code = f"""
import asyncio
from pathlib import Path
from hairem_core.hotplug.requirements import RequirementInstaller
installer = RequirementInstaller(Path({str(tmp_path)!r}), index={index.url!r})
asyncio.run(installer.install("electra", Path({str(file)!r}), lambda _: None))
"""
    victim = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    await until(lambda: any(path.endswith(".whl") for path in index.requests))
    resolvers = psutil.Process(victim.pid).children(recursive=True)
    installer = RequirementInstaller(tmp_path, index=index.url)
    assert installer.clean([]) == []
    assert list((tmp_path / "deps").glob(".install-*")), "what is under way was cleaned away"
    victim.kill()
    await victim.wait()
    await until(lambda: not [each for each in resolvers if each.is_running()])
    index.hold.set()
    assert not list((tmp_path / "deps").glob("electra-*"))
    installer.clean([])
    assert not list((tmp_path / "deps").glob(".install-*"))
    assert await install(installer, tmp_path, "colour\n")


async def test_a_data_folder_that_cannot_be_written(tmp_path: Path, index: PackageIndex) -> None:
    (tmp_path / "deps").write_text("in the way")
    installer = RequirementInstaller(tmp_path, index=index.url)
    with pytest.raises(RequirementsError) as caught:
        await install(installer, tmp_path, "colour\n")
    assert "File exists" in caught.value.what
    assert str(tmp_path / "deps") in (caught.value.where or "")


async def test_a_full_disk_is_said_to_be_full() -> None:
    said = "error: Failed to install: a.whl\n  cause: No space left on device (os error 28)\n"
    error = resolver.error_of(said, 2, where="requirements.txt", environment={})
    assert error.what == "Failed to install: a.whl: No space left on device (os error 28)"
    assert error.hint == "Free some space on the disk of the data folder."
