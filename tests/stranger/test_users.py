"""Section 3: what follows from what the platform says of its users."""

from typing import Any

import pytest

from tests.stranger import snapshots
from tests.stranger.client import INVITATIONS, Put, Room, Stranger
from tests.stranger.log import Record

SECONDS = 5.0


async def invite(stranger: Stranger, room: Room, user: str) -> Put:
    put, _ = await stranger.accepted("SendInvitation", room, userId=user, actorId=room.host)
    return put


async def closing(stranger: Stranger, room: Room, name: str) -> Record:
    [found] = await stranger.log.until(
        lambda: stranger.log.named("invitations.events", room.id, name), name, SECONDS
    )
    return found


async def command(stranger: Stranger, caused: Record) -> dict[str, Any]:
    """Return the command that caused something."""
    found = stranger.log.by_id
    [record] = await stranger.log.until(lambda: found[caused.event["causationid"]])
    assert record.topic == INVITATIONS
    return {"type": record.event["type"], "subject": record.event["subject"], "data": record.data}


@pytest.mark.parametrize("ending", ["banned", "deleted", "tombstone"])
async def test_a_banned_or_deleted_user_is_excluded_within_5_seconds(stranger: Stranger, ending: str) -> None:
    user, stays = await stranger.user(), await stranger.user()
    rooms = [await stranger.room("live"), await stranger.room("idle")]
    sent = [await invite(stranger, room, user) for room in rooms]
    await invite(stranger, rooms[0], stays)
    await stranger.accepted("AcceptInvitation", rooms[1], invitationId=sent[1].id, actorId=user)
    await (stranger.remove_user(user) if ending == "tombstone" else stranger.say_user(user, ending))

    cancelled = await closing(stranger, rooms[0], "InvitationCancelled")
    left = await closing(stranger, rooms[1], "CoHostLeft")

    pending = [snapshots.pending(put, room, user) for put, room in zip(sent, rooms, strict=True)]
    at = cancelled.data["updatedAt"]
    assert cancelled.data == snapshots.cancelled(pending[0], at, "not_eligible")
    at = left.data["leftAt"]
    assert snapshots.without_nulls(left.data) == snapshots.left(pending[1], at, "not_eligible")
    for record, room in ((cancelled, rooms[0]), (left, rooms[1])):
        data = {"roomId": room.id, "userId": user}
        expected = {"type": "cohost.ExcludeUser.v1", "subject": room.id, "data": data}
        assert await command(stranger, record) == expected
    assert len(stranger.log.named("invitations.events", rooms[0].id, "InvitationCancelled")) == 1


async def test_any_producer_may_exclude_a_banned_user(stranger: Stranger) -> None:
    user, room = await stranger.user(), await stranger.room()
    sent = await invite(stranger, room, user)
    await stranger.say_user(user, "banned")
    put = await stranger.send("ExcludeUser", room, userId=user)
    fate = await stranger.fate(put)
    closed = await closing(stranger, room, "InvitationCancelled")
    assert fate == ("not_involved" if closed.event["causationid"] != put.id else "InvitationCancelled")
    assert closed.data["invitationId"] == sent.id


async def test_a_user_refusing_invitations_keeps_the_existing_ones(stranger: Stranger) -> None:
    user, rooms = await stranger.user(), [await stranger.room(), await stranger.room()]
    sent = [await invite(stranger, room, user) for room in rooms]
    await stranger.accepted("AcceptInvitation", rooms[1], invitationId=sent[1].id, actorId=user)
    hosts = [room.host for room in rooms]
    await stranger.say_user(user, canReceiveInvitations=False, blockedUserIds=hosts)
    await stranger.accepted("DeclineInvitation", rooms[0], invitationId=sent[0].id, actorId=user)
    await stranger.accepted("LeaveStage", rooms[1], actorId=user)


async def test_a_reactivated_user_may_be_invited_again(stranger: Stranger) -> None:
    user, room = await stranger.user("banned"), await stranger.room()
    await stranger.say_user(user)
    await invite(stranger, room, user)


async def test_a_recreated_user_may_be_invited_again(stranger: Stranger) -> None:
    user, room = await stranger.user(), await stranger.room()
    await stranger.remove_user(user)
    await stranger.say_user(user)
    await invite(stranger, room, user)
