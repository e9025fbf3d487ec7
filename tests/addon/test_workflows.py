"""`.github/workflows`: nothing floats, nobody has more rights than needed, and tags release."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.addon.files import ADDON, app_config, read_yaml
from tests.support.child import ROOT

FOLDER = ROOT / ".github" / "workflows"
NAMES = ("image", "release", "test", "validate")
WORKFLOWS: dict[str, dict[str, Any]] = {name: read_yaml(FOLDER / f"{name}.yml") for name in NAMES}
PINNED = re.compile(r"[\w.-]+/[\w./-]+@([0-9a-f]{40}|v?\d+\.\d+\.\d+)")

workflows = pytest.mark.parametrize("name", NAMES)


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = WORKFLOWS[name]["jobs"]
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name).values() for step in job.get("steps", [])]


def used(name: str) -> list[str]:
    return [step["uses"] for step in steps(name) if "uses" in step]


def granted(name: str) -> set[tuple[str, str]]:
    """Return what a workflow's jobs may, as pairs of what and how."""
    return {pair for job in jobs(name).values() for pair in job["permissions"].items()}


def test_there_are_no_others() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.yml" for name in NAMES}


@workflows
def test_what_others_wrote_is_of_a_version_that_cannot_move(name: str) -> None:
    for action in used(name):
        assert PINNED.fullmatch(action), action


@workflows
def test_a_commit_says_which_version_it_is(name: str) -> None:
    """Written in one way, so that a program can raise both."""
    for line in (FOLDER / f"{name}.yml").read_text().splitlines():
        if re.search(r"uses: \S+@[0-9a-f]{40}", line):
            assert re.search(r" # (v\d+\.\d+\.\d+|master, .+|main, .+)$", line), line


def test_one_version_of_an_action_everywhere() -> None:
    found = {action for name in NAMES for action in used(name)}
    assert len({action.partition("@")[0] for action in found}) == len(found)


@workflows
def test_rights_are_given_by_the_job_and_no_more_than_needed(name: str) -> None:
    assert WORKFLOWS[name]["permissions"] == {}
    for job in jobs(name).values():
        assert isinstance(job["permissions"], dict)


def test_who_may_write() -> None:
    assert granted("test") == granted("validate") == {("contents", "read")}
    writes = {name: {what for what, how in granted(name) if how == "write"} for name in NAMES}
    assert writes["image"] == {"packages", "attestations", "id-token"}
    assert writes["release"] == {"contents", "packages", "attestations", "id-token"}
    only = [key for key, job in jobs("release").items() if "contents" in job["permissions"]]
    writing = [key for key in only if jobs("release")[key]["permissions"]["contents"] == "write"]
    assert writing == ["release"]


def test_a_called_workflow_gets_the_rights_it_asks_for() -> None:
    """GitHub refuses to start one whose jobs ask for more than the caller gives."""
    for job in jobs("release").values():
        if "uses" in job:
            called = Path(job["uses"]).stem
            given = job["permissions"]
            for what, how in granted(called):
                assert given.get(what) in {how, "write"}, (called, what)


@workflows
def test_the_token_stays_out_of_the_clone(name: str) -> None:
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@workflows
def test_no_secret_but_the_token_of_the_run(name: str) -> None:
    text = (FOLDER / f"{name}.yml").read_text()
    assert set(re.findall(r"secrets\.(\w+)", text)) <= {"GITHUB_TOKEN"}
    assert "secrets: inherit" not in text
    assert "pull_request_target" not in text


@workflows
def test_no_expression_is_pasted_into_a_shell(name: str) -> None:
    """A branch's name may be a command: values reach a shell through its environment."""
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step


@workflows
def test_a_newer_run_replaces_an_older_one_but_no_release(name: str) -> None:
    cancels = WORKFLOWS[name]["concurrency"]["cancel-in-progress"]
    assert "group" in WORKFLOWS[name]["concurrency"]
    if name == "release":
        assert cancels is False
    else:
        assert cancels == "${{ github.event_name == 'pull_request' }}"


@workflows
def test_no_job_hangs_for_ever_or_on_a_system_that_changes(name: str) -> None:
    for key, job in jobs(name).items():
        if "uses" not in job:
            assert job["timeout-minutes"] <= 90, key
            assert job["runs-on"] in {"ubuntu-24.04", "${{ matrix.runner }}"}, key


