"""How fast calls may follow each other."""

from dataclasses import dataclass

from services.broadcast.brake import Brake


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_not_slowed_while_some_succeed() -> None:
    brake = Brake(Clock())
    for number in range(1_000):
        brake.begun()
        if number % 10:
            brake.failed()
        else:
            brake.succeeded()
        assert brake.wait() == 0.0


def test_calls_are_throttled_until_one_succeeds() -> None:
    clock = Clock()
    brake = Brake(clock)
    begun = 0
    for _ in range(1_000):
        if not brake.wait():
            brake.begun()
            brake.failed()
            begun += 1
        clock.now += 0.001
    assert 20 <= begun <= 45
    brake.succeeded()
    brake.begun()
    assert brake.wait() == 0.0
