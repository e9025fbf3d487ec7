"""The benchmarks of memory: what they read, what they print, and what they measure it by.

The figures of time are not judged here: a test's machine is busy with other tests.
"""

import gc
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import memory, portable, recall, supersede
from benchmarks._chains import chains
from benchmarks._house import BEGAN, said
from benchmarks._locomo import date_of, read
from benchmarks._retrieval import Answer, Bm25, equal_fusion, windows
from hairem_core.errors import HairemError


@pytest.fixture(autouse=True)
def _thawed() -> Generator[None]:
    """Have the collector look at everything again that a benchmark had it leave aside: others go
    by what refers to what.
    """
    yield
    gc.unfreeze()


TOLD = [
    ("Anna", "I went to a pottery class yesterday."),
    ("Ben", "That sounds lovely! What did you make?"),
    ("Anna", "A blue bowl for my sister."),
]


def _sample(**changes: Any) -> dict[str, Any]:
    turns = [
        {"speaker": who, "dia_id": f"D1:{number}", "text": text}
        for number, (who, text) in enumerate(TOLD, start=1)
    ]
    later = [{"speaker": "Ben", "dia_id": "D2:1", "text": "I adopted a puppy called Rufus."}]
    return {
        "sample_id": "conv-1",
        "conversation": {
            "speaker_a": "Anna",
            "session_10": [],
            "session_2": later,
            "session_1_date_time": "1:56 pm on 8 May, 2023",
            "session_1": turns,
        },
        "qa": [
            {"question": "What did Anna make?", "evidence": ["D1:3"], "category": 4},
            {"question": "Which class?", "evidence": ["D1:01; D:2:1", "D"], "category": 1},
            {"question": "What is it?", "evidence": ["D9:9"], "category": 1},
            {"question": "And nothing?", "evidence": [], "category": 5},
            {"question": "", "evidence": ["D1:1"]},
        ],
        **changes,
    }


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "talk.json"
    path.write_text(json.dumps([_sample()]), encoding="utf-8")
    return path


def test_evidence_is_read_as_far_as_it_can_be(data: Path) -> None:
    (talk,) = read(data, captions=False)

    assert [each.key for each in talk.turns] == ["D1:1", "D1:2", "D1:3", "D2:1"]
    assert [each.evidence for each in talk.questions] == [{2}, {0, 3}]
    assert (talk.left_out, talk.lost_evidence) == (3, 2)
    # The second session has no date: it comes after the first.
    times = [each.at for each in talk.turns]
    assert times == sorted(set(times))
    assert f"{times[0]:%Y-%m-%d %H:%M}" == "2023-05-08 13:56"


def test_what_a_picture_shows_is_said_only_when_asked_for(tmp_path: Path) -> None:
    sample = _sample()
    sample["conversation"]["session_2"][0] |= {"text": "", "blip_caption": "a dog on a sofa"}
    path = tmp_path / "one.json"
    path.write_text(json.dumps(sample), encoding="utf-8")

    assert read(path, captions=False)[0].turns[3].text == ""
    assert read(path, captions=True)[0].turns[3].text == "[shares a dog on a sofa]"


