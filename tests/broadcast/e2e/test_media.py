"""Hosts and media by webhooks and our own calls alone: the next periodic resync is far away."""

import asyncio
import time
from typing import Any

from livekit import rtc

from cohost_schemas import commands, topics
from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    LiveKitClients,
    livekit_participants,
    open_room,
    publish_track,
    seat_and_connect,
    stage_items,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until

SETTINGS = {"COHOST_COMPARISON_SECONDS": "3600", "COHOST_RECONNECT_GRACE_SECONDS": "60"}
MUTE_SECONDS = 5.0
HOST_EVENTS = ("HostConnected", "HostDisconnected", "HostReconnected")


async def publish_mute(
    service: ServiceUnderTest, room_id: str, source: Any = "microphone", *, hard: bool
) -> None:
    command = commands.MuteCoHost(room_id=room_id, user_id="bob", actor_id="alice", source=source, hard=hard)
    await service.publish_record(topics.BROADCAST_COMMANDS, command, room_id)


def media_of(service: ServiceUnderTest, room_id: str) -> list[tuple[list[str], list[str]]]:
    """Return the sources of each `CoHostMediaChanged` so far: published and muted."""
    return [
        (record.data["published"], record.data["muted"])
        for record in service.published
        if record.name == "CoHostMediaChanged"
        and record.data is not None
        and record.data["roomId"] == room_id
    ]


def host_events_of(service: ServiceUnderTest, room_id: str) -> list[tuple[str, str]]:
    """Return the name and the host of each event about the host's connection so far."""
    return [
        (record.name, record.data["userId"])
        for record in service.published
        if record.name in HOST_EVENTS and record.data is not None and record.data["roomId"] == room_id
    ]


async def wait_until_muted(service: ServiceUnderTest, room_id: str, sid: str) -> float:
    """Wait until LiveKit has bob's track muted; return the seconds that it took."""
    began = time.monotonic()
    await wait_until(lambda: _is_muted(service, room_id, sid))
    return time.monotonic() - began


async def _is_muted(service: ServiceUnderTest, room_id: str, sid: str) -> bool:
    bob = (await livekit_participants(service, room_id))["bob"]
    return any(track.sid == sid and track.muted for track in bob.tracks)


async def _published_sources(service: ServiceUnderTest, room_id: str, user_id: str) -> list[str]:
    published: list[str] = (await stage_items(service, room_id))[user_id]["published"]
    return published


