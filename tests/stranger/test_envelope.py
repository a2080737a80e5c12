"""Section 1: the attributes of every record written by the services."""

import json
import re
from typing import Any

import pytest

from tests.stranger.client import INVITATIONS, Put, Room, Stranger, event, new_id, unique
from tests.stranger.conftest import People
from tests.stranger.log import Record

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ATTRIBUTES = {
    "specversion": "1.0",
    "source": "/cohost/invitations",
    "datacontenttype": "application/json",
}


async def invite(client: Stranger, room: Room, user: str, **attributes: Any) -> Record:
    data = {"roomId": room.id, "userId": user, "actorId": room.host}
    put = await client.publish(INVITATIONS, event("SendInvitation", room.id, data, **attributes))
    [found] = await client.outcome(put.id)
    return found


def dressed(record: Record, cause: Put, **changes: Any) -> dict[str, Any]:
    """Return the attributes that a record must have, except its id and time."""
    sent_event = record.event
    assert MOMENT.fullmatch(sent_event["time"])
    assert 1 <= len(sent_event["id"]) <= 64
    sequence = record.header["sequence"] or b""
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


async def test_an_event_has_exactly_the_contracts_attributes(client: Stranger, people: People) -> None:
    room = await client.create_room()
    put, sent = await client.accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    assert sent.event == dressed(sent, put, subject=room.id)
    assert sent.header["content-type"] == b"application/cloudevents+json; charset=utf-8"
    assert (sent.topic, sent.key) == ("invitations.events", room.id.encode())


async def test_a_rejection_has_exactly_the_contracts_attributes(client: Stranger) -> None:
    room = unique("room")
    put = await client.send("LeaveStage", room, actorId="bob")
    [refused] = await client.outcome(put.id)
    assert refused.event == dressed(refused, put, subject=room)
    assert refused.header["content-type"] == b"application/cloudevents+json; charset=utf-8"
    assert (refused.topic, refused.key) == ("invitations.rejections", room.encode())
    assert refused.partition == put.partition


async def test_a_fact_is_the_cause_of_its_events(client: Stranger) -> None:
    room = await client.create_room()
    [changed] = await client.outcome(room.fact.id)
    assert changed.event == dressed(changed, room.fact, subject=room.id)


async def test_a_tombstone_as_a_cause_is_named_by_its_position(client: Stranger) -> None:
    room = await client.create_room()
    gone = await client.remove_room(room)
    [changed] = await client.outcome(gone.position)
    expected = dressed(changed, gone, subject=room.id, causationid=gone.position, correlationid=gone.position)
    assert changed.event == expected


async def test_an_event_is_in_the_partition_of_its_cause(client: Stranger) -> None:
    room = await client.create_room()
    [changed] = await client.outcome(room.fact.id)
    assert changed.partition == room.fact.partition == client.partition_for(room.id)


async def test_the_correlation_is_copied(client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent = await invite(client, room, people.bob, correlationid="order 66")
    assert sent.event["correlationid"] == "order 66"
    again = await invite(client, room, people.bob, correlationid="order 67")
    assert (again.name, again.event["correlationid"]) == ("CommandRejected", "order 67")


@pytest.mark.parametrize(("length", "copied"), [(256, True), (257, False)])
async def test_a_correlation_over_256_characters_counts_as_absent(
    client: Stranger, people: People, *, length: int, copied: bool
) -> None:
    room = await client.create_room()
    long = "🙂" * length
    sent = await invite(client, room, people.bob, correlationid=long)
    assert sent.event["correlationid"] == (long if copied else sent.event["causationid"])


async def test_the_trace_context_is_passed_on(client: Stranger, people: People) -> None:
    room = await client.create_room()
    sent = await invite(client, room, people.bob, traceparent=TRACE, tracestate="vendor=1")
    assert sent.event["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert sent.event["tracestate"] == "vendor=1"
    refused = await invite(client, room, people.bob, traceparent=TRACE)
    assert refused.event["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert "tracestate" not in refused.event


async def test_the_trace_context_of_a_fact_is_passed_on(client: Stranger) -> None:
    room = unique("room")
    data = {"roomId": room, "hostId": "alice", "status": "live"}
    sent_event = event("RoomChanged", room, data, traceparent=TRACE, correlationid="show 7")
    fact = await client.publish("rooms", sent_event)
    [changed] = await client.outcome(fact.id)
    assert changed.event["traceparent"].split("-")[1] == TRACE.split("-")[1]
    assert changed.event["correlationid"] == "show 7"


async def test_the_value_is_utf_8(client: Stranger, people: People) -> None:
    room = await client.create_room()
    message = "Komm herüber 🎤"
    data = {"userId": people.bob, "actorId": room.host, "message": message}
    _, sent = await client.accepted("SendInvitation", room, **data)
    assert json.loads((sent.value or b"").decode())["data"]["message"] == message


async def test_a_command_id_may_be_any_id(client: Stranger, people: People) -> None:
    room = await client.create_room()
    for id in (f"A.z_0:@-{new_id()}", unique("x").ljust(64, "y")):  # noqa: A001
        put, sent = await client.accepted("SendInvitation", room, id=id, userId=people.bob, actorId=room.host)
        assert sent.data["invitationId"] == put.id == id
        await client.accepted("CancelInvitation", room, invitationId=id, actorId=room.host)
