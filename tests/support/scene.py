"""The scene that `scripts/demo` plays: what a person says to a house, and what the house does."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.support.home_assistant import KITCHEN_LIGHT
from tests.support.house import House


class SceneError(Exception):
    """The house did not do what it should. The message is for a person."""


@dataclass(frozen=True, kw_only=True)
class SpokenTurn:
    """One thing said, and its answer. Times are milliseconds since it was said.

    `conversation/process` hands over an answer only when it is whole: there the first words come
    with the last, and `first_delta_ms` is `total_ms`.
    """

    agent: str
    via: str
    language: str
    text: str
    answer: str
    first_delta_ms: float
    total_ms: float
    pieces: int
    tools: list[str] = field(default_factory=list)


class Scene:
    """Plays in `house`, telling `say` what happens, line by line.

    `exact` holds the answers to what the scripted model says; a real model words them as it likes.
    """

    def __init__(self, house: House, *, say: Callable[[str], None], exact: bool) -> None:
        self._house = house
        self._say = say
        self._exact = exact
        self.turns: list[SpokenTurn] = []
        self.light: dict[str, Any] = {}
        self.restart: dict[str, Any] = {}
        self.remembered = False

    async def play(self) -> None:
        """Play it to the end. Raises SceneError at the first thing that is wrong."""
        await self._meet()
        await self._turn_on_light()
        await self._tell()
        await self._restart_core()
        await self._ask_what_was_told()

    def report(self) -> dict[str, Any]:
        """Return what happened, as JSON would hold it."""
        return {
            "turns": [asdict(turn) for turn in self.turns],
            "light": self.light,
            "restart": self.restart,
            "remembered": self.remembered,
        }

    async def _meet(self) -> None:
        self._say("The kitchen, in the evening. Three agents are at home.")
        await self._process("renarde", "Good evening, Renarde!")
        await self._pipeline("electra", "Hello, Electra!")
        await self._pipeline("renarde", "Bonjour Renarde !", language="fr")

    async def _turn_on_light(self) -> None:
        home = self._house.home
        before = await home.state(KITCHEN_LIGHT)
        self._say(f"The kitchen light is {before}.")
        turn = await self._pipeline("electra", "Please turn on the kitchen light.")
        after = await home.state(KITCHEN_LIGHT)
        self._say(f"The kitchen light is {after}.")
        self.light = {"entity_id": KITCHEN_LIGHT, "before": before, "after": after}
        if (before, after) != ("off", "on"):
            raise SceneError(f"the kitchen light went from {before} to {after}, not from off to on")
        if not turn.tools:
            raise SceneError("the light was turned on without a tool call")

    async def _tell(self) -> None:
        await self._process("renarde", "Remember that the spare key is under the blue flowerpot.")
        await self._process(
            "renarde", "Souviens-toi que le chat s'appelle Moustache.", language="fr"
        )

    async def _restart_core(self) -> None:
        house = self._house
        self._say("H-Core is killed, without a warning …")
        started = time.perf_counter()
        await house.core.kill()
        await house.wait_until_away()
        noticed = time.perf_counter()
        self._say("… Home Assistant shows its agents as unavailable; H-Core is started again …")
        await house.core.start()
        up = time.perf_counter()
        await house.wait_until_back()
        back = time.perf_counter()
        self._say("… and they are back, by themselves.")
        self.restart = {
            "signal": "SIGKILL",
            "unavailable_after_ms": _milliseconds(noticed - started),
            "core_start_ms": _milliseconds(up - noticed),
            "back_after_ms": _milliseconds(back - up),
        }

    async def _ask_what_was_told(self) -> None:
        english = await self._pipeline("renarde", "Do you remember where the spare key is?")
        french = await self._process("renarde", "Te souviens-tu du nom du chat ?", language="fr")
        self.remembered = (
            "flowerpot" in english.answer.lower() and "moustache" in french.answer.lower()
        )
        if self._exact and not self.remembered:
            raise SceneError("what was told before the restart is forgotten")

    async def _process(self, agent: str, text: str, *, language: str = "en") -> SpokenTurn:
        entity = self._house.agents[agent]
        reply = await self._house.home.process(text, agent=entity, language=language)
        if reply.error:
            raise SceneError(f"{agent} failed ({reply.error}): {reply.answer}")
        total = round(reply.total_ms, 1)
        return self._heard(
            SpokenTurn(
                agent=agent,
                via="conversation/process",
                language=language,
                text=text,
                answer=reply.answer,
                first_delta_ms=total,
                total_ms=total,
                pieces=1,
            )
        )

    async def _pipeline(self, agent: str, text: str, *, language: str = "en") -> SpokenTurn:
        pipeline = await self._house.pipeline(agent, language)
        heard = await self._house.home.socket.run_pipeline(text, pipeline=pipeline, timeout=120)
        if heard.error:
            raise SceneError(f"{agent} failed ({heard.error}): {heard.answer}")
        if heard.first_delta_ms is None:
            raise SceneError(f"{agent}'s answer was not streamed")
        return self._heard(
            SpokenTurn(
                agent=agent,
                via="assist_pipeline/run",
                language=language,
                text=text,
                answer=heard.answer,
                first_delta_ms=round(heard.first_delta_ms, 1),
                total_ms=round(heard.total_ms, 1),
                pieces=len(heard.streamed),
                tools=[call["tool_name"] for call in heard.tool_calls],
            )
        )

    def _heard(self, turn: SpokenTurn) -> SpokenTurn:
        self.turns.append(turn)
        tools = f", with {', '.join(turn.tools)}" if turn.tools else ""
        self._say(f"  Anna     > {turn.text}")
        self._say(f"  {turn.agent.capitalize():<8} > {turn.answer}")
        self._say(
            f"             ({turn.via}: first words after {turn.first_delta_ms:.0f} ms, "
            f"all after {turn.total_ms:.0f} ms{tools})"
        )
        if not turn.answer.strip():
            raise SceneError(f"{turn.agent} had nothing to say to {turn.text!r}")
        return turn


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 1)
