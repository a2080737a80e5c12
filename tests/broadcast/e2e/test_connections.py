"""Connections reported by webhooks alone: the first resync is over and the next is far away."""

import base64
import hashlib

import httpx
from google.protobuf.json_format import MessageToJson
from livekit import api
from livekit.protocol import models
from livekit.protocol import webhook as webhooks

from cohost_schemas import ids
from tests.broadcast.e2e.conftest import ProxiedSetup
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    forged_token,
    livekit_participants,
    open_room,
    publish_track,
    rights_of,
    seat_and_connect,
    stage_items,
)
from tests.broadcast.e2e.service_under_test import WAIT_SECONDS, ServiceUnderTest, livekit_api, wait_until

SETTINGS = {"COHOST_COMPARISON_SECONDS": "3600", "COHOST_RECONNECT_GRACE_SECONDS": "60"}

ONE_CONNECTION = [
    "CoHostConnected",
    "CoHostDisconnected",
    "CoHostMediaChanged",
    "CoHostMediaChanged",
    "GrantProvisioned",
]


async def send_webhook(service: ServiceUnderTest, event: webhooks.WebhookEvent) -> None:
    """Send the service a signed webhook, as LiveKit does."""
    body = MessageToJson(event)
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    token = (
        api.AccessToken(service.endpoints.livekit_key, service.endpoints.livekit_secret)
        .with_sha256(digest)
        .to_jwt()
    )
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
        url = f"http://127.0.0.1:{service.endpoints.http_port}/livekit/webhook"
        answer = await client.post(url, content=body, headers={"authorization": token})
    assert answer.status_code == 200


def webhook_event(
    kind: str, room: models.Room, info: models.ParticipantInfo, **more: str
) -> webhooks.WebhookEvent:
    return webhooks.WebhookEvent(event=kind, id=more.get("id", ids.uuid7()), room=room, participant=info)


async def livekit_room(service: ServiceUnderTest, room_id: str) -> models.Room:
    async with livekit_api(service.endpoints) as livekit:
        return (await livekit.room.list_rooms(api.ListRoomsRequest(names=[room_id]))).rooms[0]


async def disconnect_user(
    service: ServiceUnderTest, room_id: str, user_id: str, clients: LiveKitClients, *, count: int = 1
) -> None:
    """Disconnect every client, and wait for the user's `CoHostDisconnected`."""
    await clients.disconnect_all()
    await service.wait_for_event("CoHostDisconnected", room_id, user_id, count=count)


async def test_a_second_device_does_not_count_as_a_disconnect(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, first = await seat_and_connect(service, clients, name)
    reasons: list[int] = []
    first.on("disconnected", reasons.append)
    second = await clients.connect_user(service, name, "bob")
    await wait_until(lambda: reasons)
    assert rights_of(second) == CO_HOST_RIGHTS
    await publish_track(second)
    await wait_until(lambda: _track_count(service, name))
    await disconnect_user(service, name, "bob", clients)
    # If the end of the first device counted as a disconnect, this would be the second one.
    assert sorted(service.event_names(name)) == ONE_CONNECTION


async def _track_count(service: ServiceUnderTest, room_id: str) -> int:
    return len((await stage_items(service, room_id))["bob"]["tracks"])


async def test_stale_and_repeated_webhooks_change_nothing(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    old = (await livekit_participants(service, name))["bob"]
    await bob.disconnect()
    await service.wait_for_event("CoHostDisconnected", name, "bob")
    await clients.connect_user(service, name, "bob")
    await service.wait_for_event("CoHostReconnected", name, "bob")
    room = await livekit_room(service, name)
    foreign = models.ParticipantInfo(identity="bob", sid="PA_foreign", permission=old.permission)
    joined = webhook_event("participant_joined", room, old)
    for webhook in (
        webhook_event("participant_left", room, old),
        webhook_event("participant_left", room, foreign),
        joined,
        joined,
        webhook_event("track_published", room, foreign),
        webhook_event("participant_left", room, old),
    ):
        await send_webhook(service, webhook)
    elsewhere = models.Room(name=name, sid="RM_elsewhere")
    await send_webhook(service, webhooks.WebhookEvent(event="room_finished", id=ids.uuid7(), room=elsewhere))
    assert (await stage_items(service, name))["bob"]["connection"] == "connected"
    await disconnect_user(service, name, "bob", clients, count=2)
    connections = [event_name for event_name in service.event_names(name) if event_name.startswith("CoHost")]
    assert connections == ["CoHostConnected", "CoHostDisconnected", "CoHostReconnected", "CoHostDisconnected"]


async def test_an_intruder_is_demoted_on_the_join_webhook(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    mallory = await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    await service.wait_for_event("IntruderRemoved", name, "mallory")
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)


async def test_a_manually_promoted_viewer_is_demoted_on_the_first_track(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    mallory = await clients.connect_user(service, name, "mallory", viewer=True)
    everything = api.ParticipantPermission(can_subscribe=True, can_publish=True, can_publish_data=True)
    async with livekit_api(service.endpoints) as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=name, identity="mallory", permission=everything)
        )
    await wait_until(lambda: rights_of(mallory)["canPublish"])
    await publish_track(mallory)
    await service.wait_for_event("IntruderRemoved", name, "mallory")
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)
    # LiveKit lists the tracks that a demotion ends for a moment longer.
    await wait_until(lambda: _has_no_tracks(service, name, "mallory"))


async def _has_no_tracks(service: ServiceUnderTest, room_id: str, user_id: str) -> bool:
    return not (await livekit_participants(service, room_id))[user_id].tracks


async def test_a_livekit_restart_does_not_count_as_a_disconnect(
    proxied_setup: ProxiedSetup, proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    first, room = (await livekit_participants(service, name))["bob"], await livekit_room(service, name)
    first.disconnect_reason = models.DisconnectReason.SERVER_SHUTDOWN
    await proxied_setup.livekit.restart("livekit")
    # LiveKit's own webhooks about its shutdown may or may not have arrived.
    await send_webhook(service, webhook_event("participant_left", room, first))
    await send_webhook(service, webhooks.WebhookEvent(event="room_finished", id=ids.uuid7(), room=room))
    await clients.disconnect_all()
    await clients.connect_user(service, name, "bob")
    await wait_until(lambda: _has_new_connection(service, name, first.sid))
    await publish_track(clients.connections[-1])
    await wait_until(lambda: _track_count(service, name))
    await disconnect_user(service, name, "bob", clients)
    assert not bob.isconnected()
    assert sorted(service.event_names(name)) == ONE_CONNECTION


async def _has_new_connection(service: ServiceUnderTest, room_id: str, sid: str) -> bool:
    present = await livekit_participants(service, room_id)
    return "bob" in present and present["bob"].sid != sid
