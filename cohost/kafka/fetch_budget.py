"""Limit what one poll of a consumer returns and unpacks, because a small batch can unpack to a large one."""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

MAX_POLL_BYTES = 16 * 1024 * 1024
"""Bytes of records, unpacked, after which a poll takes no further record."""


@dataclass(slots=True)
class FetchBudget:
    """The bytes that one poll may still take. The last record or batch may exceed it."""

    remaining: int


_current: ContextVar[FetchBudget | None] = ContextVar("fetch_budget", default=None)


def current() -> FetchBudget | None:
    """Return the budget of the poll that is running, or None outside `poll_within_budget`."""
    return _current.get()


def spend(size: int) -> None:
    """Take `size` bytes off the budget of the poll that is running, if there is one."""
    budget = _current.get()
    if budget is not None:
        budget.remaining -= size


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
