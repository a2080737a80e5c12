"""Section 3: `ResendInvitation` and `MarkInvitationSeen`, their rules in order, and labels."""

import asyncio
from typing import Any

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import (
    INVITATION_COMMANDS,
    ContractClient,
    Room,
    WrittenRecord,
    cloud_event,
    new_id,
    unique_id,
)
from tests.contract.expiring_invitations import LIFETIME_SECONDS, SWEEP_SECONDS, wait_until_after
from tests.contract.polling import TooLate, retry_when_late
from tests.contract.topic_log import TIMEOUT_SECONDS, TopicRecord
from tests.contract.web_client import WebClient

PAUSE_SECONDS = 10
RENEWING = ["ResendInvitation", "MarkInvitationSeen"]


def actor_of(name: str, room: Room, user: str) -> str:
    """Return the user who may give a command."""
    return room.host if name == "ResendInvitation" else user


async def send_invitation(
    client: ContractClient, room: Room, user: str, seconds: int = 86_400, **data: Any
) -> tuple[WrittenRecord, dict[str, Any]]:
    """Invite a user; return the command and the invitation."""
    more = {"userId": user, "actorId": room.host, "expiresInSeconds": seconds, **data}
    sent, found = await client.send_accepted("SendInvitation", room, **more)
    return sent, found.data


async def resend_when_allowed(
    client: ContractClient, room: Room, sent: WrittenRecord, **data: Any
) -> tuple[WrittenRecord, TopicRecord]:
    """Send an invitation again as soon as it is not too soon; return the command and its event."""
    await wait_until_after(sent, PAUSE_SECONDS)
    more = {"invitationId": sent.id, "actorId": room.host, **data}
    return await client.send_accepted("ResendInvitation", room, **more)


def resent(invitation: dict[str, Any], by: WrittenRecord, **changes: Any) -> dict[str, Any]:
    again = {"timesSent": invitation["timesSent"] + 1, "resentAt": by.timestamp}
    return {**invitation, **again, **changes}


@pytest.mark.parametrize("label", ["a", "🎤" * 40, 'Guitar, "lead"\n'])
async def test_a_guest_is_announced_under_the_label(
    client: ContractClient, web: WebClient, people: People, label: str
) -> None:
    room = await client.create_room()
    sent, invitation = await send_invitation(client, room, people.bob, label=label)
    assert invitation == expected_data.pending(sent, room, people.bob, label=label)
    data = {"invitationId": sent.id, "actorId": people.bob}
    put, accepted = await client.send_accepted("AcceptInvitation", room, **data)
    assert accepted.data == expected_data.accepted(invitation, put)
    [seat] = (await web.get_json(f"/v1/rooms/{room}/co-hosts", "anyone"))["items"]
    assert seat == {
        "userId": people.bob,
        "invitationId": sent.id,
        "since": put.timestamp,
        "label": label,
        "order": 1,
    }


@pytest.mark.parametrize("label", ["", "x" * 41, "🎤" * 41, "nul\x00", "\ud83d", 17, True, ["text"]])
async def test_a_label_out_of_bounds_or_of_another_type_is_refused(
    client: ContractClient, people: People, label: Any
) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, "label": label}
    assert await client.refusal_reason("SendInvitation", room, **data) == "invalid_command"


async def test_the_host_sends_an_invitation_again(
    client: ContractClient, web: WebClient, people: People
) -> None:
    rooms = [await client.create_room() for _ in range(3)]
    options: list[dict[str, int]] = [{}, {"expiresInSeconds": 10}, {"expiresInSeconds": 604_800}]

    async def resend(room: Room, option: dict[str, int]) -> None:
        sent, invitation = await send_invitation(client, room, people.bob, label="Guitar")
        first, again = await resend_when_allowed(client, room, sent, **option)
        seconds = option.get("expiresInSeconds")
        expiry = invitation["expiresAt"] if seconds is None else first.timestamp_after(seconds)
        assert (again.name, again.data) == (
            "InvitationResent",
            resent(invitation, first, expiresAt=expiry),
        )
        found = await web.get_json(f"/v1/invitations/{sent.id}", people.bob)
        assert found == expected_data.over_http(again.data)
        refused = await client.send_refused("ResendInvitation", room, invitationId=sent.id, actorId=room.host)
        assert (refused["reason"], refused["retryAt"]) == ("too_soon", first.timestamp_after(PAUSE_SECONDS))
        assert refused["current"] == again.data

    await asyncio.gather(*map(resend, rooms, options))


