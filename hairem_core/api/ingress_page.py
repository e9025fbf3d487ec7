"""The page as HTML: one file, no script, nothing fetched from anywhere."""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from html import escape
from typing import Any

from hairem_core import __version__
from hairem_core.api.ingress_words import Words
from hairem_core.config.system import Language
from hairem_core.config.yaml_file import Problem
from hairem_core.hotplug.registry import AgentRecord, AgentState
from hairem_core.supervisor.app import AppStatus
from hairem_core.supervisor.options import OptionProblem

type HealthCheck = Callable[[], Awaitable[dict[str, Any]]]

_STYLE = """
:root { color-scheme: light dark; --text: #1c1c1e; --dim: #5b5b62; --page: #f6f5f8;
  --card: #fff; --line: #dcdae2; --good: #1f7a3d; --bad: #b3261e; --mark: #6b3fa0; }
@media (prefers-color-scheme: dark) { :root { --text: #ececf0; --dim: #a8a7b0; --page: #131217;
  --card: #1e1d23; --line: #35333d; --good: #6fcf8c; --bad: #ff8a80; --mark: #c3a3f0; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 44rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0; }
h2 { font-size: 1.05rem; margin: 0 0 .5rem; }
p { margin: .5rem 0; } .dim { color: var(--dim); } a { color: var(--mark); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1rem; margin: 1rem 0; }
ul, dl { list-style: none; margin: 0; padding: 0; }
li, .row { padding: .5rem 0; border-top: 1px solid var(--line); }
li:first-child, .row:first-child { border-top: 0; }
.row { display: flex; flex-wrap: wrap; gap: 0 1rem; justify-content: space-between; }
dt, dd { margin: 0; } .note { flex-basis: 100%; color: var(--dim); font-size: .9rem; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
code { font: .95em ui-monospace, monospace; }
"""
STYLE_HASH = f"sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}"
"""As a Content-Security-Policy names the only style there is."""

_GOOD = frozenset({"up", "ok", "offline"})
_ON_THEIR_WAY = frozenset({AgentState.DISCOVERED, AgentState.VETTING, AgentState.STARTING})


def running(
    words: Words,
    health: dict[str, Any],
    agents: Sequence[AgentRecord],
    status: AppStatus,
    port: int,
    language: Language,
) -> str:
    """Return the page of an H-Core that runs: what of it works, and how to connect to `port`."""
    is_up = health["status"] == "up"
    title = words["running" if is_up else "trouble"]
    content = [
        f"<h1>{_text(title)}</h1>",
        _heading(words, health["uptime_seconds"]),
        _notices(words, status),
        _agents(words, agents),
        _parts(words, health["parts"]),
        _connect(words, status, port),
    ]
    return _page(title, content, language)


def misconfigured(words: Words, problems: Sequence[Problem], language: Language) -> str:
    """Return the page that is shown while the configuration is wrong."""
    title = words["misconfigured"]
    items = (f"<li>{_problem(words, each, language)}</li>" for each in problems)
    content = [
        f"<h1>{_text(title)}</h1>",
        f"<p>{_text(words['why_misconfigured'])}</p>",
        f"<section><ul>{''.join(items)}</ul></section>",
        f'<p class="dim">{_text(words["version"])} {_text(__version__)}</p>',
    ]
    return _page(title, content, language)


def _page(title: str, content: Iterable[str], language: Language) -> str:
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main>{''.join(content)}</main></body></html>\n"
    )


def _heading(words: Words, uptime: float) -> str:
    how_long = f"{words['uptime']} {_duration(words, uptime)}"
    return (
        f'<p class="dim">{_text(words["version"])} {_text(__version__)} · {_text(how_long)} · '
        f'<a href="">{_text(words["refresh"])}</a></p>'
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def _row(name: str, how: str, *, is_good: bool, note: str | None = None) -> str:
    css = "good" if is_good else "bad"
    more = f'<dd class="note">{_text(note)}</dd>' if note else ""
    return f'<div class="row"><dt>{_text(name)}</dt><dd class="{css}">{_text(how)}</dd>{more}</div>'


def _notices(words: Words, status: AppStatus) -> str:
    if not status.notices:
        return ""
    items = (
        f"<li>{_text(words[code])}{_dim_line(said)}</li>" for code, said in status.notices.items()
    )
    return _section(words["notices"], f"<ul>{''.join(items)}</ul>")


def _agents(words: Words, agents: Sequence[AgentRecord]) -> str:
    if not agents:
        return _section(words["agents"], f"<p>{_text(words['no_agents'])}</p>")
    rows = (
        _row(
            f"{each.name} {each.version}",
            words[f"state_{each.state.value}"] if each.enabled else words["disabled"],
            is_good=each.state is AgentState.LIVE or each.state in _ON_THEIR_WAY
            or not each.enabled,
            note=each.reason or each.progress,
        )
        for each in agents
    )  # fmt: skip
    return _section(words["agents"], f"<dl>{''.join(rows)}</dl>")


def _parts(words: Words, parts: dict[str, dict[str, Any]]) -> str:
    rows = (
        _row(
            words.get(f"part_{name}", name),
            words.get(f"status_{part['status']}", str(part["status"])),
            is_good=part["status"] in _GOOD,
            note=part.get("error") or part.get("chain_error") or part.get("archive_error"),
        )
        for name, part in parts.items()
        if name != "agents"
    )
    return _section(words["parts"], f"<dl>{''.join(rows)}</dl>")


def _connect(words: Words, status: AppStatus, port: int) -> str:
    told = words["discovered" if status.is_announced else "not_discovered"]
    content = f"<p>{_text(told)}</p>"
    if status.hostname is not None:
        where = f"{status.hostname}:{port}"
        outside = words["closed"]
        if status.port_outside is not None:
            outside = words["outside"].format(status.port_outside)
        content += (
            f'<p class="dim">{_text(words["by_hand"])} <code>{_text(where)}</code>'
            f"{' ' if status.port_outside is not None else '. '}{_text(outside)}</p>"
        )
    return _section(words["connect"], content)


def _problem(words: Words, problem: Problem, language: Language) -> str:
    what, hint = problem.what, problem.hint
    if language == "fr" and isinstance(problem, OptionProblem):
        what, hint = problem.what_fr, problem.hint_fr
    key = f"<code>{_text(problem.key)}</code> " if problem.key else ""
    line = f" ({_text(words['line'].format(problem.line))})" if problem.line else ""
    return f"{key}{_text(what)}{line}{_dim_line(hint)}"


def _dim_line(text: str) -> str:
    return f'<br><span class="dim">{_text(text)}</span>' if text else ""


def _duration(words: Words, seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes >= 24 * 60:
        return words["days"].format(minutes // (24 * 60))
    if minutes >= 60:
        return words["hours"].format(minutes // 60)
    return words["minutes"].format(minutes)


def _text(text: str) -> str:
    """Return text as HTML shows it: everything that comes from anywhere goes through here."""
    return escape(text, quote=True)
