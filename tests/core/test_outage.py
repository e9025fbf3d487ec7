"""A Redis of the user's own goes away and comes back, with or without its data."""

import shutil
from pathlib import Path

import pytest

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
