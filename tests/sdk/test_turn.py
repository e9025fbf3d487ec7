import uuid
from datetime import UTC, datetime

import pytest

from hairem_core.sdk.recollection import Recollection
from hairem_core.sdk.turn import _as_line


@pytest.mark.parametrize(
    ("speaker", "name", "expected"),
    [
        ("user:5dbc97d4", "Anna", "user Anna: I am  home"),
        ("user:5dbc97d4", None, "user: I am  home"),
        ("user:5dbc97d4", "An:na", "user An na: I am  home"),
        ("agent:electra", None, "agent electra: I am  home"),
    ],
)
def test_a_recalled_line_names_people_not_their_ids(
    speaker: str, name: str | None, expected: str
) -> None:
    at = datetime(2026, 11, 21, 18, 2, tzinfo=UTC)
    recollection = Recollection(
        event_id=uuid.uuid7(),
        at=at,
        speaker=speaker,
        speaker_name=name,
        role="user",
        content="I am\nhome",
    )
    line = _as_line(recollection)
    assert line == f"- {at.astimezone():%Y-%m-%d %H:%M} {expected.replace('  ', ' ')}"
    assert "5dbc97d4" not in line
