"""Section 1: correlation and trace reach everything that follows, across LiveKit calls and deadlines."""

import json
from typing import Any

from tests.contract.broadcast_stage import EVENTS, SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    INVITATION_COMMANDS,
    ContractClient,
    Room,
    WrittenRecord,
    cloud_event,
)
from tests.contract.livekit_participants import join_room
from tests.contract.polling import wait_until
from tests.contract.topic_log import TIMEOUT_SECONDS, TopicRecord

SENDING_TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
ENDING_TRACE = "a3ce929d0e0e47364bf92f3577b34da6"
SHORTEST_SECONDS = 10


def attributes_of(trace: str, correlation: str) -> dict[str, str]:
    return {
        "traceparent": f"00-{trace}-00f067aa0ba902b7-01",
        "tracestate": f"vendor={correlation[-1]}",
        "correlationid": correlation,
    }


SENDING = attributes_of(SENDING_TRACE, "show 6")
ACCEPTANCE = attributes_of(TRACE, "show 7")
ENDING = attributes_of(ENDING_TRACE, "show 8")


def carried_by(event: dict[str, Any]) -> dict[str, Any]:
    """Return the correlation id, the trace's id and its state of an event."""
    return {
        "correlationid": event["correlationid"],
        "trace": event["traceparent"].split("-")[1] if "traceparent" in event else None,
        "tracestate": event.get("tracestate"),
    }


def expected(attributes: dict[str, str]) -> dict[str, Any]:
    return carried_by(dict(attributes))


async def publish_traced(
    client: ContractClient,
    name: str,
    room: Room,
    attributes: dict[str, str],
    *,
    topic: str = INVITATION_COMMANDS,
    **data: Any,
) -> WrittenRecord:
    """Write a command with these attributes and wait for its outcome."""
    put = await client.publish_event(
        topic, cloud_event(name, room.id, {"roomId": room.id, **data}, **attributes)
    )
    [found] = await client.wait_for_outcome(put.id)
    assert carried_by(found.event) == expected(attributes)
    return put


async def seat_with_trace(stage_driver: StageDriver, room: Room, user: str) -> SeatedUser:
    """Seat a user by commands with correlation ids and traces, and wait for the grant."""
    client = stage_driver.client
    data = {"userId": user, "actorId": room.host}
    sent = await publish_traced(client, "SendInvitation", room, SENDING, **data)
    answer = {"invitationId": sent.id, "actorId": user}
    put = await publish_traced(client, "AcceptInvitation", room, ACCEPTANCE, **answer)
    return SeatedUser(room, user, sent.id, put)


async def cause_of(client: ContractClient, record: TopicRecord) -> TopicRecord:
    found = client.log.by_id[record.event["causationid"]]
    [cause, *_] = await client.log.wait_until(lambda: found, "the cause")
    return cause


async def test_the_badge_is_caused_by_the_acceptance(stage_driver: StageDriver, people: People) -> None:
    seat = await seat_with_trace(stage_driver, await stage_driver.open_room(), people.bob)
    worn = await stage_driver.wait_for_badge(seat.room, seat.user)
    [accepted] = await stage_driver.client.wait_for_outcome(seat.acceptance.id)
    assert worn.event["causationid"] == accepted.event["id"]
    assert carried_by(worn.event) == expected(ACCEPTANCE)


async def test_a_grant_confirmed_by_livekit_carries_the_acceptances(
    stage_driver: StageDriver, people: People
) -> None:
    seat = await seat_with_trace(stage_driver, await stage_driver.open_room(), people.bob)
    granted = await stage_driver.wait_for_provisioned(seat)
    signal = await cause_of(stage_driver.client, granted)
    assert signal.topic == "broadcast.signals"
    assert carried_by(granted.event) == carried_by(signal.event) == expected(ACCEPTANCE)


