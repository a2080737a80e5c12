"""The latency ladder: percentiles, the knee, rates that are not held, and the steps of a command."""

import inspect

import pytest

from bench import outcomes
from bench.ladder import command_steps, ladder_report, rates, stamped_worker
from bench.ladder.command_steps import STEPS
from bench.ladder.open_loop_run import RateResult
from bench.ladder.stamped_worker import STAMPED_FUNCTIONS, StampedFunction
from bench.measurements.latency import summarize_latency


def rate_result(rate: int, p99: float | None) -> RateResult:
    """Return the result of a rate whose commands all took `p99` ms, or that was not held."""
    found = None if p99 is None else summarize_latency([p99] * 100)
    return RateResult(rate, found, measurer_cpu=0.123, sender_p99=0.5)


def test_percentiles_are_exact_to_three_digits() -> None:
    found = summarize_latency(number / 10 for number in range(1, 10_001))
    assert found.commands == 10_000
    assert (found.p50, found.p99, found.longest) == pytest.approx((500, 990, 1000), rel=0.001)
    assert dict(found.spectrum)[99.9] == pytest.approx(999, rel=0.001)
    assert found.spectrum[-1] == (100, found.longest)


def test_a_spectrum_has_only_percentiles_that_its_values_tell_apart() -> None:
    found = summarize_latency(range(1, 101))
    assert [percentile for percentile, _ in found.spectrum] == [0, 10, 25, 50, 75, 90, 95, 98, 99, 100]


async def test_the_knee_is_between_the_last_rate_within_and_the_first_above() -> None:
    measured: list[int] = []

    async def measure(rate: int) -> RateResult:
        measured.append(rate)
        return rate_result(rate, 20 if rate <= 7_000 else 200)

    rungs = [rate_result(1_000, 20), rate_result(5_000, 20), rate_result(10_000, None)]
    knee = await rates.find_knee(rungs, measure)
    assert knee is not None
    assert 7_000 / 1.1 <= knee <= 7_000
    assert all(5_000 < rate < 10_000 for rate in measured)


async def test_rates_are_doubled_while_all_are_within_the_limit() -> None:
    async def measure(rate: int) -> RateResult:
        return rate_result(rate, 20 if rate < 30_000 else None)

    knee = await rates.find_knee([rate_result(10_000, 20)], measure)
    assert knee is not None
    assert 30_000 / 1.15 <= knee < 30_000


async def test_there_is_no_knee_if_the_lowest_rate_is_above_the_limit() -> None:
    async def measure(rate: int) -> RateResult:
        raise AssertionError(rate)

    assert await rates.find_knee([rate_result(10, 200), rate_result(100, 20)], measure) is None


def test_rates_above_one_that_is_not_held_have_no_figures() -> None:
    rungs = ladder_report.describe_rungs("plain handler", [rate_result(10, 4.5), rate_result(100, None)])
    assert [(rung["rate"], rung["p99_ms"]) for rung in rungs] == [
        (10, 4.5),
        (100, None),
        (1_000, None),
        (5_000, None),
        (10_000, None),
    ]


def test_the_steps_of_a_command_add_up_to_the_whole() -> None:
    lines = [
        ("fetched", 1.003, ["a"]),
        ("decided", 1.004, ["a"]),
        ("committed", 1.008, ["a"]),
        ("begun", 1.009, ["a", "a"]),
        ("produced", 1.011, []),
        ("confirmed", 1.012, ["a"]),
        ("confirmed", 1.099, ["a"]),
    ]
    stamps = {
        "sent": {"a": 1.001, "without the rest": 2.0},
        "in Kafka": {"a": 1.002},
        **command_steps.collect_stamps(lines),
        "read": {"a": 1.014},
    }
    found = command_steps.summarize_steps({"a": 1.0, "without the rest": 2.0}, stamps)
    assert {each.name: each.latency.p50 for each in found} == pytest.approx(
        dict(zip([*STEPS, "whole"], [1, 1, 1, 1, 4, 1, 2, 1, 2, 14], strict=True)), rel=0.01
    )


@pytest.mark.parametrize("stamped", STAMPED_FUNCTIONS, ids=lambda stamped: stamped.step)
def test_the_functions_that_end_a_step_are_coroutines(stamped: StampedFunction) -> None:
    owner, name = stamped_worker.find_function(stamped)
    assert inspect.iscoroutinefunction(getattr(owner, name))


@pytest.mark.parametrize("value", [b'{"id":"1","causationid":"c1","data":{}}', b'{ "causationid": "c1" }'])
def test_a_command_id_is_found_in_an_outcome(value: bytes) -> None:
    assert outcomes.find_command_id(value) == "c1"
