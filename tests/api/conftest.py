from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hairem_core.core import Core
from tests.support.core import Client, running_core
from tests.support.scripted_model import ScriptedModel


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel() as server:
        yield server


@pytest.fixture
async def core(tmp_path: Path, model: ScriptedModel) -> AsyncIterator[Core]:
    chat = {"model": "openai/test", "api_base": model.openai_base, "api_key": "none"}
    async with running_core(
        tmp_path, llm={"chat": chat, "first_token_timeout": 2, "stall_timeout": 1}
    ) as core:
        yield core


@pytest.fixture
async def client(core: Core) -> AsyncIterator[Client]:
    assert core.new_token is not None
    async with Client.connect(core.address, core.new_token) as client:
        assert (await client.receive())["type"] == "auth_ok"
        yield client
