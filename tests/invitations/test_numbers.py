"""The numbers of invitations and seats: moved by commits, they are those of the rows and of the events."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from messaging.lanes.lease import LaneLease
from messaging.processor import InputRecord
from ops.exporter.stage_history import StageHistory
from services.invitations.domain.state import Policy
from services.invitations.metrics import InvitationNumbers, count_rows
from services.invitations.processor import InvitationsProcessor
from services.runtime.business.lane_totals import LaneTotals
from tests.invitations import record_strategies
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.test_storage import SETTINGS, opening_records, send_record, split_batches

COUNTED = ("sent_total", "ended_total", "answer_seconds_count", "answer_seconds_sum")


@dataclass
class LaneOwnerStub:
    """A session that owns these lanes."""

    owned_lanes: frozenset[int] = frozenset({0})

    def lease_renewed_at(self, _: int) -> float:
        return 0.0


class CountingHarness(BatchHarness):
    """A worker that counts; `history` has read all events that it published."""

    @classmethod
    def create(cls, harness: BatchHarness) -> "CountingHarness":
        lease, registry = LaneLease(), CollectorRegistry()
        owner = LaneOwnerStub()
        lease.start_session(owner)
        totals = LaneTotals(lease, harness.pool, count_rows)
        processor = InvitationsProcessor(
            Policy(accept_unknown_users=True), numbers=InvitationNumbers(registry, totals)
        )
        created = cls(harness.pool, processor, [])
        created.totals, created.owner, created.registry = totals, owner, registry
        created.read_events = CollectorRegistry()
        created.history = StageHistory(created.read_events)
        return created

    totals: LaneTotals
    owner: LaneOwnerStub
    registry: CollectorRegistry
    read_events: CollectorRegistry
    history: StageHistory

    def _decide(self, incoming: InputRecord, changes: Any, rejected: Any) -> Any:
        outcome = super()._decide(incoming, changes, rejected)
        if isinstance(outcome, list):
            for output in outcome:
                self.history.add_event(output.data, incoming.timestamp)
        return outcome

    async def stored_numbers(self) -> tuple[int, int]:
        async with self.pool.acquire() as connection:
            counted = (await count_rows(connection, [0]))[0]
        return counted["pending"], counted["seats"]

    def shown_numbers(self, registry: CollectorRegistry) -> tuple[float | None, ...]:
        names = ("cohost_invitations_pending", "cohost_seats")
        return tuple(registry.get_sample_value(name) for name in names)


def counted_samples(registry: CollectorRegistry) -> dict[Any, float]:
    """Return the counters and the sums of the histograms."""
    return {
        (sample.name, *sample.labels.values()): round(sample.value, 3)
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.startswith(("cohost_invitation", "cohost_seats_ended"))
        and sample.name.endswith(COUNTED)
    }


@given(script=record_strategies.SCRIPTS, cuts=st.lists(st.integers(0, 120), max_size=12))
@SETTINGS
async def test_rows_commits_and_events_give_the_same_numbers(
    batch_harness: BatchHarness, script: list[InputRecord], cuts: list[int]
) -> None:
    await batch_harness.clear_state()
    worker = CountingHarness.create(batch_harness)
    await worker.totals.on_lanes_acquired({0: True})
    await worker.run_batches(split_batches(script, cuts))
    stored = await worker.stored_numbers()
    assert worker.shown_numbers(worker.registry) == stored == worker.shown_numbers(worker.read_events)
    shown = counted_samples(worker.registry)
    assert shown == {sample: counted_samples(worker.read_events)[sample] for sample in shown}


async def test_the_next_owner_shows_what_the_last_one_left(batch_harness: BatchHarness) -> None:
    last, following = CountingHarness.create(batch_harness), CountingHarness.create(batch_harness)
    following.owner.owned_lanes = frozenset()
    await last.totals.on_lanes_acquired({0: True})
    await last.run_batches([[opening_records(1), send_record(2, "i1"), send_record(3, "i2", "carol")]])
    last.owner.owned_lanes, following.owner.owned_lanes = frozenset(), frozenset({0})
    await following.totals.on_lanes_acquired({0: False})
    await following.run_batches([[send_record(4, "i3", "dave")]])
    assert last.shown_numbers(last.registry) == (0, 0)
    assert following.shown_numbers(following.registry) == (3, 0)


async def test_nothing_is_counted_before_the_commit(batch_harness: BatchHarness) -> None:
    worker = CountingHarness.create(batch_harness)
    await worker.totals.on_lanes_acquired({0: True})
    batch = [opening_records(1), send_record(2, "i1")]
    changes = worker.processor.new_changes()
    async with worker.pool.acquire() as connection:
        await worker.processor.load(connection, batch)
    for record in batch:
        worker.processor.decide(record, changes)
    assert worker.registry.get_sample_value("cohost_invitations_sent_total") == 0
    worker.processor.on_committed(changes)
    assert worker.registry.get_sample_value("cohost_invitations_sent_total") == 1
    assert worker.shown_numbers(worker.registry) == (1, 0)
