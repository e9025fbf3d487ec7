"""Step 2: the files under `assets/`, and what the manifest says of them."""

from pathlib import PurePosixPath

from hairem_core.hotplug.bundle import ASSETS_FOLDER
from hairem_core.hotplug.gatekeeper.file_types import (
    KNOWN_SUFFIXES,
    is_as_promised,
    type_of_content,
    type_of_suffix,
)
from hairem_core.hotplug.gatekeeper.files import BundleFile
from hairem_core.hotplug.gatekeeper.manifest import ManifestStep
from hairem_core.hotplug.gatekeeper.rules import Findings, Rule


def check_assets(files: list[BundleFile], step: ManifestStep, findings: Findings) -> None:
    """Note what is wrong with the assets among `files`."""
    present = {each.name: each for each in files}
    declared = _check_declared(present, step, findings)
    for each in files:
        if not each.name.startswith(f"{ASSETS_FOLDER}/"):
            continue
        _check_content(each, findings)
        if declared is not None and each.name not in declared:
            name = PurePosixPath(each.name).stem
            findings.add(
                Rule.ASSET_UNDECLARED,
                "no name in the manifest leads to this file",
                f"Add `{name}: {each.name}` under `assets:`, or remove the file.",
                file=each.name,
            )


def _check_declared(
    present: dict[str, BundleFile], step: ManifestStep, findings: Findings
) -> set[str] | None:
    """Return the declared files, None when the manifest's list of them cannot be read."""
    if step.manifest is None and not step.assets:
        return None
    if step.assets is None:
        return None
    declared = set[str]()
    for name, value in step.assets.items():
        line = step.asset_lines.get(name)
        path = PurePosixPath(value)
        if _leads_outside(value):
            findings.add(
                Rule.ASSET_OUTSIDE,
                f"assets.{name}: {value!r} is not inside {ASSETS_FOLDER}/",
                f"Put the file into {ASSETS_FOLDER}/ and write `{ASSETS_FOLDER}/{path.name}`.",
                file=step.name,
                line=line,
            )
            continue
        declared.add(path.as_posix())
        if path.as_posix() not in present:
            findings.add(
                Rule.ASSET_MISSING,
                f"assets.{name}: there is no file {value}",
                _similar(path, present) or "Add the file, or remove the line.",
                file=step.name,
                line=line,
            )
    return declared


def _leads_outside(value: str) -> bool:
    path = PurePosixPath(value)
    parts = path.parts
    return (
        "\\" in value
        or not value.isprintable()
        or len(parts) < 2
        or parts[0] != ASSETS_FOLDER
        or ".." in parts
    )


def _similar(path: PurePosixPath, present: dict[str, BundleFile]) -> str | None:
    """Return a hint when a file differs in the case of letters or in its suffix alone."""
    wanted = path.with_suffix("").as_posix().lower()
    for name in present:
        if PurePosixPath(name).with_suffix("").as_posix().lower() == wanted:
            return f"There is {name}: write it so."
    if any(name.startswith(f"{path.as_posix()}/") for name in present):
        return "It is a folder: declare its files, one by one."
    return None


def _check_content(each: BundleFile, findings: Findings) -> None:
    if each.size == 0:
        hint = "Put the content in, or remove the file."
        findings.add(Rule.ASSET_EMPTY, "the file is empty", hint, file=each.name)
        return
    promised, found = type_of_suffix(each.path), type_of_content(each.path)
    if promised is None:
        suffix = each.path.suffix or "without a suffix"
        findings.add(
            Rule.ASSET_SUFFIX,
            f"what a file {suffix} holds is not checked",
            f"Types that are known: {', '.join(KNOWN_SUFFIXES)}.",
            file=each.name,
        )
    elif not is_as_promised(each.path, promised, found):
        findings.add(
            Rule.ASSET_TYPE,
            f"the name says {promised}, the content is {found}",
            f"Save it as {promised}, or give it the suffix of what it is.",
            file=each.name,
        )
