"""An invitation's expiry carries the correlation of its sending, whatever record closes it."""

from typing import Any

import pytest

from cohost_schemas import topics
from cohost_schemas.commands import ExpireInvitation, SendInvitation
from cohost_schemas.envelope import Correlation
from cohost_schemas.facts import RoomChanged
from messaging.processor import InputRecord, Rejection
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.in_memory_processor import EXPIRY_SECONDS, GUEST, HOST, ROOM, time_at

SENDING = Correlation("show 7", "00-parent", "vendor=1")
CLOSING = Correlation("cleaning up")
LATER = EXPIRY_SECONDS + 1

Published = list[tuple[str, Correlation | None]]


def input_record(
    offset: int, data: Any, identifier: str, second: float, correlation: Correlation | None
) -> InputRecord:
    topic = topics.ROOMS if isinstance(data, RoomChanged) else topics.INVITATION_COMMANDS
    return InputRecord(0, topic, offset, time_at(second), ROOM, identifier, data, correlation)


def open_room() -> InputRecord:
    return input_record(0, RoomChanged(room_id=ROOM, host_id=HOST, status="live"), "fact", 0, None)


def send_invitation(
    identifier: str = "i1", second: float = 0, correlation: Correlation | None = SENDING
) -> InputRecord:
    command = SendInvitation(room_id=ROOM, user_id=GUEST, actor_id=HOST, expires_in_seconds=EXPIRY_SECONDS)
    return input_record(10 + int(second), command, identifier, second, correlation)


async def decide_last(harness: BatchHarness, records: list[InputRecord], last: InputRecord) -> Published:
    """Decide and store the records one by one, then decide the last one with an empty cache."""
    await harness.run_batches([[record] for record in records], without_cache=True)
    async with harness.pool.acquire() as connection:
        await harness.processor.load(connection, [last])
    decided = harness.processor.decide(last, harness.processor.new_changes())
    assert not isinstance(decided, Rejection)
    return [(type(output.data).__name__, output.correlation) for output in decided]


@pytest.mark.parametrize(
    ("given", "expected"), [(SENDING, SENDING), (None, Correlation("i1")), (CLOSING, CLOSING)]
)
async def test_an_expiry_carries_what_the_sending_was_given(
    batch_harness: BatchHarness, given: Correlation | None, expected: Correlation
) -> None:
    command = ExpireInvitation(room_id=ROOM, invitation_id="i1")
    last = input_record(99, command, "c", LATER, Correlation("other"))
    records = [open_room(), send_invitation(correlation=given)]
    assert await decide_last(batch_harness, records, last) == [("InvitationExpired", expected)]


async def test_an_expiry_along_the_way_carries_its_own_sendings(batch_harness: BatchHarness) -> None:
    last = send_invitation("i2", LATER, CLOSING)
    assert await decide_last(batch_harness, [open_room(), send_invitation()], last) == [
        ("InvitationExpired", SENDING),
        ("InvitationSent", None),
    ]


async def test_a_closing_room_expires_under_the_sending_and_cancels_under_the_fact(
    batch_harness: BatchHarness,
) -> None:
    closing = RoomChanged(room_id=ROOM, host_id=HOST, status="ended")
    records = [open_room(), send_invitation()]
    last = input_record(1, closing, "fact-2", LATER, CLOSING)
    assert await decide_last(batch_harness, records, last) == [
        ("StageChanged", None),
        ("InvitationExpired", SENDING),
    ]
    await batch_harness.clear_state()
    last = input_record(1, closing, "fact-2", 1, CLOSING)
    assert await decide_last(batch_harness, records, last) == [
        ("StageChanged", None),
        ("InvitationCancelled", None),
    ]


async def test_an_invitation_stored_without_a_correlation_has_its_ids(batch_harness: BatchHarness) -> None:
    await batch_harness.run_batches([[open_room()], [send_invitation()]], without_cache=True)
    async with batch_harness.pool.acquire() as connection:
        await connection.execute("UPDATE pending SET correlation = NULL")
    last = input_record(99, ExpireInvitation(room_id=ROOM, invitation_id="i1"), "c", LATER, None)
    assert await decide_last(batch_harness, [], last) == [("InvitationExpired", Correlation("i1"))]
