"""No webhook arrives: the resync finds every change."""

from livekit import api

from tests.broadcast.e2e.scenario_steps import (
    VIEWER_RIGHTS,
    LiveKitClients,
    forged_token,
    livekit_room_exists,
    open_room,
    publish_track,
    rights_of,
    seat_and_connect,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, livekit_api, wait_until


async def test_a_connection_and_its_end_are_found(
    service_without_webhooks: ServiceUnderTest, clients: LiveKitClients
) -> None:
    name = await open_room(service_without_webhooks)
    await service_without_webhooks.seat_user(name, "bob")
    await service_without_webhooks.wait_for_records(lambda record: record.key == f"{name}/bob")
    bob = await clients.connect_user(service_without_webhooks, name, "bob")
    await service_without_webhooks.wait_for_event("CoHostConnected", name, "bob")
    await bob.disconnect()
    await service_without_webhooks.wait_for_event("CoHostDisconnected", name, "bob")
    await service_without_webhooks.wait_for_event("CoHostLost", name, "bob")


async def test_a_hosts_connection_and_a_co_hosts_media_are_found(
    service_without_webhooks: ServiceUnderTest, clients: LiveKitClients
) -> None:
    name = await open_room(service_without_webhooks)
    alice = await clients.connect_user(service_without_webhooks, name, "alice")
    await service_without_webhooks.wait_for_event("HostConnected", name)
    _, bob = await seat_and_connect(service_without_webhooks, clients, name)
    await publish_track(bob)
    published = await service_without_webhooks.wait_for_event("CoHostMediaChanged", name)
    assert published.data is not None
    assert (published.data["published"], published.data["muted"]) == (["microphone"], [])
    await alice.disconnect()
    await service_without_webhooks.wait_for_event("HostDisconnected", name)


async def test_an_intruder_is_found(
    service_without_webhooks: ServiceUnderTest, clients: LiveKitClients
) -> None:
    name = await open_room(service_without_webhooks)
    await clients.connect_user(service_without_webhooks, name, "alice")
    mallory = await clients.connect_user(
        service_without_webhooks, name, "mallory", token=forged_token(service_without_webhooks, name)
    )
    await service_without_webhooks.wait_for_event("IntruderRemoved", name, "mallory")
    await wait_until(lambda: not mallory.local_participant.permissions.can_publish)


async def test_a_manually_promoted_viewer_is_found_without_a_track(
    service_without_webhooks: ServiceUnderTest, clients: LiveKitClients
) -> None:
    name = await open_room(service_without_webhooks)
    mallory = await clients.connect_user(service_without_webhooks, name, "mallory", viewer=True)
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    async with livekit_api(service_without_webhooks.endpoints) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="mallory", permission=everything)
        )
    await service_without_webhooks.wait_for_event("IntruderRemoved", name, "mallory")
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)


async def test_manually_changed_permissions_are_restored(
    service_without_webhooks: ServiceUnderTest, clients: LiveKitClients
) -> None:
    name = await open_room(service_without_webhooks)
    _, bob = await seat_and_connect(service_without_webhooks, clients, name)
    seen: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: seen.append(now.can_publish))
    async with livekit_api(service_without_webhooks.endpoints) as livekit:
        nothing = api.ParticipantPermission(can_subscribe=True)
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="bob", permission=nothing)
        )
    await wait_until(lambda: seen == [False, True])
    assert service_without_webhooks.event_names(name, "bob").count("GrantProvisioned") == 1


async def test_a_livekit_room_created_after_the_closing_is_deleted(
    service_without_webhooks: ServiceUnderTest,
) -> None:
    name = await open_room(service_without_webhooks)
    await service_without_webhooks.publish_stage(name, "ended")
    await service_without_webhooks.wait_for_records(
        lambda record: record.key == f"{name}/alice" and record.data is None
    )
    async with livekit_api(service_without_webhooks.endpoints) as livekit:
        await livekit.room.create_room(api.CreateRoomRequest(name=name))
    await wait_until(lambda: is_deleted(service_without_webhooks, name))


async def is_deleted(service: ServiceUnderTest, room_id: str) -> bool:
    return not await livekit_room_exists(service, room_id)