def test_ci_runs_what_a_person_runs() -> None:
    assert [step["run"] for step in steps("test") if "run" in step] == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_every_architecture_of_the_app_is_built_on_its_own_kind() -> None:
    matrix = jobs("image")["build"]["strategy"]["matrix"]["include"]
    assert {each["arch"] for each in matrix} == set(app_config()["arch"])
    arm = {each["arch"]: each["runner"].endswith("-arm") for each in matrix}
    assert arm == {"amd64": False, "aarch64": True}
    outputs = jobs("image")["build"]["outputs"]
    assert set(outputs) == set(arm)
    publish = " ".join(step.get("run", "") for step in jobs("image")["publish"]["steps"])
    for arch in arm:
        assert f"$IMAGE@${arch.upper()}" in publish


def test_the_image_is_the_one_that_the_app_names() -> None:
    assert WORKFLOWS["image"]["env"]["IMAGE"] == app_config()["image"]
    build = next(step for step in steps("image") if step.get("id") == "build")
    assert (ROOT / build["with"]["file"]) == ADDON / "Dockerfile"
    assert build["with"]["context"] == "."
    arguments = {line.split("=")[0] for line in build["with"]["build-args"].splitlines()}
    declared = re.findall(r"^ARG (\w+)", (ADDON / "Dockerfile").read_text(), re.MULTILINE)
    assert arguments <= set(declared)


def test_nothing_is_pushed_without_a_version() -> None:
    called = WORKFLOWS["image"]["on"]["workflow_call"]["inputs"]["version"]
    assert called["required"] is True
    assert jobs("image")["publish"]["if"] == "inputs.version"
    login = [step for step in jobs("image")["build"]["steps"] if "login" in step.get("uses", "")]
    assert [step["if"] for step in login] == ["inputs.version"]
    build = next(step for step in steps("image") if step.get("id") == "build")
    assert "push-by-digest=true" in build["with"]["outputs"]
    assert "'type=cacheonly'" in build["with"]["outputs"]


def test_a_change_of_what_is_in_the_image_builds_it() -> None:
    paths = WORKFLOWS["image"]["on"]["pull_request"]["paths"]
    copied: set[str] = set()
    for line in re.findall(
        r"^COPY (?!--from)(.+)$", (ADDON / "Dockerfile").read_text(), re.MULTILINE
    ):
        copied |= {each for each in shlex.split(line)[:-1] if not each.startswith("--")}
    texts = {"LICENSE", "README.md"}
    for path in copied - texts:
        ways = {path, f"{path}/**", f"{Path(path).parent}/*{Path(path).suffix}"}
        assert ways & set(paths), path


def test_a_release_comes_last_and_only_of_what_was_tested() -> None:
    assert WORKFLOWS["release"]["on"] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    needs = {key: job.get("needs", []) for key, job in jobs("release").items()}
    assert set(needs["image"]) == {"version", "test", "validate"}
    assert set(needs["release"]) == {"version", "image"}
    check = next(step["run"] for step in jobs("release")["version"]["steps"] if "run" in step)
    assert "scripts/version" in check
    assert "exit 1" in check


def test_hacs_is_given_the_file_that_the_release_has() -> None:
    hacs = json.loads((ROOT / "hacs.json").read_text())
    assert hacs["zip_release"] is True
    ran = [step.get("run", "") for step in steps("release")]
    made = next(line for line in ran if line.startswith("git archive"))
    assert f"--output={hacs['filename']} HEAD:custom_components/hairem" in made
    assert any(f'"$GITHUB_REF_NAME" {hacs["filename"]}' in line for line in ran)


def test_validation_is_by_hassfest_hacs_and_the_app_linter() -> None:
    assert {action.partition("@")[0] for action in used("validate")} == {
        "actions/checkout",
        "home-assistant/actions/hassfest",
        "hacs/action",
        "frenck/action-addon-linter",
    }
    linter = next(step for step in steps("validate") if "linter" in step.get("uses", ""))
    assert ROOT / linter["with"]["path"] == ADDON
    # It is not on every machine that runs these tests.
    assert any(step.get("run", "").startswith("apparmor_parser ") for step in steps("validate"))
