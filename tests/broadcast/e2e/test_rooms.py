"""LiveKit rooms: they live as long as needed, are empty after a reopening, and absent while closed."""

import asyncio

from livekit import api

from cohost_schemas import commands, topics
from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    get_broadcast_data,
    livekit_room_exists,
    open_room,
    publish_track,
    rights_of,
    seat_and_connect,
    stage_items,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, livekit_api, wait_until

GRACE_SECONDS = 900
TOKEN_SECONDS = 600 + 60
SETTINGS = {
    "COHOST_COMPARISON_SECONDS": "3600",
    "COHOST_RECONNECT_GRACE_SECONDS": str(GRACE_SECONDS),
}


async def find_livekit_room(service: ServiceUnderTest, room_id: str) -> api.Room:
    async with livekit_api(service.endpoints) as livekit:
        [room] = (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms
    return room


async def test_a_livekit_room_outlives_tokens_and_the_grace_period(proxied_service: ServiceUnderTest) -> None:
    name = await open_room(proxied_service)
    await get_broadcast_data(proxied_service, name, "alice")
    room = await find_livekit_room(proxied_service, name)
    assert room.max_participants == 0
    assert min(room.empty_timeout, room.departure_timeout) > max(TOKEN_SECONDS, GRACE_SECONDS)


async def test_a_reopened_room_starts_with_an_empty_stage(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    seat, bob = await seat_and_connect(service, clients, name)
    old = (await get_broadcast_data(service, name, "bob")).json()["token"]
    await publish_track(bob, "camera")
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone", hard=True)
    await service.publish_record(topics.BROADCAST_COMMANDS, mute, name)
    await wait_until(lambda: rights_of(bob) == {**CO_HOST_RIGHTS, "canPublishSources": 3})
    first = await find_livekit_room(service, name)
    await service.publish_stage(name, "ended")
    await service.end_seat(name, "bob", seat, "room_ended")
    await service.publish_stage(name, "live")
    await service.wait_for_event("GrantRevoked", name, "bob")
    alice = await clients.connect_user(service, name, "alice")
    assert set(await stage_items(service, name)) == {"alice"}
    assert (await find_livekit_room(service, name)).sid != first.sid
    intruding = await clients.connect_user(service, name, "bob", token=old)
    removed = await service.wait_for_event("IntruderRemoved", name, "bob")
    assert removed.data is not None
    assert removed.data["action"] == "demoted"
    await wait_until(lambda: rights_of(intruding) == VIEWER_RIGHTS)
    again = await service.seat_user(name, "bob")
    await wait_until(lambda: rights_of(intruding) == CO_HOST_RIGHTS)
    assert alice.isconnected()
    bobs = (await stage_items(service, name))["bob"]
    assert (bobs["invitationId"], bobs["hardMuted"], bobs["tracks"]) == (again, [], [])


async def test_an_externally_deleted_livekit_room_is_created_again(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    await seat_and_connect(service, clients, name)
    first = await find_livekit_room(service, name)
    async with livekit_api(service.endpoints) as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=name))
    assert not await livekit_room_exists(service, name)
    bob = await clients.connect_user(service, name, "bob")
    assert rights_of(bob) == CO_HOST_RIGHTS
    assert (await find_livekit_room(service, name)).sid != first.sid
    await wait_until(lambda: _is_connected(service, name))
    assert "GrantRevoked" not in service.event_names(name)


async def _is_connected(service: ServiceUnderTest, room_id: str) -> bool:
    return bool((await stage_items(service, room_id))["bob"]["connection"] == "connected")


async def test_a_room_closed_during_its_creation_does_not_survive(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy
) -> None:
    service = proxied_service
    name = await open_room(service)
    held = proxy.hold_call("CreateRoom", name)
    request = asyncio.create_task(service.http_get(f"/v1/rooms/{name}/broadcast-data", "alice"))
    await wait_until(held.reached.is_set)
    await service.publish_stage(name, "ended")
    await service.wait_for_records(lambda record: record.key == f"{name}/alice" and record.data is None)
    await wait_until(lambda: proxy.count_calls("DeleteRoom", name))
    held.release.set()
    answer = await request
    assert (answer.status_code, answer.json()["reason"]) == (409, "room_not_open")
    await wait_until(lambda: _is_deleted(service, name), 10)


async def _is_deleted(service: ServiceUnderTest, room_id: str) -> bool:
    return not await livekit_room_exists(service, room_id)


async def test_a_seat_lost_during_room_creation_yields_no_token(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy
) -> None:
    service = proxied_service
    name = await open_room(service)
    seat = await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    held = proxy.hold_call("CreateRoom", name)
    request = asyncio.create_task(service.http_get(f"/v1/rooms/{name}/broadcast-data", "bob"))
    await wait_until(held.reached.is_set)
    await service.end_seat(name, "bob", seat)
    await service.wait_for_event("GrantRevoked", name, "bob")
    held.release.set()
    answer = await request
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_on_stage")
