"""What H-Core depends on goes away and comes back."""

import shutil
from pathlib import Path

import pytest

from hairem_core.api.tokens import TokenStore
from hairem_core.core import COMMAND_CLIENT
from hairem_core.hlink.server import PrivateRedis
from tests.support.core import Client, running_core


@pytest.mark.parametrize("keeps_data", [True, False])
async def test_people_are_told_and_then_answered_again(tmp_path: Path, keeps_data: bool) -> None:
    redis = PrivateRedis(tmp_path / "redis")
    await redis.start()
    async with running_core(tmp_path, redis={"url": redis.url}) as core:
        assert core.new_token
        async with Client.connect(core.address, core.new_token) as client:
            await client.receive()
            assert (await client.turn("renarde", "hello"))[-1]["kind"] == "done"
            await redis.stop()
            for agent in ("renarde", "electra"):
                (event,) = await client.turn(agent, "hello")
                assert event["error"]["code"] == "bus_unavailable"
            assert (await core.health())["status"] == "down"
            if not keeps_data:
                shutil.rmtree(tmp_path / "redis")
            redis = PrivateRedis(tmp_path / "redis")
            await redis.start()
            for agent in ("renarde", "electra"):
                assert (await client.turn(agent, "hello"))[-1]["kind"] == "done"
    await redis.stop()


async def test_the_command_gets_a_new_token_where_its_own_was_revoked(tmp_path: Path) -> None:
    async with running_core(tmp_path) as core:
        kept = tmp_path / "data" / "command.token"
        lost = kept.read_text().strip()
        TokenStore(tmp_path / "data" / "tokens.json").revoke(COMMAND_CLIENT)
        async with Client.connect(core.address, lost) as client:
            assert (await client.receive())["error"]["code"] == "invalid_token"
    async with running_core(tmp_path) as core:
        assert core.new_token is None, "the first client's own is still good"
        async with Client.connect(core.address, kept.read_text().strip()) as client:
            assert (await client.receive())["client_name"] == COMMAND_CLIENT
