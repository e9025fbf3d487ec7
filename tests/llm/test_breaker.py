"""A circuit breaker's states, by a clock that the test moves."""

from hairem_core.llm.breaker import BreakerState, CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def state(breaker: CircuitBreaker) -> BreakerState:
    return breaker.state


def opened(clock: Clock) -> CircuitBreaker:
    breaker = CircuitBreaker(failures=2, cool_down=10, clock=clock)
    for _ in range(2):
        assert breaker.allow()
        breaker.failed()
    return breaker


def test_failures_in_a_row_open_it() -> None:
    clock = Clock()
    breaker = CircuitBreaker(failures=2, cool_down=10, clock=clock)
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert state(breaker) == "closed"
    breaker.failed()
    assert state(breaker) == "open"
    assert not breaker.allow()
    assert breaker.retry_in == 10


def test_after_the_cool_down_one_may_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    assert state(breaker) == "half_open"
    assert breaker.allow()
    assert not breaker.allow()
    breaker.succeeded()
    assert state(breaker) == "closed"
    assert breaker.allow()


def test_a_trial_that_fails_opens_it_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    assert breaker.allow()
    breaker.failed()
    assert state(breaker) == "open"


def test_a_trial_that_is_cancelled_lets_another_try() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10
    assert breaker.allow()
    breaker.abandoned()
    assert breaker.allow()
