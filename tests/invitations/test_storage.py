"""Stored rows: independent of batch boundaries, and reloaded when missing from the cache."""

from itertools import count, pairwise
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cohost_schemas import topics
from cohost_schemas.commands import (
    AcceptInvitation,
    ArrangeStage,
    LeaveStage,
    MarkInvitationSeen,
    ResendInvitation,
    SendInvitation,
)
from cohost_schemas.facts import RoomChanged
from messaging.processor import DuplicateCommands, InputRecord, Rejection
from services.invitations.domain.state import Policy
from services.invitations.processor import InvitationsProcessor
from services.invitations.stage_cache import StageCache
from tests.invitations import record_strategies
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM, time_at

SETTINGS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def lane_record(offset: int, data: Any, identifier: str, room: str = ROOM) -> InputRecord:
    topic = topics.ROOMS if isinstance(data, RoomChanged) else topics.INVITATION_COMMANDS
    return InputRecord(0, topic, offset, time_at(0), room, identifier, data)


def opening_records(offset: int, room: str = ROOM) -> InputRecord:
    return lane_record(offset, RoomChanged(room_id=room, host_id=HOST, status="live"), "fact", room)


def send_record(offset: int, identifier: str, user: str = GUEST, room: str = ROOM) -> InputRecord:
    return lane_record(offset, SendInvitation(room_id=room, user_id=user, actor_id=HOST), identifier, room)


def split_batches(script: list[InputRecord], cuts: list[int]) -> list[list[InputRecord]]:
    """Return the script in batches; facts come first in each, as in the pipeline."""
    places = sorted({0, len(script), *(place % (len(script) + 1) for place in cuts)})
    batches = [script[start:end] for start, end in pairwise(places)]
    return [sorted(batch, key=lambda entry: entry.topic is topics.INVITATION_COMMANDS) for batch in batches]


@given(script=record_strategies.SCRIPTS, cuts=st.lists(st.integers(0, 120), max_size=12))
@SETTINGS
async def test_splitting_a_batch_anywhere_changes_nothing(
    batch_harness: BatchHarness, script: list[InputRecord], cuts: list[int]
) -> None:
    batches = split_batches(script, cuts)
    whole = [entry for batch in batches for entry in batch]
    in_one = await run_and_read(batch_harness, [whole])
    assert await run_and_read(batch_harness, batches) == in_one
    assert await run_and_read(batch_harness, [[entry] for entry in whole], forgetful=True) == in_one
    assert await run_and_read(small_cache_harness(batch_harness), batches) == in_one


def small_cache_harness(batch_harness: BatchHarness) -> BatchHarness:
    """A harness whose cache keeps only the last batches and whose clock advances a second per call."""
    memory, clock = StageCache(max_size=0, max_user_bytes=0), count()
    domain = InvitationsProcessor(Policy(accept_unknown_users=True), memory, lambda: next(clock))
    return BatchHarness(batch_harness.pool, domain, [])


async def run_and_read(
    batch_harness: BatchHarness, batches: list[list[InputRecord]], *, forgetful: bool = False
) -> Any:
    await batch_harness.clear_state()
    await batch_harness.run_batches(batches, without_cache=forgetful)
    return batch_harness.outcomes, await batch_harness.stored_rows()


async def test_an_invitation_accepted_in_its_own_batch_is_stored_accepted(
    batch_harness: BatchHarness,
) -> None:
    accept = AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    await batch_harness.run_batches(
        [[opening_records(1), send_record(2, "i1"), lane_record(3, accept, "c1")]]
    )
    rows = await batch_harness.stored_rows()
    assert rows["pending"] == []
    assert rows["seats"] == [
        {
            "room_id": ROOM,
            "user_id": GUEST,
            "lane": 0,
            "position": 3,
            "invitation_id": "i1",
            "since": time_at(0),
        }
    ]
    assert [row["status"] for row in rows["invitations"]] == ["accepted"]


