"""The one law of fading.

What is remembered fades by half in each half-life since it was last of use. The half-life grows
with importance and with use; what is pinned does not fade. Nothing is written down as time goes by:
strength is worked out when it is asked for.
Source: Ebbinghaus (1885); the half-life form is Settles & Meeder (2016), eq. 1.
"""

from datetime import datetime, timedelta

import numpy as np

from hairem_core.memory.arrays import Bools, Floats, Ints

SHORTEST = timedelta(days=7)
"""Half-life of what does not matter and was never of use."""
IMPORTANCE_DOUBLINGS = 4.0
"""From importance 0 to 1 the half-life doubles so many times: 7 days become 112."""
USE_DOUBLINGS = 0.5
"""Each time that the number of uses doubles, the half-life doubles so many times."""
_DAY = 86_400_000.0


def half_life(importance: float, uses: int) -> timedelta:
    """Return how long a fragment takes to fade by half.

    SHORTEST * 2 ** (4 * importance) * (1 + uses) ** 0.5. `importance` is taken as 0 to 1, `uses` as
    0 or more; what lies beyond counts as the nearest of these.
    """
    days = _half_life_days(np.asarray([importance]), np.asarray([uses]))[0]
    return timedelta(days=float(days))


def strength(age: timedelta, half_life: timedelta) -> float:
    """Return what is left of a fragment after `age`, from 1 (fresh) down to 0 (gone).

    Exponential forgetting: 2 ** (-age / half_life). An age below zero, as after a clock was put
    back, counts as none. Raises ValueError if half_life is not positive.
    """
    if half_life <= timedelta():
        raise ValueError(f"a half-life is positive, not {half_life}")
    return float(_left(np.asarray([age / half_life]))[0])


def strengths(
    now: datetime, last_used: Ints, importance: Floats, uses: Ints, pinned: Bools
) -> Floats:
    """Return the strengths of many fragments at `now`, each from 0 to 1; shape (n,) as all given.

    `last_used` is in milliseconds since 1970.
    """
    days = (now.timestamp() * 1000 - last_used) / _DAY
    left = _left(days / _half_life_days(importance, uses))
    return np.where(pinned, 1.0, left)


def _half_life_days(importance: Floats, uses: Ints) -> Floats:
    doublings = IMPORTANCE_DOUBLINGS * np.clip(importance, 0.0, 1.0)
    doublings = doublings + USE_DOUBLINGS * np.log2(1.0 + np.maximum(uses, 0))
    days: Floats = SHORTEST / timedelta(days=1) * np.exp2(doublings)
    return days


def _left(half_lives: Floats) -> Floats:
    left: Floats = np.exp2(-np.maximum(half_lives, 0.0))
    return left
