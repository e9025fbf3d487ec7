"""`python -m hairem_core` is the `hairem` command."""

from hairem_core.cli import main

main()
