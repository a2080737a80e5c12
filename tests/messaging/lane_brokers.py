"""The broker of a pipeline under test, declared as the services declare theirs."""

from faststream import AckPolicy
from faststream.kafka import KafkaMessage

from messaging.config import Config
from messaging.inputs.broker import LaneBroker
from messaging.processor import Topology


def create_broker(config: Config, topology: Topology) -> LaneBroker:
    """Create a broker with the subscriber of the topology's inputs."""
    broker = LaneBroker(config)

    @broker.subscriber(
        *topology.input_names(config.prefix),
        batch=True,
        group_id=topology.group_id(config.prefix),
        ack_policy=AckPolicy.MANUAL,
    )
    async def handle_batch(message: KafkaMessage) -> None:
        await broker.deliver(message)

    return broker
