"""Section 5: the outcome of a command over HTTP."""

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    INVITATION_COMMANDS,
    ContractClient,
    Room,
    WrittenRecord,
    cloud_event,
    unique_id,
)
from tests.contract.web_client import WebClient

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def read_outcome(web: WebClient, put: WrittenRecord, user: str | None, **more: Any) -> dict[str, Any]:
    """Return the outcome without the time of its decision, which must be present."""
    found = await web.get_json(f"/v1/commands/{put.id}", user, **more)
    assert MOMENT.fullmatch(found.pop("decidedAt"))
    return dict(found)


def expected_outcome(put: WrittenRecord, name: str, *events: str, **more: Any) -> dict[str, Any]:
    return {
        "commandId": put.id,
        "commandType": f"cohost.{name}.v1",
        "outcome": "accepted",
        "events": [f"cohost.{name}.v1" for name in events],
        "roomId": None,
        "invitationId": None,
        "actorId": None,
        "reason": None,
        "message": None,
        **more,
    }


async def test_an_accepted_invitation_names_the_new_one(
    web: WebClient, client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    put, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    more = {"roomId": room.id, "invitationId": put.id, "actorId": room.host}
    expected = expected_outcome(put, "SendInvitation", "InvitationSent", **more)
    assert await read_outcome(web, put, room.host) == expected
    assert await read_outcome(web, put, None, ops=True) == {**expected, "detail": None}
    for user in (people.bob, "mallory"):
        assert await web.get_problem(f"/v1/commands/{put.id}", user) == (403, "forbidden")


async def test_an_answer_names_its_invitation(web: WebClient, client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    data = {"invitationId": sent.id, "actorId": people.bob}
    put, _ = await client.send_accepted("AcceptInvitation", room, **data)
    more = {"roomId": room.id, "invitationId": sent.id, "actorId": people.bob}
    assert await read_outcome(web, put, people.bob) == expected_outcome(
        put, "AcceptInvitation", "InvitationAccepted", **more
    )
    assert await web.get_problem(f"/v1/commands/{put.id}", room.host) == (403, "forbidden")


async def test_a_refusal_has_the_rejections_reason_and_message(
    web: WebClient, client: ContractClient
) -> None:
    room = unique_id("room")
    put = await client.send_command("CancelInvitation", room, invitationId="i-1", actorId="alice")
    refused = await client.wait_for_rejection(put.id)
    expected = expected_outcome(
        put,
        "CancelInvitation",
        outcome="rejected",
        roomId=room,
        invitationId="i-1",
        actorId="alice",
        reason="room_not_found",
        message=refused["message"],
    )
    assert await read_outcome(web, put, "alice") == expected


async def test_a_refused_invitation_names_no_invitation(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    put = await client.send_command("SendInvitation", room, userId=room.host, actorId=room.host)
    await client.wait_for_rejection(put.id)
    found = await read_outcome(web, put, room.host)
    assert (found["outcome"], found["reason"], found["invitationId"]) == ("rejected", "invalid_target", None)


async def test_the_first_outcome_stands_and_is_read(
    web: WebClient, client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    put, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    first = await web.get_json(f"/v1/commands/{put.id}", room.host)
    await client.send_command("CancelInvitation", room, id=put.id, invitationId=put.id, actorId="mallory")
    await client.wait_until_decided(room)
    assert await web.get_json(f"/v1/commands/{put.id}", room.host) == first
    assert await web.get_problem(f"/v1/commands/{put.id}", "mallory") == (403, "forbidden")


@pytest.mark.parametrize("actor", ["no id!", 17, None, ["alice"], "x" * 65])
async def test_an_outcome_without_a_valid_actor_is_for_ops_only(
    web: WebClient, client: ContractClient, actor: Any
) -> None:
    room = unique_id("room")
    put = await client.publish_event(
        INVITATION_COMMANDS, cloud_event("LeaveStage", room, {"roomId": room, "actorId": actor})
    )
    refused = await client.wait_for_rejection(put.id)
    expected = expected_outcome(
        put,
        "LeaveStage",
        outcome="rejected",
        roomId=room,
        reason="invalid_command",
        message=refused["message"],
        detail=None,
    )
    assert await read_outcome(web, put, None, ops=True) == expected
    assert await web.get_problem(f"/v1/commands/{put.id}", "alice") == (403, "forbidden")


async def test_an_invalid_command_with_a_valid_actor_is_for_the_actor(
    web: WebClient, client: ContractClient
) -> None:
    room = unique_id("room")
    put = await client.send_command("LeaveStage", room, actorId="alice", hots=1)
    await client.wait_for_rejection(put.id)
    assert (await read_outcome(web, put, "alice"))["reason"] == "invalid_command"
    assert await web.get_problem(f"/v1/commands/{put.id}", "bob") == (403, "forbidden")


async def test_an_unknown_command_has_an_outcome(web: WebClient, client: ContractClient) -> None:
    room = unique_id("room")
    said = {**cloud_event("", room, {"actorId": "alice"}), "type": "t" * 300}
    put = await client.publish_event(INVITATION_COMMANDS, said)
    await client.wait_for_rejection(put.id)
    found = await read_outcome(web, put, "alice")
    assert (found["commandType"], found["reason"]) == ("t" * 256, "unknown_command")


async def test_commands_without_an_actor_are_for_ops(
    web: WebClient, client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    put = await client.send_command("ExpireInvitation", room, invitationId=sent.id)
    await client.wait_for_rejection(put.id)
    found = await read_outcome(web, put, None, ops=True)
    assert (found["reason"], found["roomId"], found["invitationId"]) == ("not_due", room.id, sent.id)
    for user in (room.host, people.bob):
        assert await web.get_problem(f"/v1/commands/{put.id}", user) == (403, "forbidden")


async def test_an_undecided_command_is_not_found(web: WebClient) -> None:
    for broadcast in (False, True):
        for user, ops in (("alice", False), (None, True)):
            found = await web.get_problem(
                f"/v1/commands/{unique_id('c')}", user, ops=ops, broadcast=broadcast
            )
            assert found == (404, "command_not_found")


async def test_broadcast_knows_only_its_own_commands(web: WebClient, client: ContractClient) -> None:
    room = unique_id("room")
    mute = {"userId": "bob", "actorId": "alice", "source": "microphone"}
    put = await client.send_command("MuteCoHost", room, topic=BROADCAST_COMMANDS, **mute)
    refused = await client.wait_for_rejection(put.id)
    expected = expected_outcome(
        put,
        "MuteCoHost",
        outcome="rejected",
        roomId=room,
        actorId="alice",
        reason="room_not_found",
        message=refused["message"],
    )
    assert await read_outcome(web, put, "alice", broadcast=True) == expected
    for_ops = await read_outcome(web, put, None, ops=True, broadcast=True)
    assert for_ops == {**expected, "detail": None}
    path = f"/v1/commands/{put.id}"
    assert await web.get_problem(path, "bob", broadcast=True) == (403, "forbidden")
    assert await web.get_problem(path, "alice") == (404, "command_not_found")


async def test_dead_letters_have_no_outcome(web: WebClient, client: ContractClient) -> None:
    room = unique_id("room")
    said = {**cloud_event("LeaveStage", room, {"roomId": room, "actorId": "alice"}), "specversion": "0.3"}
    put = await client.publish_event(INVITATION_COMMANDS, said)
    await client.wait_for_dead_letter(put)
    assert await web.get_problem(f"/v1/commands/{put.id}", ops=True) == (404, "command_not_found")


async def test_a_command_with_an_invalid_id_can_be_read(web: WebClient, client: ContractClient) -> None:
    room, odd = unique_id("room"), f"{unique_id('an')} id, ü"
    await client.publish_event(
        INVITATION_COMMANDS, cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"}, odd)
    )
    await client.wait_for_rejection(odd)
    found = await web.get_json(f"/v1/commands/{quote(odd)}", "bob")
    assert (found["commandId"], found["reason"]) == (odd, "invalid_command")


async def test_an_accepted_mute_has_an_outcome(
    web: WebClient, stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    data = {"userId": people.bob, "actorId": room.host, "source": "camera"}
    put, _ = await stage_driver.client.send_accepted("MuteCoHost", room, topic=BROADCAST_COMMANDS, **data)
    found = await read_outcome(web, put, room.host, broadcast=True)
    more = {"roomId": room.id, "actorId": room.host}
    assert found == expected_outcome(put, "MuteCoHost", "CoHostMuted", **more)


async def refused_command(client: ContractClient, room: Room, name: str, **data: Any) -> WrittenRecord:
    """Write a command of a user who is not eligible; the reason does not say why."""
    put = await client.send_command(name, room, **data)
    assert (await client.wait_for_rejection(put.id))["reason"] == "user_not_eligible"
    return put


@pytest.mark.parametrize(
    ("cause", "status", "more"),
    [
        ("banned", "banned", {"canReceiveInvitations": False}),
        ("deleted", "deleted", {"canReceiveInvitations": False}),
        ("takes_no_invitations", "active", {"canReceiveInvitations": False, "blocks": True}),
        ("blocks_host", "active", {"blocks": True}),
    ],
)
async def test_ops_read_the_first_cause_of_a_user_not_being_eligible(
    web: WebClient, client: ContractClient, cause: str, status: str, more: dict[str, Any]
) -> None:
    room = await client.create_room()
    blocked = [room.host] if more.get("blocks") else []
    options = {name: value for name, value in more.items() if name != "blocks"}
    user = await client.create_user(status, blockedUserIds=blocked, **options)
    put = await refused_command(client, room, "SendInvitation", userId=user, actorId=room.host)
    assert (await read_outcome(web, put, None, ops=True))["detail"] == cause
    assert "detail" not in await read_outcome(web, put, room.host)
    assert cause not in str(client.log.by_cause[put.id][0].event)


async def test_the_cause_stays_what_it_was_at_the_decision(web: WebClient, client: ContractClient) -> None:
    room, user = await client.create_room(), await client.create_user("banned")
    put = await refused_command(client, room, "SendInvitation", userId=user, actorId=room.host)
    await client.publish_user(user, canReceiveInvitations=False)
    assert (await read_outcome(web, put, None, ops=True))["detail"] == "banned"
    again = await refused_command(client, room, "SendInvitation", userId=user, actorId=room.host)
    assert (await read_outcome(web, again, None, ops=True))["detail"] == "takes_no_invitations"
