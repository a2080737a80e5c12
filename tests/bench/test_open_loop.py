"""The times at which an open loop sends."""

import asyncio
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace

import pytest

from bench.workload import open_loop

RATE = 5
COUNT = 4
STEP_SECONDS = 0.001


@dataclass(frozen=True)
class NumberedItem:
    """An item to send."""

    id: str


class VirtualClock:
    """A clock that moves on only while the loop sleeps, so that no busy machine makes an item late."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_an_item_is_sent_when_it_is_due_and_not_an_interval_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = VirtualClock()
    monkeypatch.setattr(open_loop, "time", clock)
    monkeypatch.setattr(open_loop, "asyncio", SimpleNamespace(sleep=clock.sleep, gather=asyncio.gather))
    sent_at: dict[str, float] = {}

    async def send_one(item: NumberedItem) -> asyncio.Future[None]:
        sent_at[item.id] = clock.now
        confirmed = asyncio.get_running_loop().create_future()
        confirmed.set_result(None)
        return confirmed

    items = (NumberedItem(str(number)) for number in count())
    due = await open_loop.send_at_rate(send_one, items, RATE, COUNT)
    late = [sent_at[identifier] - at for identifier, at in due.items()]
    assert list(due.values()) == pytest.approx([number / RATE for number in range(COUNT)])
    assert min(late) >= 0
    assert max(late) <= STEP_SECONDS
