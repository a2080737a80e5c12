"""Section 7: who wears which badge."""

import re

import pytest

from tests.stranger.client import OPEN
from tests.stranger.conftest import People
from tests.stranger.log import Record
from tests.stranger.onstage import Director

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def sound(record: Record) -> None:
    """Claim what is true of every badge that is worn."""
    said = record.event
    assert (said["type"], said["source"]) == ("cohost.BadgeChanged.v1", "/cohost/broadcast")
    assert MOMENT.fullmatch(said["data"]["since"])
    assert int(said["sequence"]) == int(record.header["sequence"] or b"")


@pytest.mark.parametrize("status", OPEN)
async def test_the_host_wears_a_badge_while_the_room_is_open(director: Director, status: str) -> None:
    room = await director.show(status)
    worn = await director.badge(room, room.host)
    sound(worn)
    assert worn.event["subject"] == room.id
    assert worn.partition == director.stranger.partition(room.id)
    since = worn.data["since"]
    data = {name: value for name, value in worn.data.items() if value is not None}
    assert data == {"roomId": room.id, "userId": room.host, "badge": "host", "since": since}
    [stage] = await director.stranger.outcome(room.fact.id)
    assert worn.event["causationid"] == stage.event["id"]
    await director.close(room)
    gone = await director.no_badge(room, room.host)
    assert re.fullmatch(rb"[1-9][0-9]*", gone.header["sequence"] or b"")


async def test_a_co_host_wears_a_badge_from_seat_to_its_end(director: Director, people: People) -> None:
    room = await director.show()
    seat = await director.seat(room, people.bob)
    worn = await director.badge(room, people.bob)
    sound(worn)
    since = worn.data["since"]
    assert worn.data == {**seat.named, "badge": "coHost", "since": since}
    assert (await director.items(room))[people.bob]["since"] == since
    await director.stranger.accepted("LeaveStage", room, actorId=people.bob)
    gone = await director.no_badge(room, people.bob)
    assert gone.partition == worn.partition
    assert len(director.worn(room, people.bob)) == 2


async def test_invited_users_wear_no_badge(director: Director, people: People) -> None:
    room = await director.show()
    await director.invite(room, people.bob)
    await director.seat(room, people.carol)
    assert director.worn(room, people.bob) == []


async def test_a_badges_since_does_not_change(director: Director, people: People) -> None:
    room = await director.show("idle")
    await director.seat(room, people.bob)
    host, bob = await director.badge(room, room.host), await director.badge(room, people.bob)
    for status in ("live", "waitingReconnect", "live"):
        fact = await director.stranger.say_room(room.id, hostId=room.host, status=status, maxCoHosts=9)
        await director.stranger.outcome(fact.id)
    await director.seat(room, people.carol)
    for before, user in ((host, room.host), (bob, people.bob)):
        assert {found.data["since"] for found in director.worn(room, user)} == {before.data["since"]}


async def test_a_new_host_takes_the_badge_over(director: Director, people: People) -> None:
    room = await director.show()
    await director.seat(room, people.bob)
    await director.stranger.say_room(room.id, hostId=people.bob, status="live")
    await director.no_badge(room, room.host)
    worn = director.worn(room, people.bob)
    await director.stranger.log.until(lambda: worn[-1].value and worn[-1].data["badge"] == "host")
    assert worn[-1].data.get("invitationId") is None
    assert None not in [found.value for found in worn]


async def test_a_reopened_room_gives_its_host_a_new_badge(director: Director) -> None:
    room = await director.closed()
    await director.stranger.say_room(room.id, hostId=room.host, status="live")
    await director.badge(room, room.host)
    assert [found.value is not None for found in director.worn(room, room.host)] == [True, False, True]


async def test_closing_removes_every_badge(director: Director, people: People) -> None:
    room = await director.show()
    await director.seat(room, people.bob)
    await director.stranger.remove_room(room)
    await director.no_badge(room, people.bob)
    await director.no_badge(room, room.host)
