"""Sections 1 and 3: valid and invalid data of a command."""

import json
from typing import Any

import pytest

from tests.contract.conftest import People
from tests.contract.contract_client import (
    INVITATION_COMMANDS,
    STRUCTURED_HEADERS,
    ContractClient,
    cloud_event,
    unique_id,
)
from tests.contract.web_client import WebClient

COMMANDS: dict[str, dict[str, Any]] = {
    "SendInvitation": {"userId": "bob", "actorId": "alice"},
    "ResendInvitation": {"invitationId": "i-1", "actorId": "alice"},
    "MarkInvitationSeen": {"invitationId": "i-1", "actorId": "bob"},
    "CancelInvitation": {"invitationId": "i-1", "actorId": "alice"},
    "AcceptInvitation": {"invitationId": "i-1", "actorId": "bob"},
    "DeclineInvitation": {"invitationId": "i-1", "actorId": "bob"},
    "RemoveCoHost": {"userId": "bob", "actorId": "alice"},
    "LeaveStage": {"actorId": "bob"},
    "ArrangeStage": {"actorId": "alice", "userIds": ["bob"]},
    "ExpireInvitation": {"invitationId": "i-1"},
    "ReleaseSeat": {"userId": "bob", "invitationId": "i-1", "reason": "no_show"},
    "ExcludeUser": {"userId": "bob"},
}
FIELDS = [(name, field) for name, data in COMMANDS.items() for field in ("roomId", *data)]
BAD_IDS = [
    ".",
    "..",
    "",
    "a b",
    "a/b",
    "grün",
    "🙂",
    "x" * 65,
    "a\u0000",
    "a\n",
    17,
    True,
    ["bob"],
    {"id": "bob"},
]


@pytest.mark.parametrize("name", COMMANDS)
async def test_each_command_is_understood(client: ContractClient, name: str) -> None:
    assert await client.refusal_reason(name, unique_id("room"), **COMMANDS[name]) == "room_not_found"


@pytest.mark.parametrize("name", COMMANDS)
async def test_an_unknown_field_is_refused(client: ContractClient, name: str) -> None:
    assert (
        await client.refusal_reason(name, unique_id("room"), **COMMANDS[name], hots="x") == "invalid_command"
    )


async def refusal_reason_of(client: ContractClient, name: str, data: Any) -> str:
    """Return the rejection reason of a command with exactly this data."""
    room = unique_id("room")
    filled = {**data, "roomId": room} if isinstance(data, dict) and data.get("roomId") == "here" else data
    put = await client.publish_event(INVITATION_COMMANDS, cloud_event(name, room, filled))
    return str((await client.wait_for_rejection(put.id))["reason"])


@pytest.mark.parametrize(("name", "field"), FIELDS)
@pytest.mark.parametrize("absence", ["left out", "null"])
async def test_a_missing_field_is_refused(
    client: ContractClient, name: str, field: str, absence: str
) -> None:
    data = {"roomId": "here", **COMMANDS[name]}
    if absence == "null":
        data[field] = None
    else:
        del data[field]
    assert await refusal_reason_of(client, name, data) == "invalid_command"


@pytest.mark.parametrize("bad", BAD_IDS)
@pytest.mark.parametrize("field", ["userId", "actorId"])
async def test_an_invalid_id_is_refused(client: ContractClient, field: str, bad: Any) -> None:
    data = {"roomId": "here", "userId": "bob", "actorId": "alice", field: bad}
    assert await refusal_reason_of(client, "RemoveCoHost", data) == "invalid_command"


@pytest.mark.parametrize("data", [None, [], "text", 17, True, {}])
async def test_data_that_is_not_an_object_is_refused(client: ContractClient, data: Any) -> None:
    assert await refusal_reason_of(client, "LeaveStage", data) == "invalid_command"


@pytest.mark.parametrize("reason", ["left", "NO_SHOW", "", 1, None])
async def test_a_seat_is_released_for_two_reasons_only(client: ContractClient, reason: Any) -> None:
    data = {"roomId": "here", **COMMANDS["ReleaseSeat"], "reason": reason}
    assert await refusal_reason_of(client, "ReleaseSeat", data) == "invalid_command"


async def test_names_are_in_camel_case(client: ContractClient) -> None:
    data = {"room_id": "here", "actor_id": "bob"}
    assert await refusal_reason_of(client, "LeaveStage", data) == "invalid_command"


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
    client: ContractClient, people: People, field: str, value: Any
) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, field: value}
    assert await client.refusal_reason("SendInvitation", room, **data) == "invalid_command"


@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" * 5000, "6.02e23"])
async def test_huge_numbers_are_refused(client: ContractClient, number: str) -> None:
    room = unique_id("room")
    data = {"roomId": room, "userId": "bob", "actorId": "alice", "expiresInSeconds": 4711}
    sent_event = cloud_event("SendInvitation", room, data)
    value = json.dumps(sent_event).replace("4711", number).encode()
    put = await client.write_record(
        INVITATION_COMMANDS, room, value, STRUCTURED_HEADERS, event_id=sent_event["id"]
    )
    assert await client.wait_for_result(put) == "invalid_command"


async def nested_data(client: ContractClient, depth: int) -> str:
    room = unique_id("room")
    sent_event = cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob", "deep": 4711})
    value = json.dumps(sent_event).replace("4711", "[" * depth + "]" * depth).encode()
    return await client.wait_for_result(
        await client.write_record(
            INVITATION_COMMANDS, room, value, STRUCTURED_HEADERS, event_id=sent_event["id"]
        )
    )


async def test_deeply_nested_data_is_refused(client: ContractClient) -> None:
    assert await nested_data(client, 500) == "invalid_command"


