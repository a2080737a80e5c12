"""Section 3: `SendInvitation`, its rules in order, and `CancelInvitation`."""

import asyncio
from typing import Any

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, unique_id

CLOSED = ["ended", "recorded", "terminated", "error"]


async def refusal_of(client: ContractClient, room: Room | str, user: str, actor: str) -> str:
    return await client.refusal_reason("SendInvitation", room, userId=user, actorId=actor)


async def give_seat(client: ContractClient, room: Room, user: str) -> str:
    """Invite and accept, and return the invitation's id."""
    put, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    await client.send_accepted("AcceptInvitation", room, invitationId=put.id, actorId=user)
    return put.id


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
async def test_the_host_invites_into_an_open_room(
    client: ContractClient, people: People, status: str
) -> None:
    room = await client.create_room(status)
    data = {"userId": people.bob, "actorId": room.host, "message": "Come!", "expiresInSeconds": 60}
    put, sent = await client.send_accepted("SendInvitation", room, **data)
    assert sent.name == "InvitationSent"
    assert sent.data == expected_data.pending(put, room, people.bob, 60, message="Come!")


async def test_the_room_must_be_known(client: ContractClient) -> None:
    assert await refusal_of(client, unique_id("room"), "nobody", "nobody") == "room_not_found"


@pytest.mark.parametrize("status", CLOSED)
async def test_the_room_must_be_open(client: ContractClient, status: str) -> None:
    room = await client.create_room(status)
    assert await refusal_of(client, room, "nobody", "nobody") == "room_not_open"


async def test_the_actor_must_be_the_host(client: ContractClient) -> None:
    room = await client.create_room()
    assert await refusal_of(client, room, room.host, "nobody") == "not_room_host"


async def test_the_host_cannot_be_invited(client: ContractClient) -> None:
    room = await client.create_room()
    assert await refusal_of(client, room, room.host, room.host) == "invalid_target"


async def test_the_user_must_be_known(client: ContractClient) -> None:
    room = await client.create_room()
    assert await refusal_of(client, room, unique_id("user"), room.host) == "user_not_found"


async def test_a_deleted_user_is_not_found(client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user()
    await client.delete_user(user)
    assert await refusal_of(client, room, user, room.host) == "user_not_found"


@pytest.mark.parametrize(
    ("status", "more"),
    [("banned", {}), ("deleted", {}), ("active", {"canReceiveInvitations": False})],
)
async def test_the_user_must_be_eligible(client: ContractClient, status: str, more: dict[str, Any]) -> None:
    room = await client.create_room()
    user = await client.create_user(status, **more)
    assert await refusal_of(client, room, user, room.host) == "user_not_eligible"


async def test_a_user_blocking_the_host_is_not_eligible(client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user(blockedUserIds=["somebody", room.host])
    assert await refusal_of(client, room, user, room.host) == "user_not_eligible"


async def test_a_user_blocking_another_user_is_eligible(client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user(
        blockedUserIds=["somebody"], displayName="Eve", canReceiveInvitations=True
    )
    await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)


async def test_a_user_fact_replaces_the_previous_one(client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user(canReceiveInvitations=False, blockedUserIds=[room.host])
    await client.publish_user(user)
    await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)


async def test_the_host_need_not_be_a_known_user(client: ContractClient, people: People) -> None:
    banned = await client.create_user("banned")
    room = await client.create_room(host=banned)
    await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=banned)


async def test_eligibility_is_checked_before_the_seat(client: ContractClient) -> None:
    room = await client.create_room()
    user = await client.create_user()
    await give_seat(client, room, user)
    await client.publish_user(user, canReceiveInvitations=False)
    assert await refusal_of(client, room, user, room.host) == "user_not_eligible"


async def test_the_user_must_not_have_a_seat(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    await give_seat(client, room, people.bob)
    assert await refusal_of(client, room, people.bob, room.host) == "already_co_host"


async def test_the_user_must_have_no_pending_invitation(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    put, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    again = {"userId": people.bob, "actorId": room.host}
    refused = await client.send_refused("SendInvitation", room, **again)
    assert refused["reason"] == "already_invited"
    assert refused["current"] == expected_data.pending(put, room, people.bob)


async def test_a_room_may_have_at_most_100_pending_invitations(client: ContractClient) -> None:
    room = await client.create_room()
    users = [unique_id("user") for _ in range(101)]
    await asyncio.gather(*(client.publish_user(user) for user in users))
    sent = await asyncio.gather(
        *(
            client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
            for user in users[:100]
        )
    )
    assert await refusal_of(client, room, users[100], room.host) == "too_many_pending"
    assert await refusal_of(client, room, users[0], room.host) == "already_invited"
    await client.send_accepted("CancelInvitation", room, invitationId=sent[0][0].id, actorId=room.host)
    await client.send_accepted("SendInvitation", room, userId=users[100], actorId=room.host)


async def test_a_user_may_be_invited_into_many_rooms(client: ContractClient, people: People) -> None:
    for room in [await client.create_room(), await client.create_room()]:
        await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)


async def test_the_host_cancels(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    put, done = await client.send_accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert done.name == "InvitationCancelled"
    assert done.data == expected_data.cancelled(expected_data.pending(sent, room, people.bob), put.timestamp)


async def test_cancelling_checks_room_invitation_host_and_status_in_order(
    client: ContractClient, people: People
) -> None:
    room, other = await client.create_room(), await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)

    async def reason(where: Room | str, invitation: str, actor: str) -> str:
        return await client.refusal_reason("CancelInvitation", where, invitationId=invitation, actorId=actor)

    assert await reason(unique_id("room"), sent.id, "nobody") == "room_not_found"
    assert await reason(room, unique_id("invitation"), "nobody") == "invitation_not_found"
    assert await reason(other, sent.id, other.host) == "invitation_not_found"
    assert await reason(room, sent.id, people.bob) == "not_room_host"
    await client.send_accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert await reason(room, sent.id, people.bob) == "not_room_host"
    assert await reason(room, sent.id, room.host) == "invitation_not_pending"


@pytest.mark.parametrize("ending", ["CancelInvitation", "DeclineInvitation", "LeaveStage", "RemoveCoHost"])
async def test_a_user_may_be_invited_again_at_once_after_an_ending(
    client: ContractClient, people: People, ending: str
) -> None:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    actor = room.host if ending in {"CancelInvitation", "RemoveCoHost"} else people.bob
    subject = {"invitationId": sent.id} if ending.endswith("Invitation") else {}
    if not subject:
        await client.send_accepted("AcceptInvitation", room, invitationId=sent.id, actorId=people.bob)
        subject = {"userId": people.bob} if ending == "RemoveCoHost" else {}
    await client.send_accepted(ending, room, actorId=actor, **subject)
    put, again = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert again.data == expected_data.pending(put, room, people.bob, previousInvitationId=sent.id)


async def test_the_first_invitation_here_has_no_previous_one(client: ContractClient, people: People) -> None:
    elsewhere, room = await client.create_room(), await client.create_room()
    await give_seat(client, elsewhere, people.bob)
    put, sent = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert sent.data == expected_data.pending(put, room, people.bob)
