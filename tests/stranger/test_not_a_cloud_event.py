"""Section 1: records that are not CloudEvents are dead letters; all others get an outcome."""

import json
from typing import Any

import pytest

from tests.stranger.client import BROADCAST, INVITATIONS, STRUCTURED, Put, Stranger, event, new_id, unique

NUL = "nul\x00"


async def raw(client: Stranger, value: bytes | None, id: str = "", topic: str = INVITATIONS) -> Put:  # noqa: A002
    return await client.put(topic, unique("room"), value, STRUCTURED, id=id)


async def changed(client: Stranger, **changes: Any) -> str:
    """Return the result of a command with changed attributes; `...` removes one."""
    room = unique("room")
    sent_event = {**event("LeaveStage", room, {"roomId": room, "actorId": "bob"}), **changes}
    sent_event = {name: value for name, value in sent_event.items() if value is not ...}
    put = await client.put(
        INVITATIONS, room, json.dumps(sent_event).encode(), STRUCTURED, id=str(sent_event.get("id"))
    )
    return await client.fate(put)


@pytest.mark.parametrize("topic", [INVITATIONS, BROADCAST])
@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b" ",
        b"null",
        b"17",
        b'"text"',
        b"[]",
        b"{",
        b"{}",
        b"\xff\xfe\x00",
        b'{"specversion":"1.0",}',
        b"{'specversion': '1.0'}",
    ],
)
async def test_a_value_that_is_not_a_json_object_is_a_dead_letter(
    client: Stranger, topic: str, value: bytes | None
) -> None:
    letter = await client.letter(await raw(client, value, topic=topic))
    assert letter.header["dead-letter-reason"] == b"not_a_cloud_event"
    assert letter.topic == topic.replace("commands", "dead-letters")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "0x1", "+1", ".5", "True"])
async def test_non_standard_json_is_a_dead_letter(client: Stranger, text: str) -> None:
    sent_event = json.dumps(event("LeaveStage", "room", 4711)).replace("4711", text)
    assert await client.fate(await raw(client, sent_event.encode())) == "not_a_cloud_event"


async def test_a_value_that_is_not_utf_8_is_a_dead_letter(client: Stranger) -> None:
    sent_event = json.dumps(event("LeaveStage", "room", {"message": "caf?"})).encode().replace(b"?", b"\xe9")
    assert await client.fate(await raw(client, sent_event)) == "not_a_cloud_event"


@pytest.mark.parametrize("version", ["0.3", "1", "1.1", "", 1.0, 1, None, ...])
async def test_another_specversion_is_a_dead_letter(client: Stranger, version: Any) -> None:
    assert await changed(client, specversion=version) == "not_a_cloud_event"


@pytest.mark.parametrize("attribute", ["id", "source", "type"])
@pytest.mark.parametrize("value", ["", 17, True, None, ["x"], {"x": "y"}, NUL, ...])
async def test_an_invalid_required_attribute_is_a_dead_letter(
    client: Stranger, attribute: str, value: Any
) -> None:
    assert await changed(client, **{attribute: value}) == "not_a_cloud_event"


@pytest.mark.parametrize(
    "attribute", ["subject", "time", "correlationid", "traceparent", "datacontenttype", "vendor"]
)
async def test_u0000_in_an_attribute_is_a_dead_letter(client: Stranger, attribute: str) -> None:
    assert await changed(client, **{attribute: NUL}) == "not_a_cloud_event"


@pytest.mark.parametrize(
    ("id", "fate"),
    [
        ("i" * 65, "not_a_cloud_event"),
        ("🙂" * 65, "not_a_cloud_event"),
        ("🙂" * 64, "invalid_command"),
        ("with space", "invalid_command"),
        ("slash/slash", "invalid_command"),
        ("grün", "invalid_command"),
        ("line\n", "invalid_command"),
    ],
)
async def test_an_id_is_oversized_or_merely_invalid(client: Stranger, id: str, fate: str) -> None:  # noqa: A002
    unlike = id if fate == "not_a_cloud_event" else f"{new_id()[:8]}{id}"[-64:]
    assert await changed(client, id=unlike) == fate


async def test_a_rejection_names_an_invalid_command_id(client: Stranger) -> None:
    room = unique("room")
    odd = f"{unique('an')} id"
    data = {"roomId": room, "actorId": "bob"}
    await client.publish(INVITATIONS, event("LeaveStage", room, data, odd))
    refused = await client.rejection(odd)
    message = refused.pop("message")
    assert isinstance(message, str)
    assert refused == {
        "commandId": odd,
        "commandType": "cohost.LeaveStage.v1",
        "reason": "invalid_command",
        "roomId": room,
        "actorId": "bob",
    }


@pytest.mark.parametrize("attribute", ["time", "datacontenttype", "correlationid", "traceparent", "vendor"])
@pytest.mark.parametrize("value", [17, None, ["x"], {"x": "y"}, "", "odd"])
async def test_other_invalid_attributes_still_get_an_outcome(
    client: Stranger, attribute: str, value: Any
) -> None:
    assert await changed(client, **{attribute: value}) == "room_not_found"


@pytest.mark.parametrize("source", ["not a uri", "🙂", "%", "/" * 3000])
async def test_a_source_may_be_any_text(client: Stranger, source: str) -> None:
    assert await changed(client, source=source) == "room_not_found"


async def said_twice(client: Stranger, head: bytes) -> str:
    room = unique("room")
    sent_event = event("LeaveStage", room, {"roomId": room, "actorId": "bob"})
    text = json.dumps(sent_event).encode()
    put = await client.put(INVITATIONS, room, head + text[1:], STRUCTURED, id=sent_event["id"])
    return await client.fate(put)


async def test_a_repeated_json_key_has_one_result(client: Stranger) -> None:
    assert await said_twice(client, b'{"vendor":1,"vendor":2,') == "room_not_found"
    assert await said_twice(client, b'{"source":"/first",') == "room_not_found"


async def test_a_byte_order_mark_has_one_result(client: Stranger) -> None:
    assert await said_twice(client, b"\xef\xbb\xbf{") in {"not_a_cloud_event", "room_not_found"}


async def test_a_dead_lettered_id_is_not_remembered(client: Stranger) -> None:
    room = unique("room")
    sent_event = event("LeaveStage", room, {"roomId": room, "actorId": "bob"})
    broken = {**sent_event, "specversion": "0.3"}
    put = await client.put(INVITATIONS, room, json.dumps(broken).encode(), STRUCTURED, id=sent_event["id"])
    assert await client.fate(put) == "not_a_cloud_event"
    await client.publish(INVITATIONS, sent_event)
    assert (await client.rejection(sent_event["id"]))["reason"] == "room_not_found"
