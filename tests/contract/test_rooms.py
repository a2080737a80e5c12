"""Sections 3 and 4: the events that follow from room facts."""

from typing import Any, NamedTuple

import pytest

from tests.contract import expected_data
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, WrittenRecord

CLOSED = ["ended", "recorded", "terminated", "error"]


class OccupiedRoom(NamedTuple):
    """A room in which bob has a seat and carol is invited."""

    room: Room
    bob: dict[str, Any]
    carol: dict[str, Any]


@pytest.fixture
async def occupied(client: ContractClient, people: People) -> OccupiedRoom:
    room = await client.create_room()
    sent = [await send_invitation(client, room, user) for user in (people.bob, people.carol)]
    put, _ = await client.send_accepted("AcceptInvitation", room, invitationId=sent[0].id, actorId=people.bob)
    bob = expected_data.accepted(expected_data.pending(sent[0], room, people.bob), put)
    return OccupiedRoom(room, bob, expected_data.pending(sent[1], room, people.carol))


async def send_invitation(client: ContractClient, room: Room, user: str) -> WrittenRecord:
    put, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    return put


async def caused_events(client: ContractClient, cause: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return names and data of the `count` events caused by a record, in order."""
    found = await client.wait_for_outcome(cause, count)
    return [(record.name, expected_data.without_nulls(record.data)) for record in found]


def closing_events(occupied: OccupiedRoom, at: str) -> list[tuple[str, dict[str, Any]]]:
    cancelled = expected_data.cancelled(occupied.carol, at, "room_ended")
    return [
        ("CoHostLeft", expected_data.left(occupied.bob, at, "room_ended")),
        ("InvitationCancelled", expected_data.without_nulls(cancelled)),
    ]


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect", *CLOSED])
async def test_a_rooms_first_fact_changes_the_stage(client: ContractClient, status: str) -> None:
    room = await client.create_room(status, maxCoHosts=3, title="A show")
    assert await caused_events(client, room.fact.id, 1) == [
        ("StageChanged", expected_data.stage(room, status, maxCoHosts=3))
    ]


@pytest.mark.parametrize("status", CLOSED)
async def test_closing_ends_every_invitation_and_every_seat(
    client: ContractClient, occupied: OccupiedRoom, status: str
) -> None:
    fact = await client.publish_room(occupied.room.id, hostId=occupied.room.host, status=status)
    stage, *rest = await caused_events(client, fact.id, 3)
    assert stage == ("StageChanged", expected_data.stage(occupied.room, status))
    assert sorted(rest, key=lambda found: found[0]) == closing_events(occupied, fact.timestamp)


async def test_a_tombstone_closes_an_open_room(client: ContractClient, occupied: OccupiedRoom) -> None:
    gone = await client.delete_room(occupied.room)
    stage, *rest = await caused_events(client, gone.position, 3)
    assert stage == ("StageChanged", expected_data.stage(occupied.room, "ended"))
    assert sorted(rest, key=lambda found: found[0]) == closing_events(occupied, gone.timestamp)


async def test_a_tombstone_leaves_the_other_fields_as_they_were(client: ContractClient) -> None:
    room = await client.create_room("waitingReconnect", maxCoHosts=7)
    gone = await client.delete_room(room)
    expected = expected_data.stage(room, "ended", maxCoHosts=7)
    assert await caused_events(client, gone.position, 1) == [("StageChanged", expected)]


async def test_a_tombstone_of_a_closed_or_unknown_room_gives_no_event(client: ContractClient) -> None:
    room = await client.create_room("recorded")
    for _ in range(2):
        gone = await client.delete_room(room)
        await client.wait_until_read("rooms", room.id)
        assert client.log.by_cause[gone.position] == []


async def test_commands_to_a_deleted_room_are_refused(client: ContractClient, occupied: OccupiedRoom) -> None:
    gone = await client.delete_room(occupied.room)
    await client.wait_for_outcome(gone.position, 3)
    data = {"invitationId": occupied.carol["invitationId"], "actorId": occupied.carol["userId"]}
    assert await client.refusal_reason("AcceptInvitation", occupied.room, **data) == "room_not_found"
    user = {"userId": occupied.carol["userId"], "actorId": occupied.room.host}
    assert await client.refusal_reason("SendInvitation", occupied.room, **user) == "room_not_found"


async def test_a_recreated_room_has_no_earlier_invitations(
    client: ContractClient, occupied: OccupiedRoom
) -> None:
    await client.wait_for_outcome((await client.delete_room(occupied.room)).position, 3)
    fact, [changed] = await client.change_room(occupied.room)
    assert (changed.name, changed.data) == ("StageChanged", expected_data.stage(occupied.room))
    for invitation in (occupied.bob, occupied.carol):
        data = {"invitationId": invitation["invitationId"], "actorId": invitation["userId"]}
        assert (
            await client.refusal_reason("AcceptInvitation", occupied.room, **data) == "invitation_not_found"
        )
    data = {"userId": occupied.bob["userId"], "actorId": occupied.room.host}
    put, sent = await client.send_accepted("SendInvitation", occupied.room, **data)
    assert sent.data == expected_data.pending(put, occupied.room, occupied.bob["userId"])
    assert fact.id == changed.event["causationid"]


async def test_a_reopened_room_has_an_empty_stage_and_its_history(
    client: ContractClient, occupied: OccupiedRoom
) -> None:
    fact = await client.publish_room(occupied.room.id, hostId=occupied.room.host, status="ended")
    await client.wait_for_outcome(fact.id, 3)
    _, [changed] = await client.change_room(occupied.room, status="idle")
    assert changed.data == expected_data.stage(occupied.room, "idle")
    bob, carol = occupied.bob["userId"], occupied.carol["userId"]
    assert await client.refusal_reason("LeaveStage", occupied.room, actorId=bob) == "not_co_host"
    accept = {"invitationId": occupied.carol["invitationId"], "actorId": carol}
    refused = await client.send_refused("AcceptInvitation", occupied.room, **accept)
    assert (refused["reason"], refused["current"]["closeReason"]) == ("invitation_not_pending", "room_ended")
    for invitation in (occupied.bob, occupied.carol):
        data = {"userId": invitation["userId"], "actorId": occupied.room.host}
        put, sent = await client.send_accepted("SendInvitation", occupied.room, **data)
        previous = {"previousInvitationId": invitation["invitationId"]}
        assert sent.data == expected_data.pending(put, occupied.room, invitation["userId"], **previous)


async def test_between_open_states_nothing_ends(client: ContractClient, occupied: OccupiedRoom) -> None:
    for status in ("waitingReconnect", "idle", "live"):
        fact, [changed] = await client.change_room(occupied.room, status=status)
        assert changed.data == expected_data.stage(occupied.room, status)
        await client.wait_until_read("rooms", occupied.room.id)
        assert len(client.log.by_cause[fact.id]) == 1
    await client.send_accepted("LeaveStage", occupied.room, actorId=occupied.bob["userId"])


async def test_between_closed_states_only_the_stage_changes(client: ContractClient) -> None:
    room = await client.create_room("ended")
    _, [changed] = await client.change_room(room, status="recorded")
    assert changed.data == expected_data.stage(room, "recorded")


async def test_an_unchanged_room_fact_gives_no_event(client: ContractClient) -> None:
    room = await client.create_room(title="A show")
    for title in ("A show", "Another title"):
        fact = await client.publish_room(room.id, hostId=room.host, status="live", title=title)
        await client.wait_until_read("rooms", room.id)
        assert client.log.by_cause[fact.id] == []


async def test_an_omitted_option_returns_to_its_default(client: ContractClient) -> None:
    room = await client.create_room(maxCoHosts=2)
    _, [changed] = await client.change_room(room)
    assert changed.data == expected_data.stage(room)


async def test_fewer_seats_remove_nobody(client: ContractClient, occupied: OccupiedRoom) -> None:
    fact, [changed] = await client.change_room(occupied.room, maxCoHosts=1)
    assert changed.data == expected_data.stage(occupied.room, maxCoHosts=1)
    await client.change_room(occupied.room, maxCoHosts=0)
    accept = {"invitationId": occupied.carol["invitationId"], "actorId": occupied.carol["userId"]}
    assert await client.refusal_reason("AcceptInvitation", occupied.room, **accept) == "room_full"
    assert len(client.log.by_cause[fact.id]) == 1
    await client.send_accepted("LeaveStage", occupied.room, actorId=occupied.bob["userId"])


async def test_a_new_host_takes_over_the_decisions(
    client: ContractClient, occupied: OccupiedRoom, people: People
) -> None:
    _, [changed] = await client.change_room(occupied.room, hostId="zoe")
    assert changed.data == expected_data.stage(occupied.room, hostId="zoe")
    cancel = {"invitationId": occupied.carol["invitationId"], "actorId": occupied.room.host}
    refused = await client.send_refused("CancelInvitation", occupied.room, **cancel)
    assert (refused["reason"], refused["current"]) == ("not_room_host", occupied.carol)
    by_old = {"userId": people.dave, "actorId": occupied.room.host}
    assert await client.refusal_reason("SendInvitation", occupied.room, **by_old) == "not_room_host"
    put, done = await client.send_accepted("CancelInvitation", occupied.room, **{**cancel, "actorId": "zoe"})
    assert done.data == expected_data.cancelled(occupied.carol, put.timestamp)
    put, sent = await client.send_accepted("SendInvitation", occupied.room, userId=people.dave, actorId="zoe")
    assert sent.data == expected_data.pending(put, occupied.room, people.dave, invitedBy="zoe")


async def test_a_seat_of_the_new_hosts_own_ends(client: ContractClient, occupied: OccupiedRoom) -> None:
    fact, found = await change_host(client, occupied, occupied.bob["userId"])
    ended = expected_data.left(occupied.bob, fact.timestamp, "became_host")
    assert found == [
        ("StageChanged", expected_data.stage(occupied.room, hostId=occupied.bob["userId"])),
        ("CoHostLeft", ended),
    ]
    decline = {"invitationId": occupied.carol["invitationId"], "actorId": occupied.carol["userId"]}
    await client.send_accepted("DeclineInvitation", occupied.room, **decline)


async def test_an_invitation_of_the_new_hosts_own_ends(
    client: ContractClient, occupied: OccupiedRoom
) -> None:
    fact, found = await change_host(client, occupied, occupied.carol["userId"])
    cancelled = expected_data.cancelled(occupied.carol, fact.timestamp, "became_host")
    assert found == [
        ("StageChanged", expected_data.stage(occupied.room, hostId=occupied.carol["userId"])),
        ("InvitationCancelled", expected_data.without_nulls(cancelled)),
    ]
    await client.send_accepted("LeaveStage", occupied.room, actorId=occupied.bob["userId"])


async def change_host(
    client: ContractClient, occupied: OccupiedRoom, host: str
) -> tuple[WrittenRecord, list[tuple[str, dict[str, Any]]]]:
    fact = await client.publish_room(occupied.room.id, hostId=host, status="live")
    found = await caused_events(client, fact.id, 2)
    await client.wait_until_read("rooms", occupied.room.id)
    assert len(client.log.by_cause[fact.id]) == 2
    return fact, found


async def test_deleting_a_closed_room_clears_its_history(
    client: ContractClient, occupied: OccupiedRoom
) -> None:
    fact = await client.publish_room(occupied.room.id, hostId=occupied.room.host, status="ended")
    await client.wait_for_outcome(fact.id, 3)
    await client.delete_room(occupied.room)
    await client.wait_until_read("rooms", occupied.room.id)
    bob = {"userId": occupied.bob["userId"], "actorId": occupied.room.host}
    assert await client.refusal_reason("SendInvitation", occupied.room, **bob) == "room_not_found"
    await client.change_room(occupied.room)
    put, sent = await client.send_accepted("SendInvitation", occupied.room, **bob)
    assert sent.data == expected_data.pending(put, occupied.room, occupied.bob["userId"])


async def test_a_room_recreated_unchanged_gives_no_event(client: ContractClient) -> None:
    room = await client.create_room()
    await client.wait_for_outcome((await client.delete_room(room)).position)
    fact = await client.publish_room(room.id, hostId=room.host, status="ended")
    await client.wait_until_read("rooms", room.id)
    assert client.log.by_cause[fact.id] == []
    data = {"userId": "bob", "actorId": room.host}
    assert await client.refusal_reason("SendInvitation", room, **data) == "room_not_open"


async def test_a_closed_rooms_stage_changes_without_anything_else(client: ContractClient) -> None:
    room = await client.create_room("ended")
    for changes in ({"hostId": "zoe"}, {"hostId": "zoe", "maxCoHosts": 1}):
        _, [changed] = await client.change_room(room, status="ended", **changes)
        assert changed.data == expected_data.stage(room, "ended", **changes)
    _, [changed] = await client.change_room(room, hostId="yan")
    assert changed.data == expected_data.stage(room, hostId="yan")


async def test_a_tombstone_may_have_headers(client: ContractClient) -> None:
    room = await client.create_room()
    headers = [("ce_specversion", b"1.0"), ("content-type", b"application/cloudevents+json")]
    gone = await client.write_record("rooms", room.id, None, headers)
    [changed] = await client.wait_for_outcome(gone.position)
    assert changed.data == expected_data.stage(room, "ended")


@pytest.mark.parametrize("host", ["a", "Host:1@x.y_z-0", "h" * 64])
async def test_a_host_may_have_any_id(client: ContractClient, people: People, host: str) -> None:
    room = await client.create_room(host=host)
    await send_invitation(client, room, people.bob)
