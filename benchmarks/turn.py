"""`hairem bench turn`: what the whole way through the house adds to the model's own first token.

A real Home Assistant and a real H-Core, as processes, with a scripted model server whose time to
the first token and to the last is known for every single request. A turn goes through Home
Assistant's WebSocket (`assist_pipeline/run`, stage intent): once to an agent of ours, once to the
conversation agent of Home Assistant's own `ollama` integration, in the same Home Assistant.

What is added: the time from the command to the first piece of the answer, less the time from the
model server's receiving the request to its first token; the same for the whole answer.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp

from benchmarks._report import between, machine, median, percentile, publish_report, ratio
from hairem_core.errors import HairemError
from tests.support.child import ProgramError
from tests.support.home_assistant import HomeAssistant, HomeAssistantError
from tests.support.home_assistant_socket import CommandError
from tests.support.house import House
from tests.support.scripted_model import Rule, ScriptedModel

_AGENT = "renarde"
_PEER = "ollama"
_MODEL = "scripted:latest"
_TEXT = "How was the day in the house?"
_REPLY = (
    "Quiet, on the whole: the rain kept everybody in, the kitchen smelled of apples until four, "
    "and the cat slept on the warm side of the stairs."
)
_FAILURES = (
    ProgramError,
    HomeAssistantError,
    CommandError,
    ConnectionError,
    TimeoutError,
    aiohttp.ClientError,
)

type Protocol = Literal["ollama", "openai"]


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One turn, in milliseconds."""

    first_delta: float
    total: float
    model_first: float
    """From the request's arrival at the model server to its first token."""
    model_total: float
    before_model: float
    """From the command to the request's arrival at the model server."""
    after_model: float
    """From the model's first token to the first piece of the answer."""
    tools: int
    request_characters: int


