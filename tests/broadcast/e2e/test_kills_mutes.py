"""Killed during a mute or a request to unmute: it is executed and published once."""

import json

import pytest
from livekit import rtc

from cohost_schemas import commands, topics
from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    LiveKitClients,
    open_room,
    publish_track,
    seat_and_connect,
    stage_items,
)
from tests.broadcast.e2e.service_under_test import wait_until

SERVICE, SETTINGS = killable_service.SERVICE, killable_service.SETTINGS


@pytest.mark.parametrize(
    "point", killable_service.failpoints_around("GetParticipant", "MutePublishedTrack", report="ErrandDone")
)
async def test_a_soft_mute_reaches_every_track_of_its_source(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    shared = [await publish_track(bob, source) for source in ("screen_share", "screen_share_audio")]
    voice = await publish_track(bob)
    # LiveKit can mute a track only once its media arrives.
    await wait_until(lambda: has_tracks(killable, name, 3))
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="screen_share")
    async with killable.restarted_after_kill(point, name):
        await service.publish_record(topics.BROADCAST_COMMANDS, mute, name)
    await wait_until(lambda: all(track.muted for track in shared))
    assert not voice.muted
    await wait_until(lambda: has_muted_tracks(killable, name))
    await killable.assert_consistent(name)
    assert service.event_names(name).count("CoHostMuted") == 1


async def has_tracks(killable: KillableService, room_id: str, count: int) -> bool:
    return len((await stage_items(killable.service, room_id))["bob"]["tracks"]) == count


async def has_muted_tracks(killable: KillableService, room_id: str) -> bool:
    tracks = (await stage_items(killable.service, room_id))["bob"]["tracks"]
    return {track["source"] for track in tracks if track["muted"]} == {"screen_share", "screen_share_audio"}


@pytest.mark.parametrize(
    "point", killable_service.failpoints_around("MutePublishedTrack", report="GrantApplied")
)
async def test_a_hard_mute_reaches_a_disguised_track(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    voice = await publish_track(bob, "camera", "audio")
    await service.wait_for_event("CoHostMediaChanged", name, "bob")
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone", hard=True)
    async with killable.restarted_after_kill(point, name):
        await service.publish_record(topics.BROADCAST_COMMANDS, mute, name)
    await wait_until(lambda: voice.muted)
    muted = await service.wait_for_event("CoHostMediaChanged", name, "bob", count=2)
    assert muted.data is not None
    assert (muted.data["published"], muted.data["muted"]) == (["camera"], ["camera"])
    await killable.assert_consistent(name)
    assert service.event_names(name).count("CoHostMuted") == 1
    assert service.event_names(name).count("CoHostMediaChanged") == 2


@pytest.mark.parametrize(
    "point", killable_service.failpoints_around("GetParticipant", "SendData", report="ErrandDone")
)
async def test_a_request_to_unmute_arrives_at_least_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    messages: list[rtc.DataPacket] = []
    bob.on("data_received", messages.append)
    unmute = commands.UnmuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone")
    async with killable.restarted_after_kill(point, name):
        command_id = await service.publish_record(topics.BROADCAST_COMMANDS, unmute, name)
    await wait_until(lambda: messages)
    await service.wait_for_event("CoHostUnmuteRequested", name, "bob")
    await killable.assert_consistent(name)
    assert {json.loads(message.data)["id"] for message in messages} == {command_id}
    assert service.event_names(name).count("CoHostUnmuteRequested") == 1