async def test_an_invitation_id_is_never_reused_in_any_room(batch_harness: BatchHarness) -> None:
    await batch_harness.run_batches(
        [[opening_records(1), opening_records(2, "room-2"), send_record(3, "i1")]]
    )
    with pytest.raises(DuplicateCommands) as repeated:
        await batch_harness.run_batches(
            [[send_record(4, "i2", "carol", "room-2"), send_record(5, "i1", "dave", "room-2")]]
        )
    assert repeated.value.command_ids == {"i1"}


async def test_a_refused_invitation_with_a_used_id_is_a_repeat(batch_harness: BatchHarness) -> None:
    await batch_harness.run_batches([[opening_records(1), send_record(2, "i1")]])
    with pytest.raises(DuplicateCommands) as repeated:
        await batch_harness.run_batches([[send_record(3, "i1"), send_record(4, "i2")]])
    assert repeated.value.command_ids == {"i1"}


async def test_a_restarted_worker_ignores_invitations_before_a_tombstone(batch_harness: BatchHarness) -> None:
    accept = AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    gone = InputRecord(0, topics.ROOMS, 3, time_at(0), ROOM, "rooms:0:3", None)
    script = [
        opening_records(1),
        send_record(2, "i1"),
        gone,
        opening_records(4),
        lane_record(5, accept, "c1"),
        send_record(6, "i2"),
    ]
    await batch_harness.run_batches([[entry] for entry in script], without_cache=True)
    assert batch_harness.outcomes[4] == Rejection("invitation_not_found")
    [(name, sent)] = batch_harness.outcomes[5]
    assert (name, sent["previous_invitation_id"]) == ("InvitationSent", None)


async def test_a_restarted_worker_ends_seats_in_their_original_order(batch_harness: BatchHarness) -> None:
    users = ["dave", "bob", "carol"]
    sent = [send_record(2 + number, f"{user}-1", user) for number, user in enumerate(users)]
    accepts = [
        lane_record(
            10 + number, AcceptInvitation(room_id=ROOM, invitation_id=f"{user}-1", actor_id=user), user
        )
        for number, user in enumerate(users)
    ]
    others = ["frank", "erin", "grace"]
    waiting = [send_record(20 + number, f"{user}-1", user) for number, user in enumerate(others)]
    end = lane_record(30, RoomChanged(room_id=ROOM, host_id=HOST, status="ended"), "fact")
    await batch_harness.run_batches(
        [[opening_records(1), *sent, *accepts, *waiting], [end]], without_cache=True
    )
    assert [fields["user_id"] for _, fields in batch_harness.outcomes[-1][1:]] == [*others, *users]