def main(arguments: list[str]) -> None:
    """Run the benchmark and print its report.

    Exits with 2 on options it does not know. Raises HairemError where the house fails.
    """
    options = _parse(arguments)
    try:
        report = asyncio.run(_run(options))
    except (BaseExceptionGroup, *_FAILURES) as err:
        raise _failure(err) from err
    publish_report(report, as_json=options.json)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hairem bench turn",
        description="What the way through Home Assistant and H-Core adds to the model's own time.",
    )
    parser.add_argument("--turns", type=between(1, 10_000), default=60, help="of each side")
    parser.add_argument("--warm-up", type=between(0, 1_000), default=5, help="turns not counted")
    parser.add_argument("--first-token-ms", type=between(0, 10_000), default=50)
    parser.add_argument("--token-ms", type=between(0, 1_000), default=10)
    parser.add_argument(
        "--pause-ms",
        type=between(0, 60_000),
        default=200,
        help="between turns, so that what one left to do does not weigh on the other side's",
    )
    parser.add_argument(
        "--protocol",
        choices=("ollama", "openai"),
        default="ollama",
        help="what H-Core speaks to the model server; the peer always speaks Ollama's",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(arguments)


def _failure(err: BaseException) -> HairemError:
    """Return our error for one of `_FAILURES`. Raises `err` itself if it is something else."""
    leaf = err
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    if not isinstance(leaf, _FAILURES):
        raise leaf
    return HairemError(
        f"the house failed: {str(leaf) or type(leaf).__name__}",
        where="hairem bench turn",
        hint="`hairem doctor` says what is missing; `scripts/demo` shows the same house at work.",
    )


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    reply = [f"{word} " for word in _REPLY.split()]
    async with ScriptedModel(
        [Rule(match=_TEXT.replace("?", r"\?"), reply=reply)],
        delay_first=options.first_token_ms / 1000,
        delay_chunk=options.token_ms / 1000,
        models=(_MODEL,),
    ) as model:
        environment = {
            "HAIREM_CHAT_MODEL": _chat_model(options.protocol),
            "HAIREM_CHAT_API_BASE": model.url
            if options.protocol == "ollama"
            else model.openai_base,
        }
        with tempfile.TemporaryDirectory(prefix="hairem-bench-") as folder:
            async with House(Path(folder), environment=environment) as house:
                sides = await _sides(house, model)
                turns = await _interleave(sides, options)
                version = await house.home.version()
    return _report(options, turns, version)


def _chat_model(protocol: Protocol) -> str:
    return f"ollama_chat/{_MODEL}" if protocol == "ollama" else "openai/scripted"


async def _sides(house: House, model: ScriptedModel) -> dict[str, Callable[[], Awaitable[_Turn]]]:
    """Return how to take a turn with each side, by its name."""
    home = house.home
    # The tests keep the integration's log of every frame; a house does not, nor does the peer.
    await home.call("logger.set_level", **{"custom_components.hairem": "warning"})
    entity = await _add_ollama(home, model.url)
    pipelines = {
        "ours": await house.pipeline(_AGENT),
        _PEER: await home.create_pipeline("Ollama (en)", entity),
    }

    def turn(pipeline: str) -> Callable[[], Awaitable[_Turn]]:
        return lambda: _take_turn(home, model, pipeline)

    return {name: turn(pipeline) for name, pipeline in pipelines.items()}


async def _add_ollama(home: HomeAssistant, url: str) -> str:
    """Add Home Assistant's own integration by its config flow; return its conversation entity."""
    flow = await home.start_flow(_PEER)
    step = await home.answer_flow(flow, url=url)
    if step["type"] != "create_entry":
        raise HomeAssistantError(f"{_PEER} refused: {step.get('errors') or step.get('reason')}")
    path = "/api/config/config_entries/subentries/flow"
    flow = await home.post(path, {"handler": [step["result"]["entry_id"], "conversation"]})
    answers = {"name": "Peer", "model": _MODEL, "llm_hass_api": ["assist"]}
    step = await home.post(f"{path}/{flow['flow_id']}", answers)
    if step["type"] != "create_entry":
        raise HomeAssistantError(f"{_PEER} refused: {step.get('errors') or step.get('reason')}")
    async with asyncio.timeout(20):
        while True:
            for entity in await home.socket.command("config/entity_registry/list"):
                found = str(entity["entity_id"])
                if entity["platform"] == _PEER and found.startswith("conversation."):
                    await home.wait_for_state(found, not_in=("unavailable", None))
                    return found
            await asyncio.sleep(0.1)


async def _take_turn(home: HomeAssistant, model: ScriptedModel, pipeline: str) -> _Turn:
    """Say `_TEXT` in a new conversation and return the figures. Raises HomeAssistantError."""
    model.requests.clear()
    asked_at = time.time()
    heard = await home.socket.run_pipeline(_TEXT, pipeline=pipeline)
    if heard.error or heard.first_delta_ms is None or heard.answer.strip() != _REPLY:
        raise HomeAssistantError(f"not the answer that the model gave: {heard.answer!r}")
    # The answer can be heard before the server has noted that it is at its end.
    await model.wait_for(lambda requests: all(each.ended for each in requests))
    if len(model.requests) != 1:
        raise HomeAssistantError(f"{len(model.requests)} requests to the model for one turn")
    [request] = model.requests
    assert request.first_token_at is not None
    assert request.ended is not None
    return _Turn(
        first_delta=heard.first_delta_ms,
        total=heard.total_ms,
        model_first=(request.first_token_at - request.started) * 1000,
        model_total=(request.ended - request.started) * 1000,
        before_model=(request.started - asked_at) * 1000,
        after_model=heard.first_delta_ms - (request.first_token_at - asked_at) * 1000,
        tools=len(request.body.get("tools") or ()),
        request_characters=len(str(request.body)),
    )


async def _interleave(
    sides: dict[str, Callable[[], Awaitable[_Turn]]], options: argparse.Namespace
) -> dict[str, list[_Turn]]:
    """Take turns with each side in turn, now one first and now the other."""
    turns: dict[str, list[_Turn]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(options.warm_up + options.turns):
        for name in names if number % 2 else reversed(names):
            taken = await sides[name]()
            if number >= options.warm_up:
                turns[name].append(taken)
            await asyncio.sleep(options.pause_ms / 1000)
    return turns


def _figures(turns: Sequence[_Turn]) -> dict[str, float]:
    added = [turn.first_delta - turn.model_first for turn in turns]
    added_total = [turn.total - turn.model_total for turn in turns]
    figures = {
        "added_first_delta_p50_ms": median(added),
        "added_first_delta_p95_ms": percentile(added, 0.95),
        "added_total_p50_ms": median(added_total),
        "added_total_p95_ms": percentile(added_total, 0.95),
        "before_model_p50_ms": median([turn.before_model for turn in turns]),
        "after_model_p50_ms": median([turn.after_model for turn in turns]),
        "first_delta_p50_ms": median([turn.first_delta for turn in turns]),
        "model_first_token_p50_ms": median([turn.model_first for turn in turns]),
        "tools_offered": median([turn.tools for turn in turns]),
        "request_characters": median([turn.request_characters for turn in turns]),
    }
    return {name: round(value, 2) for name, value in figures.items()}


def _report(
    options: argparse.Namespace, turns: dict[str, list[_Turn]], home_assistant: str
) -> dict[str, Any]:
    ours, theirs = _figures(turns["ours"]), _figures(turns[_PEER])
    compared = {
        f"{_PEER}_added_p50": "added_first_delta_p50_ms",
        f"{_PEER}_added_p95": "added_first_delta_p95_ms",
        f"{_PEER}_added_total_p50": "added_total_p50_ms",
        f"{_PEER}_first_delta_p50": "first_delta_p50_ms",
    }
    return {
        "bench": "turn",
        "machine": machine("homeassistant", "litellm", "ollama", "redis", "surrealdb"),
        "setting": {
            "home_assistant": home_assistant,
            "turns": options.turns,
            "warm_up": options.warm_up,
            "first_token_ms": options.first_token_ms,
            "token_ms": options.token_ms,
            "pause_ms": options.pause_ms,
        },
        "ours": {
            **ours,
            "configuration": (
                f"{_AGENT} through integration, bridge, bus, agent process, memory and LiteLLM "
                f"({_chat_model(options.protocol)}), Assist tools on, a new conversation each turn"
            ),
        },
        "peers": {
            _PEER: {
                **theirs,
                "configuration": (
                    "Home Assistant's own ollama integration with its defaults, Assist tools on, "
                    "a new conversation each turn; no memory"
                ),
            }
        },
        "ratios": {name: ratio(ours[key], theirs[key]) for name, key in compared.items()},
    }
