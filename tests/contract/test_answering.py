"""Section 3: `AcceptInvitation` and `DeclineInvitation`, their rules in order."""

from typing import NamedTuple

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, WrittenRecord, unique_id

BOTH = pytest.mark.parametrize("answer", ["AcceptInvitation", "DeclineInvitation"])


class RoomWithInvitation(NamedTuple):
    """A room in which bob is invited."""

    room: Room
    sent_record: WrittenRecord
    bob: str

    @property
    def pending(self) -> dict[str, object]:
        return expected_data.pending(self.sent_record, self.room, self.bob)


@pytest.fixture
async def invited(client: ContractClient, people: People) -> RoomWithInvitation:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    return RoomWithInvitation(room, sent, people.bob)


async def test_the_invitee_accepts(client: ContractClient, invited: RoomWithInvitation) -> None:
    data = {"invitationId": invited.sent_record.id, "actorId": invited.bob}
    put, done = await client.send_accepted("AcceptInvitation", invited.room, **data)
    assert (done.name, done.data) == ("InvitationAccepted", expected_data.accepted(invited.pending, put))


async def test_the_invitee_declines(client: ContractClient, invited: RoomWithInvitation) -> None:
    data = {"invitationId": invited.sent_record.id, "actorId": invited.bob}
    put, done = await client.send_accepted("DeclineInvitation", invited.room, **data)
    assert (done.name, done.data) == ("InvitationDeclined", expected_data.declined(invited.pending, put))


@BOTH
async def test_room_and_invitation_must_be_known(
    client: ContractClient, invited: RoomWithInvitation, answer: str
) -> None:
    data = {"invitationId": invited.sent_record.id, "actorId": invited.bob}
    assert await client.refusal_reason(answer, unique_id("room"), **data) == "room_not_found"
    elsewhere = await client.create_room()
    assert await client.refusal_reason(answer, elsewhere, **data) == "invitation_not_found"
    unknown = {"invitationId": unique_id("invitation"), "actorId": "nobody"}
    assert await client.refusal_reason(answer, invited.room, **unknown) == "invitation_not_found"


@BOTH
async def test_the_actor_must_be_the_invitee(
    client: ContractClient, invited: RoomWithInvitation, answer: str
) -> None:
    data = {"invitationId": invited.sent_record.id, "actorId": "mallory"}
    assert await client.refusal_reason(answer, invited.room, **data) == "not_invitee"
    cancel = {"invitationId": invited.sent_record.id, "actorId": invited.room.host}
    await client.send_accepted("CancelInvitation", invited.room, **cancel)
    assert await client.refusal_reason(answer, invited.room, **data) == "not_invitee"


@BOTH
@pytest.mark.parametrize("before", ["AcceptInvitation", "DeclineInvitation", "CancelInvitation"])
async def test_the_invitation_must_be_pending(
    client: ContractClient, invited: RoomWithInvitation, answer: str, before: str
) -> None:
    data = {"invitationId": invited.sent_record.id, "actorId": invited.bob}
    actor = invited.room.host if before == "CancelInvitation" else invited.bob
    _, done = await client.send_accepted(before, invited.room, **{**data, "actorId": actor})
    refused = await client.send_refused(answer, invited.room, **data)
    assert (refused["reason"], refused["current"]) == ("invitation_not_pending", done.data)


async def test_a_former_co_host_cannot_accept_again(
    client: ContractClient, invited: RoomWithInvitation
) -> None:
    data = {"invitationId": invited.sent_record.id, "actorId": invited.bob}
    _, done = await client.send_accepted("AcceptInvitation", invited.room, **data)
    await client.send_accepted("LeaveStage", invited.room, actorId=invited.bob)
    refused = await client.send_refused("AcceptInvitation", invited.room, **data)
    assert (refused["reason"], refused["current"]) == ("invitation_not_pending", done.data)