async def test_a_restarted_worker_knows_the_order_of_the_seats(batch_harness: BatchHarness) -> None:
    users = ["dave", "bob", "carol"]
    sent = [send_record(2 + number, f"{user}-1", user) for number, user in enumerate(users)]
    accepts = [
        lane_record(
            10 + number, AcceptInvitation(room_id=ROOM, invitation_id=f"{user}-1", actor_id=user), user
        )
        for number, user in enumerate(users)
    ]
    orders = [
        lane_record(20, ArrangeStage(room_id=ROOM, actor_id=HOST, user_ids=("carol",)), "c1"),
        lane_record(21, ArrangeStage(room_id=ROOM, actor_id=HOST, user_ids=("bob",)), "c2"),
    ]
    await batch_harness.run_batches(
        [[opening_records(1), *sent, *accepts], *([order] for order in orders)], without_cache=True
    )
    arranged = [fields["user_ids"] for [(_, fields)] in batch_harness.outcomes[-2:]]
    assert arranged == [("carol", "dave", "bob"), ("bob", "carol", "dave")]


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_a_renewed_invitation_is_stored_with_its_deadline(
    batch_harness: BatchHarness, *, in_one_batch: bool
) -> None:
    resend = ResendInvitation(room_id=ROOM, invitation_id="i1", actor_id=HOST, expires_in_seconds=600)
    seen = MarkInvitationSeen(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    script = [
        opening_records(1),
        send_record(2, "i1"),
        replace(lane_record(3, resend, "c1"), timestamp=time_at(12)),
        replace(lane_record(4, seen, "c2"), timestamp=time_at(13)),
    ]
    await batch_harness.run_batches([script] if in_one_batch else [[record] for record in script])
    rows = await batch_harness.stored_rows()
    [stored], [pending] = rows["invitations"], rows["pending"]
    assert (stored["times_sent"], stored["resent_at"], stored["seen_at"]) == (2, time_at(12), time_at(13))
    assert stored["expires_at"] == pending["expires_at"] == time_at(612)


async def test_a_renewed_invitation_can_be_closed_in_the_same_batch(batch_harness: BatchHarness) -> None:
    seen = MarkInvitationSeen(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    accept = AcceptInvitation(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
    await batch_harness.run_batches(
        [
            [opening_records(1), send_record(2, "i1")],
            [lane_record(3, seen, "c1"), lane_record(4, accept, "c2")],
        ]
    )
    rows = await batch_harness.stored_rows()
    assert [(row["status"], row["seen_at"]) for row in rows["invitations"]] == [("accepted", time_at(0))]
    assert rows["pending"] == []


@pytest.mark.parametrize("in_one_batch", [True, False])
async def test_each_end_of_a_seat_is_stored_with_its_invitation(
    batch_harness: BatchHarness, *, in_one_batch: bool
) -> None:
    script = [opening_records(1)]
    for offset, invitation in ((10, "i1"), (20, "i2"), (30, "i3")):
        accept = AcceptInvitation(room_id=ROOM, invitation_id=invitation, actor_id=GUEST)
        leave = LeaveStage(room_id=ROOM, actor_id=GUEST)
        script += [
            send_record(offset, invitation),
            lane_record(offset + 1, accept, f"accept-{invitation}"),
            replace(lane_record(offset + 2, leave, f"leave-{invitation}"), timestamp=time_at(offset)),
        ]
    script.pop()
    await batch_harness.run_batches([script] if in_one_batch else [[record] for record in script])
    rows = await batch_harness.stored_rows()
    ends = {row["invitation_id"]: (row["left_at"], row["leave_reason"]) for row in rows["invitations"]}
    assert ends == {"i1": (time_at(10), "left"), "i2": (time_at(20), "left"), "i3": (None, None)}
    assert [row["invitation_id"] for row in rows["seats"]] == ["i3"]


async def test_the_database_itself_refuses_a_second_pending_invitation(batch_harness: BatchHarness) -> None:
    await batch_harness.run_batches([[opening_records(1), send_record(2, "i1")]])
    async with batch_harness.pool.acquire() as connection:
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(
                "INSERT INTO pending SELECT room_id, user_id, lane, 'i2', expires_at FROM pending"
            )


async def test_the_cache_stays_within_its_bounds_without_losing_changes(
    shared_batch_harness: BatchHarness,
) -> None:
    await shared_batch_harness.clear_state()
    memory = StageCache(max_size=10, max_user_bytes=2000)
    batch_harness = BatchHarness(
        shared_batch_harness.pool, InvitationsProcessor(Policy(accept_unknown_users=True), memory), []
    )
    rooms = [f"room-{number}" for number in range(30)]
    users = [f"user-{number}" for number in range(30)]
    pairs = list(zip(rooms, users, strict=True))
    await batch_harness.run_batches([[opening_records(number, room)] for number, room in enumerate(rooms)])
    await batch_harness.run_batches(
        [[send_record(100 + number, user, user, room)] for number, (room, user) in enumerate(pairs)]
    )
    assert len(memory.stages) <= 10
    accepts = [
        lane_record(
            200 + number, AcceptInvitation(room_id=room, invitation_id=user, actor_id=user), room, room
        )
        for number, (room, user) in enumerate(pairs)
    ]
    await batch_harness.run_batches([[accept] for accept in accepts])
    leaves = [
        lane_record(300 + number, LeaveStage(room_id=room, actor_id=user), user, room)
        for number, (room, user) in enumerate(pairs)
    ]
    batch_harness.outcomes = []
    await batch_harness.run_batches([leaves[:15], leaves[15:]])
    assert [name for [(name, _)] in batch_harness.outcomes] == ["CoHostLeft"] * 30
