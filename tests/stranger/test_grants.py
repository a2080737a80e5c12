"""Section 7: permissions are granted with the seat and revoked with it."""

import asyncio

import pytest

from tests.stranger import onstage, snapshots
from tests.stranger.client import Stranger
from tests.stranger.conftest import People
from tests.stranger.onstage import Director, Seat
from tests.stranger.participants import LiveKit, joined
from tests.stranger.patience import eventually


async def whole(stage_driver: Director, seat: Seat, reason: str, mode: str) -> None:
    """Assert that the seat was revoked once, with this reason and mode."""
    revoked = await stage_driver.revoked(seat)
    at = revoked.data["revokedAt"]
    assert revoked.data == onstage.revoked(seat, reason, mode, at)
    await stage_driver.no_badge(seat.room, seat.user)
    assert len(stage_driver.said(seat, "GrantRevoked")) == 1
    assert len(stage_driver.said(seat, "GrantProvisioned")) <= 1


async def test_an_absent_co_host_gets_the_permissions_on_joining(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    seat = await stage_driver.seat_user(room, people.bob)
    granted = await stage_driver.wait_for_provisioned(seat)
    assert granted.data == onstage.provisioned(seat, "on_join", granted.data["provisionedAt"])
    assert (granted.event["source"], granted.event["subject"]) == ("/cohost/broadcast", room.id)
    async with joined(await stage_driver.get_broadcast_data(room, people.bob)) as bob:
        await bob.publish()
        assert await livekit.permissions(room.id, people.bob) == snapshots.publisher()
    assert len(stage_driver.said(seat, "GrantProvisioned")) == 1


async def test_a_viewer_is_promoted_in_place_and_demoted_again(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    invitation = await stage_driver.invite(room, people.bob)
    as_viewer = await stage_driver.get_broadcast_data(room, people.bob, **{"as": "viewer"})
    async with (
        joined(await stage_driver.get_broadcast_data(room, room.host)) as host,
        joined(as_viewer) as bob,
    ):
        assert (bob.can_publish, bob.badge) == (False, "")
        seat = await stage_driver.accept(room, people.bob, invitation)
        granted = await stage_driver.wait_for_provisioned(seat)
        assert granted.data == onstage.provisioned(seat, "in_place", granted.data["provisionedAt"])
        await eventually(lambda: bob.can_publish and bob.badge == "coHost", "bob's promotion")
        assert await livekit.permissions(room.id, people.bob) == snapshots.publisher()
        publication = await bob.publish()
        await eventually(lambda: publication.sid in host.hears(people.bob), "bob's track at the host's")

        data = {"userId": people.bob, "actorId": room.host}
        await stage_driver.stranger.accepted("RemoveCoHost", room, **data)
        await whole(stage_driver, seat, "removed_by_host", "in_place")
        await eventually(lambda: not bob.can_publish and bob.badge == "", "bob's demotion")
        await eventually(lambda: host.hears(people.bob) == [], "bob's track to go")
        assert await livekit.permissions(room.id, people.bob) == snapshots.VIEWER
        assert bob.disconnected == []


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("LeaveStage", "left"),
        ("RemoveCoHost", "removed_by_host"),
        ("ReleaseSeat", "no_show"),
        ("ReleaseSeat", "connection_lost"),
    ],
)
async def test_an_absent_co_host_loses_the_permissions(
    stage_driver: Director, people: People, command: str, reason: str
) -> None:
    room = await stage_driver.show()
    seat = await stage_driver.seat_user(room, people.bob)
    await stage_driver.wait_for_provisioned(seat)
    data = {
        "LeaveStage": {"actorId": people.bob},
        "RemoveCoHost": {"userId": people.bob, "actorId": room.host},
        "ReleaseSeat": {"userId": people.bob, "invitationId": seat.invitation, "reason": reason},
    }[command]
    await stage_driver.stranger.accepted(command, room, **data)
    await whole(stage_driver, seat, reason, "absent")


async def test_a_banned_co_host_loses_the_permissions(stage_driver: Director, client: Stranger) -> None:
    room, user = await stage_driver.show(), await client.user()
    seat = await stage_driver.seat_user(room, user)
    await stage_driver.wait_for_provisioned(seat)
    await client.say_user(user, "banned")
    await whole(stage_driver, seat, "not_eligible", "absent")


