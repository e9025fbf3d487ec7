"""Wrong bundles that git, editors or linters would not leave as they are: built when needed."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.hotplug.gatekeeper.bundles import LOGIC, MANIFEST, write_bundle

type Expected = tuple[str, str, int | None, str]
"""A rule, a file, a line, and what is said of it; `…` stands for Python's own words."""

_MIB = 2**20


def _fifo(folder: Path) -> None:
    os.mkfifo(write_bundle(folder) / "pipe")


def _file_link(folder: Path) -> None:
    (write_bundle(folder) / "passwords.txt").symlink_to("/etc/passwd")


def _folder_link(folder: Path) -> None:
    (write_bundle(folder) / "all").symlink_to("/etc")


def _broken_link(folder: Path) -> None:
    (write_bundle(folder) / "helpers.py").symlink_to("nothing.py")


def _large_file(folder: Path) -> None:
    path = write_bundle(folder, {"assets/film.mp4": b"\0\0\0\x20ftypisom"}) / "assets/film.mp4"
    os.truncate(path, 25 * _MIB)


def _large_bundle(folder: Path) -> None:
    write_bundle(folder)
    for number in range(5):
        (folder / f"z{number}.bin").touch()
        os.truncate(folder / f"z{number}.bin", 17 * _MIB)


def _many_files(folder: Path) -> None:
    write_bundle(folder)
    for number in range(2_001):
        (folder / f"z{number}.txt").touch()


def _files(files: dict[str, str | bytes]) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        write_bundle(folder, files)

    return build


_PADDING = "# " + "x" * 97 + "\n"

BUILT: dict[str, tuple[Callable[[Path], None], list[Expected]]] = {
    "a NUL byte": (
        _files({"logic.py": LOGIC.encode() + b"x = 1\n\0\n"}),
        [("encoding", "logic.py", 7, "a NUL byte")],
    ),
    "bytes that are no text": (
        _files({"logic.py": LOGIC.encode() + b"x = '\xe9'\n"}),
        [("encoding", "logic.py", 6, "is not utf-8 text (byte 78)")],
    ),
    "an encoding that there is not": (
        _files({"helpers.py": b"# coding: klingon\n"}),
        [("encoding", "helpers.py", 1, "neither UTF-8 nor what its first lines say")],
    ),
    "an encoding that hides": (
        _files({"helpers.py": b"# coding: utf-7\n"}),
        [("encoding", "helpers.py", 1, "it is written in utf-7")],
    ),
    "a manifest in Latin-1": (
        _files({"manifest.yaml": "id: built\nname: Éloïse\n".encode("latin-1")}),
        [("yaml", "manifest.yaml", None, "is not UTF-8 text (byte 16)")],
    ),
    "a persona with a NUL": (
        _files({"persona.yaml": b"character:\n  en: \0\n"}),
        [
            (
                "yaml",
                "persona.yaml",
                None,
                "unacceptable character #x0000: special characters are not allowed",
            )
        ],
    ),
    "requirements in Latin-1": (
        _files({"requirements.txt": b"orjson==3.11.0\n# caf\xe9\n"}),
        [("encoding", "requirements.txt", 2, "is not UTF-8 text (byte 20)")],
    ),
    "a long source": (
        _files({"logic.py": LOGIC + _PADDING * 11_000}),
        [("too-long", "logic.py", None, "1.0 MiB, more than 1")],
    ),
    "much code": (
        _files({f"lib/part{number}.py": _PADDING * 9_000 for number in range(5)}),
        [("too-long", "", None, "the bundle's code is longer than 4 MiB")],
    ),
    "a long manifest": (
        _files({"manifest.yaml": MANIFEST + _PADDING * 3_000}),
        [("too-long", "manifest.yaml", None, "293 KiB, more than 256")],
    ),
    "long requirements": (
        _files({"requirements.txt": _PADDING * 1_000}),
        [("too-long", "requirements.txt", None, "98 KiB, more than 64")],
    ),
    "a deep manifest": (
        _files({"manifest.yaml": f"{MANIFEST}config: {{a: {'[' * 60}{']' * 60}}}\n"}),
        [("yaml", "manifest.yaml", None, "nested more than 50 deep")],
    ),
    "a sum without end": (
        _files({"logic.py": LOGIC + "x = 1\n" + "y = " + "x + " * 800 + "x\n"}),
        [("too-complex", "logic.py", 7, "the code is nested too deeply")],
    ),
    "a tower of signs": (
        _files({"helpers.py": "x = " + "-" * 100_000 + "1\n"}),
        [("too-complex", "helpers.py", None, "the code is nested too deeply")],
    ),
    "a number without end": (
        _files({"helpers.py": "x = " + "9" * 5_000 + "\n"}),
        [("syntax", "helpers.py", 1, "Exceeds the limit (4300 digits) …")],
    ),
    "a fault in what a test lends": (
        _files(
            {
                "logic.py": f"from .tests import helper\n{LOGIC}    helper = helper\n",
                "tests/helper.py": "x = eval('1')\n",
                "tests/test_agent.py": "import pytest\n\nx = eval('1')\n",
            }
        ),
        [
            (
                "dynamic-code",
                "tests/helper.py",
                1,
                "`eval` runs code that nobody can read beforehand",
            )
        ],
    ),
    "the same fault a hundred times": (
        _files({"helpers.py": "x = eval('1')\n" * 120}),
        [
            (
                "dynamic-code",
                "helpers.py",
                line,
                "`eval` runs code that nobody can read beforehand",
            )
            for line in range(1, 51)
        ]
        + [("dynamic-code", "helpers.py", None, "70 more like these")],
    ),
    "a pipe": (_fifo, [("not-a-file", "pipe", None, "neither a file nor a folder")]),
    "a link out of the bundle": (
        _file_link,
        [("link-outside", "passwords.txt", None, "a link that leads out of the bundle")],
    ),
    "a link to a folder": (_folder_link, [("link-outside", "all", None, "a link to a folder")]),
    "a link to nothing": (
        _broken_link,
        [("broken-link", "helpers.py", None, "a link to nothing")],
    ),
    "a large file": (
        _large_file,
        [
            ("file-too-large", "assets/film.mp4", None, "25.0 MiB, more than 20"),
        ],
    ),
    "a large bundle": (
        _large_bundle,
        [("bundle-too-large", "", None, "more than 2,000 files or 64 MiB")],
    ),
    "many files": (
        _many_files,
        [("bundle-too-large", "", None, "more than 2,000 files or 64 MiB")],
    ),
}
