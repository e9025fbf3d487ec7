"""Step 1: `manifest.yaml` and `persona.yaml`."""

import difflib
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, TypeAdapter, ValidationError
from ruamel.yaml.comments import CommentedMap, CommentedSeq, TaggedScalar
from ruamel.yaml.error import ReusedAnchorWarning

from hairem_core.config.yaml_file import ConfigError, Problem, SecretName, read_yaml, validate_yaml
from hairem_core.hotplug.bundle import (
    MANIFEST_NAMES,
    PERSONA_NAME,
    Manifest,
    PersonaFile,
    SecretsField,
)
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule
from hairem_core.hotplug.permissions import Permissions, PermissionsField
from hairem_core.hotplug.report import Finding, Step

LONGEST_YAML = 256 * 2**10
"""Bytes of a manifest or a persona. The parser takes about a second for as many."""
_MOST_VALUES = 10_000
_DEEPEST = 50
_MOST_ENTRIES = 100
"""Entries of a wrong list that are looked at one by one."""
_AGENT_ID = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SECRET_SETTING = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|token|api_?key|private_key|credentials?)$",
    re.IGNORECASE,
)
_PERMISSIONS: TypeAdapter[Permissions] = TypeAdapter(PermissionsField)
_WHOLE: dict[str, TypeAdapter[Any]] = {
    "permissions": _PERMISSIONS,
    "secrets": TypeAdapter(SecretsField),
}
"""Keys whose entries are checked together, so that an error of theirs names no entry."""
_HINTS = {
    "id": "Lower-case letters, digits and `_`, a letter first, at most 32: `id: my_agent`.",
    "uuid": "Write a UUID, or remove the line: then one is made of the id.",
    "name": "Write a printable text of at most 64 characters.",
    "version": "Write three numbers, as in `version: 1.0.0`.",
    "description": "Write one sentence a language: `en: …`, `fr: …`.",
    "languages": "Write `[en]`, `[fr]` or both, the preferred one first.",
    "permissions": "Write a list, such as `- llm` and `- home.act: [light, cover]`.",
    "config": "Write `key: value` lines, with dates in quotes.",
    "secrets": "Write names in capitals, empty or with a secret: `HA_TOKEN: !secret my_token`.",
    "assets": "Write `name: assets/file.png` lines.",
    "character": "Write a text a language: `en: …`, `fr: …`.",
}


@dataclass(kw_only=True)
class ManifestStep:
    """What step 1 learnt, as far as the files are right."""

    findings: list[Finding] = field(default_factory=list)
    name: str = MANIFEST_NAMES[0]
    """The manifest's file."""
    agent_id: str | None = None
    manifest: Manifest | None = None
    persona: PersonaFile = field(default_factory=PersonaFile)
    permissions: Permissions | None = None
    """None when they cannot be read."""
    assets: dict[str, str] | None = None
    """None when they cannot be read."""
    asset_lines: dict[str, int] = field(default_factory=dict)


def check_manifest(folder: Path) -> ManifestStep:
    """Return what the manifest and the persona in `folder` say, and what is wrong with them."""
    findings = Findings(Step.MANIFEST)
    step = ManifestStep()
    if path := _find(folder, findings):
        step.name = path.name
        data = _read(path, findings)
        if data is not None:
            _use(data, step)
            step.manifest = _validate(Manifest, data, path, findings)
            _look_for_clear_secrets(data, step, findings)
    persona_path = folder / PERSONA_NAME
    if persona_path.is_dir():
        _refuse_folder(PERSONA_NAME, findings)
    elif persona_path.is_file() and (data := _read(persona_path, findings)) is not None:
        persona = _validate(PersonaFile, data, persona_path, findings)
        step.persona = persona or step.persona
        if persona is not None and step.manifest is not None:
            _compare_languages(persona, step.manifest, data, findings)
    step.findings = findings.as_list()
    return step


