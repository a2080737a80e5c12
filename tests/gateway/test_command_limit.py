"""The number of commands that a user may send in a minute."""

import time

import pytest
from prometheus_client import CollectorRegistry

from services.gateway.commands.limit import CommandLimit
from services.gateway.commands.metrics import CommandMetrics
from services.runtime.http.problems import HttpProblem


def limit_of(per_minute: int) -> CommandLimit:
    return CommandLimit(per_minute, CommandMetrics(CollectorRegistry()))


def test_commands_beyond_the_limit_are_refused_for_a_while() -> None:
    limit = limit_of(3)
    for _ in range(3):
        limit.count("alice")
    for _ in range(2):
        with pytest.raises(HttpProblem) as raised:
            limit.count("alice")
        problem = raised.value
        assert (problem.status, problem.reason) == (429, "too_many_requests")
        assert 1 <= (problem.retry_after or 0) <= 60


def test_a_minute_later_commands_are_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    limit = limit_of(1)
    limit.count("alice")
    now += 59
    with pytest.raises(HttpProblem) as raised:
        limit.count("alice")
    assert raised.value.retry_after == 1
    now += 1
    limit.count("alice")


def test_each_user_has_a_limit() -> None:
    limit = limit_of(1)
    limit.count("alice")
    limit.count("bob")
    limit.count("alice:bob")


def test_zero_is_no_limit() -> None:
    limit = limit_of(0)
    for _ in range(1000):
        limit.count("alice")
