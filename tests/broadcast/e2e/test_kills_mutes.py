"""Killed during a soft mute or a request to unmute: it is executed and published once."""

import json

import pytest
from livekit import rtc

from cohost_schemas import commands, topics
from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import Guests, co_host, items, live, publish

SERVICE, SETTINGS = kills.SERVICE, kills.SETTINGS


@pytest.mark.parametrize("point", kills.points("GetParticipant", "MutePublishedTrack", report="ErrandDone"))
async def test_a_soft_mute_reaches_every_track_of_its_source(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    shared = [await publish(bob, source) for source in ("screen_share", "screen_share_audio")]
    voice = await publish(bob)
    # LiveKit can mute a track only once its media arrives.
    await until(lambda: published(killable, name, 3))
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="screen_share")
    async with killable.killed(point, name):
        await service.say(topics.BROADCAST_COMMANDS, mute, name)
    await until(lambda: all(track.muted for track in shared))
    assert not voice.muted
    await until(lambda: noted(killable, name))
    await killable.sound(name)
    assert service.events(name).count("CoHostMuted") == 1


async def published(killable: Mortal, room_id: str, count: int) -> bool:
    return len((await items(killable.house, room_id))["bob"]["tracks"]) == count


async def noted(killable: Mortal, room_id: str) -> bool:
    tracks = (await items(killable.house, room_id))["bob"]["tracks"]
    return {track["source"] for track in tracks if track["muted"]} == {"screen_share", "screen_share_audio"}


@pytest.mark.parametrize("point", kills.points("GetParticipant", "SendData", report="ErrandDone"))
async def test_a_request_to_unmute_arrives_at_least_once(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    messages: list[rtc.DataPacket] = []
    bob.on("data_received", messages.append)
    unmute = commands.UnmuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone")
    async with killable.killed(point, name):
        command_id = await service.say(topics.BROADCAST_COMMANDS, unmute, name)
    await until(lambda: messages)
    await service.event("CoHostUnmuteRequested", name, "bob")
    await killable.sound(name)
    assert {json.loads(message.data)["id"] for message in messages} == {command_id}
    assert service.events(name).count("CoHostUnmuteRequested") == 1
