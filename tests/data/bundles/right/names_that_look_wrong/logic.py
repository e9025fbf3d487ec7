"""Has names of its own that look like others."""

from dataclasses import dataclass

from hairem_core.sdk import BaseAgent, Message, Topic


class time:
    """Not Python's."""

    @staticmethod
    def sleep(seconds: int) -> int:
        return seconds


@dataclass
class System:
    environ: dict[str, str]

    def system(self, text: str) -> str:
        return text

    def exit(self) -> None:
        """Leave."""


async def open(name: str) -> str:
    return name


class Agent(BaseAgent):
    async def on_utterance(self, message: Message) -> None:
        os = System({})
        os.environ["x"] = os.system("ls")
        os.exit()
        time.sleep(3)
        text = await open("notes")
        requests = {"get": text}
        requests.get("get")
        await self._say(message, input=text)

    async def _say(self, message: Message, input: str) -> None:
        for exit in input:
            await self.ctx.bus.answer(message, topic=Topic.NARRATIVE_TEXT, content=exit)
