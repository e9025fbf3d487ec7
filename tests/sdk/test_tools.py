"""`@tool`: what a model is told, what it may pass, and what comes back."""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field

from hairem_core.sdk import ToolCall, ToolError, ToolResult, tool
from hairem_core.sdk.tools import LARGEST_RESULT, Toolbox


class Color(StrEnum):
    """A colour of the lamp."""

    RED = "red"
    BLUE = "blue"


class Ingredient(BaseModel):
    name: str
    grams: Annotated[float, Field(gt=0, description="How much of it")]


class Recipe(BaseModel):
    title: str
    ingredients: list[Ingredient]


class Folder(BaseModel):
    name: str
    folders: list[Folder] = []


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]


@dataclass
class Sum:
    total: int
    on: date


class Bar:
    """Has every kind of parameter that a tool may have."""

    def __init__(self) -> None:
        self.toolbox = Toolbox(self)
        self.seen: list[Any] = []

    @property
    def too_early(self) -> str:
        raise RuntimeError("computed before it can be")

    @tool
    async def everything(
        self,
        item: str,
        color: Color,
        size: Literal["small", "large"],
        count: Annotated[int, Field(ge=1, le=12, description="From the annotation")] = 1,
        note: str | None = None,
        tags: list[str] = [],  # noqa: B006 - pydantic copies it
        *,
        json: bool = False,
        recipe: Recipe | None = None,
    ) -> dict[str, Any]:
        """Put one thing on the list.

        It is kept until it is taken off.

        Args:
            item: What to put there,
                in a word or two
            color (Color): Of its label
            count: Of the docstring: the annotation's is used
            unknown: Nothing that exists

        Returns:
            All that was given.
        """
        self.seen.append(recipe)
        return {"item": item, "color": color, "size": size, "count": count, "json": json}

    @tool
    async def tree(self, root: Folder) -> int:
        return len(root.folders)

    @tool
    async def pet(self, animal: Annotated[Cat | Dog, Field(discriminator="kind")]) -> str:
        return type(animal).__name__

    @tool
    async def nothing(self) -> None: ...

    async def no_tool(self, item: str) -> None: ...


SPECS = {spec.name: spec for spec in Bar().toolbox.specs}


def test_the_tools_are_the_methods_that_are_marked() -> None:
    assert sorted(SPECS) == ["everything", "nothing", "pet", "tree"]


def test_a_model_is_told_the_docstring_without_its_arguments() -> None:
    assert SPECS["everything"].description == (
        "Put one thing on the list.\n\nIt is kept until it is taken off.\n\n"
        "Returns:\n    All that was given."
    )
    assert SPECS["nothing"].description == ""


def test_the_schema_says_types_limits_defaults_and_descriptions() -> None:
    assert SPECS["everything"].parameters == {
        "type": "object",
        "properties": {
            "item": {"type": "string", "description": "What to put there, in a word or two"},
            "color": {"type": "string", "enum": ["red", "blue"], "description": "Of its label"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "count": {
                "type": "integer",
                "minimum": 1,
                "maximum": 12,
                "default": 1,
                "description": "From the annotation",
            },
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
            "json": {"type": "boolean", "default": False},
            "recipe": {
                "default": None,
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {
                            "title": {"type": "string"},
                            "ingredients": {
                                "type": "array",
                                "items": {
                                    "type": "object",
                                    "properties": {
                                        "name": {"type": "string"},
                                        "grams": {
                                            "type": "number",
                                            "exclusiveMinimum": 0,
                                            "description": "How much of it",
                                        },
                                    },
                                    "required": ["name", "grams"],
                                },
                            },
                        },
                        "required": ["title", "ingredients"],
                    },
                    {"type": "null"},
                ],
            },
        },
        "required": ["item", "color", "size"],
        "additionalProperties": False,
    }


def test_only_a_type_that_contains_itself_is_told_by_reference() -> None:
    told = {name: "$ref" in str(spec.parameters) for name, spec in SPECS.items()}
    assert told == {"everything": False, "nothing": False, "pet": False, "tree": True}
    for spec in SPECS.values():
        jsonschema.Draft202012Validator.check_schema(spec.parameters)
    validator = jsonschema.Draft202012Validator(SPECS["tree"].parameters)
    validator.validate({"root": {"name": "a", "folders": [{"name": "b"}]}})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"root": {"name": "a", "folders": [{}]}})


async def call(owner: Any, name: str, **arguments: Any) -> ToolResult:
    toolbox: Toolbox = owner.toolbox
    return await toolbox.call(ToolCall(id="1", name=name, arguments=arguments))


