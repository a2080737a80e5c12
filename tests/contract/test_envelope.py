"""Section 1: the attributes of every record written by the services."""

import json
import re
from typing import Any

import pytest

from tests.contract.conftest import People
from tests.contract.contract_client import (
    INVITATION_COMMANDS,
    STRUCTURED_HEADERS,
    ContractClient,
    Room,
    WrittenRecord,
    cloud_event,
    new_id,
    unique_id,
)
from tests.contract.topic_log import TopicRecord

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ATTRIBUTES = {
    "specversion": "1.0",
    "source": "/cohost/invitations",
    "datacontenttype": "application/json",
}


async def send_invitation(client: ContractClient, room: Room, user: str, **attributes: Any) -> TopicRecord:
    data = {"roomId": room.id, "userId": user, "actorId": room.host}
    put = await client.publish_event(
        INVITATION_COMMANDS, cloud_event("SendInvitation", room.id, data, **attributes)
    )
    [found] = await client.wait_for_outcome(put.id)
    return found


def expected_attributes(record: TopicRecord, cause: WrittenRecord, **changes: Any) -> dict[str, Any]:
    """Return the attributes that a record must have, except its id and time."""
    sent_event = record.event
    assert MOMENT.fullmatch(sent_event["time"])
    assert 1 <= len(sent_event["id"]) <= 64
    sequence = record.headers_by_name["sequence"] or b""
    assert re.fullmatch(r"[1-9][0-9]*", sequence.decode())
    return {
        **ATTRIBUTES,
        "id": sent_event["id"],
        "time": sent_event["time"],
        "type": f"cohost.{record.name}.v1",
        "subject": (record.key or b"").decode(),
        "correlationid": cause.id,
        "causationid": cause.id,
        "sequence": f"{int(sequence):020d}",
        "data": sent_event["data"],
        **changes,
    }