@pytest.mark.parametrize("content", ["{", "[]", "3", '[{"conversation": {}, "qa": []}]'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(HairemError, match=r"other\.json"):
        read(path, captions=False)


@pytest.mark.parametrize(
    ("told", "day"),
    [
        ("12:09 am on 13 September, 2023", "2023-09-13 00:09"),
        ("8 May 2023", "2023-05-08 00:00"),
        ("2023-05-08T10:00:00", "2023-05-08 10:00"),
        ("some day", None),
        (None, None),
    ],
)
def test_dates(told: Any, day: str | None) -> None:
    found = date_of(told)
    assert (found and f"{found:%Y-%m-%d %H:%M}") == day


def test_recall_is_measured_on_the_real_store(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recall.main(["--data", str(data), "--json"])

    report = json.loads(capsys.readouterr().out)
    assert report["setting"]["recall"] == "lexical: no --embedding-base"
    assert (report["setting"]["questions"], report["setting"]["questions_left_out"]) == (2, 3)
    ours = report["ours"]
    # "make" stands beside the bowl, and the class is named.
    assert ours["recall_at_10"] == pytest.approx((1 + 0.5) / 2)
    assert ours["hit_at_5"] == 1
    assert ours["categories"]["4"]["recall_at_10"] == 1
    assert set(report["peers"]) == {"bm25", "bm25_windows"}
    theirs = report["peers"]["bm25"]["recall_at_10"]
    assert report["ratios"]["bm25_recall_at_10"] == pytest.approx(
        ours["recall_at_10"] / theirs, abs=0.001
    )


def test_what_is_counted_of_an_answer() -> None:
    answer = Answer(found=[7, 3, 9, 1, 2, 5], evidence={3, 5}, category="1", seconds=0.1)
    assert (answer.recall(5), answer.recall(10)) == (0.5, 1.0)
    gained = 1 / np.log2(3) + 1 / np.log2(7)
    assert answer.ndcg() == pytest.approx(gained / (1 + 1 / np.log2(3)))
    assert Answer(found=[3, 5], evidence={3, 5}, category="1", seconds=0).ndcg() == 1
    # The same turn twice is one turn.
    assert Answer(found=[3, 3], evidence={3, 5}, category="1", seconds=0).recall(5) == 0.5


def test_the_peers_are_what_they_say() -> None:
    words = Bm25(["the red bowls", "a bowl and a bowl of soup and bread", "bread"])
    scores = words("Which bowl?")
    assert scores[2] == 0 < min(scores[0], scores[1])
    assert words("is it the").tolist() == [0, 0, 0]
    assert equal_fusion(np.array([1.0, 2.0]), np.array([-1.0, 4.0])).tolist() == [0.5, 2.0]
    assert windows(["a", "b", "c"], [1, 1, 2]) == ["a\nb", "a\nb", "c"]


def test_memory_finds_what_exact_arithmetic_finds(capsys: pytest.CaptureFixture[str]) -> None:
    memory.main(["--sizes", "240", "--queries", "50", "--json"])

    report = json.loads(capsys.readouterr().out)
    ours = report["ours"]
    assert ours["exact_top_10"] >= 0.98
    assert ours["alone_exact_top_10"] >= 0.98
    assert ours["exact_top_10_by_meaning"] >= 0.98
    assert ours["written_before_kill"] >= 240
    assert 0 < ours["recall_p50_ms"] <= ours["recall_p95_ms"]
    assert ours["sizes"]["240"]["recall_p50_ms"] == ours["recall_p50_ms"]
    scan = report["peers"]["numpy_scan"]["recall_p50_ms"]
    expected = ours["recall_p50_ms"] / scan
    assert report["ratios"]["numpy_scan_recall_p50"] == pytest.approx(expected, rel=0.01)


def test_what_was_replaced_comes_after_what_holds(capsys: pytest.CaptureFixture[str]) -> None:
    supersede.main(["--chains", "10", "--distractors", "60", "--json"])

    report = json.loads(capsys.readouterr().out)
    assert report["ours"]["explicit_valid_above"] == 1
    assert report["ours"]["explicit_replaced_came"] == 0
    assert report["peers"]["relevance"]["replaced_came"] > 0.5
    assert report["setting"]["updates"] >= 20


def test_the_house_says_the_same_again() -> None:
    assert list(said(50)) == list(said(50))
    until = list(said(500))[-1].at
    told = chains(40, until)
    assert told == chains(40, until)
    for each in told:
        assert 2 <= len(each.told) <= 6
        assert len({one.text for one in each.told}) == len(each.told)
        times = [one.at for one in each.told]
        assert times == sorted(set(times))
        assert BEGAN <= times[0] <= times[-1] <= until


def test_what_is_imported_and_exported_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    portable.main(["--fragments", "1200", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["setting"]["fragments"] == 1_200
    assert report["ours"]["import_per_second"] > 0
    assert report["ours"]["export_peak_over_open_mb"] < 200
    assert set(report["ratios"]) == {"engine_import_per_second", "engine_export_per_second"}
