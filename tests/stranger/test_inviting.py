"""Section 3: `SendInvitation`, its rules in their order, and `CancelInvitation`."""

import asyncio
from typing import Any

import pytest

from tests.stranger import snapshots
from tests.stranger.client import Room, Stranger, unique
from tests.stranger.conftest import People

CLOSED = ["ended", "recorded", "terminated", "error"]


async def refused(stranger: Stranger, room: Room | str, user: str, actor: str) -> str:
    return await stranger.reason("SendInvitation", room, userId=user, actorId=actor)


async def seat(stranger: Stranger, room: Room, user: str) -> str:
    """Invite and accept, and return the invitation's id."""
    put, _ = await stranger.accepted("SendInvitation", room, userId=user, actorId=room.host)
    await stranger.accepted("AcceptInvitation", room, invitationId=put.id, actorId=user)
    return put.id


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
async def test_the_host_invites_into_an_open_room(stranger: Stranger, people: People, status: str) -> None:
    room = await stranger.room(status)
    data = {"userId": people.bob, "actorId": room.host, "message": "Come!", "expiresInSeconds": 60}
    put, sent = await stranger.accepted("SendInvitation", room, **data)
    assert sent.name == "InvitationSent"
    assert sent.data == snapshots.pending(put, room, people.bob, 60, message="Come!")


async def test_the_room_must_be_known(stranger: Stranger) -> None:
    assert await refused(stranger, unique("room"), "nobody", "nobody") == "room_not_found"


@pytest.mark.parametrize("status", CLOSED)
async def test_the_room_must_be_open(stranger: Stranger, status: str) -> None:
    room = await stranger.room(status)
    assert await refused(stranger, room, "nobody", "nobody") == "room_not_open"


async def test_the_actor_must_be_the_host(stranger: Stranger) -> None:
    room = await stranger.room()
    assert await refused(stranger, room, room.host, "nobody") == "not_room_host"


async def test_the_host_cannot_be_invited(stranger: Stranger) -> None:
    room = await stranger.room()
    assert await refused(stranger, room, room.host, room.host) == "invalid_target"


async def test_the_user_must_be_known(stranger: Stranger) -> None:
    room = await stranger.room()
    assert await refused(stranger, room, unique("user"), room.host) == "user_not_found"


async def test_a_deleted_user_is_not_found(stranger: Stranger) -> None:
    room = await stranger.room()
    user = await stranger.user()
    await stranger.remove_user(user)
    assert await refused(stranger, room, user, room.host) == "user_not_found"


@pytest.mark.parametrize(
    ("status", "more"),
    [("banned", {}), ("deleted", {}), ("active", {"canReceiveInvitations": False})],
)
async def test_the_user_must_be_eligible(stranger: Stranger, status: str, more: dict[str, Any]) -> None:
    room = await stranger.room()
    user = await stranger.user(status, **more)
    assert await refused(stranger, room, user, room.host) == "user_not_eligible"


async def test_a_user_blocking_the_host_is_not_eligible(stranger: Stranger) -> None:
    room = await stranger.room()
    user = await stranger.user(blockedUserIds=["somebody", room.host])
    assert await refused(stranger, room, user, room.host) == "user_not_eligible"


async def test_a_user_blocking_another_user_is_eligible(stranger: Stranger) -> None:
    room = await stranger.room()
    user = await stranger.user(blockedUserIds=["somebody"], displayName="Eve", canReceiveInvitations=True)
    await stranger.accepted("SendInvitation", room, userId=user, actorId=room.host)


async def test_a_user_fact_replaces_the_previous_one(stranger: Stranger) -> None:
    room = await stranger.room()
    user = await stranger.user(canReceiveInvitations=False, blockedUserIds=[room.host])
    await stranger.say_user(user)
    await stranger.accepted("SendInvitation", room, userId=user, actorId=room.host)


async def test_the_host_need_not_be_a_known_user(stranger: Stranger, people: People) -> None:
    banned = await stranger.user("banned")
    room = await stranger.room(host=banned)
    await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=banned)


