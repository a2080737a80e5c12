"""LiveKit's rooms: as long-lived as needed, empty when they open again, and none while the room is closed."""

import asyncio

from livekit import api

from schemas import commands, topics
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


async def found(house: House, room_id: str) -> api.Room:
    async with server(house.place) as livekit:
        [room] = (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms
    return room


async def test_a_livekit_room_outlives_tokens_and_the_grace_period(proxied_house: House) -> None:
    name = await live(proxied_house)
    await broadcast_data(proxied_house, name, "alice")
    room = await found(proxied_house, name)
    assert room.max_participants == 0
    assert min(room.empty_timeout, room.departure_timeout) > max(TOKEN_SECONDS, GRACE_SECONDS)


async def test_a_reopened_room_starts_with_an_empty_stage(proxied_house: House, guests: Guests) -> None:
    house = proxied_house
    name = await live(house)
    seat, bob = await co_host(house, guests, name)
    old = (await broadcast_data(house, name, "bob")).json()["token"]
    await publish(bob, "camera")
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone", hard=True)
    await house.say(topics.BROADCAST_COMMANDS, mute, name)
    await until(lambda: rights_of(bob) == {**CO_HOST, "canPublishSources": 3})
    first = await found(house, name)
    await house.stage(name, "ended")
    await house.unseat(name, "bob", seat, "room_ended")
    await house.stage(name, "live")
    await house.event("GrantRevoked", name, "bob")
    alice = await guests.join(house, name, "alice")
    assert set(await items(house, name)) == {"alice"}
    assert (await found(house, name)).sid != first.sid
    intruding = await guests.join(house, name, "bob", token=old)
    removed = await house.event("IntruderRemoved", name, "bob")
    assert removed.data is not None
    assert removed.data["action"] == "demoted"
    await until(lambda: rights_of(intruding) == VIEWER)
    again = await house.seat(name, "bob")
    await until(lambda: rights_of(intruding) == CO_HOST)
    assert alice.isconnected()
    bobs = (await items(house, name))["bob"]
    assert (bobs["invitationId"], bobs["hardMuted"], bobs["tracks"]) == (again, [], [])


async def test_an_externally_deleted_livekit_room_is_created_again(
    proxied_house: House, guests: Guests
) -> None:
    house = proxied_house
    name = await live(house)
    await co_host(house, guests, name)
    first = await found(house, name)
    async with server(house.place) as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=name))
    assert not await exists(house, name)
    bob = await guests.join(house, name, "bob")
    assert rights_of(bob) == CO_HOST
    assert (await found(house, name)).sid != first.sid
    await until(lambda: _connected(house, name))
    assert "GrantRevoked" not in house.events(name)


async def _connected(house: House, room_id: str) -> bool:
    return bool((await items(house, room_id))["bob"]["connection"] == "connected")


async def test_a_room_closed_during_its_creation_does_not_survive(proxied_house: House, proxy: Proxy) -> None:
    house = proxied_house
    name = await live(house)
    held = proxy.hold("CreateRoom", name)
    asking = asyncio.create_task(house.get(f"/v1/rooms/{name}/broadcast-data", "alice"))
    await until(held.reached.is_set)
    await house.stage(name, "ended")
    await house.await_(lambda heard: heard.key == f"{name}/alice" and heard.data is None)
    await until(lambda: proxy.count("DeleteRoom", name))
    held.let_go.set()
    answer = await asking
    assert (answer.status_code, answer.json()["reason"]) == (409, "room_not_open")
    await until(lambda: _gone(house, name), 10)


async def _gone(house: House, room_id: str) -> bool:
    return not await exists(house, room_id)


async def test_a_seat_lost_during_room_creation_yields_no_token(proxied_house: House, proxy: Proxy) -> None:
    house = proxied_house
    name = await live(house)
    seat = await house.seat(name, "bob")
    await house.event("GrantProvisioned", name, "bob")
    held = proxy.hold("CreateRoom", name)
    asking = asyncio.create_task(house.get(f"/v1/rooms/{name}/broadcast-data", "bob"))
    await until(held.reached.is_set)
    await house.unseat(name, "bob", seat)
    await house.event("GrantRevoked", name, "bob")
    held.let_go.set()
    answer = await asking
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_on_stage")