@BOTH
@pytest.mark.parametrize(("who", "shown"), [("host", True), ("mallory", False)])
async def test_a_refusal_shows_the_invitation_to_its_participants(
    client: ContractClient, invited: RoomWithInvitation, answer: str, *, who: str, shown: bool
) -> None:
    actor = invited.room.host if who == "host" else who
    refused = await client.send_refused(
        answer, invited.room, invitationId=invited.sent_record.id, actorId=actor
    )
    assert refused["reason"] == "not_invitee"
    assert refused.get("current") == (invited.pending if shown else None)


async def test_a_refused_cancellation_shows_it_to_its_participants(
    client: ContractClient, invited: RoomWithInvitation
) -> None:
    for actor, shown in ((invited.bob, invited.pending), ("mallory", None)):
        data = {"invitationId": invited.sent_record.id, "actorId": actor}
        refused = await client.send_refused("CancelInvitation", invited.room, **data)
        assert (refused["reason"], refused.get("current")) == ("not_room_host", shown)


@pytest.mark.parametrize("status", ["banned", "deleted", None])
async def test_an_ineligible_invitee_cannot_accept(client: ContractClient, status: str | None) -> None:
    room = await client.create_room()
    user = await client.create_user()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    await (client.publish_user(user, status) if status else client.delete_user(user))
    reason = await client.refusal_reason("AcceptInvitation", room, invitationId=sent.id, actorId=user)
    # The service may have closed the invitation by then.
    word = "user_not_eligible" if status else "user_not_found"
    assert reason in {word, "invitation_not_pending"}


async def test_a_user_refusing_new_invitations_may_answer_old_ones(client: ContractClient) -> None:
    for answer in ("AcceptInvitation", "DeclineInvitation"):
        room = await client.create_room()
        user = await client.create_user()
        sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
        await client.publish_user(user, canReceiveInvitations=False, blockedUserIds=[room.host])
        await client.send_accepted(answer, room, invitationId=sent.id, actorId=user)


async def test_a_full_room_keeps_the_invitation_pending(client: ContractClient, people: People) -> None:
    room = await client.create_room(maxCoHosts=1)
    sends = [
        (await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host))[0]
        for user in (people.bob, people.carol)
    ]
    first, second = [
        {"invitationId": sent.id, "actorId": user}
        for sent, user in zip(sends, (people.bob, people.carol), strict=True)
    ]
    await client.send_accepted("AcceptInvitation", room, **first)
    refused = await client.send_refused("AcceptInvitation", room, **second)
    assert refused["reason"] == "room_full"
    assert refused["current"] == expected_data.pending(sends[1], room, people.carol)
    await client.send_accepted("LeaveStage", room, actorId=people.bob)
    await client.send_accepted("AcceptInvitation", room, **second)


async def test_a_room_may_have_no_seats(client: ContractClient, people: People) -> None:
    room = await client.create_room(maxCoHosts=0)
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    data = {"invitationId": sent.id, "actorId": people.bob}
    assert await client.refusal_reason("AcceptInvitation", room, **data) == "room_full"
    await client.send_accepted("DeclineInvitation", room, **data)


async def test_five_seats_are_the_default(client: ContractClient) -> None:
    room = await client.create_room()
    for expected in [*["InvitationAccepted"] * 5, "room_full"]:
        user = await client.create_user()
        sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
        put = await client.send_command("AcceptInvitation", room, invitationId=sent.id, actorId=user)
        assert await client.wait_for_result(put) == expected


@pytest.mark.parametrize("first", ["AcceptInvitation", "DeclineInvitation", "CancelInvitation"])
@pytest.mark.parametrize("second", ["AcceptInvitation", "DeclineInvitation", "CancelInvitation"])
async def test_the_first_answer_in_the_log_wins(
    client: ContractClient, invited: RoomWithInvitation, first: str, second: str
) -> None:
    puts = []
    for name in (first, second):
        actor = invited.room.host if name == "CancelInvitation" else invited.bob
        puts.append(
            await client.send_command(name, invited.room, invitationId=invited.sent_record.id, actorId=actor)
        )
    [won] = await client.wait_for_outcome(puts[0].id)
    refused = await client.wait_for_rejection(puts[1].id)
    assert (refused["reason"], refused["current"]) == ("invitation_not_pending", won.data)
