"""Section 3: the ends of seats, and the commands written by the services."""

from typing import NamedTuple

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, WrittenRecord, unique_id


class RoomWithSeat(NamedTuple):
    """A room in which bob has a seat."""

    room: Room
    sent: WrittenRecord
    bob: str

    def left_data(self, put: WrittenRecord, reason: str, **more: str) -> dict[str, object]:
        invitation = expected_data.pending(self.sent, self.room, self.bob)
        return expected_data.left(invitation, put.timestamp, reason, **more)


@pytest.fixture
async def seated(client: ContractClient, people: People) -> RoomWithSeat:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    await client.send_accepted("AcceptInvitation", room, invitationId=sent.id, actorId=people.bob)
    return RoomWithSeat(room, sent, people.bob)


async def test_a_co_host_leaves(client: ContractClient, seated: RoomWithSeat) -> None:
    put, done = await client.send_accepted("LeaveStage", seated.room, actorId=seated.bob)
    assert done.name == "CoHostLeft"
    assert expected_data.without_nulls(done.data) == seated.left_data(put, "left")


async def test_the_host_removes_a_co_host(client: ContractClient, seated: RoomWithSeat) -> None:
    data = {"userId": seated.bob, "actorId": seated.room.host}
    put, done = await client.send_accepted("RemoveCoHost", seated.room, **data)
    assert done.name == "CoHostLeft"
    said = expected_data.without_nulls(done.data)
    assert said == seated.left_data(put, "removed_by_host", removedBy=seated.room.host)


@pytest.mark.parametrize("reason", ["no_show", "connection_lost"])
async def test_a_seat_is_released(client: ContractClient, seated: RoomWithSeat, reason: str) -> None:
    data = {"userId": seated.bob, "invitationId": seated.sent.id, "reason": reason}
    put, done = await client.send_accepted("ReleaseSeat", seated.room, **data)
    assert done.name == "CoHostLeft"
    assert expected_data.without_nulls(done.data) == seated.left_data(put, reason)


async def test_removing_checks_room_host_and_seat_in_order(
    client: ContractClient, seated: RoomWithSeat, people: People
) -> None:
    async def reason(room: Room | str, user: str, actor: str) -> str:
        return await client.refusal_reason("RemoveCoHost", room, userId=user, actorId=actor)

    assert await reason(unique_id("room"), people.carol, people.carol) == "room_not_found"
    assert await reason(seated.room, people.carol, people.carol) == "not_room_host"
    assert await reason(seated.room, seated.bob, seated.bob) == "not_room_host"
    assert await reason(seated.room, people.carol, seated.room.host) == "not_co_host"
    assert await reason(seated.room, seated.room.host, seated.room.host) == "not_co_host"


async def test_only_a_co_host_can_leave_the_stage(
    client: ContractClient, seated: RoomWithSeat, people: People
) -> None:
    assert (
        await client.refusal_reason("LeaveStage", unique_id("room"), actorId=seated.bob) == "room_not_found"
    )
    assert await client.refusal_reason("LeaveStage", seated.room, actorId=people.carol) == "not_co_host"
    assert await client.refusal_reason("LeaveStage", seated.room, actorId=seated.room.host) == "not_co_host"
    await client.send_accepted("LeaveStage", seated.room, actorId=seated.bob)
    assert await client.refusal_reason("LeaveStage", seated.room, actorId=seated.bob) == "not_co_host"


async def test_an_invited_user_has_no_seat_yet(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert await client.refusal_reason("LeaveStage", room, actorId=people.bob) == "not_co_host"


async def test_only_the_seat_of_that_invitation_is_released(
    client: ContractClient, seated: RoomWithSeat
) -> None:
    data = {"userId": seated.bob, "invitationId": seated.sent.id, "reason": "no_show"}
    assert await client.refusal_reason("ReleaseSeat", unique_id("room"), **data) == "room_not_found"
    other = {**data, "invitationId": unique_id("invitation")}
    assert await client.refusal_reason("ReleaseSeat", seated.room, **other) == "not_co_host"
    somebody = {**data, "userId": "somebody"}
    assert await client.refusal_reason("ReleaseSeat", seated.room, **somebody) == "not_co_host"
    await client.send_accepted("LeaveStage", seated.room, actorId=seated.bob)
    assert await client.refusal_reason("ReleaseSeat", seated.room, **data) == "not_co_host"


async def test_a_late_release_does_not_end_the_next_seat(
    client: ContractClient, seated: RoomWithSeat
) -> None:
    await client.send_accepted("LeaveStage", seated.room, actorId=seated.bob)
    again = {"userId": seated.bob, "actorId": seated.room.host}
    sent, _ = await client.send_accepted("SendInvitation", seated.room, **again)
    await client.send_accepted("AcceptInvitation", seated.room, invitationId=sent.id, actorId=seated.bob)
    data = {"userId": seated.bob, "invitationId": seated.sent.id, "reason": "no_show"}
    assert await client.refusal_reason("ReleaseSeat", seated.room, **data) == "not_co_host"


async def test_an_early_expiry_changes_nothing(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    data = {"invitationId": sent.id}
    assert await client.refusal_reason("ExpireInvitation", unique_id("room"), **data) == "room_not_found"
    unknown = {"invitationId": unique_id("invitation")}
    assert await client.refusal_reason("ExpireInvitation", room, **unknown) == "invitation_not_found"
    refused = await client.send_refused("ExpireInvitation", room, **data)
    assert (refused["reason"], "current" in refused) == ("not_due", False)
    await client.send_accepted("CancelInvitation", room, invitationId=sent.id, actorId=room.host)
    assert await client.refusal_reason("ExpireInvitation", room, **data) == "invitation_not_pending"


async def test_excluding_an_eligible_user_changes_nothing(
    client: ContractClient, seated: RoomWithSeat
) -> None:
    assert (
        await client.refusal_reason("ExcludeUser", unique_id("room"), userId=seated.bob) == "room_not_found"
    )
    assert await client.refusal_reason("ExcludeUser", seated.room, userId=seated.bob) == "user_eligible"


async def test_excluding_an_absent_user_changes_nothing(client: ContractClient, seated: RoomWithSeat) -> None:
    banned = await client.create_user("banned")
    assert await client.refusal_reason("ExcludeUser", seated.room, userId=banned) == "not_involved"


@pytest.mark.parametrize("status", ["ended", "recorded", "terminated", "error"])
async def test_a_closed_room_has_no_seats(client: ContractClient, status: str) -> None:
    room = await client.create_room(status)
    assert await client.refusal_reason("LeaveStage", room, actorId="bob") == "not_co_host"
    data = {"userId": "bob", "actorId": room.host}
    assert await client.refusal_reason("RemoveCoHost", room, **data) == "not_co_host"
