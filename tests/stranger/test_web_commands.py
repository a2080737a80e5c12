"""Section 5: the outcome of a command over HTTP."""

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.stranger.client import BROADCAST, INVITATIONS, Put, Stranger, event, unique
from tests.stranger.conftest import People
from tests.stranger.onstage import Director
from tests.stranger.web import Web

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def read(web: Web, put: Put, user: str | None, **more: Any) -> dict[str, Any]:
    """Return the outcome without the time of its decision, which must be present."""
    found = await web.json(f"/v1/commands/{put.id}", user, **more)
    assert MOMENT.fullmatch(found.pop("decidedAt"))
    return dict(found)


def outcome(put: Put, name: str, *events: str, **more: Any) -> dict[str, Any]:
    return {
        "commandId": put.id,
        "commandType": f"cohost.{name}.v1",
        "outcome": "accepted",
        "events": [f"cohost.{name}.v1" for name in events],
        "roomId": None,
        "invitationId": None,
        "reason": None,
        "message": None,
        **more,
    }


async def test_an_accepted_invitation_names_the_new_one(web: Web, client: Stranger, people: People) -> None:
    room = await client.create_room()
    put, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    expected = outcome(put, "SendInvitation", "InvitationSent", roomId=room.id, invitationId=put.id)
    assert await read(web, put, room.host) == expected
    assert await read(web, put, None, ops=True) == expected
    for user in (people.bob, "mallory"):
        assert await web.problem(f"/v1/commands/{put.id}", user) == (403, "forbidden")


