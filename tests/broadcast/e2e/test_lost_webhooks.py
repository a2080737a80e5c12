"""No webhook arrives: the resync finds every change."""

from livekit import api

from tests.broadcast.e2e.house import House, server, until
from tests.broadcast.e2e.show import VIEWER, Guests, exists, forged, live, rights_of


async def test_a_connection_and_its_end_are_found(service_without_webhooks: House, clients: Guests) -> None:
    name = await live(service_without_webhooks)
    await service_without_webhooks.seat_user(name, "bob")
    await service_without_webhooks.await_(lambda record: record.key == f"{name}/bob")
    bob = await clients.join(service_without_webhooks, name, "bob")
    await service_without_webhooks.event("CoHostConnected", name, "bob")
    await bob.disconnect()
    await service_without_webhooks.event("CoHostDisconnected", name, "bob")
    await service_without_webhooks.event("CoHostLost", name, "bob")


async def test_an_intruder_is_found(service_without_webhooks: House, clients: Guests) -> None:
    name = await live(service_without_webhooks)
    await clients.join(service_without_webhooks, name, "alice")
    mallory = await clients.join(
        service_without_webhooks, name, "mallory", token=forged(service_without_webhooks, name)
    )
    await service_without_webhooks.event("IntruderRemoved", name, "mallory")
    await until(lambda: not mallory.local_participant.permissions.can_publish)


async def test_a_manually_promoted_viewer_is_found_without_a_track(
    service_without_webhooks: House, clients: Guests
) -> None:
    name = await live(service_without_webhooks)
    mallory = await clients.join(service_without_webhooks, name, "mallory", viewer=True)
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    async with server(service_without_webhooks.endpoints) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="mallory", permission=everything)
        )
    await service_without_webhooks.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)


async def test_manually_changed_permissions_are_restored(
    service_without_webhooks: House, clients: Guests
) -> None:
    name = await live(service_without_webhooks)
    await service_without_webhooks.seat_user(name, "bob")
    await service_without_webhooks.await_(lambda record: record.key == f"{name}/bob")
    bob = await clients.join(service_without_webhooks, name, "bob")
    await service_without_webhooks.event("CoHostConnected", name, "bob")
    seen: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: seen.append(now.can_publish))
    async with server(service_without_webhooks.endpoints) as livekit:
        nothing = api.ParticipantPermission(can_subscribe=True)
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="bob", permission=nothing)
        )
    await until(lambda: seen == [False, True])
    assert service_without_webhooks.events(name, "bob").count("GrantProvisioned") == 1


async def test_a_livekit_room_created_after_the_closing_is_deleted(service_without_webhooks: House) -> None:
    name = await live(service_without_webhooks)
    await service_without_webhooks.publish_stage(name, "ended")
    await service_without_webhooks.await_(
        lambda record: record.key == f"{name}/alice" and record.data is None
    )
    async with server(service_without_webhooks.endpoints) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=name))
    await until(lambda: gone(service_without_webhooks, name))


async def gone(service: House, room_id: str) -> bool:
    return not await exists(service, room_id)
