"""Section 7: co-hosts who connect, drop, return or are lost."""

from datetime import datetime, timedelta

from tests.contract import broadcast_stage, expected_data
from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.livekit_participants import join_room
from tests.contract.polling import wait_until
from tests.contract.topic_log import TIMEOUT_SECONDS, TopicRecord

NAMES = ("CoHostConnected", "CoHostDisconnected", "CoHostReconnected", "CoHostLost")


def grace_of(record: TopicRecord) -> timedelta:
    """Return the length of the grace period of a `CoHostDisconnected`."""
    said = record.data
    return datetime.fromisoformat(said["graceEndsAt"]) - datetime.fromisoformat(said["at"])


def wait_for_connection_events(stage_driver: StageDriver, seat: SeatedUser) -> list[str]:
    found = stage_driver.events_so_far(seat, *NAMES)
    for record in found:
        times = {"at"} | ({"graceEndsAt"} if record.name == "CoHostDisconnected" else set())
        assert {name: value for name, value in record.data.items() if name not in times} == seat.ids
        assert times <= set(record.data)
    return [record.name for record in found]


async def test_a_dropped_co_host_may_return_within_the_grace_period(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)):
        await stage_driver.wait_for_events(seat, "CoHostConnected")
    [dropped] = await stage_driver.wait_for_events(seat, "CoHostDisconnected")
    grace = timedelta(seconds=stage_driver.client.deployment.grace_seconds)
    assert abs(grace_of(dropped) - grace) < timedelta(seconds=1)
    shown = (await stage_driver.stage_items(room))[people.bob]
    times = {"connection": "disconnected", "graceEndsAt": dropped.data["graceEndsAt"]}
    assert shown == broadcast_stage.stage_item(seat, **times)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)):
        await stage_driver.wait_for_events(seat, "CoHostReconnected")
        assert (await stage_driver.stage_items(room))[people.bob] == broadcast_stage.stage_item(
            seat, connection="connected"
        )
    assert wait_for_connection_events(stage_driver, seat)[:3] == [
        "CoHostConnected",
        "CoHostDisconnected",
        "CoHostReconnected",
    ]


async def test_a_co_host_who_does_not_return_loses_the_seat(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)):
        await stage_driver.wait_for_events(seat, "CoHostConnected")
    patience = stage_driver.client.deployment.grace_seconds + TIMEOUT_SECONDS
    log = stage_driver.client.log
    await log.wait_until(lambda: stage_driver.events_so_far(seat, "GrantRevoked"), "the revocation", patience)
    assert wait_for_connection_events(stage_driver, seat) == [
        "CoHostConnected",
        "CoHostDisconnected",
        "CoHostLost",
    ]
    revoked = await stage_driver.wait_for_revoked(seat)
    at = revoked.data["revokedAt"]
    assert revoked.data == broadcast_stage.revoked_data(seat, "connection_lost", "absent", at)

    [left] = log.records_of("invitations.events", room.id, "CoHostLeft")
    invitation = {**seat.ids}
    at = left.data["leftAt"]
    assert expected_data.without_nulls(left.data) == expected_data.left(invitation, at, "connection_lost")
    [command] = log.by_id[left.event["causationid"]]
    assert (command.topic, command.name) == ("invitations.commands", "ReleaseSeat")
    assert command.data == {**seat.ids, "reason": "connection_lost"}
    assert command.key == room.id.encode()


async def test_a_second_device_takes_the_place_of_the_first(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)) as first:
        await stage_driver.wait_for_events(seat, "CoHostConnected")
        async with join_room(await stage_driver.get_broadcast_data(room, people.bob)) as second:
            await wait_until(lambda: first.disconnected, "the first device to be disconnected")
            await second.publish_track()

            async def shown() -> bool:
                found = (await stage_driver.stage_items(room))[people.bob]
                return found["connection"] == "connected" and len(found["tracks"]) == 1

            await wait_until(shown, "the second device on the stage")
            assert "CoHostLost" not in wait_for_connection_events(stage_driver, seat)


async def test_viewer_connections_give_no_events(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, people.carol, **{"as": "viewer"})):
        seat = await stage_driver.seat_user(room, people.bob)
        async with join_room(await stage_driver.get_broadcast_data(room, people.bob)):
            await stage_driver.wait_for_events(seat, "CoHostConnected")
    said = stage_driver.client.log.records_of(broadcast_stage.EVENTS, room.id)
    assert {record.data["userId"] for record in said} == {people.bob}
