"""The poller counts what LiveKit has not confirmed, without a server: its queries are replaced."""

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from messaging.lanes.lease import LaneLease
from services.broadcast import store
from services.broadcast.batch_changes import MemberInRoom
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import Member, Room
from services.broadcast.effects import pending_poller, work_queue
from services.broadcast.effects.pending_poller import PendingPoller
from services.broadcast.effects.work_queue import WorkQueue
from services.broadcast.metrics import LiveKitMetrics
from tests.broadcast.effects.effects_harness import LaneOwnerStub, run_effects
from tests.contract.polling import wait_until

COUNT = 900
ROOM = Room("room", 0, "alice", "", "live", is_open=True)


class PoolStub:
    """Gives out no connection."""

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[None]:
        yield


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    async def count(_: Any) -> int:
        return COUNT

    async def find_none(*_: Any) -> list[Any]:
        return []

    monkeypatch.setattr(store, "count_out_of_sync", count)
    monkeypatch.setattr(store, "rooms_to_delete", find_none)
    monkeypatch.setattr(store, "members_out_of_sync", find_none)
    monkeypatch.setattr(pending_poller, "_SCAN_SECONDS", 0.01)
    return CollectorRegistry()


def create_poller(registry: CollectorRegistry, owner: LaneOwnerStub, queue: WorkQueue) -> PendingPoller:
    lease = LaneLease()
    lease.start_session(owner)
    return PendingPoller(cast("Any", PoolStub()), lease, DirtyKeys(), queue, LiveKitMetrics(registry))


async def wait_for_count(registry: CollectorRegistry, number: int) -> None:
    await wait_until(
        lambda: registry.get_sample_value("cohost_livekit_unfinished") == number, f"{number} unfinished"
    )


async def test_unfinished_work_is_counted_while_the_queue_is_full(registry: CollectorRegistry) -> None:
    queue = WorkQueue(time.monotonic, 1)
    members = (MemberInRoom(ROOM, Member(f"user-{number}", desired_version=1)) for number in range(COUNT))
    queue.add_items(map(work_queue.item_for, members))
    async with run_effects(create_poller(registry, LaneOwnerStub(), queue)):
        await wait_for_count(registry, COUNT)


async def test_a_worker_without_lanes_shows_no_unfinished_work(registry: CollectorRegistry) -> None:
    owner = LaneOwnerStub()
    async with run_effects(create_poller(registry, owner, WorkQueue(time.monotonic, 1))):
        await wait_for_count(registry, COUNT)
        owner.owned_lanes = frozenset()
        await wait_for_count(registry, 0)
