"""`hairem bench`: run one of the programs in `benchmarks/`."""

import importlib
import sys
from collections.abc import Sequence

from hairem_core.cli.places import code_root
from hairem_core.errors import HairemError


def run_bench(name: str, arguments: Sequence[str]) -> None:
    """Run `benchmarks/<name>.py`. Raises HairemError if there is none."""
    folder = code_root() / "benchmarks"
    known = sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))
    if name == "list":
        print("\n".join(known))
        return
    if name not in known:
        raise HairemError(
            f"there is no benchmark {name!r}",
            where=str(folder),
            hint=f"Known: {', '.join(known) or 'none; benchmarks come with the source tree'}.",
        )
    sys.path.insert(0, str(code_root()))
    importlib.import_module(f"benchmarks.{name}").main(list(arguments))
