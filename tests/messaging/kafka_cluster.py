"""A cluster of three brokers whose topics have three replicas."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cohost.kafka.connection import KafkaConnection
from messaging.config import Config
from stack import components, ports, settings
from stack.processes.process import Process
from stack.servers import kafka
from stack.servers.kafka import Kafka
from stack.settings import ComponentContext
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

BROKERS = 3

_POLL_SECONDS = 0.1

_CONFIG = """\
node.id={number}
controller.quorum.voters={voters}
offsets.topic.replication.factor=3
offsets.topic.num.partitions=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=3
min.insync.replicas=2
"""


@dataclass
class KafkaCluster:
    """Brokers and their processes, by node id less one."""

    brokers: list[Kafka]
    processes: list[Process]

    @property
    def bootstrap_servers(self) -> str:
        """The bootstrap servers of all brokers."""
        return ",".join(broker.address for broker in self.brokers)

    async def leader_of(self, topic: str, partition: int) -> int:
        """Return the index of the broker that leads a partition."""
        async with KafkaConnection(self.bootstrap_servers, "", {}).open_admin() as admin:
            [found] = await admin.describe_topics([topic])
        leaders = {entry["partition"]: entry["leader"] for entry in found["partitions"]}
        return int(leaders[partition]) - 1

    async def wait_in_sync(self, topic: str) -> None:
        """Wait until every partition of the topic has all replicas in sync: then any broker may be lost."""
        async with KafkaConnection(self.bootstrap_servers, "", {}).open_admin() as admin:
            while True:
                [found] = await admin.describe_topics([topic])
                if all(len(entry["isr"]) == BROKERS for entry in found["partitions"]):
                    return
                await asyncio.sleep(_POLL_SECONDS)

    async def kill(self, index: int) -> None:
        """Kill a broker."""
        await asyncio.to_thread(self.processes[index].kill)

    async def restart(self, index: int) -> None:
        """Start a broker that was killed, and wait until it answers."""
        await self.processes[index].stop()
        self.processes[index] = await components.launch_component(self.brokers[index])


@contextlib.asynccontextmanager
async def run_kafka_cluster(folder: Path) -> AsyncIterator[KafkaCluster]:
    """Run the three brokers."""
    client_ports = [ports.reserve_port() for _ in range(BROKERS)]
    controller_ports = [ports.reserve_port() for _ in range(BROKERS)]
    voters = ",".join(f"{number}@{ports.ADDRESS}:{port}" for number, port in enumerate(controller_ports, 1))
    cluster_id = kafka.new_cluster_id()
    brokers = [
        Kafka(
            ComponentContext(
                folder / str(number), settings.load_settings(isolated=True), settings.generate_secrets()
            ),
            (client_ports[number - 1], controller_ports[number - 1]),
            extra_config=_CONFIG.format(number=number, voters=voters),
            cluster_id=cluster_id,
        )
        for number in range(1, BROKERS + 1)
    ]
    # Together: a broker answers only once most controllers run.
    processes = await asyncio.gather(*map(components.launch_component, brokers))
    cluster = KafkaCluster(brokers, list(processes))
    try:
        yield cluster
    finally:
        for process in cluster.processes:
            process.kill()
            await process.stop()
        ports.release_ports(*client_ports, *controller_ports)


async def create_fleet(cluster: KafkaCluster, database_url: str, prefix: str) -> WorkerFleet:
    """Return a fleet without workers yet, whose topics are replicated over the whole cluster."""
    config = Config(
        cluster.bootstrap_servers,
        database_url,
        "counter",
        prefix=prefix,
        partitions=PARTITIONS,
        replication_factor=BROKERS,
        session_timeout_ms=10_000,
    )
    fleet = WorkerFleet(config)
    await fleet.create_tables()
    return fleet