async def test_arguments_arrive_as_what_the_annotations_say() -> None:
    bar = Bar()
    recipe = {"title": "tea", "ingredients": [{"name": "leaves", "grams": "3"}]}
    result = await call(
        bar, "everything", item="tea", color="red", size="small", count="2", recipe=recipe
    )
    assert result.error is None
    assert result.data == {
        "item": "tea",
        "color": "red",
        "size": "small",
        "count": 2,
        "json": False,
    }
    assert bar.seen == [Recipe(title="tea", ingredients=[Ingredient(name="leaves", grams=3)])]
    assert (await call(bar, "pet", animal={"kind": "cat", "lives": 9})).data == "Cat"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "wrong arguments: item: Field required; color: Field required; size: Field required"),
        (
            {"item": "tea", "color": "green", "size": "small"},
            "wrong arguments: color: Input should be 'red' or 'blue'",
        ),
        (
            {"item": "tea", "color": "red", "size": "small", "count": 13},
            "wrong arguments: count: Input should be less than or equal to 12",
        ),
        (
            {"item": "tea", "color": "red", "size": "small", "argument_0": "x"},
            "wrong arguments: argument_0: Extra inputs are not permitted",
        ),
        (
            {
                "item": "tea",
                "color": "red",
                "size": "small",
                "recipe": {"title": "t", "ingredients": [{"name": "x", "grams": 0}]},
            },
            "wrong arguments: recipe.ingredients.0.grams: Input should be greater than 0",
        ),
    ],
)
async def test_wrong_arguments_are_an_error_and_the_tool_does_not_run(
    arguments: dict[str, Any], error: str
) -> None:
    bar = Bar()
    result = await bar.toolbox.call(ToolCall(id="1", name="everything", arguments=arguments))
    assert (result.data, result.error) == (None, error)
    assert bar.seen == []


class Returns:
    """A tool that does what it is made with."""

    def __init__(self, behave: Callable[[], Any]) -> None:
        self._behave = behave
        self.toolbox = Toolbox(self)

    @tool
    async def run(self) -> Any:
        found = self._behave()
        return await found if asyncio.iscoroutine(found) else found

    @tool(timeout=0.1)
    async def run_briefly(self) -> Any:
        return await self.run()


def raises(err: BaseException) -> Callable[[], Any]:
    def behave() -> None:
        raise err

    return behave


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, None),
        (Sum(3, date(2026, 11, 21)), {"total": 3, "on": "2026-11-21"}),
        (Cat(kind="cat", lives=9), {"kind": "cat", "lives": 9}),
        ({"at": (1, 2), "of": {3}}, {"at": [1, 2], "of": [3]}),
        (Color.BLUE, "blue"),
    ],
)
async def test_a_result_is_a_receipt_in_jsons_own_types(value: Any, data: Any) -> None:
    result = await call(Returns(lambda: value), "run")
    assert result == ToolResult(id="1", name="run", data=data)


def circle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    "make", [object, lambda: math.nan, circle, lambda: "\ud800", lambda: b"\xff", lambda: print]
)
async def test_what_is_no_json_is_an_error(make: Callable[[], Any]) -> None:
    result = await call(Returns(make), "run")
    assert result.data is None
    assert result.error is not None
    assert result.error.startswith("returned something that is no JSON: ")
    result.model_dump_json()


async def test_a_result_that_is_too_large_is_an_error() -> None:
    assert (await call(Returns(lambda: "x" * (LARGEST_RESULT - 2)), "run")).error is None
    result = await call(Returns(lambda: "é" * LARGEST_RESULT), "run")
    assert result.data is None
    assert result.error == "returned 131,074 bytes of JSON, where a result holds at most 65,536"


async def test_a_tool_error_is_for_the_model_and_not_for_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = await call(Returns(raises(ToolError("no such lamp", hint="Try `lamp`."))), "run")
    assert result.error == "no such lamp. Try `lamp`."
    assert caplog.text == ""


async def test_any_other_error_is_told_with_its_class_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    result = await call(Returns(raises(ZeroDivisionError("no"))), "run")
    assert result.error == "ZeroDivisionError: no"
    assert "Tool run failed" in caplog.text
    assert "in behave" in caplog.text
    # Not logged here: a test's report is no place for what is no text.
    logging.disable()
    try:
        odd = await call(Returns(raises(ValueError("no \ud800"))), "run")
    finally:
        logging.disable(logging.NOTSET)
    assert odd.error == "ValueError: no ?"
    endless = await call(Returns(raises(ValueError("x" * 100_000))), "run")
    assert len(endless.error or "") < 3_000


async def test_a_tool_that_takes_too_long_is_cancelled() -> None:
    ended: list[str] = []

    async def rest() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    started = time.monotonic()
    result = await call(Returns(rest), "run_briefly")
    assert time.monotonic() - started < 5
    assert result.error == "took longer than 0.1 s and was cancelled"
    assert ended == ["cancelled"]


async def test_a_timeout_of_its_own_is_told_as_that() -> None:
    result = await call(Returns(raises(TimeoutError("the lamp does not answer"))), "run")
    assert result.error == "TimeoutError: the lamp does not answer"


async def test_a_cancelled_turn_stops_the_tool_and_a_cancelled_helper_does_not_end_the_turn() -> (
    None
):
    task = asyncio.create_task(call(Returns(lambda: asyncio.sleep(60)), "run"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    result = await call(Returns(raises(asyncio.CancelledError())), "run")
    assert result.error == "was cancelled from inside"


class Child(Bar):
    async def tree(self, root: Folder) -> int:
        return 0


def test_a_tool_that_is_overridden_without_the_mark_is_none_any_more() -> None:
    assert "tree" not in Child().toolbox
    assert "pet" in Child().toolbox
