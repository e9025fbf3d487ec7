"""The scene that the scripted model plays when no rule applies: two agents, English and French.

It is a script, not a mind: it calls the tools it is offered, reports what they returned, answers
from the memory in the prompt, and otherwise repeats what was asked. It never states a fact about
the house that was not in the request.
"""

import dataclasses
import json
import re
from typing import Any

from tests.support.scripted_rules import Answer, ToolReply, Turn, words

# Words that tell the two languages apart.
_FRENCH = re.compile(
    r"\b(?:je|tu|il|elle|nous|vous|est|es|le|la|les|des|du|une?|mon|ma|mes|ton|ta|tes|que|qui|quoi|"
    r"o[uù]|quand|comment|pourquoi|quel(?:le)?s?|allumer?|[ée]tei(?:ns|nds|ndre)|ouvre|ferme|"
    r"bonjour|bonsoir|salut|merci|souviens|rappelle|sais|avec|dans|pour|pas|plaît)\b|[ldjtmcsnq]'\w",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(?:i|you|he|she|we|they|is|are|the|an?|my|your|what|who|where|when|how|why|which|turn|switch|"
    r"open|close|set|hello|hi|good|thanks?|remember|tell|told|know|with|in|for|not|do|please)\b",
    re.IGNORECASE,
)
_THE = r"(?:the |my |all |le |la |les |l'|mon |ma |mes |du |des |de la |de l')*"
_COMMANDS: list[tuple[str, str]] = [
    (rf"\b(?:turn|switch|put) on {_THE}(?P<name>.+)", "HassTurnOn"),
    (rf"\b(?:turn|switch|put) off {_THE}(?P<name>.+)", "HassTurnOff"),
    (rf"\b(?:turn|switch|put) {_THE}(?P<name>.+?) on\b", "HassTurnOn"),
    (rf"\b(?:turn|switch|put) {_THE}(?P<name>.+?) off\b", "HassTurnOff"),
    (
        rf"\b(?:set|dim|règle|mets) {_THE}(?P<name>.+?) (?:to|at|à|sur) (?P<percent>\d+)",
        "HassLightSet",
    ),
    (rf"\b(?:open|ouvre[rz]?) {_THE}(?P<name>.+)", "HassTurnOn"),
    (rf"\b(?:close|shut|ferme[rz]?) {_THE}(?P<name>.+)", "HassTurnOff"),
    (rf"\ballume[rz]? {_THE}(?P<name>.+)", "HassTurnOn"),
    (rf"\b[ée]tei(?:ns|nds|ndre|gne[rz]?) {_THE}(?P<name>.+)", "HassTurnOff"),
]
_TAIL = re.compile(
    r"[\s,]*(?:please|for me|now|s'il (?:te|vous) pla[iî]t|stp|maintenant|merci)?[\s.!?…]*$",
    re.IGNORECASE,
)
_RECALL = re.compile(
    r"\bwhat did (?:i|we|you)\b|\bdo you (?:remember|recall|know)\b|"
    r"\bwhat do you (?:remember|know)\b|"
    r"\bwhat (?:is|was|are|were) my\b|\bwhere (?:is|are|did)\b.*\b(?:my|i)\b|\bremind me\b|"
    r"\bqu(?:'est-ce que|e) (?:je t'ai|t'ai-je|nous)\b|"
    r"\bte (?:souviens|rappelles)[- ]tu\b|\btu te (?:souviens|rappelles)\b|"
    r"\brappelle[- ]moi\b|\bque sais-tu\b|\bo[uù] (?:est|sont|ai-je)\b|"
    r"\bqu'ai-je\b|\bquel(?:le)?s? (?:est|sont) m(?:on|a|es)\b",
    re.IGNORECASE,
)
_REMEMBER = re.compile(
    r"^\W*(?:please )?(?:remember|note|souviens[- ]toi|retiens|rappelle[- ]toi)"
    r"(?: that| qu'| que)? ?(?P<what>.+)",
    re.IGNORECASE | re.DOTALL,
)
_GREETING = re.compile(
    r"^\W*(?:hello|hi|hey|good (?:morning|evening)|bonjour|bonsoir|salut)\b.{0,24}$", re.IGNORECASE
)
_GREETINGS = {
    ("Renarde", False): "Good to see you! I am Renarde, the host of this house. How may I help?",
    (
        "Renarde",
        True,
    ): "Quel plaisir ! Je suis Renarde, l'hôtesse de la maison. Que puis-je faire ?",
    ("Electra", False): "Hello! Electra here, home and energy. What shall I look after?",
    ("Electra", True): "Bonjour ! Electra, maison et énergie. De quoi dois-je m'occuper ?",
}
_MEMORY_LINE = re.compile(
    r"^- (?:\d{4}-\d\d-\d\d \d\d:\d\d )?(?:(?P<who>user|agent)(?: [^:\n]+)?: )?(?P<text>.+)$",
    re.MULTILINE,
)
_MEMORY = re.compile(r"<memory>\s*(.*?)\s*</memory>", re.DOTALL)


def is_french(text: str) -> bool:
    """Return whether `text` reads as French rather than English."""
    return len(_FRENCH.findall(text)) > len(_ENGLISH.findall(text))


def play(turn: Turn) -> Answer:
    """Return the scene's answer to `turn`."""
    turn = dataclasses.replace(turn, user=turn.user.replace("\u2019", "'"))
    french = is_french(turn.user)
    if turn.tool_replies:
        return Answer(chunks=words(_report(turn.tool_replies, french)))
    if (call := _command(turn)) is not None:
        return Answer(tool_calls=[call])
    return Answer(chunks=words(_speak(turn, french)))


def _speak(turn: Turn, french: bool) -> str:
    name = _agent(turn.system)
    if found := _REMEMBER.search(turn.user):
        what = _TAIL.sub("", found["what"])
        return (
            f"C'est noté, je m'en souviendrai : {what}."
            if french
            else f"Noted, I will remember: {what}."
        )
    if _RECALL.search(turn.user):
        return _recall(turn, french)
    if _GREETING.search(turn.user):
        return _GREETINGS[name, french]
    if french:
        job = "l'hôtesse de la maison" if name == "Renarde" else "maison et énergie"
        return f"{name}, {job}. Tu m'as demandé : « {turn.user.strip()} ». Voilà qui est entendu."
    job = "the host of the house" if name == "Renarde" else "home and energy"
    return f"{name}, {job}. You asked me: “{turn.user.strip()}”. That I have heard."


def _agent(system: str) -> str:
    """Return which of the two agents the prompt is about: the one it names first."""
    found = re.search(r"\b(renarde|[ée]lectra)\b", system, re.IGNORECASE)
    return "Electra" if found and found[1].lower() != "renarde" else "Renarde"


def _recall(turn: Turn, french: bool) -> str:
    found = _MEMORY.search(turn.system)
    told = [
        line["text"].strip()
        for line in _MEMORY_LINE.finditer(found[1] if found else "")
        if line["who"] != "agent"
    ]
    told = [text for text in [*told, *turn.earlier] if not text.endswith("?")]
    if not told:
        return "Je n'en ai aucun souvenir." if french else "I have no memory of that."
    asked = _stems(turn.user)
    # Of two that match alike, the later one is more likely still true.
    best = max(reversed(told), key=lambda text: len(asked & _stems(text)))
    return f"Je m'en souviens : « {best} »." if french else f"I remember: “{best}”."


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"\w{3,}", text.lower())}


