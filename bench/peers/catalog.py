"""The peers, each with a fair configuration; the pipeline's own worker is the first."""

import contextlib
from collections.abc import AsyncIterator

from bench import worker
from bench.baseline import measurement
from bench.environment import BenchRun
from bench.peers import kafka_streams_program, peer, quix_program
from bench.peers.peer import Peer, PeerTraffic, PrepareProgram
from stack.processes.process import Process, Program

ALL_COMMANDS = 1_000_000_000


@contextlib.asynccontextmanager
async def _launch_worker(run: BenchRun, _: PeerTraffic) -> AsyncIterator[Process]:
    async with worker.run_worker(run) as started:
        yield started.process


def _prepare_consumer(module: str, workers: int) -> PrepareProgram:
    async def prepare(run: BenchRun, made: PeerTraffic) -> Program:
        options = measurement.consumer_options(run, made.rooms, made.seed, workers)
        # It runs until it is ended.
        return peer.python_program(run, module, options | {"warm_up": 0, "count": ALL_COMMANDS})

    return prepare


PIPELINE = Peer(
    "pipeline, one worker",
    _launch_worker,
    ALL_COMMANDS,
    None,
    "exactly once from topic to topic and to Postgres, command ids unique over all partitions",
)
"""One worker with everything on, as in `bench drain`."""

PLAIN = Peer(
    "plain handler",
    peer.run_program(_prepare_consumer("bench.baseline.consumer", 1)),
    2_000,
    None,
    "at most once: offsets are committed first, and a kill between commit and publication loses the outcome",
)
"""One message, one transaction, one publication with `acks=all`, idempotent; FastStream's defaults."""

PLAIN_12 = Peer(
    "plain handler, max_workers=12",
    peer.run_program(_prepare_consumer("bench.baseline.consumer", 12)),
    5_000,
    None,
    "as the plain handler, and commands of a room out of order",
    is_ordered=False,
)
"""The same with twelve messages in work at a time, whose round trips overlap."""

OUTBOX = Peer(
    "outbox and relay",
    peer.run_program(_prepare_consumer("bench.peers.outbox.consumer", 1)),
    2_000,
    None,
    "at least once: a kill of the relay publishes up to 500 records twice, a reader has to drop them",
)
"""One message, one transaction with its outbox row; then its offset. The relay polls each 100 ms."""

OUTBOX_12 = Peer(
    "outbox and relay, max_workers=12",
    peer.run_program(_prepare_consumer("bench.peers.outbox.consumer", 12)),
    5_000,
    None,
    "as outbox and relay: a worker has partitions of its own, so a room's commands stay in order",
)
"""The same with a worker for each partition."""

STREAMS_100 = Peer(
    "Kafka Streams, commit 100 ms",
    peer.run_program(kafka_streams_program.prepare_streams(100)),
    ALL_COMMANDS,
    "streams",
    "exactly once from topic to topic; command ids unique within a partition; nothing in Postgres to query",
    install=kafka_streams_program.build_jars,
)
"""Kafka Streams 4.3 with exactly_once_v2, one thread, caches of 128 MB, batches of 256 KB, acks=all."""

STREAMS_10 = Peer(
    "Kafka Streams, commit 10 ms",
    peer.run_program(kafka_streams_program.prepare_streams(10)),
    ALL_COMMANDS,
    "streams",
    STREAMS_100.guarantees,
    install=kafka_streams_program.build_jars,
)
"""The same with ten times as many transactions."""

QUIX = Peer(
    "Quix Streams, commit 100 ms",
    peer.run_program(quix_program.prepare_quix),
    20_000,
    "quix",
    "exactly once from topic to topic; ids unique within a room; no sequences across a restart; no queries",
    install=quix_program.install_environment,
)
"""Quix Streams 3 with exactly-once, librdkafka with batches of 256 KB, linger 5 ms, acks=all."""

SLOW = (PLAIN, PLAIN_12, OUTBOX, OUTBOX_12)
FAST = (STREAMS_100, STREAMS_10, QUIX)
