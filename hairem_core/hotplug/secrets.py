"""Agents' secrets: where they come from, and keeping them out of every text that others see.

Redaction is for accidents: a traceback, a prompt, a debug line. An agent that means to give its
secrets away can always disguise them; that is what the permission `network` is asked for.
"""

import logging
import stat
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from pydantic import SecretStr

from hairem_core.config.yaml_file import SecretName
from hairem_core.hotplug._disguises import SHORTEST, disguises
from hairem_core.hotplug._secrets_file import SecretError, read_secrets
from hairem_core.hotplug.bundle import Manifest
from hairem_core.sdk.chat import ChatMessage, ChatRequest, ToolCall, ToolSpec

_LOGGER = logging.getLogger(__name__)
MASK = "***"
"""What stands in the place of a secret."""

__all__ = ["MASK", "SecretError", "SecretFilter", "SecretStore", "redact_request"]


@dataclass(frozen=True, kw_only=True)
class _Missing:
    secret: str
    name: str
    variable: str

    @property
    def what(self) -> str:
        return f"`!secret {self.name}` (secrets.{self.secret})"


class SecretStore:
    """Finds the secrets that manifests declare, and knows every value that it ever gave out.

    May be used from several threads: logging does.
    """

    def __init__(
        self,
        secrets_file: Path,
        environ: Mapping[str, str],
        *,
        given: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """`given` are, by agent id and name, what H-Core has for one agent and for no other."""
        self._file = secrets_file
        self._environ = environ
        self._given = given or {}
        self._lock = threading.Lock()
        self._forms: dict[str, None] = {}
        self._search: tuple[str, ...] = ()
        """All forms, longest first: what contains another is replaced as a whole."""
        self._told: set[str] = set()
        for agent_id, secrets in self._given.items():
            # What nobody asks for must not be told either.
            self._remember(agent_id, secrets)

    def resolve(self, manifest: Manifest, *, known_ids: Collection[str]) -> dict[str, str]:
        """Return the secrets that `manifest` declares and that have a value, by name.

        What was given to this agent comes first, then the environment (`<ID>_<NAME>`), then the
        manifest's own text, or what its `!secret` names in `secrets.yaml`, which is read anew each
        time. A variable belongs to the agent of `known_ids` with the longest id that fits:
        `ELECTRA_TWO_KEY` is not electra's where there is an electra_two. Raises SecretError.
        """
        found: dict[str, str] = {}
        wanted: dict[str, tuple[str, str]] = {}
        for name, source in manifest.secrets.items():
            variable = f"{manifest.id.upper()}_{name}"
            given = self._given.get(manifest.id, {}).get(name)
            if value := given or self._from_environment(manifest.id, variable, known_ids):
                found[name] = value
            elif isinstance(source, SecretName):
                wanted[name] = (source.name, variable)
            elif isinstance(source, SecretStr) and (text := source.get_secret_value()):
                found[name] = text
        if wanted:
            found |= self._from_file(wanted)
        self._remember(manifest.id, found)
        return {name: found[name] for name in manifest.secrets if name in found}

    def redact(self, text: str) -> str:
        """Return `text` with every secret that was given out replaced by `***`.

        Also where it is quoted for a URL, escaped for JSON, HTML or `repr`, or encoded in base64 or
        hexadecimal digits.
        """
        for form in self._search:
            if form in text:
                text = text.replace(form, MASK)
        return text

    def redact_json(self, value: Any) -> Any:
        """Return a JSON value with every string in it redacted, keys too.

        A number that is a secret becomes `***` as well.
        """
        if not self._search:
            return value
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {
                    self.redact(key) if isinstance(key, str) else key: self.redact_json(each)
                    for key, each in value.items()
                }
            case list() | tuple():
                return [self.redact_json(each) for each in value]
            case int() | float() if not isinstance(value, bool) and str(value) in self._forms:
                return MASK
        return value

    def holds_secret(self, value: Any) -> bool:
        """Return whether redaction would change a JSON value."""
        return bool(self.redact_json(value) != value)

    def log_filter(self) -> SecretFilter:
        """Return a filter for log handlers that redacts what passes."""
        return SecretFilter(self)

    def _from_environment(
        self, agent_id: str, variable: str, known_ids: Collection[str]
    ) -> str | None:
        for other in known_ids:
            if len(other) > len(agent_id) and variable.startswith(f"{other.upper()}_"):
                return None
        return self._environ.get(variable)

    def _from_file(self, wanted: Mapping[str, tuple[str, str]]) -> dict[str, str]:
        values = read_secrets(self._file)
        if values is not None:
            self._check_mode()
        missing = [
            _Missing(secret=secret, name=name, variable=variable)
            for secret, (name, variable) in wanted.items()
            if values is None or name not in values
        ]
        if missing:
            raise _not_found(self._file, missing, file_is_there=values is not None)
        assert values is not None
        return {secret: values[name] for secret, (name, _) in wanted.items()}

    def _check_mode(self) -> None:
        try:
            readable = self._file.stat().st_mode & stat.S_IROTH
        except OSError:
            return
        if readable:
            self._tell_once(f"{self._file}: every user of this machine can read it. chmod 600 it")

    def _remember(self, agent_id: str, found: Mapping[str, str]) -> None:
        for name, value in found.items():
            if len(value) < SHORTEST:
                self._tell_once(
                    f"secrets.{name} of {agent_id} has fewer than {SHORTEST} characters: it cannot "
                    "be kept out of logs and prompts. Choose a longer one"
                )
        forms = {form for value in found.values() for form in disguises(value)}
        with self._lock:
            if forms <= self._forms.keys():
                return
            self._forms |= dict.fromkeys(forms)
            self._search = tuple(sorted(self._forms, key=lambda form: (-len(form), form)))

    def _tell_once(self, what: str) -> None:
        with self._lock:
            if what in self._told:
                return
            self._told.add(what)
        _LOGGER.warning("%s", what)


class SecretFilter(logging.Filter):
    """Redacts a log record's message, arguments and traceback. For handlers: those of the root.

    A filter of a logger would miss what its children say.
    """

    def __init__(self, secrets: SecretStore) -> None:
        super().__init__()
        self._secrets = secrets
        self._formatter = logging.Formatter()

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Redact `record` in place; it always passes."""
        redact = self._secrets.redact
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - what is logged must not fail who logs it
            # A handler would print the arguments to stderr as they are.
            message = f"(a log record whose arguments do not fit it) {record.msg!s}"
            record.msg, record.args = redact(message), None
        else:
            if (clean := redact(message)) != message:
                record.msg, record.args = clean, None
        if record.exc_info and not record.exc_text:
            text = self._formatter.formatException(record.exc_info)
            if (clean := redact(text)) != text:
                # The exception itself says it again to every formatter.
                record.exc_text, record.exc_info = clean, None
        elif record.exc_text and (clean := redact(record.exc_text)) != record.exc_text:
            record.exc_text, record.exc_info = clean, None
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def redact_request(request: ChatRequest, secrets: SecretStore) -> ChatRequest:
    """Return a request without secrets: neither a model nor who runs it may read them."""

    def message(each: ChatMessage) -> ChatMessage:
        update = {
            "content": secrets.redact(each.content),
            "name": each.name and secrets.redact(each.name),
            "tool_calls": [call(one) for one in each.tool_calls],
        }
        return each.model_copy(update=update)

    def call(each: ToolCall) -> ToolCall:
        update = {
            "name": secrets.redact(each.name),
            "arguments": secrets.redact_json(each.arguments),
        }
        return each.model_copy(update=update)

    def tool(each: ToolSpec) -> ToolSpec:
        update = {
            "name": secrets.redact(each.name),
            "description": secrets.redact(each.description),
            "parameters": secrets.redact_json(each.parameters),
        }
        return each.model_copy(update=update)

    return request.model_copy(
        update={
            "messages": [message(each) for each in request.messages],
            "tools": [tool(each) for each in request.tools],
            "language": secrets.redact(request.language),
        }
    )


def _not_found(file: Path, missing: list[_Missing], *, file_is_there: bool) -> SecretError:
    names = ", ".join(each.what for each in missing)
    lines = ", ".join(f"`{name}: '…'`" for name in dict.fromkeys(each.name for each in missing))
    variables = ", ".join(each.variable for each in missing)
    what = f"is not in {file}" if file_is_there else f"would be in {file}, which is not there"
    how = f"Add {lines} to it" if file_is_there else f"Make it (chmod 600) with {lines} in it"
    return SecretError(f"{names} {what}", hint=f"{how}, or set {variables} for H-Core.")
