"""LiveKit rooms: they live as long as needed, are empty after a reopening, and absent while closed."""

import asyncio

from livekit import api

from cohost_schemas import commands, topics
from tests.broadcast.e2e.house import House, server, until
from tests.broadcast.e2e.proxy import Proxy
from tests.broadcast.e2e.show import (
    CO_HOST,
    VIEWER,
    Guests,
    broadcast_data,
    co_host,
    exists,
    items,
    live,
    publish,
    rights_of,
)

GRACE_SECONDS = 900
TOKEN_SECONDS = 600 + 60
SETTINGS = {
    "COHOST_COMPARISON_SECONDS": "3600",
    "COHOST_RECONNECT_GRACE_SECONDS": str(GRACE_SECONDS),
}


async def found(service: House, room_id: str) -> api.Room:
    async with server(service.endpoints) as livekit:
        [room] = (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms
    return room


async def test_a_livekit_room_outlives_tokens_and_the_grace_period(proxied_service: House) -> None:
    name = await live(proxied_service)
    await broadcast_data(proxied_service, name, "alice")
    room = await found(proxied_service, name)
    assert room.max_participants == 0
    assert min(room.empty_timeout, room.departure_timeout) > max(TOKEN_SECONDS, GRACE_SECONDS)


async def test_a_reopened_room_starts_with_an_empty_stage(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    seat, bob = await co_host(service, clients, name)
    old = (await broadcast_data(service, name, "bob")).json()["token"]
    await publish(bob, "camera")
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone", hard=True)
    await service.say(topics.BROADCAST_COMMANDS, mute, name)
    await until(lambda: rights_of(bob) == {**CO_HOST, "canPublishSources": 3})
    first = await found(service, name)
    await service.publish_stage(name, "ended")
    await service.unseat(name, "bob", seat, "room_ended")
    await service.publish_stage(name, "live")
    await service.event("GrantRevoked", name, "bob")
    alice = await clients.join(service, name, "alice")
    assert set(await items(service, name)) == {"alice"}
    assert (await found(service, name)).sid != first.sid
    intruding = await clients.join(service, name, "bob", token=old)
    removed = await service.event("IntruderRemoved", name, "bob")
    assert removed.data is not None
    assert removed.data["action"] == "demoted"
    await until(lambda: rights_of(intruding) == VIEWER)
    again = await service.seat_user(name, "bob")
    await until(lambda: rights_of(intruding) == CO_HOST)
    assert alice.isconnected()
    bobs = (await items(service, name))["bob"]
    assert (bobs["invitationId"], bobs["hardMuted"], bobs["tracks"]) == (again, [], [])


async def test_an_externally_deleted_livekit_room_is_created_again(
    proxied_service: House, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    await co_host(service, clients, name)
    first = await found(service, name)
    async with server(service.endpoints) as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=name))
    assert not await exists(service, name)
    bob = await clients.join(service, name, "bob")
    assert rights_of(bob) == CO_HOST
    assert (await found(service, name)).sid != first.sid
    await until(lambda: _connected(service, name))
    assert "GrantRevoked" not in service.events(name)


async def _connected(service: House, room_id: str) -> bool:
    return bool((await items(service, room_id))["bob"]["connection"] == "connected")


async def test_a_room_closed_during_its_creation_does_not_survive(
    proxied_service: House, proxy: Proxy
) -> None:
    service = proxied_service
    name = await live(service)
    held = proxy.hold("CreateRoom", name)
    request = asyncio.create_task(service.get(f"/v1/rooms/{name}/broadcast-data", "alice"))
    await until(held.reached.is_set)
    await service.publish_stage(name, "ended")
    await service.await_(lambda record: record.key == f"{name}/alice" and record.data is None)
    await until(lambda: proxy.count("DeleteRoom", name))
    held.let_go.set()
    answer = await request
    assert (answer.status_code, answer.json()["reason"]) == (409, "room_not_open")
    await until(lambda: _gone(service, name), 10)


async def _gone(service: House, room_id: str) -> bool:
    return not await exists(service, room_id)


async def test_a_seat_lost_during_room_creation_yields_no_token(proxied_service: House, proxy: Proxy) -> None:
    service = proxied_service
    name = await live(service)
    seat = await service.seat_user(name, "bob")
    await service.event("GrantProvisioned", name, "bob")
    held = proxy.hold("CreateRoom", name)
    request = asyncio.create_task(service.get(f"/v1/rooms/{name}/broadcast-data", "bob"))
    await until(held.reached.is_set)
    await service.unseat(name, "bob", seat)
    await service.event("GrantRevoked", name, "bob")
    held.let_go.set()
    answer = await request
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_on_stage")
