"""The throttle that slows calls while all of them fail."""

from dataclasses import dataclass

from services.broadcast.brake import Brake


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_not_slowed_while_some_succeed() -> None:
    throttle = Brake(Clock())
    for number in range(1_000):
        throttle.begun()
        if number % 10:
            throttle.failed()
        else:
            throttle.succeeded()
        assert throttle.wait() == 0.0


def test_calls_are_throttled_until_one_succeeds() -> None:
    clock = Clock()
    throttle = Brake(clock)
    begun = 0
    for _ in range(1_000):
        if not throttle.wait():
            throttle.begun()
            throttle.failed()
            begun += 1
        clock.now += 0.001
    assert 20 <= begun <= 45
    throttle.succeeded()
    throttle.begun()
    assert throttle.wait() == 0.0
