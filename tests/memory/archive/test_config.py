"""The keys of the archive in `system.yaml`."""

from pathlib import Path

import pytest

from hairem_core.config.system import MemoryConfig, load_config
from hairem_core.config.yaml_file import ConfigError
from hairem_core.memory.archive.errors import ArchiveUnavailable
from hairem_core.memory.archive.store import ColdArchive


def _memory(tmp_path: Path, text: str) -> MemoryConfig:
    path = tmp_path / "system.yaml"
    path.write_text(f"memory:\n  {text}\n")
    return load_config(path, {}).memory


def test_the_address_is_kept_out_of_sight(tmp_path: Path) -> None:
    url = "mysql+aiomysql://hairem:hunter2@nas:3306/hairem"
    memory = _memory(tmp_path, f"archive_url: {url}")
    assert memory.archive_url is not None
    assert memory.archive_url.get_secret_value() == url
    assert "hunter2" not in f"{memory!r} {memory.model_dump_json()}"


@pytest.mark.parametrize("url", ["mysql://hairem:hun@/ter2@nas/db", "sqlite:///x", "nas"])
def test_another_address_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"yaml:2: memory.archive_url: .*aiomysql") as caught:
        _memory(tmp_path, f"archive_url: '{url}'")
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql+aiomysql://u:hunter2@127.0.0.1:99999/h",
        "mysql+aiomysql://u:hunter2@127.0.0.1:0/h",
        "mysql+aiomysql://u:hunter2@127.0.0.1:port/h",
        "mysql+aiomysql://u:hunter2@127.0.0.1:3306",
        "mysql+aiomysql://u:hunter2@127.0.0.1/",
        "mysql+aiomysql://u:hunter2@nas..local/h",
        "mysql+aiomysql://u:hunter2@nas/h?charset=latin1",
        "mysql+aiomysql://u:hunter2",
        "mysql+aiomysql://nas/h",
        "sqlite+aiosqlite:///",
        "sqlite+aiosqlite:///:memory:",
        "sqlite+aiosqlite:///x?mode=ro",
        "sqlite+aiosqlite://hunter2/x",
    ],
)
def test_what_leads_nowhere_is_refused_before_the_start(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigError, match=r"yaml:2: memory.archive_url: an archive's") as caught:
        _memory(tmp_path, f"archive_url: '{url}'")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ArchiveUnavailable, match=r"memory.archive_url: an archive's") as refused:
        ColdArchive(url)
    assert "hunter2" not in str(refused.value)


def test_what_leads_somewhere(tmp_path: Path) -> None:
    for url in (
        "mysql+aiomysql://u:a%40b@[::1]:3307/h",
        "mysql+aiomysql://u@localhost/h?unix_socket=/run/mysqld.sock",
        "mysql+aiomysql://u@/h?unix_socket=/run/mysqld.sock",
        "sqlite+aiosqlite:////srv/archive.sqlite3",
        "sqlite+aiosqlite:///archive.sqlite3",
    ):
        assert _memory(tmp_path, f"archive_url: '{url}'").archive_url is not None


def test_what_vouches_for_the_server(tmp_path: Path) -> None:
    memory = _memory(tmp_path, "archive_tls_ca: /etc/ssl/nas.pem")
    assert memory.archive_tls_ca == Path("/etc/ssl/nas.pem")
    assert _memory(tmp_path, "archive_tls: true").archive_tls
    assert not MemoryConfig().archive_tls


@pytest.mark.parametrize(
    "rest",
    [
        "hairem:abc@ter2@127.0.0.1:1/hairem",
        "hairem:abc@ter2/x@127.0.0.1:1/hairem",
        "hairem:abc@ter2:x@127.0.0.1:1/hairem",
        "hairem:abc@ter2?x@127.0.0.1:1/hairem",
    ],
)
def test_a_password_with_an_at_sign_is_refused_and_not_told(tmp_path: Path, rest: str) -> None:
    with pytest.raises(ArchiveUnavailable, match="write @ : / in a password as %40") as refused:
        ColdArchive(f"mysql+aiomysql://{rest}")
    with pytest.raises(ConfigError, match=r"yaml:2: memory.archive_url: .* write @ : /") as caught:
        _memory(tmp_path, f"archive_url: 'mysql+aiomysql://{rest}'")
    assert "ter2" not in str(caught.value)
    assert "abc" not in str(caught.value)
    assert "ter2" not in str(refused.value)
    assert "abc" not in str(refused.value)
    escaped = ColdArchive("mysql+aiomysql://hairem:abc%40ter2@127.0.0.1:1/hairem")
    assert escaped.where == "mysql://127.0.0.1:1/hairem"
