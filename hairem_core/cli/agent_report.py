"""How the Gatekeeper's report and an agent's details look in a terminal."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hairem_core.cli.options import print_table
from hairem_core.cli.output import json_text, printable

if TYPE_CHECKING:
    from hairem_core.hotplug.report import Finding, Report

_COLOURS = {"error": "red", "warning": "yellow", "passed": "green", "failed": "red"}


def print_report(report: Report, shown_as: Path, *, to_stderr: bool = False) -> None:
    """Print a report so that a person, and their editor, find each place."""
    lines = [_headline(report, shown_as), f"  {_steps(report)}"]
    for finding in report.findings:
        lines += ["", *_finding(finding, shown_as)]
    typer.echo("\n".join(lines), err=to_stderr, color=_is_coloured(to_stderr))


def print_details(details: dict[str, Any]) -> None:
    """Print all that is known of an agent, a row each; what is not known is left out."""
    flat = {key: value for key, value in details.items() if key not in ("manifest", "process")}
    flat |= details.get("process") or {}
    rows = [
        (key.replace("_", " "), shown)
        for key, value in flat.items()
        if (shown := _shown(key, value)) != ""
    ]
    print_table(("", ""), rows)


def _is_coloured(to_stderr: bool) -> bool | None:
    import os

    # None lets click decide by the stream: colour on a terminal only.
    return False if "NO_COLOR" in os.environ else None if not to_stderr else sys.stderr.isatty()


def _headline(report: Report, shown_as: Path) -> str:
    errors = len(report.errors)
    warnings = len(report.findings) - errors
    counts = [
        f"{count} {name if count == 1 else name + 's'}"
        for count, name in ((errors, "error"), (warnings, "warning"))
        if count
    ]
    verdict = "accepted" if report.is_accepted else "rejected"
    colour = "green" if report.is_accepted else "red"
    tail = f" ({', '.join(counts)})" if counts else ""
    return f"{printable(shown_as)}: {typer.style(verdict, fg=colour, bold=True)}{tail}"


def _steps(report: Report) -> str:
    return " · ".join(
        f"{step.value} {typer.style(outcome.value, fg=_COLOURS.get(outcome.value))}"
        for step, outcome in report.steps.items()
    )


def _finding(finding: Finding, shown_as: Path) -> list[str]:
    place = printable(shown_as / finding.file) if finding.file else printable(shown_as)
    if finding.line:
        place += f":{finding.line}"
    severity = typer.style(finding.severity.value, fg=_COLOURS[finding.severity.value])
    lines = [f"{place}: {severity}: {printable(finding.what)} [{finding.rule}]"]
    if finding.hint:
        lines.append(f"    {printable(finding.hint)}")
    return lines


def _shown(key: str, value: Any) -> str:
    if value is None or value in ([], {}, ""):
        return ""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() if key == "memory_bytes":
            return f"{value / 2**20:.1f} MiB"
        case float():
            return f"{value:g}"
        case dict() if key == "description":
            return "\n".join(f"{language}: {text}" for language, text in value.items())
        case dict():
            return "\n".join(f"{name}: {each}" for name, each in value.items())
        case list() if key == "findings":
            return "\n".join(_one_line(each) for each in value)
        case list() if all(isinstance(each, str) for each in value):
            return ", ".join(value)
        case list():
            return json_text(value)
    return str(value)


def _one_line(finding: dict[str, Any]) -> str:
    place = f"{finding['file']}:{finding['line']}" if finding["line"] else finding["file"]
    return f"{finding['severity']}: {place}: {finding['what']}. {finding['hint']}".strip()
