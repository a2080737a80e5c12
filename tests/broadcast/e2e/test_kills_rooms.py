"""Killed around a call that creates or deletes a LiveKit room: it exists exactly while the room is open."""

import asyncio

import httpx
import pytest
from livekit import api

from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    LiveKitClients,
    livekit_room_exists,
    open_room,
    rights_of,
    seat_and_connect,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, livekit_api, wait_until

SERVICE = killable_service.SERVICE
SETTINGS = {**killable_service.SETTINGS, "COHOST_COMPARISON_SECONDS": "5"}
CREATION_POINTS = killable_service.failpoints_around("CreateRoom", report="")[:-1]
DELETION_POINTS = killable_service.failpoints_around("ListRooms", "DeleteRoom", report="RoomDeleted")


async def request_broadcast_data(service: ServiceUnderTest, room_id: str) -> None:
    """Request broadcast data from a service that dies before it answers."""
    with pytest.raises(httpx.TransportError):
        await service.http_get(f"/v1/rooms/{room_id}/broadcast-data", "alice")


async def is_deleted(service: ServiceUnderTest, room_id: str) -> bool:
    return not await livekit_room_exists(service, room_id)


@pytest.mark.parametrize("point", CREATION_POINTS)
async def test_a_repeated_request_joins_the_same_livekit_room(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    async with killable.restarted_after_kill(point, name):
        request = asyncio.create_task(request_broadcast_data(service, name))
    await request
    alice = await clients.connect_user(service, name, "alice")
    assert rights_of(alice) == {**CO_HOST_RIGHTS, "badge": "host"}
    async with livekit_api(service.endpoints) as livekit:
        found = await livekit.room.list_rooms(api.ListRoomsRequest(names=[name]))
    assert len(found.rooms) == 1
    await killable.assert_consistent(name)


@pytest.mark.parametrize("point", CREATION_POINTS[1:])
async def test_a_room_closed_while_its_service_was_down_is_deleted(
    killable: KillableService, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    async with killable.killed_at(point, name) as hold:
        request = asyncio.create_task(request_broadcast_data(service, name))
    await request
    await service.publish_stage(name, "ended")
    await killable.restart()
    await wait_until(lambda: killable.proxy.count_calls("DeleteRoom", name))
    await wait_until(lambda: is_deleted(service, name))
    if hold is not None and not hold.after_answer:
        hold.release.set()
        # The call of the killed service still creates the room.
        await wait_until(lambda: livekit_room_exists(service, name))
        await wait_until(lambda: is_deleted(service, name))
    await killable.assert_consistent(name)


@pytest.mark.parametrize("point", DELETION_POINTS)
async def test_a_closed_room_is_deleted_and_revoked_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    seat, _ = await seat_and_connect(service, clients, name)
    async with killable.restarted_after_kill(point, name):
        await service.publish_stage(name, "ended")
        await service.end_seat(name, "bob", seat, "room_ended")
    revoked = await service.wait_for_event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    assert not await livekit_room_exists(service, name)
    await killable.assert_consistent(name)
