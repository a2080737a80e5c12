"""Section 5: the stage over HTTP."""

import pytest

from tests.contract import broadcast_stage
from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import unique_id
from tests.contract.livekit_participants import join_room
from tests.contract.polling import wait_until
from tests.contract.web_client import WebClient


@pytest.mark.parametrize("status", ["idle", "live", "waitingReconnect"])
async def test_the_stage_shows_the_host_and_the_rooms_status(
    stage_driver: StageDriver, web: WebClient, status: str
) -> None:
    room = await stage_driver.open_room(status)
    found = await web.get_json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
    since = (await stage_driver.wait_for_badge(room, room.host)).data["since"]
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
        "published": [],
        "hardMuted": [],
        "label": None,
        "order": 0,
    }


async def test_the_stage_shows_co_hosts_and_their_grants(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    seats = [await stage_driver.seat_user(room, user) for user in (people.bob, people.carol)]
    for seat in seats:
        await stage_driver.wait_for_provisioned(seat)
    items = await stage_driver.stage_items(room)
    assert {user: items[user] for user in (people.bob, people.carol)} == {
        seat.user: broadcast_stage.stage_item(seat, order=order) for order, seat in enumerate(seats, 1)
    }
    assert set(items) == {room.host, people.bob, people.carol}


async def test_the_stage_shows_connections_and_tracks(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob:
        await stage_driver.wait_for_events(seat, "CoHostConnected")
        published = await bob.publish_track()

        async def shown() -> bool:
            tracks = [{"sid": published.sid, "source": "microphone", "muted": False}]
            shown = {"connection": "connected", "tracks": tracks, "published": ["microphone"]}
            expected = broadcast_stage.stage_item(seat, **shown)
            return (await stage_driver.stage_items(room))[people.bob] == expected

        await wait_until(shown, "bob's track on the stage")


async def test_a_former_co_host_is_not_shown(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
    await stage_driver.wait_for_no_badge(room, people.bob)
    assert set(await stage_driver.stage_items(room)) == {room.host}


async def test_a_closed_stage_is_empty(stage_driver: StageDriver, web: WebClient, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    await stage_driver.close_room(room, "recorded")
    await stage_driver.wait_for_no_badge(room, people.bob)
    found = await web.get_json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
    assert found == {"roomId": room.id, "status": "recorded", "items": []}


async def test_an_unknown_stage_is_not_found(web: WebClient) -> None:
    found = await web.get_problem(f"/v1/rooms/{unique_id('room')}/stage", "anyone", broadcast=True)
    assert found == (404, "room_not_found")
