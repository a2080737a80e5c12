"""Section 3: `SendInvitation`, its rules in order, and `CancelInvitation`."""

import asyncio
from typing import Any

import pytest

from tests.stranger import snapshots
from tests.stranger.client import Room, Stranger, unique
from tests.stranger.conftest import People

CLOSED = ["ended", "recorded", "terminated", "error"]


async def refused(client: Stranger, room: Room | str, user: str, actor: str) -> str:
    return await client.reason("SendInvitation", room, userId=user, actorId=actor)


async def seat(client: Stranger, room: Room, user: str) -> str:
    """Invite and accept, and return the invitation's id."""
    put, _ = await client.accepted("SendInvitation", room, userId=user, actorId=room.host)
    await client.accepted("AcceptInvitation", room, invitationId=put.id, actorId=user)
    return put.id


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
async def test_the_host_invites_into_an_open_room(client: Stranger, people: People, status: str) -> None:
    room = await client.create_room(status)
    data = {"userId": people.bob, "actorId": room.host, "message": "Come!", "expiresInSeconds": 60}
    put, sent = await client.accepted("SendInvitation", room, **data)
    assert sent.name == "InvitationSent"
    assert sent.data == snapshots.pending(put, room, people.bob, 60, message="Come!")


async def test_the_room_must_be_known(client: Stranger) -> None:
    assert await refused(client, unique("room"), "nobody", "nobody") == "room_not_found"


@pytest.mark.parametrize("status", CLOSED)
async def test_the_room_must_be_open(client: Stranger, status: str) -> None:
    room = await client.create_room(status)
    assert await refused(client, room, "nobody", "nobody") == "room_not_open"


async def test_the_actor_must_be_the_host(client: Stranger) -> None:
    room = await client.create_room()
    assert await refused(client, room, room.host, "nobody") == "not_room_host"


async def test_the_host_cannot_be_invited(client: Stranger) -> None:
    room = await client.create_room()
    assert await refused(client, room, room.host, room.host) == "invalid_target"


async def test_the_user_must_be_known(client: Stranger) -> None:
    room = await client.create_room()
    assert await refused(client, room, unique("user"), room.host) == "user_not_found"


async def test_a_deleted_user_is_not_found(client: Stranger) -> None:
    room = await client.create_room()
    user = await client.user()
    await client.remove_user(user)
    assert await refused(client, room, user, room.host) == "user_not_found"


@pytest.mark.parametrize(
    ("status", "more"),
    [("banned", {}), ("deleted", {}), ("active", {"canReceiveInvitations": False})],
)
async def test_the_user_must_be_eligible(client: Stranger, status: str, more: dict[str, Any]) -> None:
    room = await client.create_room()
    user = await client.user(status, **more)
    assert await refused(client, room, user, room.host) == "user_not_eligible"


async def test_a_user_blocking_the_host_is_not_eligible(client: Stranger) -> None:
    room = await client.create_room()
    user = await client.user(blockedUserIds=["somebody", room.host])
    assert await refused(client, room, user, room.host) == "user_not_eligible"


async def test_a_user_blocking_another_user_is_eligible(client: Stranger) -> None:
    room = await client.create_room()
    user = await client.user(blockedUserIds=["somebody"], displayName="Eve", canReceiveInvitations=True)
    await client.accepted("SendInvitation", room, userId=user, actorId=room.host)


async def test_a_user_fact_replaces_the_previous_one(client: Stranger) -> None:
    room = await client.create_room()
    user = await client.user(canReceiveInvitations=False, blockedUserIds=[room.host])
    await client.say_user(user)
    await client.accepted("SendInvitation", room, userId=user, actorId=room.host)


async def test_the_host_need_not_be_a_known_user(client: Stranger, people: People) -> None:
    banned = await client.user("banned")
    room = await client.create_room(host=banned)
    await client.accepted("SendInvitation", room, userId=people.bob, actorId=banned)


