"""The names of all that the Gatekeeper can find; docs/gatekeeper.md says how to mend each."""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum

from hairem_core.hotplug.report import Finding, Severity, Step

_MOST_ALIKE = 50
"""Findings of one rule in one file that are told one by one."""


class Rule(StrEnum):
    """One kind of finding."""

    # Step 1, manifest and persona
    NO_MANIFEST = "no-manifest"
    TWO_MANIFESTS = "two-manifests"
    YAML = "yaml"
    UNKNOWN_KEY = "unknown-key"
    MISSING_KEY = "missing-key"
    WRONG_VALUE = "wrong-value"
    UNKNOWN_TAG = "unknown-tag"
    SECRET_OUTSIDE = "secret-outside"  # noqa: S105 - a rule's name
    SECRET_IN_CLEAR = "secret-in-clear"  # noqa: S105
    PERSONA_LANGUAGE = "persona-language"

    # Step 2, assets and requirements
    ASSET_MISSING = "asset-missing"
    ASSET_OUTSIDE = "asset-outside"
    ASSET_UNDECLARED = "asset-undeclared"
    ASSET_TYPE = "asset-type"
    ASSET_SUFFIX = "asset-suffix"
    ASSET_EMPTY = "asset-empty"
    REQUIREMENT_SYNTAX = "requirement-syntax"
    REQUIREMENT_OPTION = "requirement-option"
    REQUIREMENT_ADDRESS = "requirement-address"
    REQUIREMENT_UNPINNED = "requirement-unpinned"

    # Any step
    NOT_A_FILE = "not-a-file"
    ENCODING = "encoding"
    TOO_LONG = "too-long"

    # Step 3, the code: its form
    SYNTAX = "syntax"
    TOO_COMPLEX = "too-complex"
    COMPILED_CODE = "compiled-code"
    AGENT_MISSING = "agent-missing"
    AGENT_BASE = "agent-base"
    HANDLER_ASYNC = "handler-async"
    HANDLER_PARAMETERS = "handler-parameters"
    INIT_SUPER = "init-super"
    TOOL_ASYNC = "tool-async"
    TOOL_NAME = "tool-name"
    TOOL_DOCSTRING = "tool-docstring"
    TOOL_PARAMETERS = "tool-parameters"
    TOOL_OUTSIDE = "tool-outside"
    CTX_UNKNOWN = "ctx-unknown"

    # Step 3: imports
    IMPORT_INTERNAL = "import-internal"
    IMPORT_ABSOLUTE = "import-absolute"
    IMPORT_UNKNOWN = "import-unknown"
    IMPORT_MISSING = "import-missing"
    IMPORT_OUTSIDE = "import-outside"

    # Step 3: what the code reaches for
    PERMISSION = "permission"
    PERMISSION_LLM = "permission-llm"
    DYNAMIC_CODE = "dynamic-code"
    DYNAMIC_ACCESS = "dynamic-access"
    INTROSPECTION = "introspection"
    NATIVE_CODE = "native-code"
    PROCESS_CONTROL = "process-control"
    MONKEY_PATCH = "monkey-patch"
    UNSAFE_LOAD = "unsafe-load"
    ENVIRONMENT = "environment"

    # Step 3: asyncio
    BLOCKING_CALL = "blocking-call"
    BLOCKING_FILE = "blocking-file"
    ENDLESS_LOOP = "endless-loop"
    NOT_AWAITED = "not-awaited"
    LOOSE_TASK = "loose-task"

    @property
    def severity(self) -> Severity:
        """Whether it keeps the bundle out."""
        return Severity.WARNING if self in _WARNINGS else Severity.ERROR


_WARNINGS = frozenset(
    {
        Rule.SECRET_IN_CLEAR,
        Rule.PERSONA_LANGUAGE,
        Rule.ASSET_UNDECLARED,
        Rule.ASSET_SUFFIX,
        Rule.REQUIREMENT_UNPINNED,
        Rule.INIT_SUPER,
        Rule.TOOL_OUTSIDE,
        Rule.PERMISSION_LLM,
        Rule.UNSAFE_LOAD,
        Rule.ENVIRONMENT,
        Rule.BLOCKING_FILE,
        Rule.LOOSE_TASK,
    }
)


class Findings:
    """Collects what one step finds."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._found: dict[Finding, None] = {}
        self._counts: Counter[tuple[Rule, str]] = Counter()

    def add(
        self, rule: Rule, what: str, hint: str, *, file: str = "", line: int | None = None
    ) -> None:
        """Note one finding; the same one twice counts once."""
        finding = Finding(
            step=self._step,
            rule=rule.value,
            file=file,
            line=line,
            what=what,
            hint=hint,
            severity=rule.severity,
        )
        if finding in self._found:
            return
        self._counts[rule, file] += 1
        if self._counts[rule, file] <= _MOST_ALIKE:
            self._found[finding] = None

    def as_list(self) -> list[Finding]:
        """Return them by file and line; past 50 alike in one file, their number."""
        more = [
            Finding(
                step=self._step,
                rule=rule.value,
                file=file,
                what=f"{count - _MOST_ALIKE} more like these",
                hint="Mend these first.",
                severity=rule.severity,
            )
            for (rule, file), count in self._counts.items()
            if count > _MOST_ALIKE
        ]
        return in_order([*self._found, *more])


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings by step, file and line."""
    steps = list(Step)
    return sorted(
        findings,
        key=lambda each: (
            steps.index(each.step),
            each.file,
            each.line if each.line is not None else 10**9 if "more like" in each.what else 0,
            each.rule,
            each.what,
        ),
    )
