"""Section 7: hosts who connect, drop and return; section 7, LiveKit: display names."""

import pytest

from tests.contract import broadcast_stage
from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import Room
from tests.contract.livekit_participants import LiveKitServerApi, join_room
from tests.contract.polling import wait_until
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import WebClient

NAMES = ("HostConnected", "HostDisconnected", "HostReconnected")


async def wait_for_host_events(stage_driver: StageDriver, room: Room, count: int) -> list[tuple[str, str]]:
    """Wait for the events about a room's hosts, and return the type and the user of each."""
    log = stage_driver.client.log

    def found() -> list[TopicRecord] | None:
        records = log.records_of(broadcast_stage.EVENTS, room.id, *NAMES)
        return records if len(records) >= count else None

    records = await log.wait_until(found, f"{count} events about the host")
    for record in records:
        assert set(record.data) == {"roomId", "userId", "at"}
        assert record.data["roomId"] == room.id
    return [(record.name, record.data["userId"]) for record in records]


async def test_a_host_connects_drops_and_returns(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room("idle")
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)) as host:
        await host.publish_track("camera")
        await wait_until(lambda: _publishes(stage_driver, room, ["camera"]), "the host's camera on stage")
    await wait_for_host_events(stage_driver, room, 2)
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)):
        assert await wait_for_host_events(stage_driver, room, 3) == [(name, room.host) for name in NAMES]
    assert stage_driver.client.log.records_of(broadcast_stage.EVENTS, room.id, "CoHostMediaChanged") == []


async def _publishes(stage_driver: StageDriver, room: Room, sources: list[str]) -> bool:
    return bool((await stage_driver.stage_items(room))[room.host]["published"] == sources)


async def test_a_connected_co_host_who_becomes_host_is_connected_at_once(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)):
        seat = await stage_driver.seat_user(room, people.bob)
        async with join_room(await stage_driver.get_broadcast_data(room, people.bob)):
            await stage_driver.wait_for_events(seat, "CoHostConnected")
            await wait_for_host_events(stage_driver, room, 1)
            await stage_driver.client.change_room(room, hostId=people.bob)
            assert await wait_for_host_events(stage_driver, room, 2) == [
                ("HostConnected", room.host),
                ("HostConnected", people.bob),
            ]


async def test_a_second_device_of_the_host_is_no_new_connection(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)) as first:
        await wait_for_host_events(stage_driver, room, 1)
        async with join_room(await stage_driver.get_broadcast_data(room, room.host)) as second:
            await wait_until(lambda: first.disconnected, "the first device to be disconnected")
            await second.publish_track("camera")
            await wait_until(lambda: _publishes(stage_driver, room, ["camera"]), "the host's camera on stage")
    assert await wait_for_host_events(stage_driver, room, 2) == [
        ("HostConnected", room.host),
        ("HostDisconnected", room.host),
    ]


async def test_a_host_who_comes_back_as_host_connects_again(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room("idle")
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)):
        await wait_for_host_events(stage_driver, room, 1)
        await stage_driver.client.change_room(room, hostId=people.dave)
        await stage_driver.wait_for_badge(room, people.dave)
        await stage_driver.client.change_room(room, hostId=room.host, status="live")
        assert await wait_for_host_events(stage_driver, room, 2) == [("HostConnected", room.host)] * 2


async def test_a_connected_viewer_who_becomes_host_is_connected_at_once(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, people.carol, **{"as": "viewer"})):
        await stage_driver.client.change_room(room, hostId=people.carol)
        assert await wait_for_host_events(stage_driver, room, 1) == [("HostConnected", people.carol)]


async def test_a_rooms_closing_ends_no_hosts_connection(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)) as host:
        await wait_for_host_events(stage_driver, room, 1)
        await stage_driver.close_room(room)
        await wait_until(lambda: host.disconnected, "the host to be disconnected")
    await stage_driver.client.change_room(room, status="idle")
    await stage_driver.wait_for_badge(room, room.host)
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)):
        events = await wait_for_host_events(stage_driver, room, 2)
    assert events == [("HostConnected", room.host)] * 2


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        pytest.param(None, "", id="none"),
        pytest.param(["Alice"], "", id="no string"),
        pytest.param("Alice Ñ", "Alice Ñ", id="short"),
        pytest.param("🎤" * 101, "🎤" * 100, id="long"),
    ],
)
async def test_a_participant_has_the_name_of_the_callers_token(
    stage_driver: StageDriver, web: WebClient, livekit: LiveKitServerApi, claim: object, name: str
) -> None:
    room = await stage_driver.open_room()
    headers = web.headers(room.host, name=claim)
    answer = await web.broadcast.get(f"/v1/rooms/{room}/broadcast-data", headers=headers)
    async with join_room(answer.json()):
        found = await livekit.find_participant(room.id, room.host)
    assert found is not None
    assert found.get("name", "") == name
