"""The parameters of a tool: a model that validates them, and their JSON Schema."""

import inspect
from annotationlib import Format
from collections.abc import Callable, Sequence
from typing import Any, cast, get_args, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.fields import FieldInfo

from hairem_core.sdk.errors import ToolDefinitionError

type Schema = dict[str, Any]

_NOT_BY_NAME = {
    inspect.Parameter.POSITIONAL_ONLY: "it is positional-only; take the `/` away",
    inspect.Parameter.VAR_POSITIONAL: "it is `*{name}`; write `{name}: list[…]`",
    inspect.Parameter.VAR_KEYWORD: "it is `**{name}`; name each argument",
}


def parameters_of(method: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return a method's parameters; names in annotations may be defined later, or never."""
    signature = inspect.signature(method, annotation_format=Format.FORWARDREF)
    return list(signature.parameters.values())


def check_parameters(method: Callable[..., Any], parameters: Sequence[inspect.Parameter]) -> None:
    """Raise ToolDefinitionError for a parameter that a model cannot be told of."""
    for parameter in parameters:
        name = parameter.name
        if parameter.kind in _NOT_BY_NAME:
            raise refusal(method, name, _NOT_BY_NAME[parameter.kind].format(name=name))
        if parameter.annotation is parameter.empty:
            raise refusal(method, name, f"it has no annotation; write for example `{name}: str`")
        if isinstance(parameter.default, FieldInfo):
            raise refusal(method, name, f"write `{name}: Annotated[…, Field(…)]`, and its default")


def refusal(method: Callable[..., Any], parameter: str, why: str) -> ToolDefinitionError:
    """Return the error for a tool that cannot be, with file and line of the method."""
    code = inspect.unwrap(method).__code__
    named = f"parameter {parameter!r}: " if parameter else ""
    return ToolDefinitionError(
        f"@tool {method.__qualname__}: {named}{why}",
        where=f"{code.co_filename}:{code.co_firstlineno}",
    )


def arguments_model(method: Callable[..., Any], texts: dict[str, str]) -> type[BaseModel]:
    """Return the model of a method's arguments; its fields' aliases are the parameters' names.

    `texts` describe parameters that no Field(description=…) does. Raises ToolDefinitionError.
    """
    parameters = parameters_of(method)
    check_parameters(method, parameters)
    try:
        hints = get_type_hints(method, include_extras=True)
    except NameError as err:
        raise refusal(method, "", f"an annotation cannot be resolved: {err}") from err
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(parameters):
        name, hint = parameter.name, hints[parameter.name]
        options: dict[str, Any] = {"alias": name}
        if name in texts and not _is_described(hint):
            options["description"] = texts[name]
        if parameter.default is not parameter.empty:
            _check_default(method, parameter, hint)
            options["default"] = parameter.default
        # Under its own name a parameter called `json` or `copy` would hide a method of the model.
        fields[f"argument_{index}"] = (hint, Field(**options))
    try:
        model = create_model(method.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    except PydanticUserError as err:
        raise refusal(method, "", _first_line(err)) from err
    return cast("type[BaseModel]", model)


def json_schema(method: Callable[..., Any], model: type[BaseModel]) -> Schema:
    """Return the JSON Schema of a model's arguments, without references where that can be.

    Not every model server follows `$ref`. Raises ToolDefinitionError.
    """
    try:
        schema = model.model_json_schema()
    except PydanticUserError as err:
        raise refusal(method, "", _first_line(err)) from err
    definitions = schema.get("$defs", {})
    try:
        plain: Schema = _plain(
            {key: schema[key] for key in schema if key != "$defs"}, definitions, ()
        )
    except _Recursive:
        plain = _plain(schema, None, ())
    plain.pop("description", None)
    return plain


class _Recursive(Exception):
    """A type contains itself: its schema cannot be written without references."""


def _plain(schema: Any, definitions: dict[str, Any] | None, within: tuple[str, ...]) -> Any:
    """Return a schema without titles, references replaced by what `definitions` has for them."""
    if isinstance(schema, list):
        return [_plain(each, definitions, within) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found: Schema = {}
    if definitions is not None and (reference := schema.get("$ref")):
        name = reference.removeprefix("#/$defs/")
        if name in within:
            raise _Recursive
        found = _plain(definitions[name], definitions, (*within, name))
    for key, value in schema.items():
        if key == "title" or (definitions is not None and key in ("$ref", "discriminator")):
            continue
        if key in ("properties", "$defs"):
            found[key] = {name: _plain(each, definitions, within) for name, each in value.items()}
        elif key in ("default", "const", "enum", "examples"):
            found[key] = value
        else:
            found[key] = _plain(value, definitions, within)
    return found


def _is_described(hint: Any) -> bool:
    return any(isinstance(each, FieldInfo) and each.description for each in get_args(hint)[1:])


def _check_default(method: Callable[..., Any], parameter: inspect.Parameter, hint: Any) -> None:
    try:
        TypeAdapter(hint).validate_python(parameter.default)
    except PydanticUserError as err:
        raise refusal(method, parameter.name, _first_line(err)) from err
    except ValidationError as err:
        first = err.errors(include_url=False)[0]["msg"]
        raise refusal(
            method,
            parameter.name,
            f"its default {parameter.default!r} is none of its values ({first}); "
            "for None write `… | None = None`",
        ) from err


def _first_line(err: Exception) -> str:
    return str(err).partition("\n")[0]
