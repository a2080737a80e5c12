"""Section 1: the accepted forms of a command."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.conftest import People
from tests.contract.contract_client import (
    INVITATION_COMMANDS,
    STRUCTURED_HEADERS,
    ContractClient,
    Room,
    cloud_event,
    new_id,
)

Say = Callable[..., dict[str, Any]]


def invitation_event(room: Room, user: str, **attributes: Any) -> dict[str, Any]:
    data = {"roomId": room.id, "userId": user, "actorId": room.host}
    return cloud_event("SendInvitation", room.id, data, **attributes)


def binary_headers(sent_event: dict[str, Any], **more: bytes) -> list[tuple[str, bytes | None]]:
    """Return the binary-mode headers of an event's attributes."""
    attributes = {f"ce_{name}": str(text).encode() for name, text in sent_event.items() if name != "data"}
    return [*attributes.items(), *[(name.replace("_", "-"), value) for name, value in more.items()]]


async def outcome_name(client: ContractClient, sent_event: dict[str, Any], value: Any, headers: Any) -> str:
    put = await client.write_record(
        INVITATION_COMMANDS,
        sent_event["subject"],
        json.dumps(value).encode(),
        headers,
        event_id=sent_event["id"],
    )
    return await client.wait_for_result(put)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        b"application/cloudevents+json; charset=utf-8",
        b"application/cloudevents+json",
        b"application/cloudevents+json;charset=UTF-8",
        b"Application/CloudEvents+JSON; charset=utf-8",
        b"application/json",
    ],
)
async def test_structured_mode_is_read_with_and_without_a_content_type(
    client: ContractClient, people: People, content_type: bytes | None
) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    headers = [("content-type", content_type)] if content_type else []
    assert await outcome_name(client, sent_event, sent_event, headers) == "InvitationSent"


@pytest.mark.parametrize("more", [{}, {"content_type": b"application/json"}])
async def test_binary_mode_is_read(client: ContractClient, people: People, more: dict[str, bytes]) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob, correlationid="c-1")
    assert (
        await outcome_name(client, sent_event, sent_event["data"], binary_headers(sent_event, **more))
        == "InvitationSent"
    )
    [sent] = await client.wait_for_outcome(sent_event["id"])
    assert sent.event["correlationid"] == "c-1"


async def test_a_structured_content_type_wins_over_ce_headers(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent_event, other = invitation_event(room, people.bob), invitation_event(room, people.carol)
    headers = [*binary_headers(other), *STRUCTURED_HEADERS]
    assert await outcome_name(client, sent_event, sent_event, headers) == "InvitationSent"
    [sent] = await client.wait_for_outcome(sent_event["id"])
    assert sent.data["userId"] == people.bob
    assert client.log.by_cause[other["id"]] == []


async def test_a_structured_content_type_needs_an_envelope_in_the_value(
    client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    headers = [*binary_headers(sent_event), *STRUCTURED_HEADERS]
    assert await outcome_name(client, sent_event, sent_event["data"], headers) == "not_a_cloud_event"


@pytest.mark.parametrize("missing", ["id", "source", "type"])
async def test_binary_mode_needs_its_attributes(client: ContractClient, people: People, missing: str) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    headers = [(name, value) for name, value in binary_headers(sent_event) if name != f"ce_{missing}"]
    assert await outcome_name(client, sent_event, sent_event["data"], headers) == "not_a_cloud_event"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_specversion", b"0.3"),
        ("ce_id", b""),
        ("ce_id", None),
        ("ce_source", b""),
        ("ce_type", b"\xff\xfe"),
        ("ce_id", b"i" * 65),
        ("ce_id", b"nul\x00"),
        ("ce_subject", b"nul\x00"),
        ("ce_vendor", b"nul\x00"),
    ],
)
async def test_binary_mode_needs_valid_attributes(
    client: ContractClient, people: People, name: str, value: bytes | None
) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    headers = [(other, raw) for other, raw in binary_headers(sent_event) if other != name]
    assert (
        await outcome_name(client, sent_event, sent_event["data"], [*headers, (name, value)])
        == "not_a_cloud_event"
    )


async def test_binary_mode_without_a_subject_is_invalid(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    headers = [(name, value) for name, value in binary_headers(sent_event) if name != "ce_subject"]
    assert await outcome_name(client, sent_event, sent_event["data"], headers) == "invalid_command"


async def test_binary_facts_are_read(client: ContractClient) -> None:
    data = {"roomId": f"room-{new_id()}", "hostId": "alice", "status": "idle"}
    sent_event = cloud_event("RoomChanged", data["roomId"], data)
    put = await client.write_record(
        "rooms",
        data["roomId"],
        json.dumps(data).encode(),
        binary_headers(sent_event),
        event_id=sent_event["id"],
    )
    assert await client.wait_for_result(put) == "StageChanged"


@pytest.mark.parametrize(
    "attributes",
    [
        {"time": "2026-01-01T12:00:00Z"},
        {"time": "2026-01-01T12:00:00.123456+02:00"},
        {"datacontenttype": "application/json"},
        {"dataschema": "https://example.com/schema"},
        {"vendor": "anything", "number": 7, "flag": True},
        {"nested": {"readers": ["ignore", "it"]}},
        {"source": "urn:example:platform"},
        {"data_base64": None},
        {"traceparent": "not a trace"},
    ],
    ids="-".join,
)
async def test_other_attributes_are_ignored(
    client: ContractClient, people: People, attributes: dict[str, Any]
) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob, **attributes)
    assert await outcome_name(client, sent_event, sent_event, STRUCTURED_HEADERS) == "InvitationSent"