async def test_eligibility_is_checked_before_the_seat(stranger: Stranger) -> None:
    room = await stranger.room()
    user = await stranger.user()
    await seat(stranger, room, user)
    await stranger.say_user(user, canReceiveInvitations=False)
    assert await refused(stranger, room, user, room.host) == "user_not_eligible"


async def test_the_user_must_not_have_a_seat(stranger: Stranger, people: People) -> None:
    room = await stranger.room()
    await seat(stranger, room, people.bob)
    assert await refused(stranger, room, people.bob, room.host) == "already_co_host"


async def test_the_user_must_have_no_pending_invitation(stranger: Stranger, people: People) -> None:
    room = await stranger.room()
    put, _ = await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    again = {"userId": people.bob, "actorId": room.host}
    refused = await stranger.refused("SendInvitation", room, **again)
    assert refused["reason"] == "already_invited"
    assert refused["current"] == snapshots.pending(put, room, people.bob)


async def test_a_room_may_have_at_most_100_pending_invitations(stranger: Stranger) -> None:
    room = await stranger.room()
    users = [unique("user") for _ in range(101)]
    await asyncio.gather(*(stranger.say_user(user) for user in users))
    sent = await asyncio.gather(
        *(stranger.accepted("SendInvitation", room, userId=user, actorId=room.host) for user in users[:100])
    )
    assert await refused(stranger, room, users[100], room.host) == "too_many_pending"
    assert await refused(stranger, room, users[0], room.host) == "already_invited"
    await stranger.accepted("CancelInvitation", room, invitationId=sent[0][0].id, actorId=room.host)
    await stranger.accepted("SendInvitation", room, userId=users[100], actorId=room.host)


async def test_a_user_may_be_invited_into_many_rooms(stranger: Stranger, people: People) -> None:
    for room in [await stranger.room(), await stranger.room()]:
        await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)


async def test_the_host_cancels(stranger: Stranger, people: People) -> None:
    room = await stranger.room()
    sent, _ = await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    put, done = await stranger.accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert done.name == "InvitationCancelled"
    assert done.data == snapshots.cancelled(snapshots.pending(sent, room, people.bob), put.at)


async def test_cancelling_checks_room_invitation_host_and_status_in_order(
    stranger: Stranger, people: People
) -> None:
    room, other = await stranger.room(), await stranger.room()
    sent, _ = await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)

    async def reason(where: Room | str, invitation: str, actor: str) -> str:
        return await stranger.reason("CancelInvitation", where, invitationId=invitation, actorId=actor)

    assert await reason(unique("room"), sent.id, "nobody") == "room_not_found"
    assert await reason(room, unique("invitation"), "nobody") == "invitation_not_found"
    assert await reason(other, sent.id, other.host) == "invitation_not_found"
    assert await reason(room, sent.id, people.bob) == "not_room_host"
    await stranger.accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert await reason(room, sent.id, people.bob) == "not_room_host"
    assert await reason(room, sent.id, room.host) == "invitation_not_pending"


@pytest.mark.parametrize("ending", ["CancelInvitation", "DeclineInvitation", "LeaveStage", "RemoveCoHost"])
async def test_a_user_may_be_invited_again_at_once_after_an_ending(
    stranger: Stranger, people: People, ending: str
) -> None:
    room = await stranger.room()
    sent, _ = await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    actor = room.host if ending in {"CancelInvitation", "RemoveCoHost"} else people.bob
    subject = {"invitationId": sent.id} if ending.endswith("Invitation") else {}
    if not subject:
        await stranger.accepted("AcceptInvitation", room, invitationId=sent.id, actorId=people.bob)
        subject = {"userId": people.bob} if ending == "RemoveCoHost" else {}
    await stranger.accepted(ending, room, actorId=actor, **subject)
    put, again = await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert again.data == snapshots.pending(put, room, people.bob, previousInvitationId=sent.id)


async def test_the_first_invitation_here_has_no_previous_one(stranger: Stranger, people: People) -> None:
    elsewhere, room = await stranger.room(), await stranger.room()
    await seat(stranger, elsewhere, people.bob)
    put, sent = await stranger.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert sent.data == snapshots.pending(put, room, people.bob)
