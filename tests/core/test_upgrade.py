"""An H-Core that cannot bring its data up to date does not start, says why, and spoils nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hairem_core import __version__
from hairem_core.memory.errors import MemoryUnavailable, UpgradeFailed
from hairem_core.memory.schema.steps import Step, schema_steps
from tests.memory.messages import said
from tests.support.core import running_core

_NEXT = len(schema_steps()) + 1


@contextmanager
def next_version(text: str) -> Iterator[None]:
    """Be a hAIrem that has one more step."""
    steps = [*schema_steps(), Step(number=_NEXT, name=f"{_NEXT:04}_next.surql", text=text)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("hairem_core.memory.database.schema_steps", lambda: steps)
        yield


async def _starts(folder: Path) -> None:
    """Start an H-Core, which still knows what it was told."""
    async with running_core(folder, agents=folder / "agents") as core:
        found = await core.memory.recall("renarde", "where is the spare key?", limit=1)
        assert found[0].content == "the spare key is under the red pot"


async def test_it_refuses_and_the_version_before_goes_on(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    version = tmp_path / "data" / "version"
    async with running_core(tmp_path, agents=tmp_path / "agents") as core:
        assert version.read_text() == f"{__version__}\n"
        await core.memory.record(said("the spare key is under the red pot"))
    version.write_text("0.0.9\n")

    with next_version("THROW 'no good'"), pytest.raises(UpgradeFailed) as caught:
        await _starts(tmp_path)
    told = str(caught.value)
    assert f"{_NEXT:04}_next.surql could not be applied" in told
    assert "no good" in told
    assert "The data is as it was" in told
    assert f"It was hAIrem 0.0.9, this is {__version__}." in told
    assert version.read_text() == "0.0.9\n"

    await _starts(tmp_path)  # the version before
    with next_version("DEFINE TABLE next SCHEMALESS"):
        await _starts(tmp_path)
    with pytest.raises(MemoryUnavailable, match="Run the newer hAIrem"):
        await _starts(tmp_path)