async def test_media_is_announced_with_each_webhook_and_mute(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    invitation_id, bob = await seat_and_connect(service, clients, name)
    published = await publish_track(bob)
    first = await service.wait_for_event("CoHostMediaChanged", name, "bob")
    assert first.data == {
        "roomId": name,
        "userId": "bob",
        "invitationId": invitation_id,
        "published": ["microphone"],
        "muted": [],
        "at": first.data["at"],  # type: ignore[index]
    }
    await publish_track(bob, "camera")
    await service.wait_for_event("CoHostMediaChanged", name, "bob", count=2)
    await publish_mute(service, name, hard=False)
    await service.wait_for_event("CoHostMediaChanged", name, "bob", count=3)
    assert await _published_sources(service, name, "bob") == ["camera", "microphone"]
    await bob.local_participant.unpublish_track(published.sid)
    await wait_until(lambda: len(media_of(service, name)) == 4)
    await bob.disconnect()
    await wait_until(lambda: len(media_of(service, name)) == 5)
    assert media_of(service, name) == [
        (["microphone"], []),
        (["camera", "microphone"], []),
        (["camera", "microphone"], ["microphone"]),
        (["camera"], []),
        ([], []),
    ]
    assert await _published_sources(service, name, "bob") == []


async def test_a_promoted_viewers_first_track_is_announced(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    may_publish = asyncio.Event()
    bob.on("participant_permissions_changed", lambda *_: may_publish.set())
    await service.seat_user(name, "bob")
    await may_publish.wait()
    await publish_track(bob)
    await service.wait_for_event("CoHostMediaChanged", name, "bob")
    assert media_of(service, name) == [(["microphone"], [])]


async def test_a_hosts_connection_is_announced(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    host = await clients.connect_user(service, name, "alice")
    connected = await service.wait_for_event("HostConnected", name)
    assert connected.data == {"roomId": name, "userId": "alice", "at": connected.data["at"]}  # type: ignore[index]
    await publish_track(host, "camera")
    await wait_until(lambda: _published_sources(service, name, "alice"))
    assert await _published_sources(service, name, "alice") == ["camera"]
    await host.disconnect()
    await service.wait_for_event("HostDisconnected", name)
    await clients.connect_user(service, name, "alice")
    await service.wait_for_event("HostReconnected", name)
    _, bob = await seat_and_connect(service, clients, name)
    await service.publish_stage(name, host="bob")
    await service.wait_for_event("HostConnected", name, "bob")
    await bob.disconnect()
    await service.wait_for_event("HostDisconnected", name, "bob")
    assert host_events_of(service, name) == [
        ("HostConnected", "alice"),
        ("HostDisconnected", "alice"),
        ("HostReconnected", "alice"),
        ("HostConnected", "bob"),
        ("HostDisconnected", "bob"),
    ]
    assert media_of(service, name) == []


async def test_the_closing_of_a_room_announces_nothing(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    invitation_id, bob = await seat_and_connect(service, clients, name)
    await publish_track(bob)
    await wait_until(lambda: media_of(service, name))
    await service.wait_for_event("HostConnected", name)
    await service.publish_stage(name, "ended")
    await service.end_seat(name, "bob", invitation_id, "room_ended")
    await service.wait_for_event("GrantRevoked", name, "bob")
    await wait_until(lambda: not any(joined.isconnected() for joined in clients.connections))
    await service.publish_stage(name, "idle")
    await clients.connect_user(service, name, "alice")
    await service.wait_for_event("HostConnected", name, count=2)
    assert host_events_of(service, name) == [("HostConnected", "alice")] * 2
    assert len(media_of(service, name)) == 1


async def test_a_hard_mute_reaches_tracks_published_under_another_name(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    before = await publish_track(bob, "camera", "audio")
    genuine = await publish_track(bob, "camera")
    await publish_mute(service, name, hard=True)
    await wait_until_muted(service, name, before.sid)
    after = await publish_track(bob, "screen_share_audio")
    seconds = [await wait_until_muted(service, name, after.sid)]
    await wait_until(
        lambda: (["camera", "screen_share_audio"], ["screen_share_audio"]) in media_of(service, name)
    )
    assert not await _is_muted(service, name, genuine.sid)
    await publish_mute(service, name, "camera", hard=True)
    video = await publish_track(bob, "screen_share_audio", "video")
    seconds.append(await wait_until_muted(service, name, video.sid))
    # A pause of the machine delays one of them, not both.
    assert min(seconds) < MUTE_SECONDS


async def test_a_disguised_track_that_its_owner_unmutes_is_muted_again(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    await publish_mute(service, name, hard=True)
    await wait_until(lambda: len(bob.local_participant.permissions.can_publish_sources) == 3)
    published = await publish_track(bob, "camera", "audio")
    await wait_until_muted(service, name, published.sid)
    seconds = []
    for _ in range(2):
        await wait_until(lambda: published.muted)
        calls = proxy.count_calls("MutePublishedTrack", published.sid)
        began = time.monotonic()
        _unmute(published)
        # LiveKit shows the track unmuted for so short a time that a look may miss it.
        await wait_until(lambda calls=calls: proxy.count_calls("MutePublishedTrack", published.sid) > calls)
        await wait_until_muted(service, name, published.sid)
        seconds.append(time.monotonic() - began)
    # A pause of the machine delays one of them, not both.
    assert min(seconds) < MUTE_SECONDS


def _unmute(published: rtc.LocalTrackPublication) -> None:
    assert published.track is not None
    published.track.unmute()