@retry_when_late
async def test_the_service_follows_a_changed_expiry(client: ContractClient, people: People) -> None:
    earlier, later = await client.create_room(), await client.create_room()

    async def expire_earlier() -> None:
        sent, _ = await send_invitation(client, earlier, people.bob)
        put, again = await resend_when_allowed(client, earlier, sent, expiresInSeconds=10)
        events = client.log.by_key["invitations.events", earlier.id.encode()]
        closing = await client.log.wait_until(
            lambda: [found for found in events if found.name == "InvitationExpired"],
            "the earlier expiry",
            LIFETIME_SECONDS + TIMEOUT_SECONDS,
        )
        assert [found.data for found in closing] == [expected_data.expired(again.data)]
        assert put.timestamp_after(10) <= closing[0].timestamp
        if closing[0].timestamp > put.timestamp_after(10 + SWEEP_SECONDS):
            msg = f"the invitation expired at {closing[0].timestamp}"
            raise TooLate(msg)

    async def expire_later() -> None:
        seconds = 2 * PAUSE_SECONDS  # so that it is sent again in time also where the machine stalls
        sent, _ = await send_invitation(client, later, people.bob, seconds)
        await resend_when_allowed(client, later, sent, expiresInSeconds=600)
        await wait_until_after(sent, seconds + SWEEP_SECONDS)
        expire = {"invitationId": sent.id}
        assert await client.refusal_reason("ExpireInvitation", later, **expire) == "not_due"
        assert client.log.records_of("invitations.events", later.id, "InvitationExpired") == []
        data = {"invitationId": sent.id, "actorId": people.bob}
        _, accepted = await client.send_accepted("AcceptInvitation", later, **data)
        assert accepted.data["timesSent"] == 2

    await asyncio.gather(expire_earlier(), expire_later())


