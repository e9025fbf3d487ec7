"""The `hairem` command."""

import sys


def main() -> None:
    """Run the command."""
    if sys.argv[1:2] == ["health"]:
        # A container asks twice a minute: it gets by without the rest.
        from hairem_core.cli.health import main as health

        health()
    else:
        from hairem_core.cli.main import main as run

        run()


__all__ = ["main"]
