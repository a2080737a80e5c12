"""Not one webhook arrives: the comparison finds it all."""

from livekit import api

from tests.broadcast.e2e.house import House, server, until
from tests.broadcast.e2e.show import VIEWER, Guests, exists, forged, live, rights_of


async def test_a_connection_and_its_end_are_found(deaf_house: House, guests: Guests) -> None:
    name = await live(deaf_house)
    await deaf_house.seat(name, "bob")
    await deaf_house.await_(lambda heard: heard.key == f"{name}/bob")
    bob = await guests.join(deaf_house, name, "bob")
    await deaf_house.event("CoHostConnected", name, "bob")
    await bob.disconnect()
    await deaf_house.event("CoHostDisconnected", name, "bob")
    await deaf_house.event("CoHostLost", name, "bob")


async def test_an_intruder_is_found(deaf_house: House, guests: Guests) -> None:
    name = await live(deaf_house)
    await guests.join(deaf_house, name, "alice")
    mallory = await guests.join(deaf_house, name, "mallory", token=forged(deaf_house, name))
    await deaf_house.event("IntruderRemoved", name, "mallory")
    await until(lambda: not mallory.local_participant.permissions.can_publish)


async def test_a_manually_promoted_viewer_is_found_without_a_track(deaf_house: House, guests: Guests) -> None:
    name = await live(deaf_house)
    mallory = await guests.join(deaf_house, name, "mallory", viewer=True)
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    async with server(deaf_house.place) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="mallory", permission=everything)
        )
    await deaf_house.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)


async def test_manually_changed_permissions_are_restored(deaf_house: House, guests: Guests) -> None:
    name = await live(deaf_house)
    await deaf_house.seat(name, "bob")
    await deaf_house.await_(lambda heard: heard.key == f"{name}/bob")
    bob = await guests.join(deaf_house, name, "bob")
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


async def test_a_livekit_room_created_after_the_closing_is_deleted(deaf_house: House) -> None:
    name = await live(deaf_house)
    await deaf_house.stage(name, "ended")
    await deaf_house.await_(lambda heard: heard.key == f"{name}/alice" and heard.data is None)
    async with server(deaf_house.place) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=name))
    await until(lambda: gone(deaf_house, name))


async def gone(house: House, room_id: str) -> bool:
    return not await exists(house, room_id)