def in_base64(data: Any) -> str:
    return base64.b64encode(json.dumps(data, ensure_ascii=False).encode()).decode()


@pytest.mark.parametrize("data", [{}, {"data": None}])
async def test_data_in_base64_is_the_data(
    client: ContractClient, people: People, data: dict[str, None]
) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    sent_event["data"]["message"] = "Grüße 🎤"
    encoded = {**sent_event, "data_base64": in_base64(sent_event["data"]), **data}
    if "data" not in data:
        del encoded["data"]
    assert await outcome_name(client, sent_event, encoded, STRUCTURED_HEADERS) == "InvitationSent"


@pytest.mark.parametrize(
    "value",
    [
        *("e30", "e3 0=", "e30=\n", "e30==", "", 5, True, [], {}, "/w==", "ew=="),
        *("e30=e30=", "=e30", "e3\n0=", "e30=\x00", "ä30=", "77u/e30=", "bnVsbA=="),
    ],
)
async def test_data_that_is_not_base64_of_json_is_refused(client: ContractClient, value: Any) -> None:
    room = f"room-{new_id()}"
    sent_event = {**cloud_event("LeaveStage", room, None), "data_base64": value}
    assert await outcome_name(client, sent_event, sent_event, STRUCTURED_HEADERS) == "invalid_command"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.rstrip("="),
        lambda text: f"{text[:76]}\r\n{text[76:]}",
        lambda text: f" {text}",
        lambda text: f"{text}\n",
        lambda text: f"{text}====",
    ],
    ids=["URL-safe", "not padded", "in lines", "space before", "line end behind", "padded twice"],
)
async def test_base64_of_another_form_is_refused(
    client: ContractClient, people: People, spoil: Callable[[str], str]
) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    data = {**sent_event.pop("data"), "message": "ÿþ>?~" * 3}
    text = next(text for end in range(3) if "=" in (text := in_base64({**data, "label": "x" * (end + 1)})))
    assert {*"+/"} & {*text}
    assert (
        await outcome_name(client, sent_event, {**sent_event, "data_base64": spoil(text)}, STRUCTURED_HEADERS)
        == "invalid_command"
    )
    assert client.log.by_cause[sent_event["id"]][0].data["actorId"] is None


async def test_data_beside_data_in_base64_is_refused_and_not_echoed(client: ContractClient) -> None:
    room = f"room-{new_id()}"
    data = {"roomId": room, "actorId": "bob"}
    sent_event = {**cloud_event("LeaveStage", room, data), "data_base64": in_base64(data)}
    assert await outcome_name(client, sent_event, sent_event, STRUCTURED_HEADERS) == "invalid_command"
    refused = await client.wait_for_rejection(sent_event["id"])
    assert set(refused) == {"commandId", "commandType", "reason", "message"}
    assert "data_base64" in refused["message"]


async def test_facts_are_read_from_base64_and_refused_as_invalid(client: ContractClient) -> None:
    data = {"roomId": f"room-{new_id()}", "hostId": "alice", "status": "idle"}
    fact = {**cloud_event("RoomChanged", data["roomId"], None), "data_base64": in_base64(data)}
    assert await client.wait_for_result(await client.publish_event("rooms", fact)) == "StageChanged"
    put = await client.publish_event("rooms", {**fact, "data": data})
    letter = await client.wait_for_dead_letter(put)
    assert letter.headers_by_name["dead-letter-reason"] == b"invalid_fact"


async def test_data_in_base64_is_ignored_in_binary_mode(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent_event = invitation_event(room, people.bob)
    headers = [*binary_headers(sent_event), ("ce_data_base64", b"e30")]
    assert await outcome_name(client, sent_event, sent_event["data"], headers) == "InvitationSent"


@pytest.mark.parametrize("value", [b"not json", b"", b"\xff"])
async def test_binary_data_that_is_not_json_is_refused(client: ContractClient, value: bytes) -> None:
    room = f"room-{new_id()}"
    sent_event = cloud_event("LeaveStage", room, None)
    put = await client.write_record(
        INVITATION_COMMANDS, room, value, binary_headers(sent_event), event_id=sent_event["id"]
    )
    assert await client.wait_for_result(put) in {"not_a_cloud_event", "invalid_command"}


async def test_a_null_value_is_not_a_command_in_binary_mode(client: ContractClient) -> None:
    room = f"room-{new_id()}"
    sent_event = cloud_event("LeaveStage", room, None)
    put = await client.write_record(
        INVITATION_COMMANDS, room, None, binary_headers(sent_event), event_id=sent_event["id"]
    )
    assert await client.wait_for_result(put) == "not_a_cloud_event"
