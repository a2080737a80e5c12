"""What a command costs: samples by step, the raw passthrough, and the comparison with the recorded cost."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from bench import outcomes
from bench.cost import cost_report, cost_round
from bench.cost.cost_round import PASSES, CostRound
from bench.cost.recorded import RecordedCost
from bench.cost.sampler import SAMPLE_SECONDS, StepCounters, StepSampler
from bench.cpu import CpuMeter, CpuUsage
from bench.environment import BenchRun
from bench.results import Measurement
from cohost_schemas import topics
from stack import Stack
from tests import kafka_topics
from tests.contract.polling import wait_until

COMMANDS = 2_000
SAMPLED_SECONDS = 0.2
PARTITIONS = 12


@pytest.fixture
async def run(stack: Stack, database_url: str, prefix: str) -> BenchRun:
    """New topics and an empty database; the servers' time is not measured."""
    made = BenchRun(stack, "invitations", prefix, database_url, CpuMeter(None, None), CpuUsage())
    await kafka_topics.ensure_topics(made.pipeline_config())
    return made


def measured_round(worker: float, postgres: float = 20, kafka: float = 10) -> CostRound:
    """Return a round with these µs for a command and 5 µs for a passthrough; encoding is a quarter."""
    usage = CpuUsage(worker, postgres, kafka).scale(1e-6 * COMMANDS)
    passed = CpuUsage(worker=3, kafka=2, postgres=7).scale(1e-6 * COMMANDS)
    samples = Counter({"decide": 75, "encode": 25})
    return CostRound(Measurement(COMMANDS, 1, usage), samples, Measurement(COMMANDS, 1, passed))


def compile_spin(path: str, name: str) -> Callable[[float], None]:
    """Return a function of this name, seemingly of this file, that uses processor time."""
    source = f"""
def {name}(seconds):
    end = process_time() + seconds
    while process_time() < end:
        pass
"""
    scope: dict[str, Any] = {"process_time": time.process_time}
    exec(compile(source, path, "exec"), scope)  # noqa: S102 - a frame's path comes from its code
    return scope[name]  # type: ignore[no-any-return]


def test_a_steps_cost_is_its_share_of_the_workers_time() -> None:
    found = measured_round(worker=40).step_costs()
    assert {name: cost for name, cost in found.items() if cost} == pytest.approx(
        {"decide": 30, "encode": 10, "Postgres": 20, "Kafka": 10}
    )


def test_the_ratio_compares_with_process_and_kafka_of_a_passthrough() -> None:
    found = measured_round(worker=40)
    assert found.ratio == pytest.approx(70 / 5)
    assert sum(found.ratios().values()) == pytest.approx(found.ratio)


def test_saved_rounds_have_the_lowest_the_median_and_the_highest() -> None:
    data = cost_report.describe_rounds([measured_round(worker=each) for each in (50, 40, 70)])
    decided = next(item for item in data["steps"] if item["name"] == "decide")
    assert decided == {
        "name": "decide",
        "us": {"lowest": 30, "median": 37.5, "highest": 52.5},
        "ratio": {"lowest": 6, "median": 7.5, "highest": 10.5},
    }
    assert (data["whole"]["us"]["median"], data["whole_passthrough"]["us"]["median"]) == (80, 5)


def test_a_cost_within_15_percent_of_the_recorded_one_passes(tmp_path: Path) -> None:
    RecordedCost.from_rounds([measured_round(worker=70)]).write(tmp_path / "cost.json")
    recorded = RecordedCost.from_file(tmp_path / "cost.json")
    assert recorded.describe_rise([measured_round(worker=84)]) is None
    assert recorded.describe_rise([measured_round(worker=150), measured_round(worker=84)]) is None


def test_a_cost_above_fails_and_names_the_steps_that_rose() -> None:
    recorded = RecordedCost.from_rounds([measured_round(worker=70)])
    found = recorded.describe_rise([measured_round(worker=90), measured_round(worker=86, postgres=25)])
    assert found is not None
    assert "at least 24.0" in found
    assert "recorded are 20.0, and 23.0 is the limit" in found
    assert "most rose: decide +3.0, encode +1.0" in found


def test_a_check_ends_within_the_limit_or_after_three_rounds() -> None:
    recorded = RecordedCost.from_rounds([measured_round(worker=70)])
    within, above = measured_round(worker=84), measured_round(worker=90)
    assert recorded.needs_round([], seconds=20)
    assert recorded.needs_round([above, above], seconds=50)
    assert not recorded.needs_round([above, above], seconds=100)
    assert not recorded.needs_round([above, within], seconds=50)
    assert not recorded.needs_round([above] * 6, seconds=50)


def test_samples_are_counted_by_step_until_the_end(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGPROF)
    counters = StepCounters(tmp_path / "steps")
    spin = compile_spin("/app/messaging/batch/encoder.py", "encode_output")
    with StepSampler(counters):
        spin(SAMPLED_SECONDS)
    spin(SAMPLED_SECONDS)
    counts = StepCounters(tmp_path / "steps").read_counts()
    assert counts["encode"] > 0.5 * SAMPLED_SECONDS / SAMPLE_SECONDS
    assert counts["encode"] >= 0.9 * counts.total()
    assert counts.total() < 1.5 * SAMPLED_SECONDS / SAMPLE_SECONDS
    assert signal.getsignal(signal.SIGPROF) == before


async def read_passed(run: BenchRun, count: int) -> list[ConsumerRecord] | None:
    """Return the records that were passed through, or None if there are fewer."""
    found = [record async for record in outcomes.read_records(run, (topics.BROADCAST_EVENTS,))]
    return found if len(found) >= count else None


async def test_the_passthrough_copies_records_in_transactions(run: BenchRun) -> None:
    source = topics.INVITATION_COMMANDS.full_name(run.prefix)
    sent = [(number % PARTITIONS, b"key %d" % number, b"value %d" % number) for number in range(50)]
    headers = [("name", b"header")]
    async with AIOKafkaProducer(bootstrap_servers=run.bootstrap_servers) as producer:
        for partition, key, value in sent:
            await producer.send_and_wait(source, value, key, partition, headers=headers)
    measured = await cost_round.measure_passthrough(run, len(sent))
    assert measured.commands == PASSES * len(sent)
    # Kafka confirms a transaction before its end is in the log.
    written = await wait_until(lambda: read_passed(run, (PASSES + 1) * len(sent)))
    found = Counter((record.partition, record.key, record.value) for record in written)
    assert found == Counter(dict.fromkeys(sent, PASSES + 1))
    assert {record.headers for record in written} == {tuple(headers)}


async def test_a_round_measures_a_worker_that_decides_as_expected(run: BenchRun) -> None:
    # What the worker decides first, in a batch of up to 4000, is not measured.
    commands = await cost_round.fill_topics(run, 5 * COMMANDS, seed=1)
    found = await cost_round.measure_round(run, commands)
    assert await cost_round.find_unexpected(run, commands) == []
    # Some steps of so few commands are between two samples.
    assert found.samples.total() > 0
    assert found.samples["other"] < found.samples.total() / 2
    worker = found.worker.cpu_microseconds.worker
    assert sum(found.step_costs().values()) == pytest.approx(worker + sum(found.worker.cpu_microseconds[1:]))
    assert found.ratio > 1
