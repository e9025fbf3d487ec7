"""The documentation: its links lead somewhere, what it names exists, both languages agree."""

import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer.main

from hairem_core.cli.main import app
from tests.support.child import ROOT

DOCS = ROOT / "docs"
README, LISEZMOI = ROOT / "README.md", ROOT / "README.fr.md"
FRENCH = sorted((DOCS / "fr").glob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), *FRENCH]
TWINS = {DOCS / page.name: page for page in FRENCH}
SUMMARIES = {DOCS / "sandbox.md"}
"""English pages of which the French one tells the beginning alone."""
OF_THE_SOURCE = [
    ROOT / "CONTRIBUTING.md",
    *(DOCS / name for name in ("architecture.md", "h-link.md", "sandbox.md")),
]
"""Pages that name files and methods of this repository."""

_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CONSOLE = re.compile(r"^ *```(?:console|sh)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)
_LEVEL = re.compile(r"^(#{1,6}) ", re.MULTILINE)
_FIRST_CELL = re.compile(r"^\| *(`[^|]*?) *\|", re.MULTILINE)
_FILE = re.compile(r"(?:[\w.-]+/)+(?:[\w.-]+)?|[\w.-]+\.py")
_METHOD = re.compile(r"([A-Z]\w+)\.(_?[a-z]\w*)")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


pages = pytest.mark.parametrize("page", PAGES, ids=_name)
twins = pytest.mark.parametrize(("english", "french"), TWINS.items(), ids=_name)


@cache
def _prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCED.sub("", page.read_text())


def _links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the links of a page that stay in this repository: text, file, anchor."""
    for link in _LINK.findall(_SPAN.sub("", _prose(page))):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = (page.parent / unquote(path)).resolve() if path else page
            yield link, target, unquote(anchor)


def _targets(page: Path) -> set[Path]:
    return {target for _, target, _ in _links(page)}


@cache
def _anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as GitHub makes them.

    Source: https://docs.github.com/en/get-started/writing-on-github, "Section links".
    """
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_prose(page)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return frozenset(found)


def _reached_from(start: Path) -> set[Path]:
    seen: set[Path] = set()
    waiting = [start]
    while waiting:
        page = waiting.pop()
        if page not in seen and page in PAGES:
            seen.add(page)
            waiting += _targets(page)
    return seen


@cache
def _methods() -> frozenset[tuple[str, str]]:
    """Return every class of the source with each name that is defined in it."""
    found = set()
    for folder in (ROOT / "hairem_core", ROOT / "custom_components"):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    found |= {(node.name, each) for each in _defined(node)}
    return frozenset(found)


def _defined(node: ast.ClassDef) -> Iterator[str]:
    for each in node.body:
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name


def _commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each `hairem` command that a page names."""
    blocks = "".join(_CONSOLE.findall(page.read_text()))
    for line in re.findall(r"^(?:\$ )?(?:\S*/)?hairem (.+)$", blocks, re.MULTILINE):
        yield shlex.split(line, comments=True)
    for span in _SPAN.findall(_prose(page)):
        if found := re.fullmatch(r"(?:\S*/)?hairem (.+)", span):
            yield shlex.split(found[1])


@pages
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link, target, anchor in _links(page):
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in _anchors(target), f"{link}: there are {sorted(_anchors(target))}"


def test_every_page_is_found_from_the_front_page() -> None:
    """In its own language: nobody must know English to find a page in French."""
    assert set(DOCS.glob("*.md")) <= _reached_from(README)
    assert set(FRENCH) <= _reached_from(LISEZMOI)
    front = _targets(LISEZMOI)
    assert not [_name(page) for page in TWINS if page in front]


@pytest.mark.parametrize(("english", "french"), [(README, LISEZMOI), *TWINS.items()], ids=_name)
def test_each_language_leads_to_the_other(english: Path, french: Path) -> None:
    assert french in _targets(english)
    assert english in _targets(french)


@twins
def test_french_pages_lead_to_french_pages(english: Path, french: Path) -> None:
    for link, target, _ in _links(french):
        assert target == english or target not in TWINS, f"{link} is there in French"


@twins
def test_both_languages_say_the_same_of_the_same(english: Path, french: Path) -> None:
    """Rows of tables begin with names, and those are not translated."""
    names = {}
    for page in (english, french):
        text = re.sub(r"<[^>]*>", "<>", page.read_text())
        names[page] = [_SPAN.findall(cell) for cell in _FIRST_CELL.findall(text)]
    if english in SUMMARIES:
        assert all(each in names[english] for each in names[french])
        return
    assert names[french] == names[english]
    assert _LEVEL.findall(_prose(french)) == _LEVEL.findall(_prose(english))


@pytest.mark.parametrize("page", OF_THE_SOURCE, ids=_name)
def test_the_files_and_methods_that_a_page_names_are_there(page: Path) -> None:
    places = (ROOT, DOCS, ROOT / "hairem_core", ROOT / "custom_components" / "hairem")
    for span in _SPAN.findall(_prose(page)):
        if _FILE.fullmatch(span):
            assert any((place / span).exists() for place in places), span
        elif found := _METHOD.fullmatch(span):
            assert found.groups() in _methods(), span


@pages
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    for words in _commands(page):
        # Typer carries a click of its own, so its classes are not those of click.
        command: Any = typer.main.get_command(app)
        rest = list(words)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            assert name in command.commands, words
            command = command.commands[name]
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        known |= {"--help"}
        given = rest[: rest.index("--")] if "--" in rest else rest
        assert {word for word in given if word.startswith("-")} <= known, words


def test_the_map_has_every_room() -> None:
    rooms = (DOCS / "architecture.md").read_text().partition("## The floors")[0]
    core = ROOT / "hairem_core"
    names = {f"{path.name}/" for path in core.iterdir() if (path / "__init__.py").is_file()}
    names |= {path.name for path in core.glob("*.py") if not path.name.startswith("__")}
    assert not {
        name for name in names if not re.search(rf"^ +{re.escape(name)} ", rooms, re.MULTILINE)
    }


def test_every_room_of_the_tests_is_told() -> None:
    told = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}
    assert not {room for room in rooms if f"`tests/{room}" not in told}
