"""Write the JSON Schemas of H-Link, of the bridge and of a bundle's files into docs/schemas/."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hairem_core.api import frames
from hairem_core.hotplug.bundle import Manifest, PersonaFile
from hairem_core.sdk.message import Message

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


def bundle_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a file of a bundle, for editors: what a person may write in it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(mode="validation"),
    }


def main() -> None:
    """Write all files."""
    h_link = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Message.model_json_schema(mode="serialization"),
    }
    _write("h-link.json", h_link)
    _write("bridge.json", frames.json_schema())
    _write("manifest.json", bundle_schema(Manifest))
    _write("persona.json", bundle_schema(PersonaFile))


def _write(name: str, schema: dict[str, Any]) -> None:
    (FOLDER / name).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
