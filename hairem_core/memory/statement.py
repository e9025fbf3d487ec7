"""What a store is told to write: statements with variables, several of them as one transaction."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of a transaction, with variables of its own."""

    text: str
    variables: dict[str, Any] = field(default_factory=dict)


def script(statements: Sequence[Statement]) -> tuple[str, dict[str, Any]]:
    """Return a transaction of statements, whose variables may have the same names."""
    texts = ["BEGIN"]
    variables: dict[str, Any] = {}
    for number, each in enumerate(statements):
        text = each.text
        for name, value in each.variables.items():
            text = re.sub(rf"\${name}\b", f"${name}_{number}", text)
            variables[f"{name}_{number}"] = value
        texts.append(text)
    return ";\n".join([*texts, "COMMIT;"]), variables
