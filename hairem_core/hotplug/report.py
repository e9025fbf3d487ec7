"""What the Gatekeeper found in a bundle, in words a person can act on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Step(StrEnum):
    """The four steps, in their order."""

    MANIFEST = "manifest"
    ASSETS = "assets"
    LOGIC = "logic"
    HEARTBEAT = "heartbeat"


class Severity(StrEnum):
    """Whether a finding keeps the bundle out."""

    ERROR = "error"
    WARNING = "warning"


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, or might be."""

    step: Step
    rule: str
    """A stable name, such as `blocking-call`; docs/gatekeeper.md lists them all."""
    file: str = ""
    """Relative to the bundle, with `/`; empty for the bundle as a whole."""
    line: int | None = None
    what: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        # What it quotes may be no text, and then no client could be told.
        for name in ("file", "what", "hint"):
            text = getattr(self, name).encode(errors="backslashreplace").decode()
            object.__setattr__(self, name, text)

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{where}: {self.what}" if where else self.what
        return f"{text}. {self.hint}" if self.hint else f"{text}."


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that was found in one bundle."""

    folder: str
    agent_id: str | None = None
    hash: str | None = None
    findings: tuple[Finding, ...] = ()
    """In the order of the steps, then of files and lines."""
    last_step: Step = Step.LOGIC
    """The last step that was taken; those after it count as skipped."""

    @property
    def errors(self) -> list[Finding]:
        """What keeps the bundle out."""
        return [each for each in self.findings if each.severity is Severity.ERROR]

    @property
    def is_accepted(self) -> bool:
        """Whether the bundle may become an agent."""
        return not self.errors

    @property
    def steps(self) -> dict[Step, Outcome]:
        """How each step ended."""
        failed = {each.step for each in self.errors}
        order = list(Step)
        taken = order[: order.index(self.last_step) + 1]
        return {
            step: Outcome.FAILED
            if step in failed
            else Outcome.PASSED
            if step in taken
            else Outcome.SKIPPED
            for step in order
        }

    @property
    def reason(self) -> str:
        """The errors in one text, a line each."""
        return "\n".join(str(each) for each in self.errors)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "folder": self.folder,
            "agent_id": self.agent_id,
            "hash": self.hash,
            "accepted": self.is_accepted,
            "steps": {step.value: outcome.value for step, outcome in self.steps.items()},
            "findings": findings_as_json(self.findings),
        }


def findings_as_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON values."""
    return [
        {key: getattr(value, "value", value) for key, value in asdict(each).items()}
        for each in findings
    ]
