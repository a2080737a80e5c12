"""The times at which an open loop sends."""

import asyncio
import time
from dataclasses import dataclass
from itertools import count

from bench.workload import open_loop

RATE = 5
COUNT = 4
SECONDS_OF_DELAY = 0.5 / RATE


@dataclass(frozen=True)
class NumberedItem:
    """An item to send."""

    id: str


async def test_an_item_is_sent_when_it_is_due_and_not_an_interval_later() -> None:
    sent_at: dict[str, float] = {}

    async def send_one(item: NumberedItem) -> asyncio.Future[None]:
        sent_at[item.id] = time.monotonic()
        confirmed = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    items = (NumberedItem(str(number)) for number in count())
    due = await open_loop.send_at_rate(send_one, items, RATE, COUNT)
    late = [sent_at[identifier] - at for identifier, at in due.items()]
    assert len(late) == COUNT
    assert min(late) >= 0
    # At a low rate the interval is much longer than what a busy machine adds.
    assert min(late) < SECONDS_OF_DELAY
