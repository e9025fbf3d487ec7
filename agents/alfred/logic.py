"""Alfred: butler. Lists, reminders that outlive a restart, and the book of guests."""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hairem_core.sdk import (
    CREW,
    AgentError,
    BaseAgent,
    Message,
    ToolError,
    Topic,
    Utterance,
    tool,
)

from . import guests, lists
from .clock import Clock
from .guests import Guest
from .reminders import Reminders
from .shelf import Shelf
from .timekeeper import Timekeeper

_NOBODY_IN_PARTICULAR = "user:house"
"""Who speaks without having said who they are."""
_KEPT_NOTES = 5
_SHOWN = 20
"""Things of one list, and reminders, that are put before the model unasked."""
_asking: ContextVar[Message | None] = ContextVar("asking", default=None)


class Agent(BaseAgent):
    """Answers people with what he keeps for them, and reminds them in time."""

    async def setup(self) -> None:
        """Open the books and begin to keep the time. Raises AgentError for a time zone unknown."""
        self.clock = Clock(_zone(self.ctx.config.get("time_zone")))
        self.lists = Shelf(self.ctx, "lists")
        self.guests = Shelf(self.ctx, "guests")
        self.reminders = Shelf(self.ctx, "reminders")
        self.notes = Shelf(self.ctx, "notes")
        self.timekeeper = Timekeeper(self.ctx, self.reminders, self.clock)
        self.ctx.spawn_task(self.timekeeper.run(), name="keep time")

    async def on_message(self, message: Message) -> None:
        """Keep a note from another agent; everything else as usual."""
        if message.header.topic is not Topic.AGENT_NOTE:
            await super().on_message(message)
            return
        line = f"{message.header.sender.partition(':')[2]}: {message.payload.content}"
        await self.notes.change(lambda raw: ([*(raw or []), line][-_KEPT_NOTES:], None))

    async def on_utterance(self, message: Message) -> None:
        """Answer a person, remembering who it is while tools run."""
        _asking.set(message)
        await super().on_utterance(message)

    async def instructions(self, message: Message) -> str:
        """Return the present moment and what the books say that may matter now."""
        asker, now = _asker(message), self.clock.now()
        parts = [f"It is {self.clock.local():%A %Y-%m-%d %H:%M} in this house."]
        if notes := await self.notes.get():
            parts.append("Notes left for you by the crew:\n" + "\n".join(notes))
        parts += [_list_line(*each) for each in (await self.lists.get() or {}).items()]
        reminders = Reminders.read(await self.reminders.get())
        parts += [each.sentence(self.clock) for each in reminders.of(asker)[:_SHOWN]]
        parts += [
            f"Reminded at {self.clock.local(each.told):%H:%M}: {each.what}"
            for each in reminders.told_lately(asker, now)[-5:]
        ]
        book = guests.read(await self.guests.get())
        expected = guests.expected(book, self.clock.local().date())[:_SHOWN]
        parts += [f"Guest expected: {guest.sentence()}" for guest in expected]
        return "\n".join(parts)

    # Lists

    @tool
    async def add_to_list(
        self, items: list[str], list_name: str = lists.SHOPPING
    ) -> dict[str, Any]:
        """Put things on a list, which is made if there is none; what is there stays there once.

        Args:
            items: The things, each as it is said, such as "two lemons".
            list_name: The list; "shopping" for what should be bought.
        """

        def change(raw: Any) -> tuple[Any, dict[str, Any]]:
            changed, new = lists.add(raw or {}, list_name, items)
            return changed, {"added": new, "list": list(changed[lists.name_of(list_name)])}

        return await self.lists.change(change)

    @tool
    async def take_off_list(
        self, items: list[str], list_name: str = lists.SHOPPING
    ) -> dict[str, Any]:
        """Take things off a list, since they were bought or done.

        Args:
            items: The things as they are on the list.
            list_name: The list; "shopping" for what should be bought.
        """

        def change(raw: Any) -> tuple[Any, dict[str, Any]]:
            changed, taken = lists.remove(raw or {}, list_name, items)
            return changed, {
                "taken_off": taken,
                "list": list(changed.get(lists.name_of(list_name), ())),
            }

        return await self.lists.change(change)

    @tool
    async def read_list(self, list_name: str = lists.SHOPPING) -> list[str]:
        """Return everything on a list.

        Args:
            list_name: The list; "shopping" for what should be bought.
        """
        found: dict[str, list[str]] = await self.lists.get() or {}
        return found.get(lists.name_of(list_name), [])

    @tool
    async def clear_list(self, list_name: str) -> dict[str, Any]:
        """Throw a whole list away. Only when asked for in so many words.

        Args:
            list_name: The list.
        """

        def change(raw: Any) -> tuple[Any, list[str]]:
            return lists.clear(raw or {}, list_name)

        return {"thrown_away": await self.lists.change(change)}

    # Reminders

    @tool
    async def remind(
        self,
        what: str,
        in_minutes: float | None = None,
        at: str | None = None,
        repeat: str | None = None,
    ) -> dict[str, Any]:
        """Set a reminder, which is then spoken by itself at its time. Give `in_minutes` or `at`.

        Args:
            what: What to be reminded of, as it shall be said: "take the bread out of the oven".
            in_minutes: For words such as "in 20 minutes": 20.
            at: The house's local time as YYYY-MM-DDTHH:MM; just HH:MM for its next time, and
                always just HH:MM with `repeat`.
            repeat: For what comes again: "daily", "weekdays", "weekends" or days as "mon,thu".
        """
        asking, recipient = _asking.get(), self._recipient()
        wanted = None if asking is None else Utterance.of(asking).language
        language = self.ctx.persona.language_for(wanted)

        def change(raw: Any) -> tuple[Any, dict[str, Any]]:
            changed, new = Reminders.read(raw).add(
                self.clock,
                what=what,
                recipient=recipient,
                language=language,
                in_minutes=in_minutes,
                at=at or None,
                repeat=repeat or None,
            )
            return changed.as_json(), new.describe(self.clock)

        described = await self.reminders.change(change)
        self.timekeeper.look_again()
        return described

    @tool
    async def list_reminders(self) -> list[dict[str, Any]]:
        """Return the reminders of the person who asks, the next first."""
        found = Reminders.read(await self.reminders.get()).of(self._recipient())
        return [each.describe(self.clock) for each in found]

    @tool
    async def cancel_reminder(self, reminder_id: str) -> dict[str, Any]:
        """Cancel a reminder of the person who asks.

        Args:
            reminder_id: Its id, such as "r7".
        """
        recipient = self._recipient()

        def change(raw: Any) -> tuple[Any, dict[str, Any]]:
            changed, gone = Reminders.read(raw).without(reminder_id, recipient)
            return changed.as_json(), gone.describe(self.clock)

        return {"cancelled": await self.reminders.change(change)}

    # Guests

    @tool
    async def note_about_guest(
        self,
        name: str,
        likes: list[str] | None = None,
        allergies: list[str] | None = None,
        notes: list[str] | None = None,
    ) -> dict[str, Any]:
        """Write something about a guest into the book; what is in there already stays.

        Args:
            name: What the guest is called.
            likes: What they like, such as "Earl Grey".
            allergies: What they must not be served, such as "nuts".
            notes: Anything else, such as "sleeps in the blue room".
        """
        if not (likes or allergies or notes):
            raise ToolError("nothing to note: give likes, allergies or notes")

        def change(raw: Any) -> tuple[Any, dict[str, Any]]:
            book, guest = guests.learn(
                guests.read(raw), name, likes=likes or (), allergies=allergies or (),
                notes=notes or (),
            )  # fmt: skip
            return guests.as_json(book), guest.describe()

        return await self.guests.change(change)

    @tool
    async def expect_guest(self, name: str, arrives: str) -> dict[str, Any]:
        """Note when a guest comes, and return what the book says about them.

        Args:
            name: What the guest is called.
            arrives: The day as YYYY-MM-DD, with a time as YYYY-MM-DDTHH:MM, local time.
        """
        today = self.clock.local().date()

        def change(raw: Any) -> tuple[Any, dict[str, Any]]:
            book, guest = guests.expect(guests.read(raw), name, arrives, today)
            return guests.as_json(book), guest.describe()

        return await self.guests.change(change)

    @tool
    async def about_guest(self, name: str) -> dict[str, Any]:
        """Return what the book says about a guest.

        Args:
            name: What the guest is called.
        """
        return guests.find(guests.read(await self.guests.get()), name).describe()

    @tool
    async def forget_guest(self, name: str) -> str:
        """Take a guest out of the book. Only when asked for in so many words.

        Args:
            name: What the guest is called.
        """

        def change(raw: Any) -> tuple[Any, Guest]:
            book = guests.read(raw)
            gone = guests.find(book, name)
            return guests.as_json(guests.without(book, gone)), gone

        return f"{(await self.guests.change(change)).name} is no longer in the book"

    def _recipient(self) -> str:
        asking = _asking.get()
        return CREW if asking is None else _asker(asking)


def _list_line(name: str, items: Sequence[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"On the list {name}: {', '.join(items[:_SHOWN])}{more}"


def _asker(message: Message) -> str:
    """Return where a person can be reached: their own address, or the crew's."""
    sender = message.header.sender
    if sender.startswith("user:") and sender != _NOBODY_IN_PARTICULAR:
        return sender
    return CREW


def _zone(name: Any) -> ZoneInfo | None:
    """Return the time zone of that name, None for none. Raises AgentError."""
    if name is None:
        return None
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError) as err:
        raise AgentError(
            f"there is no time zone {name!r}",
            where="manifest.yaml",
            hint="Write config.time_zone as Europe/Paris, or leave it empty.",
        ) from err