async def test_an_invitation_just_sent_is_not_sent_again(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent, invitation = await send_invitation(client, room, people.bob)
    refused = await client.send_refused("ResendInvitation", room, invitationId=sent.id, actorId=room.host)
    assert (refused["reason"], refused["retryAt"]) == ("too_soon", sent.timestamp_after(PAUSE_SECONDS))
    assert refused["current"] == invitation


async def test_the_invitee_marks_an_invitation_as_seen(
    client: ContractClient, web: WebClient, people: People
) -> None:
    room = await client.create_room()
    sent, invitation = await send_invitation(client, room, people.bob)
    data = {"invitationId": sent.id, "actorId": people.bob}
    put, seen = await client.send_accepted("MarkInvitationSeen", room, **data)
    assert (seen.name, seen.data) == ("InvitationSeen", {**invitation, "seenAt": put.timestamp})
    found = await web.get_json(f"/v1/invitations/{sent.id}", room.host)
    assert found == expected_data.over_http(seen.data)
    refused = await client.send_refused("MarkInvitationSeen", room, **data)
    assert (refused["reason"], refused["current"]) == ("already_seen", seen.data)
    answer, accepted = await client.send_accepted("AcceptInvitation", room, **data)
    assert accepted.data == expected_data.accepted(seen.data, answer)


async def test_a_new_invitation_begins_without_them(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent, _ = await send_invitation(client, room, people.bob, label="Guitar")
    data = {"invitationId": sent.id, "actorId": people.bob}
    await client.send_accepted("MarkInvitationSeen", room, **data)
    await client.send_accepted("DeclineInvitation", room, **data)
    put, again = await send_invitation(client, room, people.bob)
    assert again == expected_data.pending(put, room, people.bob, previousInvitationId=sent.id)


@pytest.mark.parametrize(
    ("name", "forbidden"), [("ResendInvitation", "not_room_host"), ("MarkInvitationSeen", "not_invitee")]
)
async def test_renewing_checks_room_invitation_actor_and_status_in_order(
    client: ContractClient, people: People, name: str, forbidden: str
) -> None:
    room, other = await client.create_room(), await client.create_room()
    sent, invitation = await send_invitation(client, room, people.bob)
    actor = actor_of(name, room, people.bob)
    wrong = people.bob if actor == room.host else room.host

    async def refusal(where: Room | str, invitation: str, by: str) -> dict[str, Any]:
        return await client.send_refused(name, where, invitationId=invitation, actorId=by)

    assert (await refusal(unique_id("room"), sent.id, "nobody"))["reason"] == "room_not_found"
    assert (await refusal(room, unique_id("invitation"), "nobody"))["reason"] == "invitation_not_found"
    assert (await refusal(other, sent.id, other.host))["reason"] == "invitation_not_found"
    stranger = await refusal(room, sent.id, "nobody")
    assert (stranger["reason"], "current" in stranger) == (forbidden, False)
    concerned = await refusal(room, sent.id, wrong)
    assert (concerned["reason"], concerned["current"]) == (forbidden, invitation)
    cancel = {"invitationId": sent.id, "actorId": room.host}
    _, cancelled = await client.send_accepted("CancelInvitation", room, **cancel)
    assert (await refusal(room, sent.id, wrong))["reason"] == forbidden
    closed = await refusal(room, sent.id, actor)
    assert (closed["reason"], closed["current"]) == ("invitation_not_pending", cancelled.data)
    assert "retryAt" not in closed


@pytest.mark.parametrize("name", RENEWING)
async def test_a_room_with_a_tombstone_is_not_found(
    client: ContractClient, people: People, name: str
) -> None:
    room = await client.create_room()
    sent, _ = await send_invitation(client, room, people.bob)
    gone = await client.delete_room(room)
    await client.wait_for_outcome(gone.position, 2)
    data = {"invitationId": sent.id, "actorId": actor_of(name, room, people.bob)}
    assert await client.refusal_reason(name, room, **data) == "room_not_found"


async def test_a_repeated_renewal_has_one_outcome(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent, _ = await send_invitation(client, room, people.bob)
    for name, outcome in (("MarkInvitationSeen", "InvitationSeen"), ("ResendInvitation", "CommandRejected")):
        actor = actor_of(name, room, people.bob)
        data = {"invitationId": sent.id, "actorId": actor, "id": new_id()}
        for _ in range(3):
            await client.send_command(name, room, **data)
        await client.wait_until_decided(room)
        assert [found.name for found in await client.wait_for_outcome(data["id"])] == [outcome]


async def test_of_two_devices_one_marks_the_invitation_as_seen(
    client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    sent, _ = await send_invitation(client, room, people.bob)
    data = {"invitationId": sent.id, "actorId": people.bob}
    puts = await asyncio.gather(*(client.send_command("MarkInvitationSeen", room, **data) for _ in range(5)))
    results = [await client.wait_for_result(put) for put in puts]
    assert sorted(results) == ["InvitationSeen", *["already_seen"] * 4]


@pytest.mark.parametrize("name", RENEWING)
async def test_a_renewal_races_with_an_answer(client: ContractClient, people: People, name: str) -> None:
    room = await client.create_room()
    sent, _ = await send_invitation(client, room, people.bob)
    renew = {"invitationId": sent.id, "actorId": actor_of(name, room, people.bob)}
    accept = {"invitationId": sent.id, "actorId": people.bob}
    puts = await asyncio.gather(
        client.send_command(name, room, **renew), client.send_command("AcceptInvitation", room, **accept)
    )
    renewed, answered = [await client.wait_for_result(put) for put in puts]
    assert answered == "InvitationAccepted"
    in_time = "too_soon" if name == "ResendInvitation" else "InvitationSeen"
    assert renewed == (in_time if puts[0].offset < puts[1].offset else "invitation_not_pending")


@pytest.mark.parametrize("seconds", [9, 604_801, "60", True, 60.5, [60]])
async def test_a_new_expiry_has_the_bounds_of_the_first(client: ContractClient, seconds: Any) -> None:
    room = unique_id("room")
    data = {"roomId": room, "invitationId": "i-1", "actorId": "alice", "expiresInSeconds": seconds}
    put = await client.publish_event(INVITATION_COMMANDS, cloud_event("ResendInvitation", room, data))
    assert (await client.wait_for_rejection(put.id))["reason"] == "invalid_command"
