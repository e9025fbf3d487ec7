"""What Home Assistant shows while somebody works on the bundles of an H-Core that runs."""

import asyncio
import contextlib
import itertools
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.house import House
from tests.support.scripted_model import ScriptedModel
from tests.support.scripted_rules import Answer, Turn, words

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

RECORDER = """\
recorder:
  commit_interval: 1
history:
"""
PERSONA = "character:\n  en: |\n    You are {name}. Your word is {word}.\n"
LONGER_THAN_GRACE = 3.0
"""Seconds after which the device of an agent that left would be gone."""
_NAMES = (f"basil{number}" for number in itertools.count())


def tell(figure: str) -> None:
    """Write a figure down, for whoever runs these tests with `-s` or `-rP`."""
    sys.stdout.write(f"{figure}\n")


def say_the_word(turn: Turn) -> Answer:
    """Answer with the word of the persona, and how much was said before in this conversation."""
    found = re.search(r"Your word is (\w+)", turn.system)
    word = found.group(1) if found else "nothing"
    return Answer(chunks=words(f"{word} after {len(turn.earlier)}"))


class Workshop:
    """A house, and a folder of bundles in which somebody works."""

    def __init__(self, house: House, bundles: Path) -> None:
        self.house = house
        self.home = house.home
        self.bundles = bundles

    def write(self, agent_id: str, *, word: str = "lemon", folder: str = "", **more: str) -> Path:
        """Write a bundle as an editor does, each file in one go."""
        keys = {"id": agent_id, "name": agent_id.capitalize(), "permissions": "[llm]"} | more
        bundle = self.bundles / (folder or agent_id)
        bundle.mkdir(exist_ok=True)
        self.save(
            bundle / "manifest.yaml", "".join(f"{key}: {text}\n" for key, text in keys.items())
        )
        self.save(bundle / "persona.yaml", PERSONA.format(name=keys["name"], word=word))
        return bundle

    def save(self, path: Path, text: str) -> None:
        draft = path.with_name(f".{path.name}.draft")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)

    async def make(self, agent_id: str, **more: str) -> tuple[Path, str]:
        """Return a new bundle, and its agent's entity once people can speak to it."""
        bundle = self.write(agent_id, **more)
        entity = await self.entity(agent_id)
        return bundle, entity

    async def ask(self, entity: str, text: str = "Your word?", *, after: str | None = None) -> Any:
        return await self.home.process(text, agent=entity, conversation_id=after)

    async def until[T](
        self, look: Callable[[], Coroutine[Any, Any, T | None]], *, within: float = 10.0
    ) -> T:
        """Return what `look` finds, as soon as that is something. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not (found := await look()):
                await asyncio.sleep(0.01)
            return found

    async def device(self, agent_id: str) -> dict[str, Any] | None:
        devices = await self.home.socket.command("config/device_registry/list")
        return next((device for device in devices if device["model_id"] == agent_id), None)

    async def registered(self, entity_id: str) -> dict[str, Any]:
        entities = await self.home.socket.command("config/entity_registry/list")
        return next((dict(entity) for entity in entities if entity["entity_id"] == entity_id), {})

    async def entity(self, agent_id: str) -> str:
        """Return the entity of an agent once it is available."""

        async def look() -> str | None:
            if (device := await self.device(agent_id)) is None:
                return None
            entities = await self.home.socket.command("config/entity_registry/list")
            for entity in entities:
                if entity["device_id"] == device["id"]:
                    state = await self.home.state(entity["entity_id"])
                    if state not in (None, "unavailable"):
                        return str(entity["entity_id"])
            return None

        return str(await self.until(look))

    async def issue(self, agent_id: str) -> dict[str, Any] | None:
        found = await self.home.socket.command("repairs/list_issues")
        return next(
            (
                issue
                for issue in found["issues"]
                if issue["domain"] == "hairem" and issue["issue_id"].endswith(f"_{agent_id}")
            ),
            None,
        )

    async def no_issue(self, agent_id: str) -> bool:
        return await self.issue(agent_id) is None

    async def watch_removals(self, found: list[str]) -> None:
        """Put into `found` each device and entity that leaves a registry, until cancelled."""

        async def watch(kind: str, key: str) -> None:
            def note(change: dict[str, Any]) -> None:
                if change["action"] == "remove":
                    found.append(change[key])

            events = self.home.socket.subscribe("subscribe_events", event_type=kind)
            async with contextlib.aclosing(events):
                async for event in events:
                    note(event["data"])

        async with asyncio.TaskGroup() as watching:
            watching.create_task(watch("device_registry_updated", "device_id"))
            watching.create_task(watch("entity_registry_updated", "entity_id"))

    async def history(self, entity_id: str) -> list[str]:
        """Return the states that the recorder has of an entity, oldest first."""
        found = await self.home.get(f"/api/history/period?filter_entity_id={entity_id}")
        return [entry["state"] for entry in found[0]] if found else []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def workshop(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    bundles = folder / "bundles"
    bundles.mkdir()
    async with (
        ScriptedModel(scene=say_the_word) as model,
        House(
            folder,
            model_base=model.openai_base,
            extra_config=RECORDER,
            bundles=bundles,
            names=(),
        ) as house,
    ):
        yield Workshop(house, bundles)


@pytest.fixture
def name() -> str:
    """Return an id that no other test uses."""
    return next(_NAMES)


async def test_a_new_bundle_is_a_device_that_answers_within_a_second(workshop: Workshop) -> None:
    seconds = []
    for _ in range(5):
        agent_id = next(_NAMES)
        saved = time.perf_counter()
        workshop.write(agent_id)
        await workshop.until(lambda: workshop.device(agent_id))  # noqa: B023
        appeared = time.perf_counter() - saved
        entity = await workshop.entity(agent_id)
        seconds.append((appeared, time.perf_counter() - saved))
        reply = await workshop.ask(entity)
        assert reply.answer == "lemon after 0"
    for appeared, speaks in seconds:
        tell(f"save to device {appeared * 1000:.0f} ms, to available {speaks * 1000:.0f} ms")
    assert min(appeared for appeared, _ in seconds) < 1
    # Beside a whole test suite on the same processors.
    assert max(speaks for _, speaks in seconds) < 3


async def test_a_saved_persona_answers_in_the_same_conversation(
    workshop: Workshop, name: str
) -> None:
    bundle, entity = await workshop.make(name)
    first = await workshop.ask(entity)
    assert first.answer == "lemon after 0"

    saved = time.perf_counter()
    workshop.save(bundle / "persona.yaml", PERSONA.format(name="Basil", word="thyme"))
    turn = first
    asked = 1
    while not turn.answer.startswith("thyme"):
        assert time.perf_counter() - saved < 5
        turn = await workshop.ask(entity, after=first.conversation_id)
        assert turn.error is None, turn.answer
        assert turn.answer.endswith(f"after {asked}"), "the conversation began anew"
        asked += 1
    tell(f"save to another answer {(time.perf_counter() - saved) * 1000:.0f} ms")
    assert turn.conversation_id == first.conversation_id


async def test_a_mistake_is_a_repair_until_it_is_mended_and_the_old_version_answers(
    workshop: Workshop, name: str
) -> None:
    bundle, entity = await workshop.make(name)
    before = await workshop.registered(entity)

    workshop.save(bundle / "persona.yaml", "character:\n  en: Hello.\nvoice: deep\n")
    issue = await workshop.until(lambda: workshop.issue(name))
    assert issue["translation_key"] == "agent_change_refused"
    assert issue["severity"] == "warning"
    assert issue["is_fixable"] is False
    assert issue["translation_placeholders"]["agent"] == name.capitalize()
    assert "`persona.yaml:3`" in issue["translation_placeholders"]["problems"]
    assert "voice" in issue["translation_placeholders"]["problems"]
    assert issue["learn_more_url"].startswith("https://")
    reply = await workshop.ask(entity)
    assert reply.answer == "lemon after 0"

    workshop.save(bundle / "persona.yaml", PERSONA.format(name="Basil", word="thyme"))
    await workshop.until(lambda: workshop.no_issue(name))
    reply = await workshop.ask(entity)
    assert reply.answer == "thyme after 0"
    assert (await workshop.registered(entity))["id"] == before["id"]


async def test_a_bundle_that_never_was_an_agent_is_a_repair_and_no_device(
    workshop: Workshop, name: str
) -> None:
    bundle = workshop.write(name, permissions="[everything]")
    issue = await workshop.until(lambda: workshop.issue(name))
    assert issue["translation_key"] == "agent_rejected"
    assert issue["severity"] == "error"
    assert "`manifest.yaml:3`" in issue["translation_placeholders"]["problems"]
    assert await workshop.device(name) is None

    workshop.write(name)
    entity = await workshop.entity(name)
    assert (await workshop.ask(entity)).answer == "lemon after 0"
    await workshop.until(lambda: workshop.no_issue(name))

    workshop.save(bundle / "manifest.yaml", "id: [\n")
    await workshop.until(lambda: workshop.issue(name))
    shutil.rmtree(bundle)
    await workshop.until(lambda: workshop.no_issue(name))


async def test_a_deleted_bundle_is_no_device_any_more(workshop: Workshop, name: str) -> None:
    bundle, entity = await workshop.make(name)

    deleted = time.perf_counter()
    shutil.rmtree(bundle)
    await workshop.home.wait_for_state(entity, "unavailable", None)
    away = time.perf_counter() - deleted

    async def is_gone() -> bool:
        return await workshop.device(name) is None

    await workshop.until(is_gone)
    gone = time.perf_counter() - deleted
    tell(f"deletion to unavailable {away * 1000:.0f} ms, to gone {gone * 1000:.0f} ms")
    assert away < 3
    assert gone < 6
    assert await workshop.home.state(entity) is None


async def test_a_renamed_agent_keeps_its_device_its_entity_and_its_history(
    workshop: Workshop, name: str
) -> None:
    identity, renamed = str(uuid4()), f"{name}_ii"
    bundle, entity = await workshop.make(name, uuid=identity)
    await workshop.ask(entity)
    spoken_to = await workshop.home.wait_for_state(entity, not_in=("unknown",))
    device = await workshop.device(name)
    before = await workshop.registered(entity)
    assert device is not None
    await workshop.home.socket.command(
        "config/device_registry/update", device_id=device["id"], name_by_user="Our cook"
    )
    removals: list[str] = []
    watching = asyncio.create_task(workshop.watch_removals(removals))

    async def is_called(agent_id: str, display: str) -> bool:
        found = await workshop.device(agent_id)
        return found is not None and found["name"] == display

    # Its display name, in the manifest.
    workshop.write(name, uuid=identity, name="Rosemary")
    await workshop.until(lambda: is_called(name, "Rosemary"))

    # Its folder.
    moved = bundle.rename(bundle.with_name(f"{name}_elsewhere"))
    await asyncio.sleep(LONGER_THAN_GRACE)
    assert (await workshop.ask(entity)).answer == "lemon after 0"

    # Its id.
    workshop.write(renamed, uuid=identity, folder=moved.name, name="Rosemary II")
    await workshop.until(lambda: is_called(renamed, "Rosemary II"))
    await asyncio.sleep(LONGER_THAN_GRACE)
    assert await workshop.entity(renamed) == entity
    assert (await workshop.ask(entity)).answer == "lemon after 0"

    watching.cancel()
    assert removals == []
    assert await workshop.device(name) is None
    found = await workshop.device(renamed)
    assert found is not None
    assert found["id"] == device["id"]
    assert found["name_by_user"] == "Our cook"
    after = await workshop.registered(entity)
    for key in ("id", "entity_id", "device_id", "unique_id"):
        assert after[key] == before[key], key
    # One history: of before it was renamed, and of now.
    states: list[str] = []

    async def are_recorded() -> bool:
        states[:] = await workshop.history(entity)
        return spoken_to in states and await workshop.home.state(entity) in states[1:]

    await workshop.until(are_recorded)
    assert states.index(str(spoken_to)) < len(states) - 1


async def test_an_agent_in_quarantine_is_started_again_from_its_repair(
    workshop: Workshop, name: str
) -> None:
    _, entity = await workshop.make(name)
    core, token = workshop.house.core, workshop.house.token
    for _ in range(3):
        os.kill(await asyncio.to_thread(core.agent_pid, name), signal.SIGKILL)
        await workshop.home.wait_for_state(entity, "unavailable")
        if await workshop.issue(name) is None:
            await workshop.home.wait_for_state(entity, not_in=("unavailable",))
    issue = await workshop.until(lambda: workshop.issue(name))
    assert issue["translation_key"] == "agent_quarantined"
    assert issue["severity"] == "error"
    assert issue["is_fixable"] is True

    form = await workshop.home.post(
        "/api/repairs/issues/fix", {"handler": "hairem", "issue_id": issue["issue_id"]}
    )
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"]["agent"] == name.capitalize()
    step = await workshop.home.post(f"/api/repairs/issues/fix/{form['flow_id']}", {})
    assert step["type"] == "create_entry"
    await core.wait_for_agents(token, name)
    await workshop.until(lambda: workshop.no_issue(name))
    await workshop.home.wait_for_state(entity, not_in=("unavailable", None))
    assert (await workshop.ask(entity)).answer == "lemon after 0"


async def test_the_log_of_home_assistant_has_nothing_to_complain_about(workshop: Workshop) -> None:
    """Of all that happened above, only the integration's own warnings would be here."""
    assert workshop.home.complaints() == []
