"""What is in the image, and what is not."""

import json
import os
from functools import cache
from typing import Any

import pytest

from hairem_core import __version__
from tests.support.child import ROOT
from tests.support.container import IMAGE, UNPRIVILEGED, podman, run, shell

LARGEST = 700e6
"""Bytes, unpacked, with a stand-in for the base that is no larger than the real one."""


@cache
def _image() -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(podman("image", "inspect", IMAGE).out)
    return found[0]


def _lines(script: str) -> list[str]:
    return shell(script).splitlines()


def test_it_is_the_version_of_the_source() -> None:
    said = run("--version", options=UNPRIVILEGED)
    assert (said.code, said.out) == (0, f"hairem {__version__}\n")


def test_labels_name_the_app_and_its_version() -> None:
    labels = _image()["Labels"]
    assert labels["io.hass.type"] == "app"
    assert labels["io.hass.version"] == __version__
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["io.hass.arch"] in ("amd64", "aarch64")
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_it_is_no_larger_than_said() -> None:
    assert 100e6 < _image()["Size"] < LARGEST


def test_what_is_started() -> None:
    config = _image()["Config"]
    assert config["Entrypoint"] == ["tini", "--", "hairem"]
    assert config["Cmd"] == ["up"]
    assert config["StopSignal"] == "SIGTERM"
    assert list(config["ExposedPorts"]) == ["8127/tcp"]
    assert _image()["HealthCheck" if "HealthCheck" in _image() else "Healthcheck"]["Test"] == [
        "CMD",
        "hairem",
        "health",
    ]


def test_no_program_lends_rights() -> None:
    assert _lines("find / -xdev -type f -perm /6000") == []
    # Nor by capabilities of a file, which `find` does not see.
    script = (
        "import os\nfor at, _, names in os.walk('/usr'):\n for n in names:\n  p = at + '/' + n\n"
    )
    script += "  if not os.path.islink(p) and 'security.capability' in os.listxattr(p): print(p)"
    assert _lines(f'python3 -c "{script}"') == []


def test_there_is_no_compiler_and_no_tool_of_the_build() -> None:
    names = ("cc", "gcc", "g++", "clang", "ld", "as", "make", "git", "hatchling", "pytest", "uvx")
    found = _lines("; ".join(f"command -v {name} || true" for name in names))
    assert found == []
    assert shell("python3 -c 'import importlib.util as u; print(u.find_spec(\"hatchling\"))'") == (
        "None\n"
    )


def test_the_app_belongs_to_root_and_nobody_else_writes_there() -> None:
    assert _lines("find /app ! -user root -o ! -group root") == []
    assert _lines("find /app ! -type l -perm /022") == []
    # As the user it runs as: nothing anywhere can be written but where something is mounted.
    writable = shell(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o"
        " ! -type l -writable -print 2>/dev/null || true",
        *("--user=10001:10001", "--cap-drop=all"),
    )
    assert set(writable.split()) <= {"/data", "/tmp", "/var/tmp", "/run/lock"}


def test_nothing_of_the_machine_that_built_it_is_in_it() -> None:
    environment = "\n".join(_image()["Config"]["Env"])
    for word in ("INDEX", "PROXY", "SSL_", "PIP_", "UV_", "TOKEN", "SECRET"):
        assert word not in environment.upper().replace("PYTHON_PIP_", "")
    assert _lines("ls -A /root") in ([], [".bashrc", ".profile"])
    assert "machine" not in shell("ls /etc/apt/apt.conf.d /etc/apt/sources.list.d")
    assert _lines("ls /build /src /wheel /out 2>/dev/null || true") == []


def test_secrets_and_tests_of_the_clone_stay_outside() -> None:
    assert set(_lines("ls /app/agents")) == {
        path.name for path in (ROOT / "agents").iterdir() if path.is_dir()
    } - {"__pycache__"}
    assert set(_lines("ls /app/config")) == {"system.yaml"}
    assert (
        _lines("find /app -name secrets.yaml -o -name .git -o -path '/app/agents/[a-z]*/tests'")
        == []
    )


def test_every_module_has_its_bytecode_and_can_be_imported() -> None:
    missing = _lines(
        "find /app/hairem_core -name '*.py' | while read -r f; do"
        ' d=$(dirname "$f"); b=$(basename "$f" .py);'
        ' [ -e "$d/__pycache__/$b.cpython-314.pyc" ] || echo "$f"; done'
    )
    assert missing == []
    script = (
        "import pkgutil, importlib, hairem_core\n"
        "for each in pkgutil.walk_packages(hairem_core.__path__, 'hairem_core.'):\n"
        "    if 'testing' not in each.name and '__main__' not in each.name:\n"
        "        importlib.import_module(each.name)\n"
        "import litellm, tantivy, surrealdb, numpy, aiomysql, aiosqlite, alembic.command\n"
        "print('ok')\n"
    )
    options = (*UNPRIVILEGED, "--env=LITELLM_LOCAL_MODEL_COST_MAP=True")
    assert shell(f'python3 -c "{script}"', *options).endswith("ok\n")


@pytest.mark.parametrize("user", ["10001:10001", "0:0"])
def test_it_finds_its_agents_and_uv(user: str) -> None:
    script = (
        "from hairem_core.cli.places import usual_root; from uv import find_uv_bin; import os; "
    )
    script += "print(usual_root(), os.access(find_uv_bin(), os.X_OK))"
    assert shell(f"python3 -c '{script}'", f"--user={user}", "--read-only") == "/app True\n"


def test_the_base_is_the_one_that_the_dockerfile_names() -> None:
    named = os.environ["HAIREM_TEST_IMAGE_BASE"]
    assert f"ARG BASE={named}\n" in (ROOT / "addon" / "Dockerfile").read_text()
    base = json.loads(podman("image", "inspect", named).out)[0]
    layers = base["RootFS"]["Layers"]
    assert _image()["RootFS"]["Layers"][: len(layers)] == layers