async def test_extremely_nested_data_does_not_stop_the_lane(client: ContractClient) -> None:
    assert await nested_data(client, 100_000) in {"invalid_command", "not_a_cloud_event"}


async def test_a_large_command_is_refused_like_a_small_one(client: ContractClient) -> None:
    data = {"roomId": "here", "actorId": "bob", "essay": "x" * 900_000}
    assert await refusal_reason_of(client, "LeaveStage", data) == "invalid_command"


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
    client: ContractClient, people: People, given: dict[str, Any], seconds: int, message: str | None
) -> None:
    room = await client.create_room()
    data = {"userId": people.bob, "actorId": room.host, **given}
    put, sent = await client.send_accepted("SendInvitation", room, **data)
    assert (sent.data["expiresAt"], sent.data["message"]) == (put.timestamp_after(seconds), message)


@pytest.mark.parametrize("length", [1, 64])
async def test_ids_have_one_to_64_characters(client: ContractClient, length: int) -> None:
    alphabet = "abcxyzABCXYZ0189._:@-"
    user = (alphabet * 4)[:length]
    data = {"userId": user, "actorId": "alice"}
    assert await client.refusal_reason("RemoveCoHost", unique_id("room"), **data) == "room_not_found"


async def test_a_rejection_repeats_only_valid_ids(client: ContractClient) -> None:
    room = unique_id("room")
    data = {"roomId": room, "invitationId": "i" * 65, "actorId": "no id!"}
    put = await client.publish_event(INVITATION_COMMANDS, cloud_event("AcceptInvitation", room, data))
    refused = await client.wait_for_rejection(put.id)
    del refused["message"]
    assert refused == {
        "commandId": put.id,
        "commandType": "cohost.AcceptInvitation.v1",
        "reason": "invalid_command",
        "roomId": room,
    }


async def test_a_rejection_repeats_the_valid_ids(client: ContractClient) -> None:
    room = unique_id("room")
    data = {"invitationId": "i-1", "actorId": "bob"}
    refused = await client.send_refused("AcceptInvitation", room, **data)
    command, message = refused.pop("commandId"), refused.pop("message")
    assert (len(command), isinstance(message, str)) == (36, True)
    assert refused == {
        "commandType": "cohost.AcceptInvitation.v1",
        "reason": "room_not_found",
        "roomId": room,
        **data,
    }


@pytest.mark.parametrize("number", ["600.0", "6e2", "6.0E+2", "600.000"])
async def test_a_number_with_a_zero_fraction_is_an_integer(
    client: ContractClient, people: People, number: str
) -> None:
    room = await client.create_room()
    data = {"roomId": room.id, "userId": people.bob, "actorId": room.host, "expiresInSeconds": 4711}
    sent_event = cloud_event("SendInvitation", room.id, data)
    value = json.dumps(sent_event).replace("4711", number).encode()
    put = await client.write_record(
        INVITATION_COMMANDS, room.id, value, STRUCTURED_HEADERS, event_id=sent_event["id"]
    )
    [sent] = await client.wait_for_outcome(put.id)
    assert (sent.name, sent.data["expiresAt"]) == ("InvitationSent", put.timestamp_after(600))


@pytest.mark.parametrize(
    ("number", "seats"),
    [("5.0", 5), ("1e2", 100), ("-0.0", 0), ("0e0", 0), ("10.50", None), ("1.01e2", None)],
)
async def test_a_fact_may_have_a_zero_fraction_too(
    client: ContractClient, web: WebClient, number: str, seats: int | None
) -> None:
    room = unique_id("room")
    fact = cloud_event(
        "RoomChanged", room, {"roomId": room, "hostId": "alice", "status": "live", "maxCoHosts": 4711}
    )
    value = json.dumps(fact).replace("4711", number).encode()
    put = await client.write_record("rooms", room, value, STRUCTURED_HEADERS, event_id=fact["id"])
    if seats is None:
        letter = await client.wait_for_dead_letter(put)
        assert letter.headers_by_name["dead-letter-reason"] == b"invalid_fact"
        return
    [changed] = await client.wait_for_outcome(put.id)
    assert b'"maxCoHosts":%d,' % seats in (changed.value or b"").replace(b"}", b",")
    answer = await web.get(f"/v1/rooms/{room}", "alice")
    assert f'"maxCoHosts":{seats},' in answer.text


@pytest.mark.parametrize("name", ["ExpireInvitation", "ReleaseSeat", "ExcludeUser"])
@pytest.mark.parametrize("dots", [".", ".."])
async def test_dots_are_no_id_in_the_services_commands_either(
    client: ContractClient, name: str, dots: str
) -> None:
    room = await client.create_room()
    data = {**COMMANDS[name], **{field: dots for field in COMMANDS[name] if field != "reason"}}
    assert await client.refusal_reason(name, room, **data) == "invalid_command"


@pytest.mark.parametrize("dots", [".", ".."])
async def test_dots_are_no_id_of_a_command_or_room(client: ContractClient, dots: str) -> None:
    refused = await client.send_refused("LeaveStage", unique_id("room"), id=dots, actorId="bob")
    assert (refused["commandId"], refused["reason"]) == (dots, "invalid_command")
    data = {"roomId": dots, "actorId": "bob"}
    put = await client.publish_event(INVITATION_COMMANDS, cloud_event("LeaveStage", dots, data))
    refused = await client.wait_for_rejection(put.id)
    assert (refused["reason"], refused["actorId"], "roomId" in refused) == ("invalid_command", "bob", False)


async def test_an_unknown_null_field_counts_as_absent(client: ContractClient) -> None:
    reason = await client.refusal_reason("LeaveStage", unique_id("room"), actorId="bob", hots=None)
    assert reason == "room_not_found"
