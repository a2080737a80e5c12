"""`python -m tests.chaos --seed N --seconds N`: faults at random under load, then the audit of the topics.

The seed fixes the order and the kind of the faults, and the load. The exit status is 1 if a worker exited by
itself, if commands were never decided, or if the audit finds a broken promise.
"""

import argparse
import asyncio
import logging
import sys
import time
from random import Random

import asyncpg
from aiokafka import TopicPartition

from bench import worker
from bench.fake_livekit import process as fake_livekit
from cohost import audit
from cohost.audit.__main__ import format_report
from cohost.kafka import patches
from messaging import cluster
from messaging.config import Config
from messaging.processor import Topology
from services.broadcast.topology import TOPOLOGY as BROADCAST
from services.invitations.topology import TOPOLOGY as INVITATIONS
from stack import Stack, StartError, services
from stack.settings import StackSecrets
from tests.chaos.fleet import ChaosFleet, WorkerExited
from tests.chaos.load import ChaosLoad

PREFIX = "chaos."

_SESSION_TIMEOUT_MS = 2_000
_LONGEST_CALM_SECONDS = 2.0
_DRAIN_SECONDS = 120
_POLL_SECONDS = 0.2


class NotDrained(Exception):
    """Commands were not decided, or outcomes not published, in time."""


def print_line(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 - the report


async def run_chaos(seed: int, seconds: int) -> audit.Report:
    """Run the faults for `seconds`, and return the audit of what the workers wrote meanwhile."""
    async with Stack(components=("kafka", "postgres"), isolated=True) as stack:
        config = Config(
            stack.kafka_bootstrap_servers, await stack.create_database("chaos"), "invitations", prefix=PREFIX
        )
        await cluster.ensure_topics(config)
        load = ChaosLoad(stack.kafka_bootstrap_servers, PREFIX, seed)
        async with fake_livekit.run_fake_livekit(load.room_ids, seed) as livekit:
            fleet = ChaosFleet(stack, _environment(stack, config, livekit.url), print_line)
            await fleet.start()
            try:
                await fleet.wait_ready()
                await _harm_under_load(fleet, load, Random(seed), seconds)  # noqa: S311 - a bad day, not a secret
                print_line(f"{load.sent:,} events sent; waiting until all are decided and published")
                await _wait_drained(config, fleet)
            finally:
                await fleet.stop()
        print_line(", ".join(f"{count} x {name}" for name, count in sorted(fleet.faults.items())))
        return await audit.audit(stack.kafka_bootstrap_servers, PREFIX)


def _environment(stack: Stack, config: Config, livekit_url: str) -> dict[str, str]:
    keys = StackSecrets(stack.jwt_secret, stack.livekit_api_key, stack.livekit_api_secret)
    shared = services.service_variables(
        config.bootstrap_servers, config.database_url, livekit_url, keys, PREFIX
    )
    more = {"COHOST_LOG_LEVEL": "warning", "COHOST_SESSION_TIMEOUT_MS": str(_SESSION_TIMEOUT_MS)}
    return {**stack.inherited, **shared, **more}


async def _harm_under_load(fleet: ChaosFleet, load: ChaosLoad, random: Random, seconds: int) -> None:
    sending = asyncio.create_task(load.run())
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            await asyncio.sleep(random.uniform(0, _LONGEST_CALM_SECONDS))
            fleet.check_alive()
            await fleet.inject_fault(random)
            if sending.done():
                break
    finally:
        load.stop()
        await sending


async def _wait_drained(config: Config, fleet: ChaosFleet) -> None:
    """Wait until both services have decided their inputs and published every outcome.

    Raises `NotDrained` if that takes too long.
    """
    deadline = time.monotonic() + _DRAIN_SECONDS
    while behind := [*await _find_behind(config, INVITATIONS), *await _find_behind(config, BROADCAST)]:
        fleet.check_alive()
        if time.monotonic() > deadline:
            behind += await _find_open_transactions(config)
            msg = f"not decided and published within {_DRAIN_SECONDS} s: {', '.join(behind)}"
            raise NotDrained(msg)
        await asyncio.sleep(_POLL_SECONDS)


async def _find_behind(config: Config, topology: Topology) -> list[str]:
    """Return what a service has not decided or published yet."""
    names = {entry.topic.full_name(config.prefix): entry.topic for entry in topology.inputs}
    connection = await asyncpg.connect(config.database_url, server_settings={"search_path": topology.name})
    try:
        async with config.kafka.open_consumer() as consumer:
            ends = await consumer.end_offsets(
                [TopicPartition(name, number) for name in names for number in range(config.partitions)]
            )
        progress = {name: await worker.read_progress(connection, topic) for name, topic in names.items()}
        behind = [
            f"{partition.topic}:{partition.partition} at {position} of {end}"
            for partition, end in ends.items()
            if (position := progress[partition.topic].positions.get(partition.partition, 0)) < end
        ]
        is_published = all(standing.all_published for standing in progress.values())
        return behind if is_published else [*behind, f"the outbox of {topology.name}"]
    finally:
        await connection.close()


async def _find_open_transactions(config: Config) -> list[str]:
    """Return the partitions of outputs whose transactions Kafka has not ended, with their stable offsets."""
    partitions = [
        TopicPartition(topic.full_name(config.prefix), number)
        for topic in (*INVITATIONS.outputs, *BROADCAST.outputs)
        for number in range(config.partitions)
    ]
    async with config.kafka.open_consumer() as committed:
        stable = await committed.end_offsets(partitions)
    async with config.kafka.open_consumer(isolation_level="read_uncommitted") as uncommitted:
        ends = await uncommitted.end_offsets(partitions)
    return [
        f"{partition.topic}:{partition.partition} has an open transaction at {stable[partition]} of {end}"
        for partition, end in ends.items()
        if stable[partition] < end
    ]


def main() -> int:
    """Run with the command line's options and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=60, help="of faults (default 60)")
    options = parser.parse_args()
    # The clients log every refused connection of a server that is down.
    logging.disable(logging.CRITICAL)
    patches.apply_patches()
    print_line(f"seed {options.seed}, {options.seconds} s")
    try:
        report = asyncio.run(run_chaos(options.seed, options.seconds))
    except (StartError, WorkerExited, NotDrained) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(format_report(report))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