def _command(turn: Turn) -> tuple[str, dict[str, Any]] | None:
    for pattern, intent in _COMMANDS:
        found = re.search(pattern, turn.user, re.IGNORECASE)
        tool = turn.tool(intent)
        if found is None or tool is None:
            continue
        arguments: dict[str, Any] = {"name": _known(turn.system, _TAIL.sub("", found["name"]))}
        if percent := found.groupdict().get("percent"):
            arguments["brightness"] = int(percent)
        return tool, arguments
    return None


def _known(system: str, name: str) -> str:
    """Return the exposed entity that `name` means, as Home Assistant's prompt lists it."""
    listed: list[str] = [
        alias.strip().strip("'\"")
        for line in re.finditer(r"^- names: (.+)$", system, re.MULTILINE)
        for alias in line[1].split(",")
    ]
    wanted = set(re.findall(r"\w+", name.lower()))
    for entity in listed:
        if entity.lower() == name.lower():
            return entity
    for entity in listed:
        if set(re.findall(r"\w+", entity.lower())) <= wanted:
            return entity
    return name


def _report(replies: list[ToolReply], french: bool) -> str:
    return " ".join(_report_one(reply, french) for reply in replies)


def _report_one(reply: ToolReply, french: bool) -> str:
    name = str(reply.arguments.get("name") or reply.arguments.get("area") or reply.name)
    if (problem := _problem(reply.content)) is not None:
        return (
            f"Je n'ai pas réussi pour « {name} » : {problem}."
            if french
            else f"It did not work for “{name}”: {problem}."
        )
    if reply.name.endswith("HassTurnOn"):
        return f"C'est fait : {name}, allumé." if french else f"Done: {name} is on."
    if reply.name.endswith("HassTurnOff"):
        return f"C'est fait : {name}, éteint." if french else f"Done: {name} is off."
    return f"C'est fait : {name}." if french else f"Done: {name}."


def _problem(content: str) -> str | None:
    """Return what a tool's result says went wrong, or None."""
    try:
        value = json.loads(content)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    data = value.get("data", value)
    if error := value.get("error"):
        detail = data.get("error") if isinstance(data, dict) else None
        return str(error if isinstance(error, str) else detail or "error").rstrip(".")
    if isinstance(data, dict) and data.get("response_type") == "error":
        speech = data.get("speech", {}).get("plain", {}).get("speech")
        return str(speech or "error").rstrip(".")
    return None
