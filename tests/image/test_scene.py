"""The scene of `scripts/demo`, played by a real Home Assistant against the container."""

from pathlib import Path

import pytest

from tests.support.container import ContainerCore
from tests.support.house import House
from tests.support.scene import Scene
from tests.support.scripted_model import ScriptedModel


@pytest.mark.timeout(300)
async def test_the_scene_with_h_core_in_a_container(tmp_path: Path) -> None:
    lines: list[str] = []
    async with ScriptedModel() as model:
        house = House(tmp_path)
        house.core = ContainerCore(tmp_path, model_base=model.openai_base)
        async with house:
            scene = Scene(house, say=lines.append, exact=True)
            await scene.play()
            assert await house.core.stop() == 0
    assert scene.light == {
        "entity_id": "light.kitchen_light",
        "before": "off",
        "after": "on",
    }
    assert scene.remembered
