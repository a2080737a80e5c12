"""Change how long Kafka holds a fetch that finds nothing, while the consumer runs."""

from aiokafka import AIOKafkaConsumer


def set_fetch_wait(consumer: AIOKafkaConsumer, milliseconds: int) -> None:
    """Let Kafka hold the consumer's next fetches for this long if they find nothing."""
    # The consumer's own argument is for its whole life, but its fetcher reads this for each fetch.
    consumer._fetcher._fetch_max_wait_ms = milliseconds  # noqa: SLF001 - aiokafka has no method for it
