"""What a person reads of the app: forms, documentation and pictures, whole in both languages."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from hairem_core.cli.main import app
from tests.addon.files import ADDON, LANGUAGES, app_config, read_yaml
from tests.support.child import ROOT

CONFIG = app_config()
TRANSLATIONS = {
    language: read_yaml(ADDON / f"translations/{language}.yaml") for language in LANGUAGES
}
TWINS = [("README.md", "README.fr.md"), ("DOCS.md", "DOCS.fr.md")]
PAGES = [*(name for pair in TWINS for name in pair), "CHANGELOG.md"]
REPOSITORY = "https://github.com/hairem/hairem"

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
_ROW = re.compile(r"^\| *(`[^|]*`) *\|", re.MULTILINE)

languages = pytest.mark.parametrize("language", LANGUAGES)
pages = pytest.mark.parametrize("page", PAGES)
twins = pytest.mark.parametrize(("english", "french"), TWINS)


def prose(path: Path) -> str:
    return _FENCED.sub("", path.read_text(encoding="utf-8"))


def anchors(path: Path) -> set[str]:
    headings = [heading.lower() for _, heading in _HEADING.findall(prose(path))]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


def test_no_language_is_missing_or_too_many() -> None:
    assert {path.name for path in (ADDON / "translations").iterdir()} == {
        f"{language}.yaml" for language in LANGUAGES
    }


@languages
def test_every_option_and_port_has_its_words_and_nothing_else(language: str) -> None:
    words = TRANSLATIONS[language]
    assert set(words) == {"configuration", "network"}
    assert list(words["configuration"]) == list(CONFIG["schema"])
    assert set(words["network"]) == set(CONFIG["ports"])
    for key, texts in words["configuration"].items():
        assert set(texts) == {"name", "description"}, key
        assert all(text and text == text.strip() for text in texts.values()), key
        assert texts["description"].endswith("."), key


@languages
def test_no_two_options_have_one_name(language: str) -> None:
    names = [texts["name"] for texts in TRANSLATIONS[language]["configuration"].values()]
    assert len(set(names)) == len(names)


def test_the_french_words_are_french() -> None:
    english, french = (TRANSLATIONS[language]["configuration"] for language in LANGUAGES)
    assert not [key for key in english if english[key]["description"] == french[key]["description"]]


@pytest.mark.parametrize("page", ["DOCS.md", "DOCS.fr.md"])
def test_the_documentation_tells_every_option_and_its_default(page: str) -> None:
    rows: dict[str, str] = {}
    for line in (ADDON / page).read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"\| `(\w+)` \| (.*?) \| .* \|", line):
            rows[found[1]] = found[2]
    assert list(rows) == list(CONFIG["schema"])
    for key, default in CONFIG["options"].items():
        wanted = {True: "on" if page == "DOCS.md" else "activé"}.get(default, f"`{default}`")
        assert rows[key] == wanted, key


@pytest.mark.parametrize("page", ["DOCS.md", "DOCS.fr.md"])
def test_the_documentation_names_every_choice(page: str) -> None:
    text = (ADDON / page).read_text(encoding="utf-8")
    for kind in CONFIG["schema"].values():
        for choice in re.findall(r"[\w]+", kind.removeprefix("list")) if "(" in kind else []:
            assert f"`{choice}`" in text, kind


@twins
def test_both_languages_say_the_same_of_the_same(english: str, french: str) -> None:
    texts = [prose(ADDON / name) for name in (english, french)]
    levels = [[level for level, _ in _HEADING.findall(text)] for text in texts]
    assert levels[0] == levels[1]
    rows = [_ROW.findall(text) for text in texts]
    assert rows[0] == rows[1]
    assert french in texts[0]
    assert english in texts[1]


def links(page: str) -> Iterator[tuple[str, Path, str]]:
    """Yield the links of a page that lead into this repository: as written, file, anchor."""
    for link in _LINK.findall(prose(ADDON / page)):
        here = link if link.startswith("#") else None
        there = re.fullmatch(rf"{re.escape(REPOSITORY)}/(?:blob|tree)/main/([^#]+)(?:#(.*))?", link)
        if here:
            yield link, ADDON / page, here[1:]
        elif there:
            yield link, ROOT / there[1], there[2] or ""


@pages
def test_links_lead_to_a_file_and_a_heading(page: str) -> None:
    """Home Assistant shows these pages elsewhere: a link to a neighbouring file leads nowhere."""
    for link in _LINK.findall(prose(ADDON / page)):
        assert link.startswith(("https://", "#")), link
    for link, path, anchor in links(page):
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@twins
def test_french_pages_lead_to_french_pages(english: str, french: str) -> None:
    for link, path, _ in links(french):
        twin = path.with_name(f"{path.stem}.fr.md") if path.parent != ROOT / "docs" else None
        twin = twin or ROOT / "docs" / "fr" / path.name
        assert path.name == english or path.suffix != ".md" or not twin.exists(), link


@pages
def test_commands_that_a_page_names_exist(page: str) -> None:
    for line in re.findall(r"`hairem ([^`\n]+)`", prose(ADDON / page)):
        command: Any = typer.main.get_command(app)
        for word in line.split():
            if not hasattr(command, "commands"):
                break
            assert word in command.commands, line
            command = command.commands[word]


def test_the_changelog_tells_of_this_version_first() -> None:
    versions = re.findall(r"^## (.+)$", (ADDON / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == CONFIG["version"]


def test_the_repository_introduces_itself() -> None:
    repository = read_yaml(ROOT / "repository.yaml")
    assert set(repository) == {"name", "url", "maintainer"}
    assert repository["url"] == REPOSITORY


def test_the_front_page_leads_to_the_app() -> None:
    for page, docs in (("README.md", "addon/DOCS.md"), ("README.fr.md", "addon/DOCS.fr.md")):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"]({docs})" in text
        assert "redirect/supervisor_add_addon_repository" in text


@pytest.mark.parametrize(
    ("name", "size", "drawing"),
    [("icon.png", (128, 128), "icon.svg"), ("logo.png", (250, 100), "logo.svg")],
)
def test_a_picture_is_of_its_size_and_transparent(
    name: str, size: tuple[int, int], drawing: str
) -> None:
    """PNG, third edition, 11.2.2: the header holds width, height, depth and colour type."""
    head = (ADDON / name).read_bytes()[:26]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    width, height, depth, colours = struct.unpack(">IIBB", head[16:26])
    assert (width, height) == size
    assert (depth, colours) == (8, 6), "red, green, blue and alpha"
    assert (ROOT / "docs" / "brand" / drawing).is_file()


def test_the_drawings_need_no_font_and_no_network() -> None:
    for path in (ROOT / "docs" / "brand").glob("*.svg"):
        text = path.read_text(encoding="utf-8")
        assert "<text" not in text
        assert re.findall(r"https?://[^\"]+", text) == ["http://www.w3.org/2000/svg"]
