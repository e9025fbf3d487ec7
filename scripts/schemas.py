"""Write the JSON Schemas of H-Link and of the bridge into docs/schemas/."""

import json
from pathlib import Path
from typing import Any

from hairem_core.api import frames
from hairem_core.sdk.message import Message

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


def main() -> None:
    """Write both files."""
    h_link = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Message.model_json_schema(mode="serialization"),
    }
    _write("h-link.json", h_link)
    _write("bridge.json", frames.json_schema())


def _write(name: str, schema: dict[str, Any]) -> None:
    (FOLDER / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