async def test_an_event_has_exactly_the_contracts_attributes(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    put, sent = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert sent.event == expected_attributes(sent, put, subject=room.id)
    assert sent.headers_by_name["content-type"] == b"application/cloudevents+json; charset=utf-8"
    assert (sent.topic, sent.key) == ("invitations.events", room.id.encode())


async def test_a_rejection_has_exactly_the_contracts_attributes(client: ContractClient) -> None:
    room = unique_id("room")
    put = await client.send_command("LeaveStage", room, actorId="bob")
    [refused] = await client.wait_for_outcome(put.id)
    assert refused.event == expected_attributes(refused, put, subject=room)
    assert refused.headers_by_name["content-type"] == b"application/cloudevents+json; charset=utf-8"
    assert (refused.topic, refused.key) == ("invitations.rejections", room.encode())
    assert refused.partition == put.partition


async def test_a_fact_is_the_cause_of_its_events(client: ContractClient) -> None:
    room = await client.create_room()
    [changed] = await client.wait_for_outcome(room.fact.id)
    assert changed.event == expected_attributes(changed, room.fact, subject=room.id)


async def test_a_tombstone_as_a_cause_is_named_by_its_position(client: ContractClient) -> None:
    room = await client.create_room()
    gone = await client.delete_room(room)
    [changed] = await client.wait_for_outcome(gone.position)
    expected = expected_attributes(
        changed, gone, subject=room.id, causationid=gone.position, correlationid=gone.position
    )
    assert changed.event == expected


async def test_an_event_is_in_the_partition_of_its_cause(client: ContractClient) -> None:
    room = await client.create_room()
    [changed] = await client.wait_for_outcome(room.fact.id)
    assert changed.partition == room.fact.partition == client.partition_for(room.id)


async def test_the_correlation_is_copied(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent = await send_invitation(client, room, people.bob, correlationid="order 66")
    assert sent.event["correlationid"] == "order 66"
    again = await send_invitation(client, room, people.bob, correlationid="order 67")
    assert (again.name, again.event["correlationid"]) == ("CommandRejected", "order 67")


@pytest.mark.parametrize(("length", "copied"), [(256, True), (257, False)])
async def test_a_correlation_over_256_characters_counts_as_absent(
    client: ContractClient, people: People, *, length: int, copied: bool
) -> None:
    room = await client.create_room()
    long = "🙂" * length
    sent = await send_invitation(client, room, people.bob, correlationid=long)
    assert sent.event["correlationid"] == (long if copied else sent.event["causationid"])


async def test_the_trace_context_is_passed_on(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    sent = await send_invitation(client, room, people.bob, traceparent=TRACE, tracestate="vendor=1")
    assert sent.event["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert sent.event["tracestate"] == "vendor=1"
    refused = await send_invitation(client, room, people.bob, traceparent=TRACE)
    assert refused.event["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert "tracestate" not in refused.event


@pytest.mark.parametrize(("attribute", "expected"), [(None, TRACE), (OTHER_TRACE, OTHER_TRACE)])
async def test_the_trace_context_may_come_in_headers(
    client: ContractClient, people: People, attribute: str | None, expected: str
) -> None:
    room = await client.create_room()
    data = {"roomId": room.id, "userId": people.bob, "actorId": room.host}
    sent_event = cloud_event("SendInvitation", room.id, data, traceparent=attribute)
    headers = [("traceparent", b"other"), ("traceparent", TRACE.encode()), ("tracestate", b"vendor=1")]
    put = await client.publish_event(INVITATION_COMMANDS, sent_event, headers=[*STRUCTURED_HEADERS, *headers])
    [sent] = await client.wait_for_outcome(put.id)
    assert sent.event["traceparent"].split("-")[1] == expected.split("-")[1]
    assert sent.event.get("tracestate") == (None if attribute else "vendor=1")
    assert {"traceparent", "tracestate"}.isdisjoint(sent.headers_by_name)


@pytest.mark.parametrize(
    ("attributes", "headers", "expected"),
    [
        ({}, [("tracestate", b"vendor=1")], (None, None)),
        ({"tracestate": "vendor=2"}, [("tracestate", b"vendor=1")], (None, None)),
        ({"tracestate": "vendor=2"}, [("traceparent", TRACE.encode())], (TRACE, None)),
        ({"traceparent": OTHER_TRACE}, [("tracestate", b"vendor=1")], (OTHER_TRACE, None)),
        ({}, [("traceparent", TRACE.encode()), ("traceparent", None)], (None, None)),
        ({}, [("traceparent", TRACE.encode()), ("traceparent", b"\xff")], (None, None)),
        ({}, [("traceparent", TRACE.encode()), ("tracestate", b"\xff")], (TRACE, None)),
        ({}, [("tracestate", b"a=1"), ("traceparent", TRACE.encode()), ("tracestate", None)], (TRACE, None)),
        ({}, [("tracestate", b"a=1"), ("traceparent", TRACE.encode()), ("tracestate", b"")], (TRACE, None)),
        (
            {},
            [("tracestate", b"a=1"), ("tracestate", b"b=2"), ("traceparent", TRACE.encode())],
            (TRACE, "b=2"),
        ),
    ],
)
async def test_the_headers_of_a_trace_are_a_pair(
    client: ContractClient, attributes: dict[str, str], headers: Any, expected: tuple[str | None, str | None]
) -> None:
    room = unique_id("room")
    data = {"roomId": room, "actorId": "bob"}
    sent_event = cloud_event("LeaveStage", room, data, **attributes)
    put = await client.publish_event(INVITATION_COMMANDS, sent_event, headers=[*STRUCTURED_HEADERS, *headers])
    [refused] = await client.wait_for_outcome(put.id)
    assert (refused.event.get("traceparent"), refused.event.get("tracestate")) == expected


async def test_the_trace_of_a_tombstone_comes_in_headers(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    await send_invitation(client, room, people.bob)
    headers = [("traceparent", TRACE.encode()), ("tracestate", b"vendor=1")]
    gone = await client.write_record("rooms", room.id, None, headers)
    for record in await client.wait_for_outcome(gone.position, 2):
        assert (record.event["traceparent"], record.event["tracestate"]) == (TRACE, "vendor=1")
        assert record.event["correlationid"] == gone.position


async def test_the_trace_context_of_a_fact_is_passed_on(client: ContractClient) -> None:
    room = unique_id("room")
    data = {"roomId": room, "hostId": "alice", "status": "live"}
    sent_event = cloud_event("RoomChanged", room, data, traceparent=TRACE, correlationid="show 7")
    fact = await client.publish_event("rooms", sent_event)
    [changed] = await client.wait_for_outcome(fact.id)
    assert changed.event["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert changed.event["correlationid"] == "show 7"


async def test_the_value_is_utf_8(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    message = "Komm herüber 🎤"
    data = {"userId": people.bob, "actorId": room.host, "message": message}
    _, sent = await client.send_accepted("SendInvitation", room, **data)
    assert json.loads((sent.value or b"").decode())["data"]["message"] == message


async def test_a_command_id_may_be_any_id(client: ContractClient, people: People) -> None:
    room = await client.create_room()
    for id in (f"A.z_0:@-{new_id()}", unique_id("x").ljust(64, "y")):  # noqa: A001
        put, sent = await client.send_accepted(
            "SendInvitation", room, id=id, userId=people.bob, actorId=room.host
        )
        assert sent.data["invitationId"] == put.id == id
        await client.send_accepted("CancelInvitation", room, invitationId=id, actorId=room.host)