def _find(folder: Path, findings: Findings) -> Path | None:
    for name in MANIFEST_NAMES:
        if (folder / name).is_dir():
            _refuse_folder(name, findings)
    found = [folder / name for name in MANIFEST_NAMES if (folder / name).is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        findings.add(
            Rule.TWO_MANIFESTS,
            f"{names} are the same file under two names",
            f"Keep {found[0].name} and remove the other.",
            file=found[1].name,
        )
    elif not found:
        findings.add(
            Rule.NO_MANIFEST,
            "there is no manifest.yaml",
            "Add one with at least `id:` and `name:`.",
        )
    return found[0] if found else None


def _refuse_folder(name: str, findings: Findings) -> None:
    findings.add(
        Rule.NOT_A_FILE, f"{name} is a folder", "Put a file of this name there.", file=name
    )


def _read(path: Path, findings: Findings) -> CommentedMap | None:
    if (size := path.stat().st_size) > LONGEST_YAML:
        findings.add(
            Rule.TOO_LONG,
            f"{size / 2**10:.0f} KiB, more than {LONGEST_YAML // 2**10}",
            "Make it shorter.",
            file=path.name,
        )
        return None
    # YAML 1.2 lets an anchor be used again, and the parser need not tell on standard error.
    warnings.filterwarnings("ignore", category=ReusedAnchorWarning)
    try:
        data = read_yaml(path)
    except ConfigError as err:
        for each in err.problems:
            what = each.what.partition("\n")[0].rstrip(".: ")
            findings.add(Rule.YAML, what, each.hint, file=path.name, line=each.line)
        return None
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError) as err:
        # Odd but short inputs make the parser fail in ways of its own.
        what = f"the YAML parser fails: {type(err).__name__}: {err}"
        findings.add(Rule.YAML, what, "Mend the syntax.", file=path.name)
        return None
    return data if _is_bounded(data, path, findings) else None


def _is_bounded(data: CommentedMap, path: Path, findings: Findings) -> bool:
    """Return whether `data` stays small when its aliases are written out; mend wrong tags in it."""
    is_manifest = path.name in MANIFEST_NAMES
    count = 0
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(data, ())]
    while waiting:
        node, keys = waiting.pop()
        count += 1
        if count > _MOST_VALUES or len(keys) > _DEEPEST:
            what = (
                f"nested more than {_DEEPEST} deep"
                if len(keys) > _DEEPEST
                else f"more than {_MOST_VALUES:,} values"
            )
            findings.add(Rule.YAML, what, "Simplify it; aliases count in full.", file=path.name)
            return False
        children = (
            list(node.items())
            if isinstance(node, CommentedMap)
            else list(enumerate(node))
            if isinstance(node, CommentedSeq)
            else []
        )
        for key, child in children:
            line = _line_of(node, key)
            is_secret_place = is_manifest and len(keys) == 1 and keys[0] == "secrets"
            tag = _tag_of(child)
            if tag and not (tag == "!secret" and is_secret_place):
                _refuse_tag(tag, (*keys, key), path.name, line, findings)
                # A text in its place keeps the rest of the file readable.
                node[key] = _Mended(str(getattr(child, "value", "")))
                continue
            waiting.append((child, (*keys, key)))
    return True


class _Mended(str):
    """Stands where something was that has already been refused."""

    __slots__ = ()


def _tag_of(node: Any) -> str | None:
    if isinstance(node, TaggedScalar | CommentedMap | CommentedSeq):
        value = node.tag.value
        if isinstance(value, str) and value.startswith("!"):
            return value
    return None


def _refuse_tag(
    tag: str, keys: tuple[Any, ...], file: str, line: int | None, findings: Findings
) -> None:
    key = ".".join(str(each) for each in keys)
    if tag == "!secret":
        findings.add(
            Rule.SECRET_OUTSIDE,
            f"{key}: `!secret` stands outside `secrets:`",
            "Put it under `secrets:` in the manifest, and read it as `ctx.secrets[…]`.",
            file=file,
            line=line,
        )
        return
    findings.add(
        Rule.UNKNOWN_TAG,
        f"{key}: `{tag}` means nothing here",
        "Write the value itself; only `!secret` is known, under `secrets:`.",
        file=file,
        line=line,
    )


def _line_of(node: Any, key: Any) -> int | None:
    try:
        at = node.lc.key(key) if isinstance(node, CommentedMap) else node.lc.item(key)
        return int(at[0]) + 1
    except AttributeError, LookupError, TypeError:
        return None


def _validate[M: BaseModel](
    model: type[M], data: CommentedMap, path: Path, findings: Findings
) -> M | None:
    try:
        return validate_yaml(model, data, path)
    except ConfigError as err:
        for problem in err.problems:
            if not _is_mended(data, problem):
                _explain(model, data, problem, path.name, findings)
        return None


def _is_mended(data: CommentedMap, problem: Problem) -> bool:
    """Return whether a wrong value is one that has already been refused for its tag."""
    node: Any = data
    for part in problem.key.split("."):
        if isinstance(node, CommentedSeq) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, CommentedMap) and part in node:
            node = node[part]
        else:
            break
    return isinstance(node, _Mended)


