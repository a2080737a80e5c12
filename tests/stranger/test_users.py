"""Section 3: the events that follow from user facts."""

from typing import Any

import pytest

from tests.stranger import snapshots
from tests.stranger.client import INVITATIONS, Put, Room, Stranger
from tests.stranger.log import Record

SECONDS = 5.0


async def invite(client: Stranger, room: Room, user: str) -> Put:
    put, _ = await client.accepted("SendInvitation", room, userId=user, actorId=room.host)
    return put


async def closing(client: Stranger, room: Room, name: str) -> Record:
    [found] = await client.log.until(
        lambda: client.log.records_of("invitations.events", room.id, name), name, SECONDS
    )
    return found


async def command(client: Stranger, caused: Record) -> dict[str, Any]:
    """Return the command that caused a record."""
    found = client.log.by_id
    [record] = await client.log.until(lambda: found[caused.event["causationid"]])
    assert record.topic == INVITATIONS
    return {"type": record.event["type"], "subject": record.event["subject"], "data": record.data}


@pytest.mark.parametrize("ending", ["banned", "deleted", "tombstone"])
async def test_a_banned_or_deleted_user_is_excluded_within_5_seconds(client: Stranger, ending: str) -> None:
    user, stays = await client.user(), await client.user()
    rooms = [await client.create_room("live"), await client.create_room("idle")]
    sent = [await invite(client, room, user) for room in rooms]
    await invite(client, rooms[0], stays)
    await client.accepted("AcceptInvitation", rooms[1], invitationId=sent[1].id, actorId=user)
    await (client.remove_user(user) if ending == "tombstone" else client.say_user(user, ending))

    cancelled = await closing(client, rooms[0], "InvitationCancelled")
    left = await closing(client, rooms[1], "CoHostLeft")

    pending = [snapshots.pending(put, room, user) for put, room in zip(sent, rooms, strict=True)]
    at = cancelled.data["updatedAt"]
    assert cancelled.data == snapshots.cancelled(pending[0], at, "not_eligible")
    at = left.data["leftAt"]
    assert snapshots.without_nulls(left.data) == snapshots.left(pending[1], at, "not_eligible")
    for record, room in ((cancelled, rooms[0]), (left, rooms[1])):
        data = {"roomId": room.id, "userId": user}
        expected = {"type": "cohost.ExcludeUser.v1", "subject": room.id, "data": data}
        assert await command(client, record) == expected
    assert len(client.log.records_of("invitations.events", rooms[0].id, "InvitationCancelled")) == 1


async def test_any_producer_may_exclude_a_banned_user(client: Stranger) -> None:
    user, room = await client.user(), await client.create_room()
    sent = await invite(client, room, user)
    await client.say_user(user, "banned")
    put = await client.send("ExcludeUser", room, userId=user)
    fate = await client.fate(put)
    closed = await closing(client, room, "InvitationCancelled")
    assert fate == ("not_involved" if closed.event["causationid"] != put.id else "InvitationCancelled")
    assert closed.data["invitationId"] == sent.id


async def test_a_user_refusing_invitations_keeps_the_existing_ones(client: Stranger) -> None:
    user, rooms = await client.user(), [await client.create_room(), await client.create_room()]
    sent = [await invite(client, room, user) for room in rooms]
    await client.accepted("AcceptInvitation", rooms[1], invitationId=sent[1].id, actorId=user)
    hosts = [room.host for room in rooms]
    await client.say_user(user, canReceiveInvitations=False, blockedUserIds=hosts)
    await client.accepted("DeclineInvitation", rooms[0], invitationId=sent[0].id, actorId=user)
    await client.accepted("LeaveStage", rooms[1], actorId=user)


async def test_a_reactivated_user_may_be_invited_again(client: Stranger) -> None:
    user, room = await client.user("banned"), await client.create_room()
    await client.say_user(user)
    await invite(client, room, user)


async def test_a_recreated_user_may_be_invited_again(client: Stranger) -> None:
    user, room = await client.user(), await client.create_room()
    await client.remove_user(user)
    await client.say_user(user)
    await invite(client, room, user)
