"""Lists of things, by name. Pure logic: each function returns new lists and leaves the old."""

from collections.abc import Iterable, Mapping, Sequence

from hairem_core.sdk import ToolError

SHOPPING = "shopping"
_ALIASES = {
    "": SHOPPING,
    "shopping list": SHOPPING,
    "groceries": SHOPPING,
    "grocery list": SHOPPING,
    "courses": SHOPPING,
    "les courses": SHOPPING,
    "liste de courses": SHOPPING,
    "liste des courses": SHOPPING,
}
_MOST_LISTS, _MOST_ITEMS, _LONGEST = 50, 300, 120

type Lists = Mapping[str, Sequence[str]]


def name_of(name: str) -> str:
    """Return the one name of a list that people call in several ways. Raises ToolError."""
    clean = " ".join(name.split()).casefold()
    if len(clean) > _LONGEST:
        raise ToolError(f"a list's name has at most {_LONGEST} characters")
    return _ALIASES.get(clean, clean)


def add(lists: Lists, name: str, items: Iterable[str]) -> tuple[Lists, list[str]]:
    """Return the lists with `items` on one of them, and those of them that were not there yet.

    Raises ToolError.
    """
    name = name_of(name)
    there = list(lists.get(name, ()))
    known = {item.casefold() for item in there}
    new: list[str] = []
    for item in _clean(items):
        if item.casefold() not in known:
            known.add(item.casefold())
            new.append(item)
    if name not in lists and len(lists) >= _MOST_LISTS:
        raise ToolError(f"there are {_MOST_LISTS} lists already")
    if len(there) + len(new) > _MOST_ITEMS:
        raise ToolError(f"a list holds at most {_MOST_ITEMS} things")
    return {**lists, name: [*there, *new]}, new


def remove(lists: Lists, name: str, items: Iterable[str]) -> tuple[Lists, list[str]]:
    """Return the lists without `items`, and what was taken off. An empty list goes.

    Raises ToolError when something is not on the list, naming what is.
    """
    name = name_of(name)
    there = list(lists.get(name, ()))
    taken: list[str] = []
    for item in _clean(items):
        same = [each for each in there if each.casefold() == item.casefold()]
        # "milk" takes "2 bottles of milk" off, as long as nothing else could be meant.
        alike = same or [each for each in there if item.casefold() in each.casefold()]
        if len(alike) != 1:
            problem = "could be several things" if alike else "is not there"
            raise ToolError(f"{item!r} {problem}; on the list {name}: {', '.join(there) or '-'}")
        there.remove(alike[0])
        taken.append(alike[0])
    rest = {key: value for key, value in lists.items() if key != name}
    return ({**rest, name: there} if there else rest), taken


def clear(lists: Lists, name: str) -> tuple[Lists, list[str]]:
    """Return the lists without one, and what was on it. Raises ToolError if there is none."""
    name = name_of(name)
    if name not in lists:
        raise ToolError(f"there is no list {name!r}; there are: {', '.join(lists) or 'none'}")
    return {key: value for key, value in lists.items() if key != name}, list(lists[name])


def _clean(items: Iterable[str]) -> list[str]:
    found = [" ".join(item.split()).rstrip(".") for item in items]
    if not found or not all(found):
        raise ToolError("name at least one thing")
    if any(len(item) > _LONGEST for item in found):
        raise ToolError(f"one thing has at most {_LONGEST} characters")
    return found
