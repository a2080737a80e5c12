"""Errors of Kafka's clients, grouped by what can be done about them."""

from aiokafka.errors import KafkaError

UNAVAILABLE_ERRORS = (KafkaError, AssertionError, OSError, TimeoutError)
"""What aiokafka's clients raise during an outage; a producer in a fatal state raises an `AssertionError`."""


class PositionLost(Exception):
    """The log no longer has the position to resume from; start a new stream without `after`."""
