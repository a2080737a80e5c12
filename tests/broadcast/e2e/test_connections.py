"""Connections reported by webhooks alone: the first resync is over and the next is far away."""

import base64
import hashlib

import httpx
from google.protobuf.json_format import MessageToJson
from livekit import api
from livekit.protocol import models
from livekit.protocol import webhook as webhooks

from messaging.batch import ids
from tests.broadcast.e2e.conftest import Proxied
from tests.broadcast.e2e.house import House, server, until
from tests.broadcast.e2e.show import (
    CO_HOST,
    VIEWER,
    Guests,
    co_host,
    forged,
    items,
    live,
    participants,
    publish,
    rights_of,
)

SETTINGS = {"COHOST_COMPARISON_SECONDS": "3600", "COHOST_RECONNECT_GRACE_SECONDS": "60"}


async def report(service: House, event: webhooks.WebhookEvent) -> None:
    """Send the service a signed webhook, as LiveKit does."""
    body = MessageToJson(event)
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    token = (
        api.AccessToken(service.endpoints.livekit_key, service.endpoints.livekit_secret)
        .with_sha256(digest)
        .to_jwt()
    )
    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{service.endpoints.http_port}/livekit/webhook"
        answer = await client.post(url, content=body, headers={"authorization": token})
    assert answer.status_code == 200


def event(kind: str, room: models.Room, who: models.ParticipantInfo, **more: str) -> webhooks.WebhookEvent:
    return webhooks.WebhookEvent(event=kind, id=more.get("id", ids.uuid7()), room=room, participant=who)


async def the_room(service: House, room_id: str) -> models.Room:
    async with server(service.endpoints) as livekit:
        return (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms[0]


async def drop(service: House, room_id: str, user_id: str, clients: Guests, *, count: int = 1) -> None:
    """Disconnect every client, and wait for the user's `CoHostDisconnected`."""
    await clients.leave()
    await service.event("CoHostDisconnected", room_id, user_id, count=count)


async def test_a_second_device_does_not_count_as_a_disconnect(
    proxied_service: House, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    _, first = await co_host(service, clients, name)
    reasons: list[int] = []
    first.on("disconnected", reasons.append)
    second = await clients.join(service, name, "bob")
    await until(lambda: reasons)
    assert rights_of(second) == CO_HOST
    await publish(second)
    await until(lambda: _tracks(service, name))
    await drop(service, name, "bob", clients)
    # If the end of the first device counted as a disconnect, this would be the second one.
    assert sorted(service.events(name)) == ["CoHostConnected", "CoHostDisconnected", "GrantProvisioned"]


async def _tracks(service: House, room_id: str) -> int:
    return len((await items(service, room_id))["bob"]["tracks"])


async def test_stale_and_repeated_webhooks_change_nothing(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    old = (await participants(service, name))["bob"]
    await bob.disconnect()
    await service.event("CoHostDisconnected", name, "bob")
    await clients.join(service, name, "bob")
    await service.event("CoHostReconnected", name, "bob")
    room = await the_room(service, name)
    foreign = models.ParticipantInfo(identity="bob", sid="PA_foreign", permission=old.permission)
    joined = event("participant_joined", room, old)
    for webhook in (
        event("participant_left", room, old),
        event("participant_left", room, foreign),
        joined,
        joined,
        event("track_published", room, foreign),
        event("participant_left", room, old),
    ):
        await report(service, webhook)
    elsewhere = models.Room(name=name, sid="RM_elsewhere")
    await report(service, webhooks.WebhookEvent(event="room_finished", id=ids.uuid7(), room=elsewhere))
    assert (await items(service, name))["bob"]["connection"] == "connected"
    await drop(service, name, "bob", clients, count=2)
    connections = [event_name for event_name in service.events(name) if event_name.startswith("CoHost")]
    assert connections == ["CoHostConnected", "CoHostDisconnected", "CoHostReconnected", "CoHostDisconnected"]


async def test_an_intruder_is_demoted_on_the_join_webhook(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    await clients.join(service, name, "alice")
    mallory = await clients.join(service, name, "mallory", token=forged(service, name))
    await service.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)


async def test_a_manually_promoted_viewer_is_demoted_on_the_first_track(
    proxied_service: House, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    mallory = await clients.join(service, name, "mallory", viewer=True)
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    async with server(service.endpoints) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="mallory", permission=everything)
        )
    await until(lambda: rights_of(mallory)["canPublish"])
    await publish(mallory)
    await service.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)
    assert not (await participants(service, name))["mallory"].tracks


async def test_a_livekit_restart_does_not_count_as_a_disconnect(
    proxied_setup: Proxied, proxied_service: House, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    first, room = (await participants(service, name))["bob"], await the_room(service, name)
    first.disconnect_reason = models.DisconnectReason.SERVER_SHUTDOWN
    await proxied_setup.livekit.restart("livekit")
    # LiveKit's own webhooks about its shutdown may or may not have arrived.
    await report(service, event("participant_left", room, first))
    await report(service, webhooks.WebhookEvent(event="room_finished", id=ids.uuid7(), room=room))
    await clients.leave()
    await clients.join(service, name, "bob")
    await until(lambda: _moved(service, name, first.sid))
    await publish(clients.joined[-1])
    await until(lambda: _tracks(service, name))
    await drop(service, name, "bob", clients)
    assert not bob.isconnected()
    assert sorted(service.events(name)) == ["CoHostConnected", "CoHostDisconnected", "GrantProvisioned"]


async def _moved(service: House, room_id: str, sid: str) -> bool:
    present = await participants(service, room_id)
    return "bob" in present and present["bob"].sid != sid
