"""What addon/Dockerfile and its lock files promise, as far as it can be read. `scripts/test-image`
builds it."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from hairem_core.config.system import SystemConfig, load_config
from tests.addon.files import ADDON, app_config
from tests.support.child import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK, RUNTIME, BUILD = (
    ROOT / "requirements.lock",
    ADDON / "requirements.lock",
    ADDON / "build.lock",
)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction of the Dockerfile; `stage` counts its FROM."""

    name: str
    value: str
    stage: int


def _instructions() -> Iterator[Instruction]:
    text = re.sub(r"(?m)^\s*#.*\n", "", (ADDON / "Dockerfile").read_text())
    stage = -1
    for line in text.replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        if name:
            stage += name == "FROM"
            yield Instruction(name=name, value=" ".join(value.split()), stage=stage)


INSTRUCTIONS = list(_instructions())
LAST = max(each.stage for each in INSTRUCTIONS)


def _values(name: str, stage: int | None = None) -> list[str]:
    return [
        each.value
        for each in INSTRUCTIONS
        if each.name == name and (stage is None or each.stage == stage)
    ]


def _sources() -> set[str]:
    """Return what is copied out of the build context."""
    words = (value.split() for value in _values("COPY") if not value.startswith("--from="))
    return {
        source.rstrip("/") for each in words for source in each[:-1] if not source.startswith("--")
    }


def _locked(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if match := re.match(r"([A-Za-z0-9._-]+)==(\S+)", line):
            found[canonicalize_name(match[1])] = match[2]
    return found


def test_the_base_is_pinned_and_named_once() -> None:
    base = next(value for value in _values("ARG", -1) if value.startswith("BASE="))
    found = re.fullmatch(
        r"BASE=docker\.io/library/python:(\d+\.\d+\.\d+)-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base
    )
    assert found, "registry, version of three numbers, suite of Debian"
    assert found[1] in SpecifierSet(PROJECT["requires-python"])
    stages = set()
    for value in _values("FROM"):
        source, _, stage = value.partition(" AS ")
        assert source == "${BASE}" or source in stages
        stages.add(stage)


def test_the_context_holds_what_is_copied_and_nothing_else() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert let_in == _sources()
    for each in let_in:
        assert (ROOT / each).exists(), each
    for rule in rules[1:]:
        if not rule.startswith(("!", "**")):
            assert (ROOT / rule).is_dir(), f"{rule} is left out, and is not there"
    shipped = {path.parent for path in (ROOT / "agents").glob("[a-z]*/tests")}
    assert {ROOT / rule for rule in rules if rule.endswith("/tests")} == {
        each / "tests" for each in shipped
    }


@pytest.mark.parametrize("path", [RUNTIME, BUILD], ids=lambda path: path.name)
def test_locks_have_hashes_and_name_no_host(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"(?m)^\s*-(-index|-extra|-find|i |f )", text)
    entries = re.split(r"(?m)^(?=[A-Za-z0-9])", re.sub(r"(?m)^ *#.*\n", "", text))[1:]
    assert len(entries) == len(_locked(path)) > 3
    for each in entries:
        assert re.match(r"[\w.-]+==\S+", each), each
        assert "--hash=sha256:" in each, each


def test_the_image_holds_what_the_tests_have_run_with() -> None:
    tested, runtime = _locked(LOCK), _locked(RUNTIME)
    for path in (RUNTIME, BUILD):
        found = _locked(path)
        assert found == {name: tested.get(name) for name in found}, f"{path.name}: run scripts/lock"
    for each in PROJECT["dependencies"]:
        wanted = Requirement(each)
        name = canonicalize_name(wanted.name)
        assert name in runtime, f"{name}: run scripts/lock"
        assert wanted.specifier.contains(runtime[name])
    assert not runtime.keys() & {"pytest", "homeassistant", "mypy", "ruff", "hatchling"}
    # One and the same uv builds the image and installs what agents require.
    assert _locked(BUILD)["uv"] == runtime["uv"]


def test_everything_is_installed_by_hash_and_nothing_is_compiled() -> None:
    commands = " ".join(_values("RUN"))
    for installed in re.findall(r"pip install .*?(?= && |$)", commands):
        if "--no-index" not in installed:
            assert "--require-hashes" in installed, installed
            assert "--only-binary :all:" in installed, installed
    assert not re.search(r"\b(curl|wget|git|gcc|build-essential)\b", commands)
    assert not _values("ADD")


def test_a_change_of_the_code_installs_no_package_anew() -> None:
    """All that depends on our source comes after, and in another layer than, the packages."""
    for each in (value for value in _values("COPY", 0)):
        assert set(each.split()[:-1]) <= {"addon/build.lock", "addon/requirements.lock"}
    copied = _values("COPY", LAST)
    assert copied[0] == "--from=packages /app/.venv /app/.venv"
    order = [each.name for each in INSTRUCTIONS if each.stage == LAST]
    assert order.index("RUN") < order.index("COPY")
    assert "RUN" not in order[order.index("COPY") :]
    # A new version is a new label, and no new layer.
    assert order[-3:] == ["ARG", "ARG", "LABEL"]


def test_how_it_is_started() -> None:
    assert _values("ENTRYPOINT") == ['["tini", "--", "hairem"]']
    assert _values("CMD") == ['["up"]']
    assert _values("STOPSIGNAL") == ["SIGTERM"]
    assert _values("USER") == [], "the Supervisor's /data belongs to root"
    health = _values("HEALTHCHECK")
    assert len(health) == 1
    assert health[0].endswith('CMD ["hairem", "health"]')


def test_it_agrees_with_the_app() -> None:
    config = app_config()
    assert _values("EXPOSE") == [str(config["ingress_port"])]
    assert config["ingress_port"] == SystemConfig().api.port
    assert config["init"] is False, "tini is PID 1"
    environment = _values("ENV", LAST)[0].split()
    assert "HAIREM_DATA=/data/hairem" in environment
    labels = _values("LABEL")[0]
    assert 'io.hass.type="app"' in labels
    assert 'io.hass.version="${BUILD_VERSION}"' in labels
    assert 'io.hass.arch="${BUILD_ARCH}"' in labels


def test_its_system_yaml_listens_to_who_is_outside() -> None:
    config = load_config(ADDON / "system.yaml", {})
    assert config == SystemConfig(api=config.api)
    assert config.api.model_dump() == SystemConfig().api.model_dump() | {"host": "0.0.0.0"}
