"""The bundles that the Gatekeeper is tried on, and what it must say of them.

`python -m tests.hotplug.gatekeeper.bundles` writes each `expected.json` anew: read the difference.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hairem_core.hotplug.gatekeeper import check_folder
from hairem_core.hotplug.report import Report
from tests.support.core import ROOT

BUNDLES = ROOT / "tests" / "data" / "bundles"
WRONG = sorted(path for path in (BUNDLES / "wrong").iterdir() if path.is_dir())
RIGHT = sorted(path for path in (BUNDLES / "right").iterdir() if path.is_dir())
SHIPPED = sorted(path.parent for path in (ROOT / "agents").glob("*/manifest.yaml"))
EXPECTED = "expected.json"

MANIFEST = "id: built\nname: Built\npermissions: [llm]\n"
LOGIC = "from hairem_core.sdk import BaseAgent\n\n\nclass Agent(BaseAgent):\n    pass\n"


def write_bundle(folder: Path, files: Mapping[str, str | bytes] | None = None) -> Path:
    """Write a right bundle, with `files` in it."""
    for name, content in {"manifest.yaml": MANIFEST, "logic.py": LOGIC, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def as_expected(report: Report) -> dict[str, Any]:
    """Return a report without what differs from place to place, or with `expected.json` itself."""
    return {key: value for key, value in report.as_dict().items() if key not in ("folder", "hash")}


def main() -> None:
    for folder in WRONG:
        report = as_expected(check_folder(folder))
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (folder / EXPECTED).write_text(f"{text}\n")


if __name__ == "__main__":
    main()
