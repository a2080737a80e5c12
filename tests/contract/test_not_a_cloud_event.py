"""Section 1: records that are not CloudEvents are dead letters; all others get an outcome."""

import json
from typing import Any

import pytest

from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    INVITATION_COMMANDS,
    STRUCTURED_HEADERS,
    ContractClient,
    WrittenRecord,
    cloud_event,
    new_id,
    unique_id,
)

NUL = "nul\x00"


async def write_raw(
    client: ContractClient, value: bytes | None, event_id: str = "", topic: str = INVITATION_COMMANDS
) -> WrittenRecord:
    return await client.write_record(topic, unique_id("room"), value, STRUCTURED_HEADERS, event_id=event_id)


async def result_of_changed(client: ContractClient, **changes: Any) -> str:
    """Return the result of a command with changed attributes; `...` removes one."""
    room = unique_id("room")
    sent_event = {**cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"}), **changes}
    sent_event = {name: value for name, value in sent_event.items() if value is not ...}
    put = await client.write_record(
        INVITATION_COMMANDS,
        room,
        json.dumps(sent_event).encode(),
        STRUCTURED_HEADERS,
        event_id=str(sent_event.get("id")),
    )
    return await client.wait_for_result(put)


@pytest.mark.parametrize("topic", [INVITATION_COMMANDS, BROADCAST_COMMANDS])
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
    client: ContractClient, topic: str, value: bytes | None
) -> None:
    letter = await client.wait_for_dead_letter(await write_raw(client, value, topic=topic))
    assert letter.headers_by_name["dead-letter-reason"] == b"not_a_cloud_event"
    assert letter.topic == topic.replace("commands", "dead-letters")


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "01", "0x1", "+1", ".5", "True"])
async def test_non_standard_json_is_a_dead_letter(client: ContractClient, text: str) -> None:
    sent_event = json.dumps(cloud_event("LeaveStage", "room", 4711)).replace("4711", text)
    assert await client.wait_for_result(await write_raw(client, sent_event.encode())) == "not_a_cloud_event"


async def test_a_value_that_is_not_utf_8_is_a_dead_letter(client: ContractClient) -> None:
    sent_event = (
        json.dumps(cloud_event("LeaveStage", "room", {"message": "caf?"})).encode().replace(b"?", b"\xe9")
    )
    assert await client.wait_for_result(await write_raw(client, sent_event)) == "not_a_cloud_event"


@pytest.mark.parametrize("version", ["0.3", "1", "1.1", "", 1.0, 1, None, ...])
async def test_another_specversion_is_a_dead_letter(client: ContractClient, version: Any) -> None:
    assert await result_of_changed(client, specversion=version) == "not_a_cloud_event"


@pytest.mark.parametrize("attribute", ["id", "source", "type"])
@pytest.mark.parametrize("value", ["", 17, True, None, ["x"], {"x": "y"}, NUL, ...])
async def test_an_invalid_required_attribute_is_a_dead_letter(
    client: ContractClient, attribute: str, value: Any
) -> None:
    assert await result_of_changed(client, **{attribute: value}) == "not_a_cloud_event"


@pytest.mark.parametrize(
    "attribute", ["subject", "time", "correlationid", "traceparent", "datacontenttype", "vendor"]
)
async def test_u0000_in_an_attribute_is_a_dead_letter(client: ContractClient, attribute: str) -> None:
    assert await result_of_changed(client, **{attribute: NUL}) == "not_a_cloud_event"


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
async def test_an_id_is_oversized_or_merely_invalid(client: ContractClient, id: str, fate: str) -> None:  # noqa: A002
    unlike = id if fate == "not_a_cloud_event" else f"{new_id()[:8]}{id}"[-64:]
    assert await result_of_changed(client, id=unlike) == fate


async def test_a_rejection_names_an_invalid_command_id(client: ContractClient) -> None:
    room = unique_id("room")
    odd = f"{unique_id('an')} id"
    data = {"roomId": room, "actorId": "bob"}
    await client.publish_event(INVITATION_COMMANDS, cloud_event("LeaveStage", room, data, odd))
    refused = await client.wait_for_rejection(odd)
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
    client: ContractClient, attribute: str, value: Any
) -> None:
    assert await result_of_changed(client, **{attribute: value}) == "room_not_found"


@pytest.mark.parametrize("source", ["not a uri", "🙂", "%", "/" * 3000])
async def test_a_source_may_be_any_text(client: ContractClient, source: str) -> None:
    assert await result_of_changed(client, source=source) == "room_not_found"


async def result_of_prefixed(client: ContractClient, head: bytes) -> str:
    room = unique_id("room")
    sent_event = cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"})
    text = json.dumps(sent_event).encode()
    put = await client.write_record(
        INVITATION_COMMANDS, room, head + text[1:], STRUCTURED_HEADERS, event_id=sent_event["id"]
    )
    return await client.wait_for_result(put)


async def test_a_repeated_json_key_has_one_result(client: ContractClient) -> None:
    assert await result_of_prefixed(client, b'{"vendor":1,"vendor":2,') == "room_not_found"
    assert await result_of_prefixed(client, b'{"source":"/first",') == "room_not_found"


async def test_a_byte_order_mark_has_one_result(client: ContractClient) -> None:
    assert await result_of_prefixed(client, b"\xef\xbb\xbf{") in {"not_a_cloud_event", "room_not_found"}


async def test_a_dead_lettered_id_is_not_remembered(client: ContractClient) -> None:
    room = unique_id("room")
    sent_event = cloud_event("LeaveStage", room, {"roomId": room, "actorId": "bob"})
    broken = {**sent_event, "specversion": "0.3"}
    put = await client.write_record(
        INVITATION_COMMANDS, room, json.dumps(broken).encode(), STRUCTURED_HEADERS, event_id=sent_event["id"]
    )
    assert await client.wait_for_result(put) == "not_a_cloud_event"
    await client.publish_event(INVITATION_COMMANDS, sent_event)
    assert (await client.wait_for_rejection(sent_event["id"]))["reason"] == "room_not_found"
