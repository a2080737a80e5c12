"""Exponential back-off."""

import pytest

from cohost.kafka.backoff import Backoff


def test_waits_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    backoff = Backoff(0.2, 1.0)
    assert [backoff.next_wait() for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_wait_is_shortened_by_at_most_a_half() -> None:
    waits = [Backoff(1.0, 8.0).next_wait() for _ in range(1000)]
    assert 0.5 <= min(waits) < 0.6
    assert 0.9 < max(waits) <= 1.0


def test_a_reset_ends_the_failure_and_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    backoff = Backoff(1.0, 8.0)
    assert not backoff.failing
    backoff.next_wait()
    backoff.next_wait()
    assert backoff.failing
    backoff.reset()
    assert not backoff.failing
    assert backoff.next_wait() == 1.0