async def test_an_answer_names_its_invitation(web: Web, client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    data = {"invitationId": sent.id, "actorId": people.bob}
    put, _ = await client.accepted("AcceptInvitation", room, **data)
    more = {"roomId": room.id, "invitationId": sent.id}
    assert await read(web, put, people.bob) == outcome(put, "AcceptInvitation", "InvitationAccepted", **more)
    assert await web.problem(f"/v1/commands/{put.id}", room.host) == (403, "forbidden")


async def test_a_refusal_has_the_rejections_reason_and_message(web: Web, client: Stranger) -> None:
    room = unique("room")
    put = await client.send("CancelInvitation", room, invitationId="i-1", actorId="alice")
    refused = await client.rejection(put.id)
    expected = outcome(
        put,
        "CancelInvitation",
        outcome="rejected",
        roomId=room,
        invitationId="i-1",
        reason="room_not_found",
        message=refused["message"],
    )
    assert await read(web, put, "alice") == expected


async def test_a_refused_invitation_names_no_invitation(web: Web, client: Stranger) -> None:
    room = await client.create_room()
    put = await client.send("SendInvitation", room, userId=room.host, actorId=room.host)
    await client.rejection(put.id)
    found = await read(web, put, room.host)
    assert (found["outcome"], found["reason"], found["invitationId"]) == ("rejected", "invalid_target", None)


async def test_the_first_outcome_stands_and_is_read(web: Web, client: Stranger, people: People) -> None:
    room = await client.create_room()
    put, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    first = await web.json(f"/v1/commands/{put.id}", room.host)
    await client.send("CancelInvitation", room, id=put.id, invitationId=put.id, actorId="mallory")
    await client.settled(room)
    assert await web.json(f"/v1/commands/{put.id}", room.host) == first
    assert await web.problem(f"/v1/commands/{put.id}", "mallory") == (403, "forbidden")


@pytest.mark.parametrize("actor", ["no id!", 17, None, ["alice"], "x" * 65])
async def test_an_outcome_without_a_valid_actor_is_for_ops_only(
    web: Web, client: Stranger, actor: Any
) -> None:
    room = unique("room")
    put = await client.publish(INVITATIONS, event("LeaveStage", room, {"roomId": room, "actorId": actor}))
    refused = await client.rejection(put.id)
    expected = outcome(
        put,
        "LeaveStage",
        outcome="rejected",
        roomId=room,
        reason="invalid_command",
        message=refused["message"],
    )
    assert await read(web, put, None, ops=True) == expected
    assert await web.problem(f"/v1/commands/{put.id}", "alice") == (403, "forbidden")


async def test_an_invalid_command_with_a_valid_actor_is_for_the_actor(web: Web, client: Stranger) -> None:
    room = unique("room")
    put = await client.send("LeaveStage", room, actorId="alice", hots=1)
    await client.rejection(put.id)
    assert (await read(web, put, "alice"))["reason"] == "invalid_command"
    assert await web.problem(f"/v1/commands/{put.id}", "bob") == (403, "forbidden")


async def test_an_unknown_command_has_an_outcome(web: Web, client: Stranger) -> None:
    room = unique("room")
    said = {**event("", room, {"actorId": "alice"}), "type": "t" * 300}
    put = await client.publish(INVITATIONS, said)
    await client.rejection(put.id)
    found = await read(web, put, "alice")
    assert (found["commandType"], found["reason"]) == ("t" * 256, "unknown_command")


async def test_commands_without_an_actor_are_for_ops(web: Web, client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent, _ = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    put = await client.send("ExpireInvitation", room, invitationId=sent.id)
    await client.rejection(put.id)
    found = await read(web, put, None, ops=True)
    assert (found["reason"], found["roomId"], found["invitationId"]) == ("not_due", room.id, sent.id)
    for user in (room.host, people.bob):
        assert await web.problem(f"/v1/commands/{put.id}", user) == (403, "forbidden")


async def test_an_undecided_command_is_not_found(web: Web) -> None:
    for broadcast in (False, True):
        for user, ops in (("alice", False), (None, True)):
            found = await web.problem(f"/v1/commands/{unique('c')}", user, ops=ops, broadcast=broadcast)
            assert found == (404, "command_not_found")


async def test_broadcast_knows_only_its_own_commands(web: Web, client: Stranger) -> None:
    room = unique("room")
    mute = {"userId": "bob", "actorId": "alice", "source": "microphone"}
    put = await client.send("MuteCoHost", room, topic=BROADCAST, **mute)
    refused = await client.rejection(put.id)
    expected = outcome(
        put,
        "MuteCoHost",
        outcome="rejected",
        roomId=room,
        reason="room_not_found",
        message=refused["message"],
    )
    assert await read(web, put, "alice", broadcast=True) == expected
    path = f"/v1/commands/{put.id}"
    assert await web.problem(path, "bob", broadcast=True) == (403, "forbidden")
    assert await web.problem(path, "alice") == (404, "command_not_found")


async def test_dead_letters_have_no_outcome(web: Web, client: Stranger) -> None:
    room = unique("room")
    said = {**event("LeaveStage", room, {"roomId": room, "actorId": "alice"}), "specversion": "0.3"}
    put = await client.publish(INVITATIONS, said)
    await client.letter(put)
    assert await web.problem(f"/v1/commands/{put.id}", ops=True) == (404, "command_not_found")


async def test_a_command_with_an_invalid_id_can_be_read(web: Web, client: Stranger) -> None:
    room, odd = unique("room"), f"{unique('an')} id, ü"
    await client.publish(INVITATIONS, event("LeaveStage", room, {"roomId": room, "actorId": "bob"}, odd))
    await client.rejection(odd)
    found = await web.json(f"/v1/commands/{quote(odd)}", "bob")
    assert (found["commandId"], found["reason"]) == (odd, "invalid_command")


async def test_an_accepted_mute_has_an_outcome(web: Web, stage_driver: Director, people: People) -> None:
    room = await stage_driver.show()
    await stage_driver.seat_user(room, people.bob)
    data = {"userId": people.bob, "actorId": room.host, "source": "camera"}
    put, _ = await stage_driver.stranger.accepted("MuteCoHost", room, topic=BROADCAST, **data)
    found = await read(web, put, room.host, broadcast=True)
    assert found == outcome(put, "MuteCoHost", "CoHostMuted", roomId=room.id)
