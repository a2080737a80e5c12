"""Data of results, from what was measured."""

from bench import saved_data
from bench.cpu import CpuUsage
from bench.fake_livekit.process import FakeLiveKitState
from bench.measurements.grants import GrantsResult
from bench.measurements.latency import summarize_latency
from bench.measurements.traces import TracedDrain
from bench.results import Measurement

USAGE = CpuUsage(worker=0.4, postgres=0.2, kafka=0.1)
CPU = {"process": 40, "postgres": 20, "kafka": 10}
DRAINED = Measurement(10_000, 2, USAGE)


def test_a_drain_is_saved_with_its_rate_and_the_microseconds_of_a_command() -> None:
    assert saved_data.describe_drain("one worker", DRAINED, 0.6789) == {
        "name": "one worker",
        "commands": 10_000,
        "commands_per_second": 5_000,
        "cpu_us": CPU,
        "accepted": 0.679,
    }


def test_grants_all_at_once_have_no_latency() -> None:
    state = FakeLiveKitState({}, 0, {})
    steady = GrantsResult(DRAINED, 0.6, summarize_latency(range(1, 101)), state)
    burst = GrantsResult(DRAINED, 0.6, None, state)
    common = {"grants_per_second": 5_000, "cpu_us": CPU, "livekit_us": 60}
    assert saved_data.describe_grants("steady", steady) == {
        "name": "steady",
        **common,
        "p50_ms": 50,
        "p99_ms": 99,
    }
    assert saved_data.describe_grants("burst", burst) == {
        "name": "burst",
        **common,
        "p50_ms": None,
        "p99_ms": None,
    }


def test_the_cost_of_traces_is_compared_within_each_round() -> None:
    rounds = [
        {
            "off": TracedDrain(Measurement(10_000, 2, USAGE.scale(busy)), 0),
            "on": TracedDrain(Measurement(10_000, 2, USAGE.scale(busy * dearer)), 9),
        }
        for busy, dearer in ((1, 1.1), (2, 1.2), (1, 1.0))
    ]
    found = saved_data.describe_traces("on", "off", rounds)
    assert found["cpu_us"] == {"process": 44, "postgres": 22, "kafka": 11}
    assert found["ratio_process"] == found["ratio_all"] == {"lowest": 1, "median": 1.1, "highest": 1.2}
