"""A hard mute holds whatever its owner does; mute changes have no webhook, so the resync finds them."""

from livekit import api

from cohost_schemas import commands, topics
from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    LiveKitClients,
    get_broadcast_data,
    open_room,
    publish_track,
    rights_of,
    seat_and_connect,
    stage_items,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, livekit_api, wait_until

SETTINGS = {"COHOST_COMPARISON_SECONDS": "0.5", "COHOST_RECONNECT_GRACE_SECONDS": "60"}
MUTED = {**CO_HOST_RIGHTS, "canPublishSources": 3}


async def publish_mute(service: ServiceUnderTest, room_id: str, *, hard: bool) -> None:
    command = commands.MuteCoHost(
        room_id=room_id, user_id="bob", actor_id="alice", source="microphone", hard=hard
    )
    await service.publish_record(topics.BROADCAST_COMMANDS, command, room_id)


async def published_sources(service: ServiceUnderTest, room_id: str) -> list[str]:
    return [track["source"] for track in (await stage_items(service, room_id))["bob"]["tracks"]]


async def test_a_hard_mute_outlives_its_owners_connection(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    old = (await get_broadcast_data(service, name, "bob")).json()["token"]
    await publish_mute(service, name, hard=True)
    await wait_until(lambda: rights_of(bob) == MUTED)
    await bob.disconnect()
    await service.wait_for_event("CoHostDisconnected", name, "bob")
    bob = await clients.connect_user(service, name, "bob")
    assert rights_of(bob) == MUTED
    await bob.disconnect()
    await service.wait_for_event("CoHostDisconnected", name, "bob", count=2)
    bob = await clients.connect_user(service, name, "bob", token=old)
    await wait_until(lambda: rights_of(bob) == MUTED)
    assert (await stage_items(service, name))["bob"]["hardMuted"] == ["microphone"]


async def test_a_hard_mute_blocks_republished_tracks(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    await publish_track(bob)
    await publish_track(bob, "camera")
    await wait_until(lambda: _has_sources(service, name, {"microphone", "camera"}))
    await publish_mute(service, name, hard=True)
    await wait_until(lambda: _has_sources(service, name, {"camera"}))
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    # Several, for the calls that follow one that has timed out.
    held = [proxy.hold_call("UpdateParticipant", name) for _ in range(5)]
    async with livekit_api(service.endpoints) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="bob", permission=everything)
        )
    await wait_until(held[0].reached.is_set)
    await publish_track(bob)
    for hold in held:
        hold.release.set()
    await wait_until(lambda: rights_of(bob) == MUTED)
    await wait_until(lambda: _has_sources(service, name, {"camera"}))


async def _has_sources(service: ServiceUnderTest, room_id: str, wanted: set[str]) -> bool:
    return set(await published_sources(service, room_id)) == wanted


async def test_a_hard_mute_outlives_a_promotion(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    await publish_mute(service, name, hard=True)
    await wait_until(lambda: rights_of(bob) == MUTED)
    for can_publish in (False, True):
        by_hand = api.ParticipantPermission(can_subscribe=True, can_publish=can_publish)
        changes: list[int] = []
        bob.on("participant_permissions_changed", lambda *_, changes=changes: changes.append(1))
        async with livekit_api(service.endpoints) as livekit:
            await livekit.room.update_participant(
                api.UpdateParticipantRequest(room=name, identity="bob", permission=by_hand)
            )
        await wait_until(lambda changes=changes: len(changes) >= 2)
        await wait_until(lambda: rights_of(bob) == MUTED)


async def test_the_stage_shows_when_an_owner_unmutes(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    publication = await publish_track(bob)
    await wait_until(lambda: _is_muted(service, name, [False]))
    await publish_mute(service, name, hard=False)
    await wait_until(lambda: _is_muted(service, name, [True]))
    await wait_until(lambda: publication.muted)
    assert publication.track is not None
    publication.track.unmute()
    await wait_until(lambda: _is_muted(service, name, [False]))
    assert rights_of(bob) == CO_HOST_RIGHTS


async def test_a_mute_by_the_owner_is_announced_by_the_next_resync(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    publication = await publish_track(bob)
    await service.wait_for_event("CoHostMediaChanged", name)
    assert publication.track is not None
    publication.track.mute()
    muted = await service.wait_for_event("CoHostMediaChanged", name, count=2)
    publication.track.unmute()
    unmuted = await service.wait_for_event("CoHostMediaChanged", name, count=3)
    assert muted.data is not None
    assert unmuted.data is not None
    assert (muted.data["published"], muted.data["muted"]) == (["microphone"], ["microphone"])
    assert (unmuted.data["published"], unmuted.data["muted"]) == (["microphone"], [])


async def _is_muted(service: ServiceUnderTest, room_id: str, muted: list[bool]) -> bool:
    return [track["muted"] for track in (await stage_items(service, room_id))["bob"]["tracks"]] == muted
