"""The `hairem` command."""

from hairem_core.cli.main import app, main

__all__ = ["app", "main"]
