"""Uses what is new in Python."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from typing import Annotated, Literal, TypedDict

from pydantic import BaseModel, Field

from hairem_core.sdk import BaseAgent, Message, ToolError, tool

type Pair[T] = tuple[T, T]


class Colour(StrEnum):
    RED = "red"


class Lamp(TypedDict, total=False):
    name: str
    colours: list[Colour]


class Wish(BaseModel):
    lamp: str = Field(min_length=1)


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        yield number


@asynccontextmanager
async def calm() -> AsyncIterator[None]:
    yield


class Agent(BaseAgent):
    lamps: dict[str, Lamp]

    async def setup(self) -> None:
        self.lamps = {}
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.ctx.spawn_task(self._run(), name="run")

    async def _run(self) -> None:
        while True:
            async with calm():
                self.last = await self.queue.get()

    async def _drain(self) -> None:
        while True:
            try:
                self.queue.get_nowait()
            except asyncio.QueueEmpty:
                break
        while 1:
            self.squares = [number**2 async for number in numbers()]
            if self.squares:
                return

    async def _together(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._drain())
        drain = self._drain()
        await asyncio.gather(drain, *(self._drain() for _ in range(2)))
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._drain()
        (lambda: self._drain())
        print(text := json.dumps({}), text)

    @tool
    async def paint(
        self,
        lamp: Annotated[str, Field(description="its name")],
        colour: Literal["red", "blue"] = "red",
        pair: Pair[int] | None = None,
    ) -> Lamp:
        """Paint a lamp."""
        match self.lamps.get(lamp):
            case None:
                raise ToolError(f"there is no {lamp!r}")
            case {"name": name, **rest} if rest:
                return {"name": name}
            case {"colours": [Colour.RED, *_]} as found:
                return found
        return {"name": f"{lamp} {colour!s:>{len(lamp)}} {pair}"}

    async def instructions(self, message: Message) -> str:
        def count(values: list[int]) -> int:
            total = 0

            def add() -> None:
                nonlocal total
                total += sum(values)

            add()
            return total

        return f"{count([1, 2])} lamps"
