"""Addresses of a memory: `surrealkv://<folder>`, `ws://<host>:<port>`, `wss://<host>:<port>`."""

EMBEDDED = "surrealkv://"


def without_credentials(url: str) -> str:
    """Return the address as people are shown it: without name and password; of files, the folder.

    Nor is a password told that has a `/`, `?` or `#` in it, where others see the host end.
    """
    if url.startswith(EMBEDDED):
        return url.removeprefix(EMBEDDED)
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
