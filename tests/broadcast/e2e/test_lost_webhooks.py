"""Not one webhook arrives: the comparison finds it all."""

from collections.abc import AsyncIterator

import pytest
from livekit import api, rtc

from tests.broadcast.e2e.house import House, room, server, until


@pytest.fixture
async def guests() -> AsyncIterator[list[rtc.Room]]:
    """Everybody who is connected; they leave at the end."""
    rooms: list[rtc.Room] = []
    yield rooms
    for joined in rooms:
        await joined.disconnect()


async def live(house: House) -> str:
    name = room()
    await house.stage(name)
    await house.await_(lambda heard: heard.key == f"{name}/alice")
    return name


async def join(house: House, room_id: str, user_id: str, guests: list[rtc.Room]) -> rtc.Room:
    data = (await house.get(f"/v1/rooms/{room_id}/broadcast-data", user_id)).json()
    joined = rtc.Room()
    await joined.connect(data["serverUrl"], data["token"])
    guests.append(joined)
    return joined


async def test_a_connection_and_its_end_are_found(deaf_house: House, guests: list[rtc.Room]) -> None:
    name = await live(deaf_house)
    await deaf_house.seat(name, "bob")
    await deaf_house.await_(lambda heard: heard.key == f"{name}/bob")
    bob = await join(deaf_house, name, "bob", guests)
    await deaf_house.event("CoHostConnected", name, "bob")
    await bob.disconnect()
    await deaf_house.event("CoHostDisconnected", name, "bob")
    await deaf_house.event("CoHostLost", name, "bob")


async def test_an_intruder_is_found(deaf_house: House, guests: list[rtc.Room]) -> None:
    name = await live(deaf_house)
    await join(deaf_house, name, "alice", guests)
    key, secret = deaf_house.place.livekit_key, deaf_house.place.livekit_secret
    token = api.AccessToken(key, secret).with_identity("mallory")
    mallory = rtc.Room()
    guests.append(mallory)
    grants = api.VideoGrants(room_join=True, room=name)
    await mallory.connect(deaf_house.place.livekit_url, token.with_grants(grants).to_jwt())
    await deaf_house.event("IntruderRemoved", name, "mallory")
    await until(lambda: not mallory.local_participant.permissions.can_publish)


async def test_rights_that_were_changed_by_hand_are_put_right(
    deaf_house: House, guests: list[rtc.Room]
) -> None:
    name = await live(deaf_house)
    await deaf_house.seat(name, "bob")
    await deaf_house.await_(lambda heard: heard.key == f"{name}/bob")
    bob = await join(deaf_house, name, "bob", guests)
    await deaf_house.event("CoHostConnected", name, "bob")
    seen: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: seen.append(now.can_publish))
    async with server(deaf_house.place) as livekit:
        nothing = api.ParticipantPermission(can_subscribe=True)
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="bob", permission=nothing)
        )
    await until(lambda: seen == [False, True])
    assert deaf_house.events(name, "bob").count("GrantProvisioned") == 1


async def test_a_livekit_room_that_somebody_made_after_the_closing_is_deleted(deaf_house: House) -> None:
    name = await live(deaf_house)
    await deaf_house.stage(name, "ended")
    await deaf_house.await_(lambda heard: heard.key == f"{name}/alice" and heard.data is None)
    async with server(deaf_house.place) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=name))
        await until(lambda: _gone(livekit, name))


async def _gone(livekit: api.LiveKitAPI, room_id: str) -> bool:
    return not (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms
