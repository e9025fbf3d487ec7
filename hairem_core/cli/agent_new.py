"""Making a bundle of the template."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from hairem_core.cli.places import code_root
from hairem_core.errors import HairemError

_TEMPLATE_ID = "my_agent"
_TEMPLATE_NAME = "My Agent"
_CHARACTER = {
    "en": "You are {name}. You answer in one or two short sentences,\n"
    "as words to be heard: no lists, no markup.\n",
    "fr": "Tu es {name}. Tu réponds en une ou deux phrases courtes,\n"
    "faites pour être entendues : ni liste, ni mise en forme.\n",
}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a new agent is to be."""

    id: str
    name: str
    description: str
    """In its preferred language; empty for the template's own."""
    languages: Sequence[str]
    with_code: bool
    acts_in_home: bool
    uses_network: bool


def check_wishes(agent_id: str, name: str, languages: Sequence[str]) -> None:
    """Raise HairemError when a manifest could not say this."""
    from hairem_core.hotplug.bundle import Manifest

    try:
        Manifest.model_validate({"id": agent_id, "name": name, "languages": list(languages)})
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        key = str(first["loc"][0])
        what = first["msg"].removeprefix("Value error, ")
        what, hint = f"{first['input']!r}: {what[:1].lower()}{what[1:]}", None
        if first["type"] == "string_pattern_mismatch":
            what = f"{first['input']!r} is no {key}"
            hint = "It is lower-case letters, digits and `_`, at most 32, and begins with a letter."
        raise HairemError(what, where=key, hint=hint) from err


def template_folder() -> Path:
    """Return the template: of the checkout, or of the installed package."""
    beside = code_root() / "agents" / "_template"
    return beside if beside.is_dir() else Path(__file__).parents[1] / "_template"


@contextmanager
def staged(folder: Path, name: str) -> Iterator[Path]:
    """Yield a place for a bundle beside where it will be, which H-Core does not look at."""
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder) as place:
        yield Path(place) / name


def reason(err: OSError) -> str:
    """Return why a bundle could not be written: of many files that could not, the first one's."""
    if isinstance(err, shutil.Error) and isinstance(err.args[0], list):
        return str(err.args[0][0][-1])
    return err.strerror or str(err)


def make_bundle(wishes: Wishes, target: Path) -> None:
    """Write the bundle to `target`, a folder that is not there yet."""
    ignored = ["__pycache__", ".*"]
    if not wishes.with_code:
        ignored += ["logic.py", "test_logic.py"]
    shutil.copytree(template_folder(), target, ignore=shutil.ignore_patterns(*ignored))
    for path in target.rglob("*"):
        if path.suffix in (".py", ".md"):
            # A name may hold anything printable: in code, the id stands for it.
            name = wishes.name if path.suffix == ".md" else wishes.id
            text = path.read_text(encoding="utf-8")
            text = text.replace(_TEMPLATE_ID, wishes.id).replace(_TEMPLATE_NAME, name)
            if not wishes.with_code:
                text = "".join(
                    line for line in text.splitlines(keepends=True) if "`logic.py`" not in line
                )
            path.write_text(text, encoding="utf-8")
    _edit(target / "manifest.yaml", lambda content: _fill_manifest(content, wishes))
    _edit(target / "persona.yaml", lambda content: _fill_persona(content, wishes))


def _fill_manifest(content: Any, wishes: Wishes) -> None:
    content["id"], content["name"] = wishes.id, wishes.name
    content["languages"][:] = list(wishes.languages)
    description = content["description"]
    for language in list(description):
        # What the template says of itself is true of its code alone.
        if wishes.description or not wishes.with_code or language not in wishes.languages:
            del description[language]
    if wishes.description:
        description[wishes.languages[0]] = wishes.description
    elif not description:
        del content["description"]
    permissions = content["permissions"]
    # The comment before the next key hangs on the last permission, and is to stay there.
    comment = permissions.ca.items.pop(len(permissions) - 1, None)
    if wishes.acts_in_home:
        permissions.append("home.act")
    if wishes.uses_network:
        permissions.append("network")
    if comment is not None:
        permissions.ca.items[len(permissions) - 1] = comment
    if not wishes.with_code:
        # The comment before a key hangs on what is before it.
        content.ca.items.pop("permissions", None)
        content["permissions"].ca.items.clear()
        del content["config"]


def _fill_persona(content: Any, wishes: Wishes) -> None:
    from ruamel.yaml.scalarstring import LiteralScalarString

    character = content["character"]
    for language in list(character):
        if language not in wishes.languages:
            del character[language]
        elif wishes.with_code:
            text = str(character[language]).replace(_TEMPLATE_NAME, wishes.name)
            character[language] = LiteralScalarString(text)
        else:
            text = _CHARACTER[language].format(name=wishes.name)
            character[language] = LiteralScalarString(text)


def _edit(path: Path, change: Any) -> None:
    yaml = YAML(typ="rt")
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(path)
    change(content)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
