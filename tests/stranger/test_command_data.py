"""Sections 1 and 3: valid and invalid data of a command."""

import json
from typing import Any

import pytest

from tests.stranger.client import INVITATIONS, STRUCTURED, Stranger, event, unique
from tests.stranger.conftest import People

COMMANDS: dict[str, dict[str, Any]] = {
    "SendInvitation": {"userId": "bob", "actorId": "alice"},
    "CancelInvitation": {"invitationId": "i-1", "actorId": "alice"},
    "AcceptInvitation": {"invitationId": "i-1", "actorId": "bob"},
    "DeclineInvitation": {"invitationId": "i-1", "actorId": "bob"},
    "RemoveCoHost": {"userId": "bob", "actorId": "alice"},
    "LeaveStage": {"actorId": "bob"},
    "ExpireInvitation": {"invitationId": "i-1"},
    "ReleaseSeat": {"userId": "bob", "invitationId": "i-1", "reason": "no_show"},
    "ExcludeUser": {"userId": "bob"},
}
FIELDS = [(name, field) for name, data in COMMANDS.items() for field in ("roomId", *data)]
BAD_IDS = ["", "a b", "a/b", "grün", "🙂", "x" * 65, "a\u0000", "a\n", 17, True, ["bob"], {"id": "bob"}]


@pytest.mark.parametrize("name", COMMANDS)
async def test_each_command_is_understood(client: Stranger, name: str) -> None:
    assert await client.reason(name, unique("room"), **COMMANDS[name]) == "room_not_found"


@pytest.mark.parametrize("name", COMMANDS)
async def test_an_unknown_field_is_refused(client: Stranger, name: str) -> None:
    assert await client.reason(name, unique("room"), **COMMANDS[name], hots="x") == "invalid_command"


async def refused(client: Stranger, name: str, data: Any) -> str:
    """Return the rejection reason of a command with exactly this data."""
    room = unique("room")
    filled = {**data, "roomId": room} if isinstance(data, dict) and data.get("roomId") == "here" else data
    put = await client.publish(INVITATIONS, event(name, room, filled))
    return str((await client.rejection(put.id))["reason"])


@pytest.mark.parametrize(("name", "field"), FIELDS)
@pytest.mark.parametrize("absence", ["left out", "null"])
async def test_a_missing_field_is_refused(client: Stranger, name: str, field: str, absence: str) -> None:
    data = {"roomId": "here", **COMMANDS[name]}
    if absence == "null":
        data[field] = None
    else:
        del data[field]
    assert await refused(client, name, data) == "invalid_command"


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("field", ["userId", "actorId"])
async def test_an_invalid_id_is_refused(client: Stranger, field: str, bad: Any) -> None:
    data = {"roomId": "here", "userId": "bob", "actorId": "alice", field: bad}
    assert await refused(client, "RemoveCoHost", data) == "invalid_command"


@pytest.mark.parametrize("data", [None, [], "text", 17, True, {}])
async def test_data_that_is_not_an_object_is_refused(client: Stranger, data: Any) -> None:
    assert await refused(client, "LeaveStage", data) == "invalid_command"


@pytest.mark.parametrize("reason", ["left", "NO_SHOW", "", 1, None])
async def test_a_seat_is_released_for_two_reasons_only(client: Stranger, reason: Any) -> None:
    data = {"roomId": "here", **COMMANDS["ReleaseSeat"], "reason": reason}
    assert await refused(client, "ReleaseSeat", data) == "invalid_command"


async def test_names_are_in_camel_case(client: Stranger) -> None:
    data = {"room_id": "here", "actor_id": "bob"}
    assert await refused(client, "LeaveStage", data) == "invalid_command"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expiresInSeconds", "60"),
        ("expiresInSeconds", True),
        ("expiresInSeconds", 60.5),
        ("expiresInSeconds", 9),
        ("expiresInSeconds", 604_801),
        ("expiresInSeconds", 0),
        ("expiresInSeconds", -60),
        ("expiresInSeconds", 2**31),
        ("expiresInSeconds", 2**63),
        ("expiresInSeconds", 10**300),
        ("expiresInSeconds", [60]),
        ("expiresInSeconds", {}),
        ("message", 17),
        ("message", True),
        ("message", ["text"]),
        ("message", "x" * 281),
        ("message", "🎤" * 281),
        ("message", "nul\x00"),
        ("message", "\ud83d"),
    ],
)
async def test_options_out_of_bounds_or_of_another_type_are_refused(
    client: Stranger, people: People, field: str, value: Any
) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, field: value}
    assert await client.reason("SendInvitation", room, **data) == "invalid_command"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000, "6.02e23"])
