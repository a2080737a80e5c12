"""Killed around a call that creates or deletes a LiveKit room: it exists exactly while the room is open."""

import asyncio

import httpx
import pytest
from livekit import api

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import House, server, until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import CO_HOST, Guests, co_host, exists, live, rights_of

SERVICE = kills.SERVICE
SETTINGS = {**kills.SETTINGS, "COHOST_COMPARISON_SECONDS": "5"}
MAKING = kills.points("CreateRoom", report="")[:-1]
DELETING = kills.points("ListRooms", "DeleteRoom", report="RoomDeleted")


async def ask(service: House, room_id: str) -> None:
    """Request broadcast data from a service that dies before it answers."""
    with pytest.raises(httpx.TransportError):
        await service.get(f"/v1/rooms/{room_id}/broadcast-data", "alice")


async def gone(service: House, room_id: str) -> bool:
    return not await exists(service, room_id)


@pytest.mark.parametrize("point", MAKING)
async def test_a_repeated_request_joins_the_same_livekit_room(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    async with killable.killed(point, name):
        request = asyncio.create_task(ask(service, name))
    await request
    alice = await clients.join(service, name, "alice")
    assert rights_of(alice) == {**CO_HOST, "badge": "host"}
    async with server(service.endpoints) as livekit:
        found = await livekit.room.list_rooms(api.ListRoomsRequest(names=[name]))
    assert len(found.rooms) == 1
    await killable.sound(name)


@pytest.mark.parametrize("point", MAKING[1:])
async def test_a_room_closed_while_its_service_was_down_is_deleted(killable: Mortal, point: str) -> None:
    service = killable.house
    name = await live(service)
    async with killable.dead(point, name) as hold:
        request = asyncio.create_task(ask(service, name))
    await request
    await service.publish_stage(name, "ended")
    await killable.revive()
    await until(lambda: killable.proxy.count("DeleteRoom", name))
    await until(lambda: gone(service, name))
    if hold is not None and not hold.answered:
        hold.let_go.set()
        # The call of the killed service still creates the room.
        await until(lambda: exists(service, name))
        await until(lambda: gone(service, name))
    await killable.sound(name)


@pytest.mark.parametrize("point", DELETING)
async def test_a_closed_room_is_deleted_and_revoked_once(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    seat, _ = await co_host(service, clients, name)
    async with killable.killed(point, name):
        await service.publish_stage(name, "ended")
        await service.unseat(name, "bob", seat, "room_ended")
    revoked = await service.event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    assert not await exists(service, name)
    await killable.sound(name)