async def test_a_revocation_carries_what_ended_the_seat(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    bob = await seat_with_trace(stage_driver, room, people.bob)
    carol = await seat_with_trace(stage_driver, room, people.carol)
    for seat in (bob, carol):
        await stage_driver.wait_for_provisioned(seat)
    await publish_traced(stage_driver.client, "LeaveStage", room, ENDING, actorId=people.bob)
    revoked = await stage_driver.wait_for_revoked(bob)
    assert carried_by(revoked.event) == expected(ENDING)
    fact = cloud_event(
        "RoomChanged", room.id, {"roomId": room.id, "hostId": room.host, "status": "ended"}, **SENDING
    )
    await stage_driver.client.publish_event("rooms", fact)
    revoked = await stage_driver.wait_for_revoked(carol)
    assert carried_by(revoked.event) == expected(SENDING)


async def test_an_expiry_carries_the_sendings(stage_driver: StageDriver, people: People) -> None:
    client, room = stage_driver.client, await stage_driver.open_room()
    data = {"actorId": room.host, "expiresInSeconds": SHORTEST_SECONDS}
    traced = await publish_traced(client, "SendInvitation", room, SENDING, userId=people.bob, **data)
    plain = await client.send_command("SendInvitation", room, userId=people.carol, **data)

    def expiries() -> list[TopicRecord]:
        return client.log.records_of("invitations.events", room.id, "InvitationExpired")

    await client.log.wait_until(lambda: len(expiries()) == 2, "both expiries")
    for expiry in expiries():
        command = await cause_of(client, expiry)
        assert command.name == "ExpireInvitation"
        if expiry.data["invitationId"] == traced.id:
            assert carried_by(expiry.event) == carried_by(command.event) == expected(SENDING)
        else:
            assert expiry.event["correlationid"] == command.event["correlationid"] == plain.id
            assert carried_by(expiry.event)["trace"] is None


async def test_a_release_carries_the_acceptances(stage_driver: StageDriver, people: People) -> None:
    client, room = stage_driver.client, await stage_driver.open_room()
    seat = await seat_with_trace(stage_driver, room, people.bob)
    await stage_driver.wait_for_badge(room, people.bob)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)):
        await stage_driver.wait_for_events(seat, "CoHostConnected")

    def revoked() -> list[TopicRecord]:
        return stage_driver.events_so_far(seat, "GrantRevoked")

    patience = client.deployment.grace_seconds + TIMEOUT_SECONDS
    await client.log.wait_until(revoked, "the revocation", patience)
    [lost] = stage_driver.events_so_far(seat, "CoHostLost")
    [left] = client.log.records_of("invitations.events", room.id, "CoHostLeft")
    command = await cause_of(client, left)
    assert (command.name, left.data["reason"]) == ("ReleaseSeat", "connection_lost")
    for record in (lost, command, left, revoked()[0]):
        assert carried_by(record.event) == expected(ACCEPTANCE)


async def test_a_mute_carries_its_commands(stage_driver: StageDriver, people: People) -> None:
    client, room = stage_driver.client, await stage_driver.open_room()
    seat = await seat_with_trace(stage_driver, room, people.bob)
    await stage_driver.wait_for_provisioned(seat)
    mute = {"userId": people.bob, "actorId": room.host, "source": "camera"}
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob:
        await stage_driver.wait_for_events(seat, "CoHostConnected")
        for name in ("MuteCoHost", "UnmuteCoHost"):
            await publish_traced(client, name, room, ENDING, topic=BROADCAST_COMMANDS, **mute)
        await wait_until(lambda: bob.messages, "the request to unmute")
        assert carried_by(json.loads(bob.messages[0].data)) == expected(ENDING)

    def reports() -> list[TopicRecord]:
        found = client.log.records_of("broadcast.signals", room.id, "ErrandDone")
        return [record for record in found if record.event.get("correlationid") == "show 8"]

    await wait_until(lambda: len(reports()) == 2, "the reports of both calls")
    assert client.log.records_of(EVENTS, room.id, "GrantFailed") == []
