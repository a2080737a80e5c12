"""Close Kafka clients in bounded time, even if the broker does not answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiokafka import AIOKafkaProducer

_CANCEL_WAIT_SECONDS = 1
_DISCARD_STEP_SECONDS = 1


async def close_within(step: Coroutine[Any, Any, object], seconds: float = 5) -> None:
    """Run a closing step for at most `seconds`, ignoring its result and errors."""
    # In a separate task, because aiokafka lets the cancellation of its inner tasks escape from stop().
    closing = asyncio.ensure_future(step)
    try:
        await asyncio.wait({closing}, timeout=seconds)
    finally:
        closing.cancel()
        await asyncio.wait({closing}, timeout=_CANCEL_WAIT_SECONDS)
        if closing.done() and not closing.cancelled():
            closing.exception()


async def discard_producer(producer: AIOKafkaProducer) -> None:
    """Close a producer at once and drop its pending records.

    `stop()` alone waits for pending batches, which never expire while the partition has a known leader, and
    leaves a sender running that delivers them later.
    """
    for close in (producer._sender.close, producer.client.close, producer.stop):  # noqa: SLF001 - aiokafka has no public way
        await close_within(close(), _DISCARD_STEP_SECONDS)
