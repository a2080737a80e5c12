"""Section 1: the accepted forms of a command."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.stranger.client import INVITATIONS, STRUCTURED, Room, Stranger, event, new_id
from tests.stranger.conftest import People

Say = Callable[..., dict[str, Any]]


def invitation(room: Room, user: str, **attributes: Any) -> dict[str, Any]:
    data = {"roomId": room.id, "userId": user, "actorId": room.host}
    return event("SendInvitation", room.id, data, **attributes)


def binary(sent_event: dict[str, Any], **more: bytes) -> list[tuple[str, bytes | None]]:
    """Return the binary-mode headers of an event's attributes."""
    attributes = {f"ce_{name}": str(text).encode() for name, text in sent_event.items() if name != "data"}
    return [*attributes.items(), *[(name.replace("_", "-"), value) for name, value in more.items()]]


async def outcome(client: Stranger, sent_event: dict[str, Any], value: Any, headers: Any) -> str:
    put = await client.put(
        INVITATIONS, sent_event["subject"], json.dumps(value).encode(), headers, id=sent_event["id"]
    )
    return await client.fate(put)


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
    client: Stranger, people: People, content_type: bytes | None
) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob)
    headers = [("content-type", content_type)] if content_type else []
    assert await outcome(client, sent_event, sent_event, headers) == "InvitationSent"


@pytest.mark.parametrize("more", [{}, {"content_type": b"application/json"}])
async def test_binary_mode_is_read(client: Stranger, people: People, more: dict[str, bytes]) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob, correlationid="c-1")
    assert (
        await outcome(client, sent_event, sent_event["data"], binary(sent_event, **more)) == "InvitationSent"
    )
    [sent] = await client.outcome(sent_event["id"])
    assert sent.event["correlationid"] == "c-1"


async def test_a_structured_content_type_wins_over_ce_headers(client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent_event, other = invitation(room, people.bob), invitation(room, people.carol)
    headers = [*binary(other), *STRUCTURED]
    assert await outcome(client, sent_event, sent_event, headers) == "InvitationSent"
    [sent] = await client.outcome(sent_event["id"])
    assert sent.data["userId"] == people.bob
    assert client.log.by_cause[other["id"]] == []


async def test_a_structured_content_type_needs_an_envelope_in_the_value(
    client: Stranger, people: People
) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob)
    headers = [*binary(sent_event), *STRUCTURED]
    assert await outcome(client, sent_event, sent_event["data"], headers) == "not_a_cloud_event"


@pytest.mark.parametrize("missing", ["id", "source", "type"])
async def test_binary_mode_needs_its_attributes(client: Stranger, people: People, missing: str) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob)
    headers = [(name, value) for name, value in binary(sent_event) if name != f"ce_{missing}"]
    assert await outcome(client, sent_event, sent_event["data"], headers) == "not_a_cloud_event"


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
    client: Stranger, people: People, name: str, value: bytes | None
) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob)
    headers = [(other, raw) for other, raw in binary(sent_event) if other != name]
    assert (
        await outcome(client, sent_event, sent_event["data"], [*headers, (name, value)])
        == "not_a_cloud_event"
    )


async def test_binary_mode_without_a_subject_is_invalid(client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob)
    headers = [(name, value) for name, value in binary(sent_event) if name != "ce_subject"]
    assert await outcome(client, sent_event, sent_event["data"], headers) == "invalid_command"


async def test_binary_facts_are_read(client: Stranger) -> None:
    data = {"roomId": f"room-{new_id()}", "hostId": "alice", "status": "idle"}
    sent_event = event("RoomChanged", data["roomId"], data)
    put = await client.put(
        "rooms", data["roomId"], json.dumps(data).encode(), binary(sent_event), id=sent_event["id"]
    )
    assert await client.fate(put) == "StageChanged"


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
        {"data_base64": "e30="},
        {"traceparent": "not a trace"},
    ],
    ids="-".join,
)
async def test_other_attributes_are_ignored(
    client: Stranger, people: People, attributes: dict[str, Any]
) -> None:
    room = await client.create_room()
    sent_event = invitation(room, people.bob, **attributes)
    assert await outcome(client, sent_event, sent_event, STRUCTURED) == "InvitationSent"


@pytest.mark.parametrize("value", [b"not json", b"", b"\xff"])
async def test_binary_data_that_is_not_json_is_refused(client: Stranger, value: bytes) -> None:
    room = f"room-{new_id()}"
    sent_event = event("LeaveStage", room, None)
    put = await client.put(INVITATIONS, room, value, binary(sent_event), id=sent_event["id"])
    assert await client.fate(put) in {"not_a_cloud_event", "invalid_command"}


async def test_a_null_value_is_not_a_command_in_binary_mode(client: Stranger) -> None:
    room = f"room-{new_id()}"
    sent_event = event("LeaveStage", room, None)
    put = await client.put(INVITATIONS, room, None, binary(sent_event), id=sent_event["id"])
    assert await client.fate(put) == "not_a_cloud_event"