async def test_closing_deletes_the_livekit_room_and_all_permissions(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    seats = [await stage_driver.seat_user(room, user) for user in (people.bob, people.carol)]
    async with joined(await stage_driver.get_broadcast_data(room, people.bob)) as bob:
        await stage_driver.close(room)
        for seat in seats:
            await whole(stage_driver, seat, "room_ended", "room_deleted")
        await eventually(lambda: bob.disconnected, "bob's disconnection", 10)
        assert not await livekit.exists(room.id)


async def test_a_room_nobody_entered_is_closed_too(stage_driver: Director, people: People) -> None:
    room = await stage_driver.show("idle")
    seat = await stage_driver.seat_user(room, people.bob)
    await stage_driver.stranger.remove_room(room)
    await whole(stage_driver, seat, "room_ended", "room_deleted")


async def test_a_very_short_seat_ends_once(stage_driver: Director, people: People) -> None:
    room = await stage_driver.show()
    for _ in range(5):
        invitation = await stage_driver.invite(room, people.bob)
        accept = {"invitationId": invitation, "actorId": people.bob}
        puts = [
            await stage_driver.stranger.send("AcceptInvitation", room, **accept),
            await stage_driver.stranger.send("LeaveStage", room, actorId=people.bob),
        ]
        await asyncio.gather(*(stage_driver.stranger.outcome(put.id) for put in puts))
        await whole(stage_driver, Seat(room, people.bob, invitation, puts[0]), "left", "absent")


async def test_a_new_seat_brings_new_permissions(stage_driver: Director, people: People) -> None:
    room = await stage_driver.show()
    for _ in range(2):
        seat = await stage_driver.seat_user(room, people.bob)
        await stage_driver.wait_for_provisioned(seat)
        await stage_driver.stranger.accepted("LeaveStage", room, actorId=people.bob)
        await whole(stage_driver, seat, "left", "absent")


async def test_a_co_host_who_becomes_host_keeps_the_permissions(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    seat = await stage_driver.seat_user(room, people.bob)
    async with (
        joined(await stage_driver.get_broadcast_data(room, room.host)) as old,
        joined(await stage_driver.get_broadcast_data(room, people.bob)) as bob,
    ):
        publication = await bob.publish()
        await stage_driver.stranger.say_room(room.id, hostId=people.bob, status="live")
        await eventually(lambda: bob.badge == "host", "bob's new badge")
        await eventually(lambda: not old.can_publish and old.badge == "", "the old host's demotion")
        assert await livekit.permissions(room.id, people.bob) == snapshots.publisher()
        assert publication.sid in old.hears(people.bob)
        await stage_driver.close(room)
    await stage_driver.no_badge(room, people.bob)
    await eventually_deleted(livekit, room.id)
    assert stage_driver.said(seat, "GrantRevoked") == []


async def eventually_deleted(livekit: LiveKit, room: str) -> None:
    async def gone() -> bool:
        return not await livekit.exists(room)

    await eventually(gone, "the LiveKit room to go", 10)


async def test_hosts_have_no_grants(stage_driver: Director) -> None:
    room = await stage_driver.show()
    async with joined(await stage_driver.get_broadcast_data(room, room.host)) as host:
        await host.publish()
        await stage_driver.close(room)
    assert stage_driver.stranger.log.records_of(onstage.EVENTS, room.id) == []


async def test_a_reopened_room_can_be_entered_again(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    async with joined(await stage_driver.get_broadcast_data(room, room.host)):
        await stage_driver.close(room)
        await eventually_deleted(livekit, room.id)
    assert await stage_driver.refused(room, room.host) == (409, "room_not_open")
    assert not await livekit.exists(room.id)
    await stage_driver.stranger.say_room(room.id, hostId=room.host, status="live")
    await stage_driver.badge(room, room.host)
    seat = await stage_driver.seat_user(room, people.bob)
    async with (
        joined(await stage_driver.get_broadcast_data(room, room.host)) as host,
        joined(await stage_driver.get_broadcast_data(room, people.bob)) as bob,
    ):
        published = await bob.publish()
        await eventually(lambda: published.sid in host.hears(people.bob), "bob's track at the host's")
        await stage_driver.events(seat, "CoHostConnected")
