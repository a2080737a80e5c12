"""Cached users: a ban that another worker read takes effect once the copy has expired."""

import tracemalloc
from typing import Any

from cohost_schemas import topics
from cohost_schemas.commands import SendInvitation
from cohost_schemas.facts import RoomChanged, UserChanged
from messaging.processor import InputRecord, Rejection
from services.invitations.domain.state import Policy
from services.invitations.processor import InvitationsProcessor
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM, time_at

OTHER_LANE = 1


def lane_record(topic: topics.Topic, offset: int, key: str, data: Any, lane: int = 0) -> InputRecord:
    return InputRecord(lane, topic, offset, time_at(0), key, f"{topic.suffix}-{offset}", data)


def user_fact(offset: int, status: Any) -> InputRecord:
    data = UserChanged(user_id=GUEST, status=status)
    return lane_record(topics.USERS, offset, GUEST, data, OTHER_LANE)


async def test_a_ban_read_by_another_worker_takes_effect(batch_harness: BatchHarness) -> None:
    now = 0.0
    own = BatchHarness(batch_harness.pool, InvitationsProcessor(Policy(), clock=lambda: now), [])
    other = BatchHarness(batch_harness.pool, InvitationsProcessor(Policy()), [])
    rooms = [ROOM, "room-2"]
    await other.run_batches([[user_fact(0, "active")]])
    room_facts = [RoomChanged(room_id=room, host_id=HOST, status="live") for room in rooms]
    invitations = [SendInvitation(room_id=room, user_id=GUEST, actor_id=HOST) for room in rooms]
    await own.run_batches(
        [
            [lane_record(topics.ROOMS, offset, fact.room_id, fact) for offset, fact in enumerate(room_facts)],
            [lane_record(topics.INVITATION_COMMANDS, 0, ROOM, invitations[0])],
            [],
        ]
    )
    await other.run_batches([[user_fact(1, "banned")]])
    now = 1.0
    own.outcomes.clear()
    await own.run_batches([[lane_record(topics.INVITATION_COMMANDS, 1, "room-2", invitations[1])]])
    assert own.outcomes == [Rejection("user_not_eligible", detail="banned")]


async def test_a_host_is_asked_for_among_the_users_whom_a_cached_user_blocks(
    batch_harness: BatchHarness,
) -> None:
    other = BatchHarness(batch_harness.pool, InvitationsProcessor(Policy()), [])
    fact = UserChanged(user_id=GUEST, status="active", blocked_user_ids=("second", "third"))
    await other.run_batches([[lane_record(topics.USERS, 0, GUEST, fact, OTHER_LANE)]])
    processor = InvitationsProcessor(Policy(), clock=lambda: 0.0)
    own = BatchHarness(batch_harness.pool, processor, [])

    def invitation(offset: int, room: str, host: str) -> InputRecord:
        data = SendInvitation(room_id=room, user_id=GUEST, actor_id=host)
        return lane_record(topics.INVITATION_COMMANDS, offset, room, data)

    def room_fact(offset: int, room: str, host: str) -> InputRecord:
        return lane_record(topics.ROOMS, offset, room, RoomChanged(room_id=room, host_id=host, status="live"))

    await own.run_batches(
        [
            [room_fact(0, "room-1", "first"), invitation(0, "room-1", "first")],
            [room_fact(1, "room-2", "second"), invitation(1, "room-2", "second")],
            # The room's host changes within the batch.
            [room_fact(2, "room-1", "third"), invitation(2, "room-1", "third")],
        ]
    )
    # The facts' outcomes are at the even places.
    assert own.outcomes[3::2] == [Rejection("user_not_eligible", detail="blocks_host")] * 2
    assert processor.caches[1][GUEST].user.blocked_user_ids == {"third"}


async def test_users_of_a_batch_with_long_block_lists_take_little_memory(batch_harness: BatchHarness) -> None:
    writer = BatchHarness(batch_harness.pool, InvitationsProcessor(Policy()), [])
    users = [f"user-{number}" for number in range(40)]
    for offset, user in enumerate(users):
        blocked = tuple(f"{user}-{number:0>55}"[:64] for number in range(10_000))
        fact = UserChanged(user_id=user, status="active", blocked_user_ids=blocked)
        await writer.run_batches([[lane_record(topics.USERS, offset, user, fact, OTHER_LANE)]])
    own = BatchHarness(batch_harness.pool, InvitationsProcessor(Policy()), [])
    await own.run_batches(
        [[lane_record(topics.ROOMS, 0, ROOM, RoomChanged(room_id=ROOM, host_id=HOST, status="live"))]]
    )
    commands = [SendInvitation(room_id=ROOM, user_id=user, actor_id=HOST) for user in users]
    tracemalloc.start()
    try:
        await own.run_batches(
            [
                [
                    lane_record(topics.INVITATION_COMMANDS, offset, ROOM, command)
                    for offset, command in enumerate(commands)
                ]
            ]
        )
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
