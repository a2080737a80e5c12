"""Section 5: who is on stage."""

import pytest

from tests.stranger import onstage
from tests.stranger.client import unique
from tests.stranger.conftest import People
from tests.stranger.onstage import Director
from tests.stranger.participants import joined
from tests.stranger.patience import eventually
from tests.stranger.web import Web


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
async def test_the_stage_shows_the_host_and_the_rooms_status(
    director: Director, web: Web, status: str
) -> None:
    room = await director.show(status)
    found = await web.json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
    since = (await director.badge(room, room.host)).data["since"]
    [host] = found.pop("items")
    assert found == {"roomId": room.id, "status": status}
    assert host.pop("grant") in {"pending", "provisioned"}
    assert host == {
        "userId": room.host,
        "role": "host",
        "badge": "host",
        "invitationId": None,
        "since": since,
        "connection": "never",
        "graceEndsAt": None,
        "tracks": [],
        "hardMuted": [],
    }


async def test_the_stage_shows_co_hosts_and_their_grants(director: Director, people: People) -> None:
    room = await director.show()
    seats = [await director.seat(room, user) for user in (people.bob, people.carol)]
    for seat in seats:
        await director.provisioned(seat)
    items = await director.items(room)
    assert {user: items[user] for user in (people.bob, people.carol)} == {
        seat.user: onstage.item(seat) for seat in seats
    }
    assert set(items) == {room.host, people.bob, people.carol}


async def test_the_stage_shows_connections_and_tracks(director: Director, people: People) -> None:
    room = await director.show()
    seat = await director.seat(room, people.bob)
    async with joined(await director.data(room, people.bob)) as bob:
        await director.events(seat, "CoHostConnected")
        published = await bob.publish()

        async def shown() -> bool:
            tracks = [{"sid": published.sid, "source": "microphone", "muted": False}]
            expected = onstage.item(seat, connection="connected", tracks=tracks)
            return (await director.items(room))[people.bob] == expected

        await eventually(shown, "bob's track on the stage")


async def test_a_former_co_host_is_not_shown(director: Director, people: People) -> None:
    room = await director.show()
    await director.seat(room, people.bob)
    await director.stranger.accepted("LeaveStage", room, actorId=people.bob)
    await director.no_badge(room, people.bob)
    assert set(await director.items(room)) == {room.host}


async def test_a_closed_stage_is_empty(director: Director, web: Web, people: People) -> None:
    room = await director.show()
    await director.seat(room, people.bob)
    await director.close(room, "recorded")
    await director.no_badge(room, people.bob)
    found = await web.json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
    assert found == {"roomId": room.id, "status": "recorded", "items": []}


async def test_an_unknown_stage_is_not_found(web: Web) -> None:
    found = await web.problem(f"/v1/rooms/{unique('room')}/stage", "anyone", broadcast=True)
    assert found == (404, "room_not_found")
