"""The root of every exception that hAIrem raises on purpose."""

from typing import ClassVar


class HairemError(Exception):
    """Something that a person can act on.

    An error has three parts: what was wrong (with the value), where (file, line, key), and what to
    do about it. `code` is the stable, machine-readable name that crosses the bridge.
    """

    code: ClassVar[str] = "error"

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what, where, hint)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text.rstrip('.')}. {self.hint}" if self.hint else text
