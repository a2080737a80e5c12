"""Section 3: the events that follow from user facts."""

from typing import Any

import pytest

from tests.contract import expected_data
from tests.contract.contract_client import INVITATION_COMMANDS, ContractClient, Room, WrittenRecord
from tests.contract.polling import in_time, retry_when_late
from tests.contract.topic_log import TopicRecord

SECONDS = 5.0


async def send_invitation(client: ContractClient, room: Room, user: str) -> WrittenRecord:
    put, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    return put


async def wait_for_closing(client: ContractClient, room: Room, name: str) -> TopicRecord:
    with in_time(SECONDS, name):
        [found] = await client.log.wait_until(
            lambda: client.log.records_of("invitations.events", room.id, name), name
        )
    return found


async def causing_command(client: ContractClient, caused: TopicRecord) -> dict[str, Any]:
    """Return the command that caused a record."""
    found = client.log.by_id
    [record] = await client.log.wait_until(lambda: found[caused.event["causationid"]])
    assert record.topic == INVITATION_COMMANDS
    return {"type": record.event["type"], "subject": record.event["subject"], "data": record.data}


@pytest.mark.parametrize("ending", ["banned", "deleted", "tombstone"])
@retry_when_late
async def test_a_banned_or_deleted_user_is_excluded_within_5_seconds(
    client: ContractClient, ending: str
) -> None:
    user, stays = await client.create_user(), await client.create_user()
    rooms = [await client.create_room("live"), await client.create_room("idle")]
    sent = [await send_invitation(client, room, user) for room in rooms]
    await send_invitation(client, rooms[0], stays)
    await client.send_accepted("AcceptInvitation", rooms[1], invitationId=sent[1].id, actorId=user)
    await (client.delete_user(user) if ending == "tombstone" else client.publish_user(user, ending))

    cancelled = await wait_for_closing(client, rooms[0], "InvitationCancelled")
    left = await wait_for_closing(client, rooms[1], "CoHostLeft")

    pending = [expected_data.pending(put, room, user) for put, room in zip(sent, rooms, strict=True)]
    at = cancelled.data["updatedAt"]
    assert cancelled.data == expected_data.cancelled(pending[0], at, "not_eligible")
    at = left.data["leftAt"]
    assert expected_data.without_nulls(left.data) == expected_data.left(pending[1], at, "not_eligible")
    for record, room in ((cancelled, rooms[0]), (left, rooms[1])):
        data = {"roomId": room.id, "userId": user}
        expected = {"type": "cohost.ExcludeUser.v1", "subject": room.id, "data": data}
        assert await causing_command(client, record) == expected
    assert len(client.log.records_of("invitations.events", rooms[0].id, "InvitationCancelled")) == 1


@retry_when_late
async def test_any_producer_may_exclude_a_banned_user(client: ContractClient) -> None:
    user, room = await client.create_user(), await client.create_room()
    sent = await send_invitation(client, room, user)
    await client.publish_user(user, "banned")
    put = await client.send_command("ExcludeUser", room, userId=user)
    fate = await client.wait_for_result(put)
    closed = await wait_for_closing(client, room, "InvitationCancelled")
    assert fate == ("not_involved" if closed.event["causationid"] != put.id else "InvitationCancelled")
    assert closed.data["invitationId"] == sent.id


async def test_a_user_refusing_invitations_keeps_the_existing_ones(client: ContractClient) -> None:
    user, rooms = await client.create_user(), [await client.create_room(), await client.create_room()]
    sent = [await send_invitation(client, room, user) for room in rooms]
    await client.send_accepted("AcceptInvitation", rooms[1], invitationId=sent[1].id, actorId=user)
    hosts = [room.host for room in rooms]
    await client.publish_user(user, canReceiveInvitations=False, blockedUserIds=hosts)
    await client.send_accepted("DeclineInvitation", rooms[0], invitationId=sent[0].id, actorId=user)
    await client.send_accepted("LeaveStage", rooms[1], actorId=user)


async def test_a_reactivated_user_may_be_invited_again(client: ContractClient) -> None:
    user, room = await client.create_user("banned"), await client.create_room()
    await client.publish_user(user)
    await send_invitation(client, room, user)


async def test_a_recreated_user_may_be_invited_again(client: ContractClient) -> None:
    user, room = await client.create_user(), await client.create_room()
    await client.delete_user(user)
    await client.publish_user(user)
    await send_invitation(client, room, user)
