"""Simple sentences, English and French, as calls of the tools that Home Assistant offers.

The names and arguments are those of Home Assistant's built-in intents.
Source: https://developers.home-assistant.io/docs/intent_builtin
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hairem_core.llm._house import House, strip_article
from hairem_core.sdk.chat import ToolSpec

type Action = Literal["on", "off", "open", "close", "level", "temperature"]

_POLITE_START = re.compile(
    r"^(?:(?:please|hey|ok|okay|can you|could you|would you|will you|s'il (?:te|vous) pla[iî]t|stp|"
    r"peux[- ]tu|pourrais[- ]tu|pouvez[- ]vous|tu peux|est-ce que tu peux|veux[- ]tu|"
    r"(?:renarde|[ée]lectra))\b[\s,:!]*)+",
    re.IGNORECASE,
)
_POLITE_END = re.compile(
    r"[\s,]*(?:please|for me|now|thanks|thank you|s'il (?:te|vous) pla[iî]t|stp|maintenant|merci)"
    r"?[\s.!?…]*$",
    re.IGNORECASE,
)
_AND = re.compile(r"\s*,\s*(?:and|et)?\s*|\s+(?:and|et)\s+", re.IGNORECASE)

_NUMBER = r"(?P<number>\d{1,3}(?:[.,]\d)?)"
_DEGREES = r"\s*(?:°\s*[cf]?|degrees?|degr[ée]s?)(?: [cf]\w*)?"
_PERCENT = r"\s*(?:%|percent|per cent|pour ?cent)?"
_TO = r"(?:to|at|[aà]|sur)"
_SET = r"(?:set|turn|dim|brighten|put|raise|lower|mets|mettre|r[èe]gle[rz]?|baisse[rz]?|monte[rz]?)"
_LEVEL_OF = (
    r"(?:the (?:brightness|level|position|speed|temperature) of |"
    r"(?:la |le )?(?:luminosit[ée]|niveau|position|vitesse|temp[ée]rature) "
    r"(?=de |du |des |d'))"
)
_PATTERNS: tuple[tuple[Action, str], ...] = (
    ("temperature", rf"{_SET} {_LEVEL_OF}?(?P<target>.+?) {_TO} {_NUMBER}{_DEGREES}"),
    ("level", rf"{_SET} {_LEVEL_OF}?(?P<target>.+?) {_TO} {_NUMBER}{_PERCENT}"),
    ("on", r"(?:turn|switch|put) on (?P<target>.+)"),
    ("off", r"(?:turn|switch|put) off (?P<target>.+)"),
    ("on", r"(?:turn|switch|put) (?P<target>.+) on"),
    ("off", r"(?:turn|switch|put) (?P<target>.+) off"),
    ("on", r"(?:allume[rz]?|active[rz]?|mets en marche|mettre en marche) (?P<target>.+)"),
    ("off", r"(?:[ée]tei(?:ns|nds|ndre|gne[rz])|d[ée]sactive[rz]?|coupe[rz]?) (?P<target>.+)"),
    ("open", r"(?:open|ouvre[rz]?|ouvrir) (?P<target>.+)"),
    ("close", r"(?:close|shut|ferme[rz]?|fermer) (?P<target>.+)"),
)
_SENTENCES = [(action, re.compile(pattern, re.IGNORECASE)) for action, pattern in _PATTERNS]
# Plurals: "the lamp" is a name, "the lamps" are all of them.
_NOUNS = {
    "light": r"lights|lamps|lumi[èe]res|lampes|[ée]clairages?",
    "cover": r"blinds|shutters|curtains|shades|covers|volets|stores|rideaux",
    "fan": r"fans|ventilateurs",
    "switch": r"switches|plugs|outlets|prises|interrupteurs",
}
_EVERYWHERE = re.compile(r"^(?:all|every|toutes|tous)\b", re.IGNORECASE)
_IN = r"(?:in|of|on|dans|de|du|des|d')"
_OPENABLE = ("cover", "valve")


@dataclass(frozen=True)
class Command:
    """What a person wants done: the action, to what, and how much of it."""

    action: Action
    target: str
    number: float | None = None
    everywhere: bool = False


def understand(text: str, house: House) -> list[Command]:
    """Return the commands that a sentence gives; none when it is not a command."""
    text = " ".join(text.replace("\u2019", "'").split())
    text = _POLITE_START.sub("", _POLITE_END.sub("", text))
    whole = _parse(text)
    if whole is not None and house.entity(whole.target) is not None:
        return [whole]
    pieces = [piece for piece in _AND.split(text) if piece]
    commands: list[Command] = []
    for piece in pieces:
        command = _parse(piece)
        if command is None:
            if not commands or commands[-1].number is not None:
                break
            command = Command(commands[-1].action, strip_article(piece))
        commands.append(command)
    if len(commands) == len(pieces):
        return commands
    return [whole] if whole is not None else []


def as_tool_call(
    command: Command, house: House, tools: Sequence[ToolSpec]
) -> tuple[str, dict[str, Any]] | None:
    """Return the name and arguments of the tool that does it, or None when none was offered."""
    where = _where(command, house)
    entity = house.entity(command.target)
    domain = (entity.domain if entity else None) or next(iter(where.get("domain", ())), None)
    if command.action in ("open", "close"):
        # Of a lock, "turn on" means to lock it: opening must never be meant for one.
        domain = domain if domain in _OPENABLE else "cover"
        where["domain"] = [domain]
    for intent, argument in _intents(command.action, domain):
        tool = next((each for each in tools if each.name.rpartition("__")[2] == intent), None)
        if tool is not None:
            number = command.number
            if argument is not None and number is not None:
                where[argument] = int(number) if number == int(number) else number
            return tool.name, _by_schema(where, tool)
    return None


def _parse(text: str) -> Command | None:
    for action, pattern in _SENTENCES:
        if found := pattern.fullmatch(text):
            number = found.groupdict().get("number")
            return Command(
                action=action,
                target=re.sub(r"^(?:de |du |des |d')", "", strip_article(found["target"])),
                number=float(number.replace(",", ".")) if number else None,
                everywhere=_EVERYWHERE.match(found["target"].strip()) is not None,
            )
    return None


def _intents(action: Action, domain: str | None) -> list[tuple[str, str | None]]:
    """Return the intents that would do, best first, each with the name of its number."""
    match action:
        case "on" | "open":
            return [("HassTurnOn", None)]
        case "off" | "close":
            return [("HassTurnOff", None)]
        case "temperature":
            return [("HassClimateSetTemperature", "temperature")]
        case "level" if domain in _OPENABLE:
            return [("HassSetPosition", "position")]
        case "level" if domain == "fan":
            return [("HassFanSetSpeed", "percentage")]
        case "level" if domain == "climate":
            return [("HassClimateSetTemperature", "temperature")]
        case "level":
            return [("HassLightSet", "brightness"), ("HassSetPosition", "position")]


def _where(command: Command, house: House) -> dict[str, Any]:
    """Return the arguments that say which entities are meant."""
    target = command.target
    if entity := house.entity(target):
        where: dict[str, Any] = {"name": entity.names[0]}
        return where | ({"domain": [entity.domain]} if entity.domain else {})
    for domain, noun in _NOUNS.items():
        if re.fullmatch(noun, target, re.IGNORECASE):
            here = {"area": house.here} if house.here and not command.everywhere else None
            return (here or {"name": "all"}) | {"domain": [domain]}
        for pattern in (rf"(?:{noun}) {_IN}\s*(?P<area>.+)", rf"(?P<area>.+) (?:{noun})"):
            if found := re.fullmatch(pattern, target, re.IGNORECASE):
                said = strip_article(found["area"])
                area = house.area(said)
                if area is None and not house.entities:
                    area = said
                if area is not None:
                    return {"area": area, "domain": [domain]}
    return {"name": target}


def _by_schema(arguments: dict[str, Any], tool: ToolSpec) -> dict[str, Any]:
    """Return the arguments that the tool's schema knows, in the shapes it wants."""
    properties = tool.parameters.get("properties", {})
    return {
        name: value[0]
        if isinstance(value, list) and properties.get(name, {}).get("type") == "string"
        else value
        for name, value in arguments.items()
        if name in properties or not properties
    }
