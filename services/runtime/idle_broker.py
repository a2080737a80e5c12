"""FastStream's broker for a process without subscribers."""

from faststream.kafka import KafkaBroker


class IdleBroker(KafkaBroker):
    """A broker that connects to nothing: other clients do, also when Kafka is unavailable at the start."""

    async def start(self) -> None:
        """Prepare the broker."""
