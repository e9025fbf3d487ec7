"""Conditions and handlers that tell whether a piece of code ever runs."""

import ast

_MISSING_IS_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def is_type_checking(node: ast.expr) -> bool:
    """Return whether a condition is `TYPE_CHECKING`, which is false in a running agent."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    return name == "TYPE_CHECKING"


def is_main(node: ast.expr) -> bool:
    """Return whether a condition is `__name__ == "__main__"`, which is false in an agent."""
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == "__name__"
        and len(node.ops) == 1
        and isinstance(node.ops[0], ast.Eq)
        and isinstance(node.comparators[0], ast.Constant)
        and node.comparators[0].value == "__main__"
    )


def catches_missing(caught: ast.expr | None) -> bool:
    """Return whether an `except` takes the error of a module that is not there."""
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(each, ast.Name) and each.id in _MISSING_IS_CAUGHT for each in names)
