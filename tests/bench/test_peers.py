"""The peers of the benchmark give the pipeline's outcomes; otherwise comparing them would mean nothing."""

import shutil
from collections.abc import Sequence
from itertools import count, islice
from typing import cast

import pytest
from faststream.kafka import KafkaBroker

from bench import outcomes
from bench.baseline import consumer
from bench.cost import cost_round
from bench.cpu import CpuMeter, CpuUsage
from bench.environment import BenchRun
from bench.ladder.open_loop_run import RateResult
from bench.measurements.latency import summarize_latency
from bench.peers import catalog, peer_drain, peer_latency, peers_report, relay_kills
from bench.peers.outbox import table
from bench.peers.outbox.consumer import OutboxHandler
from bench.peers.peer import Peer, PeerTraffic
from bench.peers.peer_figures import PeerFigures
from bench.results import Measurement
from bench.workload import traffic
from bench.workload.simulated_room import PlannedCommand
from cohost_schemas import topics
from messaging import database
from messaging.config import Config
from stack import Stack
from tests import kafka_topics
from tests.bench.test_handler import command_record

COMMANDS = 500
SEED = 3
NEEDS_MAVEN = pytest.mark.skipif(shutil.which("mvn") is None, reason="needs Maven")


def peer_figures(peer: Peer, per_second: float, us: CpuUsage, p50: float) -> PeerFigures:
    """Return the figures of a peer with this speed, µs for one command, and latency at 1 000 a second."""
    latency = RateResult(1_000, summarize_latency([p50] * 100), measurer_cpu=0.1, sender_p99=0.5)
    drained = Measurement(1_000, 1_000 / per_second, us.scale(1e-3))
    return PeerFigures(peer, drained, unexpected=2, violations=1, wrong=("wrong",), latency=latency)


@pytest.fixture
async def run(stack: Stack, database_url: str, prefix: str) -> BenchRun:
    """New topics and an empty database; the servers' time is not measured."""
    made = BenchRun(stack, "invitations", prefix, database_url, CpuMeter(None, None), CpuUsage())
    await kafka_topics.ensure_topics(made.pipeline_config())
    return made


@pytest.mark.parametrize(
    "peer",
    [
        pytest.param(catalog.OUTBOX_12, id="outbox"),
        pytest.param(catalog.STREAMS_100, id="kafka-streams", marks=NEEDS_MAVEN),
    ],
)
async def test_a_peer_gives_each_command_the_expected_outcome(run: BenchRun, peer: Peer) -> None:
    commands = await cost_round.fill_topics(run, COMMANDS, SEED)
    made = PeerTraffic(traffic.rooms_for(COMMANDS), SEED, COMMANDS)
    await peer_drain.measure_peer_drain(peer, run, made, commands)
    found = [outcomes.parse_outcome(record) async for record in outcomes.read_records(run)]
    expected = {command.id: command.expected for command in commands}
    # Kafka Streams publishes its rooms, too.
    assert sorted(item for item in found if item[0] in expected) == sorted(expected.items())


async def test_rows_stay_in_the_outbox_until_the_relay_has_published_them(database_url: str) -> None:
    config = Config("", database_url, "invitations", prefix="cohost.")
    made = traffic.generate_traffic(rooms=6, seed=SEED)
    commands = list(islice(made.iterate_commands(), 20))
    pool = await database.create_pool(config, size=2)
    async with pool.acquire() as connection:
        await database.migrate_schema(connection, config, "messaging", "services.invitations")
        await consumer.store_facts(connection, made)
        await table.create_table(connection)
    handler = OutboxHandler(config, "cluster", pool, cast("KafkaBroker", None))
    offsets = count()
    for command in [*commands, commands[0]]:
        await handler.handle_command(command_record(command, next(offsets)))
    async with pool.acquire() as connection:
        interrupted = connection.transaction()
        await interrupted.start()
        taken = await table.take_rows(connection)
        await interrupted.rollback()
        async with connection.transaction():
            assert await table.take_rows(connection) == taken
        assert await table.take_rows(connection) == []
    await pool.close()
    assert _command_ids(taken) == [command.id for command in commands]
    assert {row.topic for row in taken} == {
        topics.INVITATION_EVENTS.suffix,
        topics.INVITATION_REJECTIONS.suffix,
    }


def _command_ids(rows: Sequence[table.OutboxRow]) -> list[str]:
    return [outcomes.find_command_id(row.value) for row in rows]


@pytest.mark.parametrize(("capacity", "rate"), [(20_000, 1_000), (1_000, 800), (141, 110)])
def test_a_peer_is_measured_at_a_rate_that_it_should_hold(capacity: float, rate: int) -> None:
    assert peer_latency.highest_rate(capacity) == rate


def test_a_peer_that_is_better_in_a_figure_is_named() -> None:
    own = peer_figures(catalog.PIPELINE, 10_000, CpuUsage(60, 20, 20), p50=30)
    other = peer_figures(catalog.STREAMS_100, 5_000, CpuUsage(90, 0, 30), p50=20)
    [line] = peers_report.find_faster([own, other])
    assert line == (
        "better than the pipeline is Kafka Streams, commit 100 ms in: "
        "µs of Postgres 0.0 instead of 20.0, p50 at 1000 20.0 instead of 30.0, "
        "p99 at 1000 20.0 instead of 30.0"
    )
    assert peers_report.find_faster([own, own]) == []


def test_a_peers_result_has_its_guarantees_and_what_the_checks_found() -> None:
    found = peers_report.describe_peer(peer_figures(catalog.OUTBOX, 250, CpuUsage(1_234.5, 600, 0), p50=70))
    assert (found["commands_per_second"], found["latency_rate"]) == (250, 1_000)
    assert found["cpu_us"] == {"process": 1_230, "postgres": 600, "kafka": 0}
    assert found["guarantees"] == catalog.OUTBOX.guarantees
    assert found["note"] == "1000 commands: 2 other outcomes than expected, 1 violations in the audit"


def test_commands_without_and_with_several_outcomes_are_counted() -> None:
    sent = [PlannedCommand(id_, "LeaveStage", "r", {}, "accepted") for id_ in "abc"]
    found = relay_kills.summarize_kills(sent, {"a": 1, "b": 2, "other": 3}, violations=1)
    assert (found["commands"], found["without_outcome"], found["with_several"]) == (3, 1, 1)
