"""Cached users: a ban that another worker read takes effect once the copy has expired."""

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
    assert own.outcomes == [Rejection("user_not_eligible")]
