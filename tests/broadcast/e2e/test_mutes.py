"""A hard mute holds whatever its owner does; mute changes have no webhook, so the resync finds them."""

from livekit import api

from cohost_schemas import commands, topics
from tests.broadcast.e2e.house import House, server, until
from tests.broadcast.e2e.proxy import Proxy
from tests.broadcast.e2e.show import CO_HOST, Guests, broadcast_data, co_host, items, live, publish, rights_of

SETTINGS = {"COHOST_COMPARISON_SECONDS": "0.5", "COHOST_RECONNECT_GRACE_SECONDS": "60"}
MUTED = {**CO_HOST, "canPublishSources": 3}


async def mute(service: House, room_id: str, *, hard: bool) -> None:
    command = commands.MuteCoHost(
        room_id=room_id, user_id="bob", actor_id="alice", source="microphone", hard=hard
    )
    await service.say(topics.BROADCAST_COMMANDS, command, room_id)


async def sources(service: House, room_id: str) -> list[str]:
    return [track["source"] for track in (await items(service, room_id))["bob"]["tracks"]]


async def test_a_hard_mute_outlives_its_owners_connection(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    old = (await broadcast_data(service, name, "bob")).json()["token"]
    await mute(service, name, hard=True)
    await until(lambda: rights_of(bob) == MUTED)
    await bob.disconnect()
    await service.event("CoHostDisconnected", name, "bob")
    bob = await clients.join(service, name, "bob")
    assert rights_of(bob) == MUTED
    await bob.disconnect()
    await service.event("CoHostDisconnected", name, "bob", count=2)
    bob = await clients.join(service, name, "bob", token=old)
    await until(lambda: rights_of(bob) == MUTED)
    assert (await items(service, name))["bob"]["hardMuted"] == ["microphone"]


async def test_a_hard_mute_blocks_republished_tracks(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    await publish(bob)
    await publish(bob, "camera")
    await until(lambda: _has(service, name, {"microphone", "camera"}))
    await mute(service, name, hard=True)
    await until(lambda: _has(service, name, {"camera"}))
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    held = proxy.hold("UpdateParticipant", name)
    async with server(service.endpoints) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="bob", permission=everything)
        )
    await until(held.reached.is_set)
    await publish(bob)
    held.let_go.set()
    await until(lambda: rights_of(bob) == MUTED)
    await until(lambda: _has(service, name, {"camera"}))


async def _has(service: House, room_id: str, wanted: set[str]) -> bool:
    return set(await sources(service, room_id)) == wanted


async def test_a_hard_mute_outlives_a_promotion(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    await mute(service, name, hard=True)
    await until(lambda: rights_of(bob) == MUTED)
    for can_publish in (False, True):
        by_hand = api.ParticipantPermission(can_subscribe=True, can_publish=can_publish)
        changes: list[int] = []
        bob.on("participant_permissions_changed", lambda *_, changes=changes: changes.append(1))
        async with server(service.endpoints) as livekit:
            await livekit.room.update_participant(
                api.UpdateParticipantRequest(room=name, identity="bob", permission=by_hand)
            )
        await until(lambda changes=changes: len(changes) >= 2)
        await until(lambda: rights_of(bob) == MUTED)


async def test_the_stage_shows_when_an_owner_unmutes(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    publication = await publish(bob)
    await until(lambda: _is_muted(service, name, [False]))
    await mute(service, name, hard=False)
    await until(lambda: _is_muted(service, name, [True]))
    await until(lambda: publication.muted)
    assert publication.track is not None
    publication.track.unmute()
    await until(lambda: _is_muted(service, name, [False]))
    assert rights_of(bob) == CO_HOST


async def _is_muted(service: House, room_id: str, muted: list[bool]) -> bool:
    return [track["muted"] for track in (await items(service, room_id))["bob"]["tracks"]] == muted