def _explain(
    model: type[BaseModel], data: CommentedMap, problem: Problem, file: str, findings: Findings
) -> None:
    known = model.model_fields
    if problem.key in data and problem.key not in known:
        close = difflib.get_close_matches(problem.key, known, n=1)
        hint = f"Did you mean `{close[0]}`?" if close else f"There are {', '.join(known)}."
        what = f"{problem.key}: there is no such key"
        findings.add(Rule.UNKNOWN_KEY, what, hint, file=file, line=problem.line)
        return
    if problem.key in known and problem.key not in data:
        what = f"{problem.key}: is missing"
        hint = f"Add `{problem.key}: …`."
        findings.add(Rule.MISSING_KEY, what, hint, file=file, line=problem.line)
        return
    if problem.key in _WHOLE:
        _explain_entries(problem.key, data, file, findings)
        return
    key = problem.key.removesuffix(".[key]")
    findings.add(
        Rule.WRONG_VALUE,
        f"{key}: {problem.what}" if key else problem.what,
        problem.hint or _HINTS.get(problem.key.partition(".")[0], "Mend the value."),
        file=file,
        line=problem.line,
    )


def _explain_entries(key: str, data: CommentedMap, file: str, findings: Findings) -> None:
    """Tell each wrong entry of what is checked as a whole. Values may be secret: none is shown."""
    node = data.get(key)
    if isinstance(node, CommentedSeq):
        entries: list[tuple[Any, Any]] = list(enumerate(node))
    elif isinstance(node, CommentedMap):
        entries = list(node.items())
    else:
        entries = []
    right: list[tuple[Any, Any]] = []
    told = False
    for place, entry in entries[:_MOST_ENTRIES]:
        plain = SecretName(str(entry.value)) if isinstance(entry, TaggedScalar) else entry
        tried = [*right, (place, plain)]
        whole = dict(tried) if isinstance(node, CommentedMap) else [each for _, each in tried]
        if what := _complaint(key, whole):
            told = True
            line = _line_of(node, place)
            findings.add(Rule.WRONG_VALUE, f"{key}: {what}", _HINTS[key], file=file, line=line)
        else:
            right = tried
    if not told:
        what = _complaint(key, node) or "cannot be used"
        line = _line_of(data, key)
        findings.add(Rule.WRONG_VALUE, f"{key}: {what}", _HINTS[key], file=file, line=line)


def _complaint(key: str, value: Any) -> str | None:
    """Return what is wrong with the value of a key that is checked as a whole."""
    try:
        _WHOLE[key].validate_python(value)
    except ValidationError as err:
        return err.errors()[0]["msg"].removeprefix("Value error, ")
    return None


def _use(data: CommentedMap, step: ManifestStep) -> None:
    """Keep what later steps need even of a manifest that is wrong elsewhere."""
    agent_id = data.get("id")
    if isinstance(agent_id, str) and _AGENT_ID.fullmatch(agent_id):
        step.agent_id = str(agent_id)
    try:
        step.permissions = _PERMISSIONS.validate_python(data.get("permissions", []))
    except ValidationError:
        step.permissions = None
    assets = data.get("assets", {})
    if isinstance(assets, dict) and all(isinstance(each, str) for each in assets.values()):
        step.assets = {str(name): str(value) for name, value in assets.items()}
        step.asset_lines = {str(name): _line_of(assets, name) or 1 for name in assets}


def _look_for_clear_secrets(data: CommentedMap, step: ManifestStep, findings: Findings) -> None:
    if step.manifest is None:
        return
    prefix = step.manifest.id.upper()
    for name, value in step.manifest.secrets.items():
        if isinstance(value, SecretStr):
            hint = (
                f"Write `{name}: !secret <name>` and put the value into secrets.yaml, or leave it "
                f"empty and set {prefix}_{name} in the environment."
            )
            what = f"secrets.{name}: the secret itself stands in the manifest"
            line = _line_of(data["secrets"], name)
            findings.add(Rule.SECRET_IN_CLEAR, what, hint, file=step.name, line=line)
    for name, setting in step.manifest.config.items():
        if not isinstance(setting, str) or isinstance(data["config"][name], _Mended):
            continue
        if setting and _SECRET_SETTING.search(name):
            hint = f"Move it under `secrets:` as `{name.upper()}: !secret <name>`."
            what = f"config.{name}: looks like a secret"
            line = _line_of(data["config"], name)
            findings.add(Rule.SECRET_IN_CLEAR, what, hint, file=step.name, line=line)


def _compare_languages(
    persona: PersonaFile, manifest: Manifest, data: CommentedMap, findings: Findings
) -> None:
    texts = {str(language): text for language, text in persona.character.items()}
    for language in texts:
        if language not in manifest.languages:
            findings.add(
                Rule.PERSONA_LANGUAGE,
                f"character.{language}: the manifest does not list this language",
                f"Add `{language}` to `languages:` in the manifest, or remove the text.",
                file=PERSONA_NAME,
                line=_line_of(data["character"], language),
            )
    for language in dict.fromkeys(manifest.languages):
        if not texts.get(language, "").strip():
            findings.add(
                Rule.PERSONA_LANGUAGE,
                f"character.{language}: there is no text for a language of the manifest",
                f"Add it, or remove `{language}` from `languages:`.",
                file=PERSONA_NAME,
                line=_line_of(data, "character"),
            )
