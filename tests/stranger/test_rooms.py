"""Sections 3 and 4: what follows from what the platform says of its rooms."""

from typing import Any, NamedTuple

import pytest

from tests.stranger import snapshots
from tests.stranger.client import Put, Room, Stranger
from tests.stranger.conftest import People

CLOSED = ["ended", "recorded", "terminated", "error"]


class Show(NamedTuple):
    """A room in which bob has a seat and carol is invited."""

    room: Room
    bob: dict[str, Any]
    carol: dict[str, Any]


@pytest.fixture
async def show(stranger: Stranger, people: People) -> Show:
    room = await stranger.room()
    sent = [await invite(stranger, room, user) for user in (people.bob, people.carol)]
    put, _ = await stranger.accepted("AcceptInvitation", room, invitationId=sent[0].id, actorId=people.bob)
    bob = snapshots.accepted(snapshots.pending(sent[0], room, people.bob), put)
    return Show(room, bob, snapshots.pending(sent[1], room, people.carol))


async def invite(stranger: Stranger, room: Room, user: str) -> Put:
    put, _ = await stranger.accepted("SendInvitation", room, userId=user, actorId=room.host)
    return put


async def said(stranger: Stranger, cause: str, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Return names and data of what something caused, in order."""
    found = await stranger.outcome(cause, count)
    return [(record.name, snapshots.without_nulls(record.data)) for record in found]


def closing(show: Show, at: str) -> list[tuple[str, dict[str, Any]]]:
    cancelled = snapshots.cancelled(show.carol, at, "room_ended")
    return [
        ("CoHostLeft", snapshots.left(show.bob, at, "room_ended")),
        ("InvitationCancelled", snapshots.without_nulls(cancelled)),
    ]


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect", *CLOSED])
async def test_a_rooms_first_fact_changes_the_stage(stranger: Stranger, status: str) -> None:
    room = await stranger.room(status, maxCoHosts=3, title="A show")
    assert await said(stranger, room.fact.id, 1) == [
        ("StageChanged", snapshots.stage(room, status, maxCoHosts=3))
    ]


@pytest.mark.parametrize("status", CLOSED)
async def test_closing_ends_every_invitation_and_every_seat(
    stranger: Stranger, show: Show, status: str
) -> None:
    fact = await stranger.say_room(show.room.id, hostId=show.room.host, status=status)
    stage, *rest = await said(stranger, fact.id, 3)
    assert stage == ("StageChanged", snapshots.stage(show.room, status))
    assert sorted(rest, key=lambda found: found[0]) == closing(show, fact.at)


async def test_a_tombstone_closes_an_open_room(stranger: Stranger, show: Show) -> None:
    gone = await stranger.remove_room(show.room)
    stage, *rest = await said(stranger, gone.position, 3)
    assert stage == ("StageChanged", snapshots.stage(show.room, "ended"))
    assert sorted(rest, key=lambda found: found[0]) == closing(show, gone.at)


async def test_a_tombstone_leaves_the_other_fields_as_they_were(stranger: Stranger) -> None:
    room = await stranger.room("waitingReconnect", maxCoHosts=7)
    gone = await stranger.remove_room(room)
    expected = snapshots.stage(room, "ended", maxCoHosts=7)
    assert await said(stranger, gone.position, 1) == [("StageChanged", expected)]


async def test_a_tombstone_of_a_closed_or_unknown_room_gives_no_event(stranger: Stranger) -> None:
    room = await stranger.room("recorded")
    for _ in range(2):
        gone = await stranger.remove_room(room)
        await stranger.read("rooms", room.id)
        assert stranger.log.by_cause[gone.position] == []


async def test_commands_to_a_deleted_room_are_refused(stranger: Stranger, show: Show) -> None:
    gone = await stranger.remove_room(show.room)
    await stranger.outcome(gone.position, 3)
    data = {"invitationId": show.carol["invitationId"], "actorId": show.carol["userId"]}
    assert await stranger.reason("AcceptInvitation", show.room, **data) == "room_not_found"
    user = {"userId": show.carol["userId"], "actorId": show.room.host}
    assert await stranger.reason("SendInvitation", show.room, **user) == "room_not_found"


async def test_a_recreated_room_has_no_earlier_invitations(stranger: Stranger, show: Show) -> None:
    await stranger.outcome((await stranger.remove_room(show.room)).position, 3)
    fact, [changed] = await stranger.change(show.room)
    assert (changed.name, changed.data) == ("StageChanged", snapshots.stage(show.room))
    for invitation in (show.bob, show.carol):
        data = {"invitationId": invitation["invitationId"], "actorId": invitation["userId"]}
        assert await stranger.reason("AcceptInvitation", show.room, **data) == "invitation_not_found"
    data = {"userId": show.bob["userId"], "actorId": show.room.host}
    put, sent = await stranger.accepted("SendInvitation", show.room, **data)
    assert sent.data == snapshots.pending(put, show.room, show.bob["userId"])
    assert fact.id == changed.event["causationid"]


async def test_a_reopened_room_has_an_empty_stage_and_its_history(stranger: Stranger, show: Show) -> None:
    fact = await stranger.say_room(show.room.id, hostId=show.room.host, status="ended")
    await stranger.outcome(fact.id, 3)
    _, [changed] = await stranger.change(show.room, status="idle")
    assert changed.data == snapshots.stage(show.room, "idle")
    bob, carol = show.bob["userId"], show.carol["userId"]
    assert await stranger.reason("LeaveStage", show.room, actorId=bob) == "not_co_host"
    accept = {"invitationId": show.carol["invitationId"], "actorId": carol}
    refused = await stranger.refused("AcceptInvitation", show.room, **accept)
    assert (refused["reason"], refused["current"]["closeReason"]) == ("invitation_not_pending", "room_ended")
    for invitation in (show.bob, show.carol):
        data = {"userId": invitation["userId"], "actorId": show.room.host}
        put, sent = await stranger.accepted("SendInvitation", show.room, **data)
        previous = {"previousInvitationId": invitation["invitationId"]}
        assert sent.data == snapshots.pending(put, show.room, invitation["userId"], **previous)


async def test_between_open_states_nothing_ends(stranger: Stranger, show: Show) -> None:
    for status in ("waitingReconnect", "idle", "live"):
        fact, [changed] = await stranger.change(show.room, status=status)
        assert changed.data == snapshots.stage(show.room, status)
        await stranger.read("rooms", show.room.id)
        assert len(stranger.log.by_cause[fact.id]) == 1
    await stranger.accepted("LeaveStage", show.room, actorId=show.bob["userId"])


async def test_between_closed_states_only_the_stage_changes(stranger: Stranger) -> None:
    room = await stranger.room("ended")
    _, [changed] = await stranger.change(room, status="recorded")
    assert changed.data == snapshots.stage(room, "recorded")


async def test_an_unchanged_room_fact_gives_no_event(stranger: Stranger) -> None:
    room = await stranger.room(title="A show")
    for title in ("A show", "Another title"):
        fact = await stranger.say_room(room.id, hostId=room.host, status="live", title=title)
        await stranger.read("rooms", room.id)
        assert stranger.log.by_cause[fact.id] == []


async def test_an_omitted_option_returns_to_its_default(stranger: Stranger) -> None:
    room = await stranger.room(maxCoHosts=2)
    _, [changed] = await stranger.change(room)
    assert changed.data == snapshots.stage(room)


async def test_fewer_seats_remove_nobody(stranger: Stranger, show: Show) -> None:
    fact, [changed] = await stranger.change(show.room, maxCoHosts=1)
    assert changed.data == snapshots.stage(show.room, maxCoHosts=1)
    await stranger.change(show.room, maxCoHosts=0)
    accept = {"invitationId": show.carol["invitationId"], "actorId": show.carol["userId"]}
    assert await stranger.reason("AcceptInvitation", show.room, **accept) == "room_full"
    assert len(stranger.log.by_cause[fact.id]) == 1
    await stranger.accepted("LeaveStage", show.room, actorId=show.bob["userId"])


async def test_a_new_host_takes_over_the_decisions(stranger: Stranger, show: Show, people: People) -> None:
    _, [changed] = await stranger.change(show.room, hostId="zoe")
    assert changed.data == snapshots.stage(show.room, hostId="zoe")
    cancel = {"invitationId": show.carol["invitationId"], "actorId": show.room.host}
    refused = await stranger.refused("CancelInvitation", show.room, **cancel)
    assert (refused["reason"], refused["current"]) == ("not_room_host", show.carol)
    by_old = {"userId": people.dave, "actorId": show.room.host}
    assert await stranger.reason("SendInvitation", show.room, **by_old) == "not_room_host"
    put, done = await stranger.accepted("CancelInvitation", show.room, **{**cancel, "actorId": "zoe"})
    assert done.data == snapshots.cancelled(show.carol, put.at)
    put, sent = await stranger.accepted("SendInvitation", show.room, userId=people.dave, actorId="zoe")
    assert sent.data == snapshots.pending(put, show.room, people.dave, invitedBy="zoe")


async def test_a_seat_of_the_new_hosts_own_ends(stranger: Stranger, show: Show) -> None:
    fact, found = await changed_host(stranger, show, show.bob["userId"])
    ended = snapshots.left(show.bob, fact.at, "became_host")
    assert found == [
        ("StageChanged", snapshots.stage(show.room, hostId=show.bob["userId"])),
        ("CoHostLeft", ended),
    ]
    decline = {"invitationId": show.carol["invitationId"], "actorId": show.carol["userId"]}
    await stranger.accepted("DeclineInvitation", show.room, **decline)


async def test_an_invitation_of_the_new_hosts_own_ends(stranger: Stranger, show: Show) -> None:
    fact, found = await changed_host(stranger, show, show.carol["userId"])
    cancelled = snapshots.cancelled(show.carol, fact.at, "became_host")
    assert found == [
        ("StageChanged", snapshots.stage(show.room, hostId=show.carol["userId"])),
        ("InvitationCancelled", snapshots.without_nulls(cancelled)),
    ]
    await stranger.accepted("LeaveStage", show.room, actorId=show.bob["userId"])


async def changed_host(
    stranger: Stranger, show: Show, host: str
) -> tuple[Put, list[tuple[str, dict[str, Any]]]]:
    fact = await stranger.say_room(show.room.id, hostId=host, status="live")
    found = await said(stranger, fact.id, 2)
    await stranger.read("rooms", show.room.id)
    assert len(stranger.log.by_cause[fact.id]) == 2
    return fact, found


async def test_deleting_a_closed_room_clears_its_history(stranger: Stranger, show: Show) -> None:
    fact = await stranger.say_room(show.room.id, hostId=show.room.host, status="ended")
    await stranger.outcome(fact.id, 3)
    await stranger.remove_room(show.room)
    await stranger.read("rooms", show.room.id)
    bob = {"userId": show.bob["userId"], "actorId": show.room.host}
    assert await stranger.reason("SendInvitation", show.room, **bob) == "room_not_found"
    await stranger.change(show.room)
    put, sent = await stranger.accepted("SendInvitation", show.room, **bob)
    assert sent.data == snapshots.pending(put, show.room, show.bob["userId"])


async def test_a_room_recreated_unchanged_gives_no_event(stranger: Stranger) -> None:
    room = await stranger.room()
    await stranger.outcome((await stranger.remove_room(room)).position)
    fact = await stranger.say_room(room.id, hostId=room.host, status="ended")
    await stranger.read("rooms", room.id)
    assert stranger.log.by_cause[fact.id] == []
    data = {"userId": "bob", "actorId": room.host}
    assert await stranger.reason("SendInvitation", room, **data) == "room_not_open"


async def test_a_closed_rooms_stage_changes_without_anything_else(stranger: Stranger) -> None:
    room = await stranger.room("ended")
    for changes in ({"hostId": "zoe"}, {"hostId": "zoe", "maxCoHosts": 1}):
        _, [changed] = await stranger.change(room, status="ended", **changes)
        assert changed.data == snapshots.stage(room, "ended", **changes)
    _, [changed] = await stranger.change(room, hostId="yan")
    assert changed.data == snapshots.stage(room, hostId="yan")


async def test_a_tombstone_may_have_headers(stranger: Stranger) -> None:
    room = await stranger.room()
    headers = [("ce_specversion", b"1.0"), ("content-type", b"application/cloudevents+json")]
    gone = await stranger.put("rooms", room.id, None, headers)
    [changed] = await stranger.outcome(gone.position)
    assert changed.data == snapshots.stage(room, "ended")


@pytest.mark.parametrize("host", ["a", "Host:1@x.y_z-0", "h" * 64])
async def test_a_host_may_have_any_id(stranger: Stranger, people: People, host: str) -> None:
    room = await stranger.room(host=host)
    await invite(stranger, room, people.bob)
