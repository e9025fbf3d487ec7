"""Where secrets come from, and what is taken out of texts."""

import base64
import json
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from hairem_core.hotplug.bundle import Manifest, read_manifest
from hairem_core.hotplug.secrets import SecretError, SecretFilter, SecretStore, redact_request
from hairem_core.sdk.chat import ChatMessage, ChatRequest, ToolCall, ToolSpec

TOKEN = "eyJhbGciOi.s3cr3t-T0ken/with+signs=="
AWKWARD = 'p"a\\ss\nwörd & <more>'

type Write = Callable[..., Manifest]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a manifest with these `secrets:` and read it as H-Core does."""

    def manifest(secrets: str, agent_id: str = "electra") -> Manifest:
        folder = tmp_path / agent_id
        folder.mkdir(exist_ok=True)
        (folder / "manifest.yaml").write_text(
            f"id: {agent_id}\nname: X\nsecrets:\n" + "".join(f"  {x}\n" for x in secrets.split(";"))
        )
        return read_manifest(folder)

    return manifest


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.yaml"
    path.touch(mode=0o600)
    return path


def store_with(*values: str, tmp_path: Path) -> SecretStore:
    environ = {f"X_S{index}": value for index, value in enumerate(values)}
    store = SecretStore(tmp_path / "none.yaml", environ)
    manifest = Manifest.model_validate(
        {"id": "x", "name": "X", "secrets": {f"S{index}": None for index in range(len(values))}}
    )
    assert store.resolve(manifest, known_ids=["x"]) == {
        f"S{index}": value for index, value in enumerate(values)
    }
    return store


def test_what_is_given_to_one_agent_is_no_others(write: Write, file: Path) -> None:
    environ = {"ELECTRA_HA_TOKEN": "from the environment"}
    store = SecretStore(file, environ, given={"electra": {"HA_TOKEN": TOKEN, "OTHER": AWKWARD}})
    assert store.redact(f"<{TOKEN}> <{AWKWARD}>") == "<***> <***>", "before anybody asks for it"
    ids = ["electra", "electra_ha"]
    assert store.resolve(write("HA_TOKEN:"), known_ids=["electra"]) == {"HA_TOKEN": TOKEN}
    assert store.resolve(write("HA:"), known_ids=ids) == {}
    for agent_id, name in (("electra_ha", "TOKEN"), ("renarde", "HA_TOKEN")):
        found = store.resolve(write(f"{name}:", agent_id), known_ids=[*ids, "renarde"])
        assert TOKEN not in found.values()


def test_each_source_and_who_wins(write: Write, file: Path) -> None:
    file.write_text("one: from-file\ntwo: from-file-2\n")
    manifest = write("A: !secret one;B: !secret two;C: text;D: text-2;E:;F:;G: ''")
    environ = {"ELECTRA_B": "env-b", "ELECTRA_D": "env-d", "ELECTRA_E": "env-e", "ELECTRA_F": ""}
    store = SecretStore(file, {**environ, "ELECTRA_OTHER": "not declared", "A": "not its own"})
    assert store.resolve(manifest, known_ids=["electra", "renarde"]) == {
        "A": "from-file",
        "B": "env-b",
        "C": "text",
        "D": "env-d",
        "E": "env-e",
    }


def test_a_variable_belongs_to_the_agent_with_the_longest_id(write: Write, file: Path) -> None:
    store = SecretStore(file, {"ELECTRA_TWO_KEY": "of-two", "ELECTRA_KEY": "of-electra"})
    one, two = write("KEY:;TWO_KEY:"), write("KEY:", "electra_two")
    ids = ["electra", "electra_two", "electra_t", "elec"]
    assert store.resolve(one, known_ids=ids) == {"KEY": "of-electra"}
    assert store.resolve(two, known_ids=ids) == {"KEY": "of-two"}
    # Where there is no electra_two, it is electra's to declare.
    assert store.resolve(one, known_ids=["electra"])["TWO_KEY"] == "of-two"


def test_values_are_the_text_that_was_written(write: Write, file: Path) -> None:
    file.write_text(
        "pin: 0042\nbig: 1_000\nday: 2026-11-21\nfloat: 1.50\nflag: yes\nquoted: ' a: #b '\n"
        "key: |\n  -----BEGIN KEY-----\n  AAAABBBBCCCC\n"
    )
    names = ("pin", "big", "day", "float", "flag", "quoted", "key")
    manifest = write(";".join(f"{name.upper()}: !secret {name}" for name in names))
    found = SecretStore(file, {}).resolve(manifest, known_ids=["electra"])
    assert list(found.values()) == [
        "0042",
        "1_000",
        "2026-11-21",
        "1.50",
        "yes",
        " a: #b ",
        "-----BEGIN KEY-----\nAAAABBBBCCCC\n",
    ]


def test_the_file_is_read_anew_each_time(write: Write, file: Path) -> None:
    manifest = write("A: !secret one")
    store = SecretStore(file, {})
    for value in ("first-value", "second-value"):
        file.write_text(f"one: {value}\n")
        assert store.resolve(manifest, known_ids=["electra"]) == {"A": value}
    assert store.redact("first-value second-value") == "*** ***"


def test_what_is_missing_is_told_all_at_once_with_what_to_write(write: Write, file: Path) -> None:
    file.write_text("three: is-there\n")
    manifest = write("HA_TOKEN: !secret ha_token;KEY: !secret key;C: !secret three")
    with pytest.raises(SecretError) as caught:
        SecretStore(file, {}).resolve(manifest, known_ids=["electra"])
    text = str(caught.value)
    assert text == (
        f"`!secret ha_token` (secrets.HA_TOKEN), `!secret key` (secrets.KEY) is not in {file}. "
        "Add `ha_token: '…'`, `key: '…'` to it, or set ELECTRA_HA_TOKEN, ELECTRA_KEY for H-Core."
    )

    file.unlink()
    with pytest.raises(SecretError, match=r"is not there\. Make it \(chmod 600\) with `ha_token"):
        SecretStore(file, {}).resolve(manifest, known_ids=["electra"])
    environ = {"ELECTRA_HA_TOKEN": "aaaa", "ELECTRA_KEY": "bbbb", "ELECTRA_C": "cccc"}
    assert len(SecretStore(file, environ).resolve(manifest, known_ids=["electra"])) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("one: [hidden1, hidden2]\n", ":1: one has no value that is text or a number"),
        ("\none:\n", ":2: one has no value"),
        ("one: ~\n", ":1: one has no value"),
        ("one: !include hidden\n", ":1: one has no value"),
        ("one: ok\none: hidden\n", ":2: one is there twice. Keep one of the two."),
        ("- hidden\n", ":1: does not hold names with values"),
        ("hidden\n", ":1: does not hold names"),
        ("? [hidden]\n: x\n", "a name that is no text"),
        ("one: 'hidden\n", "is not YAML"),
        ("one: @hidden\n", ":1: is not YAML"),
        ("one: hidden: hidden\n", ":1: is not YAML"),
        ("one: a\n---\none: hidden\n", "is not YAML"),
        ("\tone: hidden\n", ":1: is not YAML"),
        ("one: \xff\n", "is not UTF-8"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_without_its_values(
    write: Write, file: Path, content: str, says: str
) -> None:
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(SecretError) as caught:
        SecretStore(file, {}).resolve(write("A: !secret one"), known_ids=["electra"])
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(file))
    assert "hidden" not in str(caught.value)
    # Nor in the traceback.
    logging.getLogger().handle(
        record := logging.LogRecord(
            "x", logging.ERROR, "", 0, "x", None, (SecretError, caught.value, caught.tb)
        )
    )
    assert "hidden" not in logging.Formatter().format(record)


def test_a_folder_in_its_place_is_told(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be read: Is a directory"):
        SecretStore(tmp_path, {}).resolve(write("A: !secret one"), known_ids=["electra"])


def test_a_file_that_everyone_reads_is_warned_about_once(
    write: Write, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("one: hidden-value\n")
    file.chmod(0o644)
    store = SecretStore(file, {})
    for _ in range(3):
        store.resolve(write("A: !secret one"), known_ids=["electra"])
    assert [record.message for record in caplog.records] == [
        f"{file}: every user of this machine can read it. chmod 600 it"
    ]
    caplog.clear()
    file.chmod(0o640)  # as Kubernetes gives it to a group
    SecretStore(file, {}).resolve(write("A: !secret one"), known_ids=["electra"])
    assert caplog.records == []


def test_a_short_value_is_given_and_warned_about_by_name(
    write: Write, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SecretStore(file, {})
    for _ in range(2):
        assert store.resolve(write("PIN: abc"), known_ids=["electra"]) == {"PIN": "abc"}
    assert len(caplog.records) == 1
    assert caplog.records[0].message.startswith("secrets.PIN of electra has fewer than 4 char")
    assert "abc" not in caplog.text
    assert store.redact("abc") == "abc"


@pytest.mark.parametrize(
    "value", [TOKEN, AWKWARD, "abcd", "été à la plage", "12345678", "日本語の鍵"]
)
def test_a_value_is_found_in_every_form(tmp_path: Path, value: str) -> None:
    redact = store_with(value, tmp_path=tmp_path).redact
    raw = value.encode()
    forms = [
        value,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        json.dumps({"nested": json.dumps({"x": value})}),
        repr(value),
        repr(raw),
        repr([value]),
        json.dumps(repr(value)),
        quote(value),
        quote(value, safe=""),
        quote_plus(value),
        re.sub("%..", lambda match: match[0].lower(), quote(value, safe="")),
        f"https://user:{quote(value, safe='')}@host/",
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(raw).decode(),
        raw.hex(),
        raw.hex().upper(),
    ]
    for form in forms:
        assert "***" in redact(f"before {form} after"), form
        assert value not in redact(form)
    clean = redact("".join(forms))
    for form in forms:
        assert form not in clean


@pytest.mark.parametrize("value", [TOKEN, AWKWARD, "a-longer-password"])
@pytest.mark.parametrize("before", ["", "u", "us", "usr", "user:"])
@pytest.mark.parametrize("after", ["", "!", "!!"])
def test_a_value_inside_base64_is_found_wherever_it_begins(
    tmp_path: Path, value: str, before: str, after: str
) -> None:
    redact = store_with(value, tmp_path=tmp_path).redact
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        header = encode(f"{before}{value}{after}".encode()).decode()
        clean = redact(f"Authorization: Basic {header}").removeprefix("Authorization: Basic ")
        assert "***" in clean
        # What is left of it says next to nothing.
        assert len(clean.replace("***", "").rstrip("=")) <= len(before) * 2 + len(after) * 2 + 8


def test_a_private_key_is_found_line_by_line(tmp_path: Path) -> None:
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ\nshort\n-----END KEY-----\n"
    redact = store_with(key, tmp_path=tmp_path).redact
    assert redact(key.strip()) == "***"
    assert redact("log: MIIEvQIBADANBg") == "log: ***"
    assert redact("short") == "short"


def test_the_longer_of_two_is_taken_out_as_a_whole(tmp_path: Path) -> None:
    redact = store_with("hunter2-and-more", "hunter2", tmp_path=tmp_path).redact
    assert redact("hunter2-and-more, hunter2!") == "***, ***!"


def test_json_values_are_redacted_throughout(tmp_path: Path) -> None:
    store = store_with(TOKEN, "87654321", tmp_path=tmp_path)
    value = {TOKEN: [f"a {TOKEN}", {"n": 87654321, "m": 8765432.0, "t": True, "x": None}], "k": 1}
    assert store.redact_json(value) == {
        "***": ["a ***", {"n": "***", "m": 8765432.0, "t": True, "x": None}],
        "k": 1,
    }
    assert store.holds_secret(value)
    assert not store.holds_secret({"a": ["b", 1]})
    assert SecretStore(tmp_path / "none", {}).redact_json(value) is value


def test_a_request_is_redacted_and_keeps_its_shape(tmp_path: Path) -> None:
    store = store_with(TOKEN, "user", tmp_path=tmp_path)
    request = ChatRequest(
        messages=[
            ChatMessage(role="system", name="persona", content=f"Token: {TOKEN}"),
            ChatMessage(
                role="assistant",
                tool_calls=[ToolCall(id="1", name="f", arguments={"deep": [{TOKEN: TOKEN}]})],
            ),
            ChatMessage(role="tool", name="f", tool_call_id="1", content=json.dumps({"x": TOKEN})),
            ChatMessage(role="user", content=f"I am a user. {quote(TOKEN, safe='')}"),
        ],
        tools=[
            ToolSpec(name="f", description=f"Uses {TOKEN}", parameters={"default": [TOKEN]}),
        ],
        role="lite",
        language="fr",
    )
    clean = redact_request(request, store)
    assert TOKEN not in clean.model_dump_json()
    assert quote(TOKEN, safe="") not in clean.model_dump_json()
    assert ChatRequest.model_validate(clean.model_dump()) == clean
    assert [each.role for each in clean.messages] == ["system", "assistant", "tool", "user"]
    assert clean.messages[0].content == "Token: ***"
    assert (clean.role, clean.language) == ("lite", "fr")
    assert TOKEN in request.messages[0].content  # the agent's own is left alone


def _format(record: logging.LogRecord, store: SecretStore) -> str:
    assert SecretFilter(store).filter(record)
    return logging.Formatter("%(message)s").format(record)


def test_log_records_are_redacted_with_arguments_and_tracebacks(tmp_path: Path) -> None:
    store = store_with(TOKEN, tmp_path=tmp_path)

    def record(message: str, *args: object, **fields: object) -> logging.LogRecord:
        return logging.LogRecord("x", logging.INFO, "", 0, message, args, None, **fields)  # type: ignore[arg-type]

    class Odd:
        def __str__(self) -> str:
            return TOKEN

    assert _format(record(f"a {TOKEN}"), store) == "a ***"
    assert _format(record("a %s %r", TOKEN, {"x": TOKEN}), store) == "a *** {'x': '***'}"
    assert _format(record("%s", Odd()), store) == "***"
    assert _format(record("%(a)s", {"a": TOKEN}), store) == "***"
    untouched = record("a %s", "b")
    assert _format(untouched, store) == "a b"
    assert untouched.args == ("b",)

    try:
        try:
            raise KeyError(TOKEN)
        except KeyError as err:
            raise ValueError(f"of {quote(TOKEN, safe='')}") from err
    except ValueError as err:
        failed = record("failed")
        failed.exc_info = (type(err), err, err.__traceback__)
    text = _format(failed, store)
    assert "KeyError: '***'" in text
    assert "ValueError: of ***" in text
    assert failed.exc_info is None  # no other formatter may say it again
    formatted = record("failed")
    formatted.exc_text = f"Traceback: {TOKEN}"
    assert _format(formatted, store) == "failed\nTraceback: ***"
    stacked = record("here")
    stacked.stack_info = f"stack {TOKEN}"
    assert TOKEN not in _format(stacked, store)


def test_a_log_record_that_cannot_be_formatted_neither_fails_nor_leaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError(TOKEN)

    logger = logging.Logger("x")  # noqa: LOG001 - one of its own, with one handler
    handler = logging.StreamHandler()
    handler.addFilter(store_with(TOKEN, tmp_path=tmp_path).log_filter())
    logger.addHandler(handler)
    logger.warning("too few %s %s", TOKEN)  # noqa: PLE1206
    logger.warning("%s", Broken())
    logger.warning("%d", TOKEN)
    logger.warning(f"{TOKEN} %s %s", 1)  # noqa: G004
    said = capsys.readouterr().err
    assert TOKEN not in said
    assert said.count("do not fit") == 4
    assert "--- Logging error ---" not in said


def test_threads_may_redact_while_secrets_are_resolved(tmp_path: Path) -> None:
    store = store_with("the-first-secret", tmp_path=tmp_path)
    leaked: list[str] = []
    done = threading.Event()

    def redact() -> None:
        while not done.is_set():
            if "first" in (text := store.redact("the-first-secret")):
                leaked.append(text)

    threads = [threading.Thread(target=redact) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(200):
        manifest = Manifest.model_validate(
            {"id": "y", "name": "Y", "secrets": {"S": f"another-secret-{number}"}}
        )
        store.resolve(manifest, known_ids=["x", "y"])
    done.set()
    for thread in threads:
        thread.join()
    assert leaked == []
    assert store.redact("another-secret-7 another-secret-199") == "*** ***"


def test_a_manifest_never_shows_what_it_holds(write: Write) -> None:
    manifest = write("A: hidden-value;B: !secret name")
    assert "hidden" not in repr(manifest)
    assert "hidden" not in manifest.model_dump_json()
