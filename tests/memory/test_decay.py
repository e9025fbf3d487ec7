"""The one law of fading."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hairem_core.memory.decay import SHORTEST, half_life, strength, strengths

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AGES = st.timedeltas(timedelta(), timedelta(days=3_650))
IMPORTANCES = st.floats(0, 1)
USES = st.integers(0, 10_000)


def test_what_does_not_matter_fades_by_half_in_a_week() -> None:
    assert half_life(0.0, 0) == SHORTEST == timedelta(days=7)
    assert strength(timedelta(days=7), half_life(0.0, 0)) == 0.5


def test_what_matters_most_fades_by_half_in_sixteen_weeks() -> None:
    assert half_life(1.0, 0) == timedelta(days=112)


def test_use_makes_it_last_longer() -> None:
    assert half_life(0.0, 3) == timedelta(days=14)


@given(importance=IMPORTANCES, uses=USES)
def test_at_the_half_life_half_is_left(importance: float, uses: int) -> None:
    half = half_life(importance, uses)
    assert strength(half, half) == 0.5
    assert strength(2 * half, half) == pytest.approx(0.25)


@given(younger=AGES, older=AGES, importance=IMPORTANCES, uses=USES)
def test_the_older_the_weaker(
    younger: timedelta, older: timedelta, importance: float, uses: int
) -> None:
    younger, older = sorted((younger, older))
    half = half_life(importance, uses)
    assert 0 <= strength(older, half) <= strength(younger, half) <= 1


@given(age=AGES, less=IMPORTANCES, more=IMPORTANCES, uses=USES)
def test_the_more_it_matters_the_stronger(
    age: timedelta, less: float, more: float, uses: int
) -> None:
    less, more = sorted((less, more))
    assert half_life(less, uses) <= half_life(more, uses)
    assert strength(age, half_life(less, uses)) <= strength(age, half_life(more, uses))


@given(age=AGES, importance=IMPORTANCES, fewer=USES, more=USES)
def test_the_more_it_is_used_the_stronger(
    age: timedelta, importance: float, fewer: int, more: int
) -> None:
    fewer, more = sorted((fewer, more))
    assert half_life(importance, fewer) <= half_life(importance, more)
    assert strength(age, half_life(importance, fewer)) <= strength(age, half_life(importance, more))


@given(importance=IMPORTANCES, uses=USES)
def test_ten_years_leave_something_but_less_than_anything_fresh(
    importance: float, uses: int
) -> None:
    left = strength(timedelta(days=3_650), half_life(importance, uses))
    assert 0 < left < 1


@given(age=st.timedeltas(timedelta(days=-3_650), timedelta()))
def test_a_clock_that_goes_backwards_weakens_nothing(age: timedelta) -> None:
    assert strength(age, SHORTEST) == 1


@given(
    importance=st.floats(-10, 10),
    uses=st.integers(-10, 10),
)
def test_what_lies_beyond_counts_as_the_nearest(importance: float, uses: int) -> None:
    assert half_life(importance, uses) == half_life(min(max(importance, 0), 1), max(uses, 0))


@pytest.mark.parametrize("wrong", [timedelta(), timedelta(days=-1)])
def test_a_half_life_is_positive(wrong: timedelta) -> None:
    with pytest.raises(ValueError, match="positive"):
        strength(timedelta(days=1), wrong)


@given(
    st.lists(
        st.tuples(
            st.integers(-3_650 * 86_400_000, 3_650 * 86_400_000), IMPORTANCES, USES, st.booleans()
        ),
        min_size=1,
        max_size=20,
    )
)
def test_many_at_once_are_as_one_by_one(rows: list[tuple[int, float, int, bool]]) -> None:
    ages, importances, uses, pinned = zip(*rows, strict=True)
    now = round(NOW.timestamp() * 1000)
    found = strengths(
        NOW,
        np.asarray([now - age for age in ages], np.int64),
        np.asarray(importances),
        np.asarray(uses),
        np.asarray(pinned),
    )
    for left, age, importance, count, is_pinned in zip(
        found, ages, importances, uses, pinned, strict=True
    ):
        alone = strength(timedelta(milliseconds=age), half_life(importance, count))
        assert left == (1 if is_pinned else pytest.approx(alone, abs=1e-9))
