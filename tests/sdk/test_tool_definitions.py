"""What cannot be a `@tool` is refused where it is defined, or when its agent is made."""

import asyncio
from collections.abc import Callable

import pytest
from pydantic import BaseModel, Field

from hairem_core.sdk import ToolDefinitionError, tool
from hairem_core.sdk.tools import Toolbox


def positional_only() -> None:
    class Wrong:
        @tool
        async def add(self, item: str, /) -> None: ...


def star() -> None:
    class Wrong:
        @tool
        async def add(self, *items: str) -> None: ...


def two_stars() -> None:
    class Wrong:
        @tool
        async def add(self, **items: str) -> None: ...


def no_annotation() -> None:
    class Wrong:
        @tool
        async def add(self, item) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001


def not_async() -> None:
    class Wrong:
        @tool  # type: ignore[type-var]
        def add(self, item: str) -> None: ...


def no_method() -> None:
    tool(staticmethod(positional_only))  # type: ignore[type-var]


def no_self() -> None:
    class Wrong:
        @tool
        async def add() -> None: ...  # type: ignore[misc]


def field_as_default() -> None:
    class Wrong:
        @tool
        async def add(self, item: int = Field(5, ge=1)) -> None: ...


def private() -> None:
    class Wrong:
        @tool
        async def _add(self) -> None: ...


@pytest.mark.parametrize(
    ("define", "error"),
    [
        (positional_only, "parameter 'item': it is positional-only; take the `/` away"),
        (star, "parameter 'items': it is `*items`; write `items: list[…]`"),
        (two_stars, "parameter 'items': it is `**items`; name each argument"),
        (no_annotation, "parameter 'item': it has no annotation; write for example `item: str`"),
        (not_async, "write it as `async def`"),
        (no_method, "it marks methods, below other decorators"),
        (no_self, "it has no `self`; write it as a method of the agent"),
        (field_as_default, "parameter 'item': write `item: Annotated[…, Field(…)]`"),
        (private, "a model cannot call it by that name"),
    ],
)
def test_a_wrong_tool_is_refused_where_its_class_is_made(
    define: Callable[[], None], error: str
) -> None:
    with pytest.raises(TypeError) as caught:
        define()
    assert error in str(caught.value)
    assert isinstance(caught.value, ToolDefinitionError)
    if define is not no_method:
        assert f"@tool {define.__name__}.<locals>.Wrong." in str(caught.value)
        assert __file__ in str(caught.value)


def test_a_timeout_is_positive() -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        tool(timeout=0)


class WrongDefault:
    @tool
    async def add(self, item: str = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013


class WrongType:
    @tool
    async def add(self, item: asyncio.Lock) -> None: ...


class NoSchema:
    @tool
    async def add(self, item: Callable[[], None]) -> None: ...


class NoName:
    @tool
    async def add(self, item: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("owner", "error"),
    [
        (WrongDefault(), "parameter 'item': its default None is none of its values"),
        (WrongType(), "Unable to generate pydantic-core schema for <class 'asyncio.locks.Lock'>"),
        (NoSchema(), "Cannot generate a JsonSchema"),
        (NoName(), "an annotation cannot be resolved: name 'Missing' is not defined"),
    ],
)
def test_parameters_that_no_schema_describes_are_refused_when_the_agent_is_made(
    owner: object, error: str
) -> None:
    with pytest.raises(ToolDefinitionError) as caught:
        Toolbox(owner)
    assert f"@tool {type(owner).__name__}.add: " in str(caught.value)
    assert error in str(caught.value)


def test_a_tool_may_name_what_is_defined_below_it() -> None:
    assert Toolbox(Early()).specs[0].parameters["properties"]["item"]["type"] == "object"


class Early:
    @tool
    async def add(self, item: Late) -> None: ...


class Late(BaseModel):
    name: str