async def test_eligibility_is_checked_before_the_seat(client: Stranger) -> None:
    room = await client.create_room()
    user = await client.user()
    await seat(client, room, user)
    await client.say_user(user, canReceiveInvitations=False)
    assert await refused(client, room, user, room.host) == "user_not_eligible"


async def test_the_user_must_not_have_a_seat(client: Stranger, people: People) -> None:
    room = await client.create_room()
    await seat(client, room, people.bob)
    assert await refused(client, room, people.bob, room.host) == "already_co_host"


async def test_the_user_must_have_no_pending_invitation(client: Stranger, people: People) -> None:
    room = await client.create_room()
    put, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    again = {"userId": people.bob, "actorId": room.host}
    refused = await client.refused("SendInvitation", room, **again)
    assert refused["reason"] == "already_invited"
    assert refused["current"] == snapshots.pending(put, room, people.bob)


async def test_a_room_may_have_at_most_100_pending_invitations(client: Stranger) -> None:
    room = await client.create_room()
    users = [unique("user") for _ in range(101)]
    await asyncio.gather(*(client.say_user(user) for user in users))
    sent = await asyncio.gather(
        *(client.accepted("SendInvitation", room, userId=user, actorId=room.host) for user in users[:100])
    )
    assert await refused(client, room, users[100], room.host) == "too_many_pending"
    assert await refused(client, room, users[0], room.host) == "already_invited"
    await client.accepted("CancelInvitation", room, invitationId=sent[0][0].id, actorId=room.host)
    await client.accepted("SendInvitation", room, userId=users[100], actorId=room.host)


async def test_a_user_may_be_invited_into_many_rooms(client: Stranger, people: People) -> None:
    for room in [await client.create_room(), await client.create_room()]:
        await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)


async def test_the_host_cancels(client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    put, done = await client.accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert done.name == "InvitationCancelled"
    assert done.data == snapshots.cancelled(snapshots.pending(sent, room, people.bob), put.at)


async def test_cancelling_checks_room_invitation_host_and_status_in_order(
    client: Stranger, people: People
) -> None:
    room, other = await client.create_room(), await client.create_room()
    sent, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)

    async def reason(where: Room | str, invitation: str, actor: str) -> str:
        return await client.reason("CancelInvitation", where, invitationId=invitation, actorId=actor)

    assert await reason(unique("room"), sent.id, "nobody") == "room_not_found"
    assert await reason(room, unique("invitation"), "nobody") == "invitation_not_found"
    assert await reason(other, sent.id, other.host) == "invitation_not_found"
    assert await reason(room, sent.id, people.bob) == "not_room_host"
    await client.accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert await reason(room, sent.id, people.bob) == "not_room_host"
    assert await reason(room, sent.id, room.host) == "invitation_not_pending"


@pytest.mark.parametrize("ending", ["CancelInvitation", "DeclineInvitation", "LeaveStage", "RemoveCoHost"])
async def test_a_user_may_be_invited_again_at_once_after_an_ending(
    client: Stranger, people: People, ending: str
) -> None:
    room = await client.create_room()
    sent, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    actor = room.host if ending in {"CancelInvitation", "RemoveCoHost"} else people.bob
    subject = {"invitationId": sent.id} if ending.endswith("Invitation") else {}
    if not subject:
        await client.accepted("AcceptInvitation", room, invitationId=sent.id, actorId=people.bob)
        subject = {"userId": people.bob} if ending == "RemoveCoHost" else {}
    await client.accepted(ending, room, actorId=actor, **subject)
    put, again = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert again.data == snapshots.pending(put, room, people.bob, previousInvitationId=sent.id)


async def test_the_first_invitation_here_has_no_previous_one(client: Stranger, people: People) -> None:
    elsewhere, room = await client.create_room(), await client.create_room()
    await seat(client, elsewhere, people.bob)
    put, sent = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert sent.data == snapshots.pending(put, room, people.bob)
