"""Limit what one poll of a consumer returns and unpacks, because a small batch can unpack to a large one."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

MAX_POLL_BYTES = 16 * 1024 * 1024
"""Bytes of records, unpacked, after which a poll takes no further record."""


class FetchBudget:
    """The bytes that one poll may still take. The last record or batch may exceed it."""

    def __init__(self, remaining: int) -> None:
        self._remaining = remaining

    @property
    def is_spent(self) -> bool:
        """Return whether the poll must end."""
        return self._remaining <= 0

    def spend(self, size: int) -> None:
        """Take `size` bytes off the budget."""
        self._remaining -= size


_current: ContextVar[FetchBudget | None] = ContextVar("fetch_budget", default=None)


def current() -> FetchBudget | None:
    """Return the budget of the poll that is running, or None outside `poll_within_budget`."""
    return _current.get()


def spend(size: int) -> None:
    """Take `size` bytes off the budget of the poll that is running, if there is one."""
    budget = _current.get()
    if budget is not None:
        budget.spend(size)


async def poll_within_budget(
    consumer: AIOKafkaConsumer,
    *partitions: TopicPartition,
    timeout_ms: int,
    max_records: int | None = None,
) -> Mapping[TopicPartition, Sequence[Any]]:
    """Return the consumer's next records by partition, at most about `MAX_POLL_BYTES`.

    The rest of what was fetched comes with the next polls, one partition after the other: those that take
    turns would each keep an unpacked batch. It works for consumers of `bounded_consumer`.
    """
    token = _current.set(FetchBudget(MAX_POLL_BYTES))
    try:
        found: Mapping[TopicPartition, Sequence[Any]] = await consumer.getmany(
            *partitions, timeout_ms=timeout_ms, max_records=max_records
        )
        return found
    finally:
        _current.reset(token)
