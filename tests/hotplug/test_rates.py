import pytest

from hairem_core.hotplug.rates import TokenBucket


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_burst_passes_then_the_rate(clock: Clock) -> None:
    bucket = TokenBucket(10, 40, clock)
    assert [bucket.take() for _ in range(41)] == [True] * 40 + [False]
    clock.now += 0.1
    assert [bucket.take(), bucket.take()] == [True, False]
    clock.now += 3600
    assert sum(bucket.take() for _ in range(100)) == 40


def test_after_the_delay_there_is_enough_and_not_before(clock: Clock) -> None:
    bucket = TokenBucket(3, 7, clock)
    assert bucket.delay(7) == 0
    for n in (1, 2, 5, 7, 3):
        while not bucket.take(n):
            wait = bucket.delay(n)
            assert wait > 0
            clock.now += wait * 0.99
            assert not bucket.take(n)
            clock.now += wait * 0.01
            assert bucket.take(n)
            break


def test_what_is_refused_costs_nothing(clock: Clock) -> None:
    bucket = TokenBucket(1, 10, clock)
    assert bucket.take(8)
    assert not bucket.take(5)
    assert bucket.take(2)


def test_what_is_larger_than_the_bucket_passes_and_is_paid_for_later(clock: Clock) -> None:
    bucket = TokenBucket(10, 40, clock)
    assert bucket.take(1000)
    assert bucket.delay() == pytest.approx(96.1)
    clock.now += 96
    assert not bucket.take()
    clock.now += 0.1
    assert bucket.take()
    # Over a long time the rate holds, whatever the sizes are.
    passed = 0
    started = clock.now
    for _ in range(200):
        clock.now += bucket.delay(300)
        assert bucket.take(300)
        passed += 300
    assert passed / (clock.now - started) == pytest.approx(10, rel=0.05)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_a_rate_that_lets_nothing_through_is_a_mistake(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="nothing"):
        TokenBucket(rate, burst)
