"""Fetching a bundle from a Git repository, a zip file or a folder, trusting none of them."""

import os
import re
import shutil
import stat
import subprocess
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from hairem_core.errors import HairemError
from hairem_core.hotplug.bundle import MANIFEST_NAMES
from hairem_core.hotplug.snapshot import LARGEST_BUNDLE, MOST_FILES

_GIT_SECONDS = 180
_GIT_URL = re.compile(r"(?:https|http|ssh|git|file)://.+|[\w.-]+@[\w.-]+:.+")
_GIT_SAFE = (
    # Nothing of the repository runs, nothing of this user's is asked for or sent.
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "credential.helper="),
    *("-c", "filter.lfs.smudge="),
    *("-c", "filter.lfs.process="),
    *("-c", "filter.lfs.required=false"),
    *("-c", "protocol.ext.allow=never"),
)
_GIT_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "GIT_LFS_SKIP_SMUDGE": "1",
}


class FetchError(HairemError):
    """A bundle cannot be had from where it was said to be."""

    code = "fetch"


def fetch(source: str, into: Path, *, ref: str | None = None, bundle: str | None = None) -> Path:
    """Return the bundle in `source`, copied to a new folder under `into`.

    `source` is the URL of a Git repository (`ref` a branch or tag of it), a zip file or a folder.
    The bundle is what it holds, or its only subfolder with a manifest, or that named `bundle`.
    Raises FetchError.
    """
    fetched, copy = into / "fetched", into / "bundle"
    path = Path(source)
    if path.is_dir():
        found = find_bundle(path, bundle, shown_as=source)
    elif path.is_file():
        unpack(path, fetched)
        found = find_bundle(fetched, bundle, shown_as=source)
    elif _GIT_URL.fullmatch(source):
        _clone(source, fetched, ref)
        found = find_bundle(fetched, bundle, shown_as=source)
    else:
        raise FetchError(
            "is no folder, no zip file and no address of a Git repository",
            where=source,
            hint="Such an address begins with https:// or ssh://, or is user@host:path.",
        )
    copy_bundle(found, copy)
    return copy


def find_bundle(folder: Path, wanted: str | None = None, *, shown_as: str = "") -> Path:
    """Return the bundle at the top of `folder` or one level down. Raises FetchError."""
    shown_as = shown_as or str(folder)
    if wanted is None and _is_bundle(folder):
        return folder
    found = [
        each
        for each in sorted(folder.iterdir())
        if each.is_dir() and not each.is_symlink() and not each.name.startswith((".", "_"))
        if _is_bundle(each) and wanted in (None, each.name)
    ]
    if not found:
        what = f"holds no bundle {wanted!r}" if wanted else "holds no bundle"
        hint = "A bundle has a manifest.yaml, at the top or one folder down."
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir():
            hint = f"It is a bare Git repository: write file://{folder.resolve()}."
        raise FetchError(what, where=shown_as, hint=hint)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        hint = "Choose one with --bundle."
        raise FetchError(f"holds several bundles: {names}", where=shown_as, hint=hint)
    return found[0]


def copy_bundle(source: Path, target: Path) -> None:
    """Copy a bundle's files; hidden ones and what Python makes are left behind.

    Links and other things that are no files are refused, and so is too much. Raises FetchError.
    """
    try:
        _copy_files(source, target)
    except OSError as err:
        where = str(err.filename or source)
        hint = "Give this user the right to it." if isinstance(err, PermissionError) else None
        raise FetchError(
            f"cannot be copied: {err.strerror or err}", where=where, hint=hint
        ) from err


def _copy_files(source: Path, target: Path) -> None:
    def fail(err: OSError) -> None:
        raise err

    size = count = 0
    for folder, folders, files in os.walk(source, onerror=fail):
        here = Path(folder)
        folders[:] = [
            name for name in folders if not name.startswith(".") and name != "__pycache__"
        ]
        (target / here.relative_to(source)).mkdir(parents=True, exist_ok=True)
        for name in [*folders, *files]:
            path = here / name
            if name.startswith(".") and name in files:
                continue
            status = path.lstat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                what = "a link" if stat.S_ISLNK(status.st_mode) else "neither a file nor a folder"
                where = str(path.relative_to(source))
                raise FetchError(f"is {what}", where=where, hint="A bundle holds files only.")
            if stat.S_ISREG(status.st_mode):
                count, size = count + 1, size + status.st_size
                _check_budget(count, size, source)
                shutil.copyfile(path, target / path.relative_to(source), follow_symlinks=False)


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip file into a new folder `target`.

    Names that lead elsewhere, links, encrypted entries and more than a bundle may hold are refused,
    whatever the file's own directory says of its size. Raises FetchError.
    """
    target.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_budget(len(entries), sum(entry.file_size for entry in entries), path)
            left = LARGEST_BUNDLE
            for entry in entries:
                left -= _unpack_entry(archive, entry, target, left, path)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, OSError) as err:
        # RuntimeError is how zipfile says that a file is encrypted.
        raise FetchError(f"cannot be unpacked: {err}", where=str(path)) from err


def _unpack_entry(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int, path: Path
) -> int:
    name = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    is_elsewhere = (
        name.is_absolute()
        or ".." in name.parts
        or any(character in entry.filename for character in "\\:\0")
    )
    if is_elsewhere or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        what = "leads out of the archive" if is_elsewhere else "is no file"
        raise FetchError(f"{entry.filename!r} {what}", where=str(path), hint="Do not trust it.")
    place = target / name
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return 0
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as packed, place.open("xb") as file:
        while chunk := packed.read(2**16):
            written += len(chunk)
            if written > left:
                _check_budget(0, LARGEST_BUNDLE + 1, path)
            file.write(chunk)
    return written


def _clone(url: str, target: Path, ref: str | None) -> None:
    git = shutil.which("git")
    if git is None:
        raise FetchError("git is not installed", where=url, hint="Install git, or download a zip.")
    branch = ("--branch", ref) if ref else ()
    command = [
        *(git, *_GIT_SAFE, "clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags"),
        *("--no-recurse-submodules", "--template=", *branch, "--", url, str(target)),
    ]
    if ref and ref.startswith("-"):
        raise FetchError(f"{ref!r} is no branch and no tag", where=url)
    allowed = {"GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file"}
    try:
        done = subprocess.run(  # noqa: S603 - git itself, with the address after `--`
            command,
            env={**os.environ, **_GIT_ENVIRONMENT, **allowed},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise FetchError(f"git was not done after {_GIT_SECONDS} s", where=url) from err
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        fatal = [line.removeprefix("fatal: ") for line in said if line.startswith("fatal: ")]
        what = [f"git ended with {done.returncode}", *said[-1:], *fatal[:1]][-1]
        hint = "Check the address; private ones need an SSH key."
        if ref and ref in what:
            hint = "--ref names a branch or a tag."
        raise FetchError(what, where=url, hint=hint)


def _is_bundle(folder: Path) -> bool:
    return any((folder / name).is_file() for name in MANIFEST_NAMES)


def _check_budget(count: int, size: int, where: Path) -> None:
    if count > MOST_FILES or size > LARGEST_BUNDLE:
        raise FetchError(
            f"holds more than {MOST_FILES:,} files or {LARGEST_BUNDLE // 2**20} MiB",
            where=str(where),
            hint="No bundle may hold so much.",
        )
