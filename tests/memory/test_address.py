"""The address of a memory on a server: its password is for the server alone."""

from pathlib import Path

import pytest

from hairem_core.config.system import MemoryConfig, load_config
from hairem_core.config.yaml_file import ConfigError
from hairem_core.memory.address import without_credentials
from hairem_core.memory.errors import MemoryUnavailable
from hairem_core.memory.store import MemoryStore


def _memory(tmp_path: Path, url: str) -> MemoryConfig:
    path = tmp_path / "system.yaml"
    path.write_text(f"memory:\n  url: '{url}'\n")
    return load_config(path, {}).memory


@pytest.mark.parametrize("rest", ["root:hunter2@nas:8000/rpc", "root:hun@ter2@nas:8000/rpc"])
def test_it_is_kept_out_of_sight(tmp_path: Path, rest: str) -> None:
    memory = _memory(tmp_path, f"ws://{rest}")
    assert memory.url is not None
    assert memory.url.get_secret_value() == f"ws://{rest}"
    assert "ter2" not in f"{memory!r} {memory.model_dump_json()}"
    assert without_credentials(f"ws://{rest}") == "ws://nas:8000/rpc"


@pytest.mark.parametrize(
    "rest", ["root:12/ter2@nas", "root:hun/ter2@nas", "a:1?ter2@b", "a:#ter2@b"]
)
def test_a_password_that_cuts_it_short_is_refused_and_not_told(tmp_path: Path, rest: str) -> None:
    with pytest.raises(ConfigError, match=r"yaml:2: memory.url: .* as %40 ") as refused:
        _memory(tmp_path, f"ws://{rest}")
    assert "ter2" not in str(refused.value)
    assert "ter2" not in without_credentials(f"ws://{rest}")


@pytest.mark.parametrize(
    "url", ["http://root:hunter2@nas", "ws://", "ws://nas:port", "ws://nas:70000"]
)
def test_what_is_no_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"yaml:2: memory.url: ") as refused:
        _memory(tmp_path, url)
    assert "hunter2" not in str(refused.value)


async def test_another_scheme_is_refused_without_its_password() -> None:
    with pytest.raises(MemoryUnavailable, match="'http://nas' is not an address") as refused:
        await MemoryStore.open("http://root:hunter2@nas")
    assert "hunter2" not in str(refused.value)
