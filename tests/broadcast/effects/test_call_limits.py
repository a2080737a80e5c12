"""The throttle that slows calls while all of them fail."""

from dataclasses import dataclass

from services.broadcast.effects.call_limits import FailureThrottle


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_not_slowed_while_some_succeed() -> None:
    throttle = FailureThrottle(Clock())
    for number in range(1_000):
        throttle.record_start()
        if number % 10:
            throttle.record_failure()
        else:
            throttle.record_success()
        assert throttle.seconds_until_start() == 0.0


def test_calls_are_throttled_until_one_succeeds() -> None:
    clock = Clock()
    throttle = FailureThrottle(clock)
    begun = 0
    for _ in range(1_000):
        if not throttle.seconds_until_start():
            throttle.record_start()
            throttle.record_failure()
            begun += 1
        clock.now += 0.001
    assert 20 <= begun <= 45
    throttle.record_success()
    throttle.record_start()
    assert throttle.seconds_until_start() == 0.0
