"""Errors of Kafka's clients, grouped by the caller's reaction to them."""

from aiokafka.errors import KafkaError

UNAVAILABLE_ERRORS = (KafkaError, AssertionError, OSError, TimeoutError)
"""Errors of aiokafka's clients during an outage; a producer in a fatal state raises `AssertionError`."""


class PositionLost(Exception):
    """The log no longer has the position to resume from; start a new stream without `after`."""