async def test_huge_numbers_are_refused(client: Stranger, number: str) -> None:
    room = unique("room")
    data = {"roomId": room, "userId": "bob", "actorId": "alice", "expiresInSeconds": 4711}
    sent_event = event("SendInvitation", room, data)
    value = json.dumps(sent_event).replace("4711", number).encode()
    put = await client.put(INVITATIONS, room, value, STRUCTURED, id=sent_event["id"])
    assert await client.fate(put) == "invalid_command"


async def nested(client: Stranger, depth: int) -> str:
    room = unique("room")
    sent_event = event("LeaveStage", room, {"roomId": room, "actorId": "bob", "deep": 4711})
    value = json.dumps(sent_event).replace("4711", "[" * depth + "]" * depth).encode()
    return await client.fate(await client.put(INVITATIONS, room, value, STRUCTURED, id=sent_event["id"]))


async def test_deeply_nested_data_is_refused(client: Stranger) -> None:
    assert await nested(client, 500) == "invalid_command"


async def test_extremely_nested_data_does_not_stop_the_lane(client: Stranger) -> None:
    assert await nested(client, 100_000) in {"invalid_command", "not_a_cloud_event"}


async def test_a_large_command_is_refused_like_a_small_one(client: Stranger) -> None:
    data = {"roomId": "here", "actorId": "bob", "essay": "x" * 900_000}
    assert await refused(client, "LeaveStage", data) == "invalid_command"


@pytest.mark.parametrize(
    ("given", "seconds", "message"),
    [
        ({}, 86_400, None),
        ({"expiresInSeconds": None, "message": None}, 86_400, None),
        ({"expiresInSeconds": 10}, 10, None),
        ({"expiresInSeconds": 604_800}, 604_800, None),
        ({"message": ""}, 86_400, ""),
        ({"message": "🎤" * 280}, 86_400, "🎤" * 280),
        ({"message": "'; DROP TABLE \n\t\"\\\u2028"}, 86_400, "'; DROP TABLE \n\t\"\\\u2028"),
    ],
)
async def test_options_within_bounds_are_taken(
    client: Stranger, people: People, given: dict[str, Any], seconds: int, message: str | None
) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, **given}
    put, sent = await client.accepted("SendInvitation", room, **data)
    assert (sent.data["expiresAt"], sent.data["message"]) == (put.after(seconds), message)


@pytest.mark.parametrize("length", [1, 64])
async def test_ids_have_one_to_64_characters(client: Stranger, length: int) -> None:
    alphabet = "abcxyzABCXYZ0189._:@-"
    user = (alphabet * 4)[:length]
    data = {"userId": user, "actorId": "alice"}
    assert await client.reason("RemoveCoHost", unique("room"), **data) == "room_not_found"


async def test_a_rejection_repeats_only_valid_ids(client: Stranger) -> None:
    room = unique("room")
    data = {"roomId": room, "invitationId": "i" * 65, "actorId": "no id!"}
    put = await client.publish(INVITATIONS, event("AcceptInvitation", room, data))
    refused = await client.rejection(put.id)
    del refused["message"]
    assert refused == {
        "commandId": put.id,
        "commandType": "cohost.AcceptInvitation.v1",
        "reason": "invalid_command",
        "roomId": room,
    }


async def test_a_rejection_repeats_the_valid_ids(client: Stranger) -> None:
    room = unique("room")
    data = {"invitationId": "i-1", "actorId": "bob"}
    refused = await client.refused("AcceptInvitation", room, **data)
    command, message = refused.pop("commandId"), refused.pop("message")
    assert (len(command), isinstance(message, str)) == (36, True)
    assert refused == {
        "commandType": "cohost.AcceptInvitation.v1",
        "reason": "room_not_found",
        "roomId": room,
        **data,
    }


async def test_a_whole_number_with_a_decimal_point_has_one_result(client: Stranger, people: People) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, "expiresInSeconds": 60.0}
    fate = await client.fate(await client.send("SendInvitation", room, **data))
    assert fate in {"InvitationSent", "invalid_command"}


async def test_an_unknown_null_field_counts_as_absent(client: Stranger) -> None:
    reason = await client.reason("LeaveStage", unique("room"), actorId="bob", hots=None)
    assert reason == "room_not_found"
