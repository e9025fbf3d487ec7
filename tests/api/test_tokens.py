from pathlib import Path

import pytest

from hairem_core.api.tokens import TokenError, TokenStore


def test_a_token_is_known_by_its_client_and_kept_only_as_a_hash(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    store = TokenStore(path)
    token = store.create("kitchen")
    assert store.verify(token) == "kitchen"
    assert store.verify(token + "x") is None
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_running_store_sees_what_another_process_changed(tmp_path: Path) -> None:
    running, command = (TokenStore(tmp_path / "tokens.json") for _ in range(2))
    first = running.create("one")
    second = command.create("two")
    assert running.verify(second) == "two"
    command.revoke("one")
    assert running.verify(first) is None


def test_names_are_unique_and_unknown_ones_are_refused(tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens.json")
    store.create("one")
    with pytest.raises(TokenError, match="already"):
        store.create("one")
    with pytest.raises(TokenError, match="no token 'two'"):
        store.revoke("two")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text("{")
    with pytest.raises(TokenError, match=str(path)):
        TokenStore(path).verify("x")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\0"])
def test_a_client_needs_a_name_that_can_be_listed(tmp_path: Path, name: str) -> None:
    with pytest.raises(TokenError, match="is no name for a client"):
        TokenStore(tmp_path / "tokens.json").create(name)
