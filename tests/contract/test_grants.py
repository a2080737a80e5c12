"""Section 7: permissions are granted with the seat and revoked with it."""

import asyncio

import pytest

from tests.contract import broadcast_stage, expected_data
from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient
from tests.contract.livekit_participants import LiveKitServerApi, join_room
from tests.contract.polling import in_time, retry_when_late, wait_until

DELETION_SECONDS = 10.0


async def assert_revoked_once(stage_driver: StageDriver, seat: SeatedUser, reason: str, mode: str) -> None:
    """Assert that the seat was revoked once, with this reason and mode."""
    revoked = await stage_driver.wait_for_revoked(seat)
    at = revoked.data["revokedAt"]
    assert revoked.data == broadcast_stage.revoked_data(seat, reason, mode, at)
    await stage_driver.wait_for_no_badge(seat.room, seat.user)
    assert len(stage_driver.events_so_far(seat, "GrantRevoked")) == 1
    assert len(stage_driver.events_so_far(seat, "GrantProvisioned")) <= 1


async def test_an_absent_co_host_gets_the_permissions_on_joining(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    granted = await stage_driver.wait_for_provisioned(seat)
    assert granted.data == broadcast_stage.provisioned_data(seat, "on_join", granted.data["provisionedAt"])
    assert (granted.event["source"], granted.event["subject"]) == ("/cohost/broadcast", room.id)
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob:
        await bob.publish_track()
        assert await livekit.permissions_of(room.id, people.bob) == expected_data.publisher_permissions()
    assert len(stage_driver.events_so_far(seat, "GrantProvisioned")) == 1


async def test_a_viewer_is_promoted_in_place_and_demoted_again(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    invitation = await stage_driver.invite_user(room, people.bob)
    as_viewer = await stage_driver.get_broadcast_data(room, people.bob, **{"as": "viewer"})
    async with (
        join_room(await stage_driver.get_broadcast_data(room, room.host)) as host,
        join_room(as_viewer) as bob,
    ):
        assert (bob.can_publish, bob.badge) == (False, "")
        seat = await stage_driver.accept_invitation(room, people.bob, invitation)
        granted = await stage_driver.wait_for_provisioned(seat)
        assert granted.data == broadcast_stage.provisioned_data(
            seat, "in_place", granted.data["provisionedAt"]
        )
        await wait_until(lambda: bob.can_publish and bob.badge == "coHost", "bob's promotion")
        assert await livekit.permissions_of(room.id, people.bob) == expected_data.publisher_permissions()
        publication = await bob.publish_track()
        await wait_until(
            lambda: publication.sid in host.remote_track_sids(people.bob), "bob's track at the host's"
        )

        data = {"userId": people.bob, "actorId": room.host}
        await stage_driver.client.send_accepted("RemoveCoHost", room, **data)
        await assert_revoked_once(stage_driver, seat, "removed_by_host", "in_place")
        await wait_until(lambda: not bob.can_publish and bob.badge == "", "bob's demotion")
        await wait_until(lambda: host.remote_track_sids(people.bob) == [], "bob's track to go")
        assert await livekit.permissions_of(room.id, people.bob) == expected_data.VIEWER
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
    stage_driver: StageDriver, people: People, command: str, reason: str
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    await stage_driver.wait_for_provisioned(seat)
    data = {
        "LeaveStage": {"actorId": people.bob},
        "RemoveCoHost": {"userId": people.bob, "actorId": room.host},
        "ReleaseSeat": {"userId": people.bob, "invitationId": seat.invitation, "reason": reason},
    }[command]
    await stage_driver.client.send_accepted(command, room, **data)
    await assert_revoked_once(stage_driver, seat, reason, "absent")


async def test_a_banned_co_host_loses_the_permissions(
    stage_driver: StageDriver, client: ContractClient
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    seat = await stage_driver.seat_user(room, user)
    await stage_driver.wait_for_provisioned(seat)
    await client.publish_user(user, "banned")
    await assert_revoked_once(stage_driver, seat, "not_eligible", "absent")


@retry_when_late
async def test_closing_deletes_the_livekit_room_and_all_permissions(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    seats = [await stage_driver.seat_user(room, user) for user in (people.bob, people.carol)]
    async with join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob:
        await stage_driver.close_room(room)
        for seat in seats:
            await assert_revoked_once(stage_driver, seat, "room_ended", "room_deleted")
        with in_time(DELETION_SECONDS, "bob's disconnection"):
            await wait_until(lambda: bob.disconnected, "bob's disconnection")
        assert not await livekit.room_exists(room.id)


async def test_a_room_nobody_entered_is_closed_too(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room("idle")
    seat = await stage_driver.seat_user(room, people.bob)
    await stage_driver.client.delete_room(room)
    await assert_revoked_once(stage_driver, seat, "room_ended", "room_deleted")


async def test_a_very_short_seat_ends_once(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    for _ in range(5):
        invitation = await stage_driver.invite_user(room, people.bob)
        accept = {"invitationId": invitation, "actorId": people.bob}
        puts = [
            await stage_driver.client.send_command("AcceptInvitation", room, **accept),
            await stage_driver.client.send_command("LeaveStage", room, actorId=people.bob),
        ]
        await asyncio.gather(*(stage_driver.client.wait_for_outcome(put.id) for put in puts))
        await assert_revoked_once(
            stage_driver, SeatedUser(room, people.bob, invitation, puts[0]), "left", "absent"
        )


async def test_a_new_seat_brings_new_permissions(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    for _ in range(2):
        seat = await stage_driver.seat_user(room, people.bob)
        await stage_driver.wait_for_provisioned(seat)
        await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
        await assert_revoked_once(stage_driver, seat, "left", "absent")


@retry_when_late
async def test_a_co_host_who_becomes_host_keeps_the_permissions(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    async with (
        join_room(await stage_driver.get_broadcast_data(room, room.host)) as old,
        join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob,
    ):
        publication = await bob.publish_track()
        await wait_until(lambda: publication.sid in old.remote_track_sids(people.bob), "bob's track")
        await stage_driver.client.publish_room(room.id, hostId=people.bob, status="live")
        await wait_until(lambda: bob.badge == "host", "bob's new badge")
        await wait_until(lambda: not old.can_publish and old.badge == "", "the old host's demotion")
        assert await livekit.permissions_of(room.id, people.bob) == expected_data.publisher_permissions()
        assert publication.sid in old.remote_track_sids(people.bob)
        await stage_driver.close_room(room)
    await stage_driver.wait_for_no_badge(room, people.bob)
    await wait_until_deleted(livekit, room.id)
    assert stage_driver.events_so_far(seat, "GrantRevoked") == []


async def wait_until_deleted(livekit: LiveKitServerApi, room: str) -> None:
    async def gone() -> bool:
        return not await livekit.room_exists(room)

    with in_time(DELETION_SECONDS, "the deletion of the LiveKit room"):
        await wait_until(gone, "the LiveKit room to go")


async def test_hosts_have_no_grants(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)) as host:
        await host.publish_track()
        log = stage_driver.client.log
        await log.wait_until(lambda: log.records_of(broadcast_stage.EVENTS, room.id), "the host's connection")
        await stage_driver.close_room(room)
    records = log.records_of(broadcast_stage.EVENTS, room.id)
    assert [record.name for record in records] == ["HostConnected"]


@retry_when_late
async def test_a_reopened_room_can_be_entered_again(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    async with join_room(await stage_driver.get_broadcast_data(room, room.host)):
        await stage_driver.close_room(room)
        await wait_until_deleted(livekit, room.id)
    assert await stage_driver.get_refusal(room, room.host) == (409, "room_not_open")
    assert not await livekit.room_exists(room.id)
    await stage_driver.client.publish_room(room.id, hostId=room.host, status="live")
    await stage_driver.wait_for_badge(room, room.host)
    seat = await stage_driver.seat_user(room, people.bob)
    async with (
        join_room(await stage_driver.get_broadcast_data(room, room.host)) as host,
        join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob,
    ):
        published = await bob.publish_track()
        await wait_until(
            lambda: published.sid in host.remote_track_sids(people.bob), "bob's track at the host's"
        )
        await stage_driver.wait_for_events(seat, "CoHostConnected")
