"""Broadcast with real participants on a real LiveKit."""

import base64
import hashlib
import json
from typing import Any

import httpx
import jwt
from livekit import api, rtc

from cohost_schemas import commands, topics
from tests.broadcast.e2e.conftest import Join
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    forged_token,
    get_broadcast_data,
    open_room,
    publish_track,
    rights_of,
    stage_items,
    wait_for_badge,
)
from tests.broadcast.e2e.service_under_test import (
    WAIT_SECONDS,
    ServiceUnderTest,
    livekit_api,
    new_room_id,
    wait_until,
)

SOURCES = ["camera", "microphone", "screen_share", "screen_share_audio"]


async def test_a_connected_viewer_is_promoted_in_place_and_demoted_again(
    service: ServiceUnderTest, join: Join
) -> None:
    name = await open_room(service)
    bob = await join(name, "bob", viewer=True)
    assert rights_of(bob) == VIEWER_RIGHTS
    invitation_id = await service.seat_user(name, "bob")
    granted = await service.wait_for_event("GrantProvisioned", name, "bob")
    assert granted.data is not None
    assert {**granted.data, "provisionedAt": ""} == {
        "roomId": name,
        "userId": "bob",
        "invitationId": invitation_id,
        "mode": "in_place",
        "permissions": {
            "canPublish": True,
            "canPublishData": True,
            "canSubscribe": True,
            "canPublishSources": SOURCES,
        },
        "provisionedAt": "",
    }
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)
    await publish_track(bob)
    # The media may arrive long after the track is published.
    await service.wait_for_event("CoHostMediaChanged", name, "bob")
    await service.end_seat(name, "bob", invitation_id, "removed_by_host")
    revoked = await service.wait_for_event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert (revoked.data["mode"], revoked.data["reason"]) == ("in_place", "removed_by_host")
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
    async with livekit_api(service.endpoints) as livekit:
        identity = api.RoomParticipantIdentity(room=name, identity="bob")
        await wait_until(lambda: _no_tracks(livekit, identity))
    assert sorted(service.event_names(name, "bob")) == [
        "CoHostConnected",
        "CoHostMediaChanged",
        "GrantProvisioned",
        "GrantRevoked",
    ]


async def _no_tracks(livekit: api.LiveKitAPI, identity: api.RoomParticipantIdentity) -> bool:
    return not (await livekit.room.get_participant(identity)).tracks


async def test_an_absent_invitee_joins_with_a_token_carrying_the_grant(
    service: ServiceUnderTest, join: Join
) -> None:
    name = await open_room(service, "idle")
    await service.seat_user(name, "bob")
    granted = await service.wait_for_event("GrantProvisioned", name, "bob")
    bob = await join(name, "bob")
    assert rights_of(bob) == CO_HOST_RIGHTS
    await service.wait_for_event("CoHostConnected", name, "bob")
    await publish_track(bob)
    await wait_until(lambda: _tracks_of(service, name, "bob"))
    on_stage = (await stage_items(service, name))["bob"]
    tracks = on_stage.pop("tracks")
    assert [(track["source"], track["muted"]) for track in tracks] == [("microphone", False)]
    assert on_stage == {
        "userId": "bob",
        "role": "coHost",
        "badge": "coHost",
        "invitationId": on_stage["invitationId"],
        "since": (await wait_for_badge(service, name, "bob")).data["since"],  # type: ignore[index]
        "grant": "provisioned",
        "connection": "connected",
        "graceEndsAt": None,
        "published": ["microphone"],
        "hardMuted": [],
        "label": None,
        "order": 1,
    }
    assert granted.data is not None
    assert granted.data["mode"] == "on_join"


async def _tracks_of(service: ServiceUnderTest, room_id: str, user_id: str) -> Any:
    return (await stage_items(service, room_id))[user_id]["tracks"]


async def test_an_old_viewer_token_is_promoted_on_join(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    token = (await get_broadcast_data(service, name, "bob", viewer=True)).json()["token"]
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    bob = await join(name, "bob", token=token)
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)


async def test_closing_a_room_deletes_its_livekit_room_and_permissions(
    service: ServiceUnderTest, join: Join
) -> None:
    name = await open_room(service)
    invitation_id = await service.seat_user(name, "bob")
    bob = await join(name, "bob") if await wait_for_badge(service, name, "bob") else None
    assert bob is not None
    reasons: list[int] = []
    bob.on("disconnected", reasons.append)
    await service.publish_stage(name, "ended")
    await service.end_seat(name, "bob", invitation_id, "room_ended")
    revoked = await service.wait_for_event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    await wait_until(lambda: reasons)
    async with livekit_api(service.endpoints) as livekit:
        assert not (await livekit.room.list_rooms(api.ListRoomsRequest(names=[name]))).rooms
    for path in ("", "?as=viewer"):
        answer = await service.http_get(f"/v1/rooms/{name}/broadcast-data{path}", "bob")
        assert (answer.status_code, answer.json()["reason"]) == (409, "room_not_open")
    gone = await service.wait_for_records(
        lambda record: record.name == "tombstone" and record.key.startswith(f"{name}/"), 2
    )
    assert {record.key for record in gone} == {f"{name}/alice", f"{name}/bob"}
    assert "CoHostDisconnected" not in service.event_names(name)


async def test_a_reopened_room_gets_a_new_livekit_room(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    await join(name, "alice")
    await service.publish_stage(name, "ended")
    await service.publish_stage(name, "live")
    await service.wait_for_records(lambda record: record.key == f"{name}/alice", 3)
    alice = await join(name, "alice")
    assert alice.isconnected()
    await wait_until(lambda: _is_connected(service, name, "alice"))


async def _is_connected(service: ServiceUnderTest, room_id: str, user_id: str) -> bool:
    return bool((await stage_items(service, room_id))[user_id]["connection"] == "connected")


async def test_a_dropped_co_host_comes_back_within_the_grace(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    bob = await join(name, "bob")
    await service.wait_for_event("CoHostConnected", name, "bob")
    await bob.disconnect()
    dropped = await service.wait_for_event("CoHostDisconnected", name, "bob")
    on_stage = (await stage_items(service, name))["bob"]
    assert dropped.data is not None
    assert (on_stage["connection"], on_stage["graceEndsAt"]) == ("disconnected", dropped.data["graceEndsAt"])
    await join(name, "bob")
    await service.wait_for_event("CoHostReconnected", name, "bob")
    assert (await stage_items(service, name))["bob"]["graceEndsAt"] is None


async def test_a_co_host_loses_the_seat_after_the_grace_period(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    invitation_id = await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    bob = await join(name, "bob")
    await service.wait_for_event("CoHostConnected", name, "bob")
    await bob.disconnect()
    lost = await service.wait_for_event("CoHostLost", name, "bob")
    release = await service.wait_for_event("ReleaseSeat", name, "bob")
    assert lost.data is not None
    assert release.data == {
        "roomId": name,
        "userId": "bob",
        "invitationId": invitation_id,
        "reason": "connection_lost",
    }
    await service.end_seat(name, "bob", invitation_id, "connection_lost")
    await service.wait_for_event("GrantRevoked", name, "bob")
    assert service.event_names(name, "bob").count("CoHostLost") == 1


async def test_a_soft_mute_mutes_once_and_its_owner_may_unmute(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    bob = await join(name, "bob")
    publication = await publish_track(bob)
    await wait_until(lambda: _tracks_of(service, name, "bob"))
    await _publish_mute(service, name)
    await service.wait_for_event("CoHostMuted", name, "bob")
    await wait_until(lambda: publication.muted)
    await wait_until(lambda: _all_muted(service, name))
    assert rights_of(bob) == CO_HOST_RIGHTS
    assert publication.track is not None
    publication.track.unmute()
    async with livekit_api(service.endpoints) as livekit:
        identity = api.RoomParticipantIdentity(room=name, identity="bob")
        await wait_until(lambda: _has_unmuted_track(livekit, identity))


async def _has_unmuted_track(livekit: api.LiveKitAPI, identity: api.RoomParticipantIdentity) -> bool:
    return any(not track.muted for track in (await livekit.room.get_participant(identity)).tracks)


async def _all_muted(service: ServiceUnderTest, room_id: str) -> bool:
    tracks = (await stage_items(service, room_id))["bob"]["tracks"]
    return bool(tracks) and all(track["muted"] for track in tracks)


async def _publish_mute(service: ServiceUnderTest, room_id: str, *, hard: bool = False) -> str:
    command = commands.MuteCoHost(
        room_id=room_id, user_id="bob", actor_id="alice", source="microphone", hard=hard
    )
    return await service.publish_record(topics.BROADCAST_COMMANDS, command, room_id)


async def test_a_hard_mute_removes_the_source_until_it_is_lifted(
    service: ServiceUnderTest, join: Join
) -> None:
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    bob = await join(name, "bob")
    messages: list[rtc.DataPacket] = []
    bob.on("data_received", messages.append)
    await publish_track(bob)
    command_id = await _publish_mute(service, name, hard=True)
    muted = await service.wait_for_event("CoHostMuted", name, "bob")
    assert muted.envelope["causationid"] == command_id
    await wait_until(lambda: rights_of(bob) == {**CO_HOST_RIGHTS, "canPublishSources": 3})
    on_stage = (await stage_items(service, name))["bob"]
    assert on_stage["hardMuted"] == ["microphone"]
    data = (await get_broadcast_data(service, name, "bob")).json()
    video = jwt.decode(data["token"], options={"verify_signature": False})["video"]
    assert (
        video["canPublishSources"]
        == data["permissions"]["canPublishSources"]
        == [
            "camera",
            "screen_share",
            "screen_share_audio",
        ]
    )
    await wait_until(lambda: _no_track(service, name))
    unmute = commands.UnmuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="microphone")
    unmute_id = await service.publish_record(topics.BROADCAST_COMMANDS, unmute, name)
    request = await service.wait_for_event("CoHostUnmuteRequested", name, "bob")
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)
    await wait_until(lambda: messages)
    assert [message.topic for message in messages] == ["cohost"]
    body = json.loads(messages[0].data)
    assert body == {
        "specversion": "1.0",
        "id": unmute_id,
        "source": "/cohost/broadcast",
        "type": "cohost.CoHostUnmuteRequested.v1",
        "subject": name,
        "time": body["time"],
        "datacontenttype": "application/json",
        "correlationid": unmute_id,
        "data": request.data,
    }
    assert request.data == {"roomId": name, "userId": "bob", "source": "microphone", "by": "alice"}


async def _no_track(service: ServiceUnderTest, room_id: str) -> bool:
    return not (await stage_items(service, room_id))["bob"]["tracks"]


async def test_an_intruder_is_demoted(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    await join(name, "alice")
    mallory = await join(name, "mallory", token=forged_token(service, name))
    removed = await service.wait_for_event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "demoted"
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)


async def test_a_former_co_host_with_an_old_token_is_an_intruder(
    service: ServiceUnderTest, join: Join
) -> None:
    name = await open_room(service)
    invitation_id = await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    token = (await get_broadcast_data(service, name, "bob")).json()["token"]
    await service.end_seat(name, "bob", invitation_id)
    await service.wait_for_event("GrantRevoked", name, "bob")
    bob = await join(name, "bob", token=token)
    await service.wait_for_event("IntruderRemoved", name, "bob")
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)


async def test_a_new_host_takes_over_the_hosts_permissions(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    alice = await join(name, "alice")
    bob = await join(name, "bob", viewer=True)
    await wait_until(lambda: rights_of(alice) == {**CO_HOST_RIGHTS, "badge": "host"})
    await service.wait_for_event("HostConnected", name, "alice")
    await service.publish_stage(name, "live", "bob")
    await wait_until(lambda: rights_of(bob) == {**CO_HOST_RIGHTS, "badge": "host"})
    await wait_until(lambda: rights_of(alice) == VIEWER_RIGHTS)
    await service.wait_for_event("HostConnected", name, "bob")
    assert service.event_names(name) == ["HostConnected", "HostConnected"]


async def test_broadcast_data_follows_role_and_room_status(service: ServiceUnderTest) -> None:
    name = await open_room(service, "idle")
    expected = {
        ("alice", ""): (200, None),
        ("bob", ""): (403, "not_on_stage"),
        ("bob", "?as=viewer"): (409, "room_not_live"),
        ("alice", "?as=viewer"): (409, "room_not_live"),
        ("bob", "?as=host"): (422, "invalid_request"),
    }
    found = {
        (user_id, query): await service.http_get(f"/v1/rooms/{name}/broadcast-data{query}", user_id)
        for user_id, query in expected
    }
    assert {
        key: (answer.status_code, answer.json().get("reason")) for key, answer in found.items()
    } == expected
    for path in ("stage", "broadcast-data"):
        missing = await service.http_get(f"/v1/rooms/{new_room_id()}/{path}", "bob")
        assert (missing.status_code, missing.json()["reason"]) == (404, "room_not_found")


async def test_a_host_joining_as_a_viewer_gets_a_viewer_token(service: ServiceUnderTest) -> None:
    name = await open_room(service)
    data = (await get_broadcast_data(service, name, "alice", viewer=True)).json()
    claims = jwt.decode(data["token"], service.endpoints.livekit_secret, algorithms=["HS256"])
    assert (data["role"], claims["video"]["canPublish"], claims.get("attributes")) == ("viewer", False, None)
    assert data["serverUrl"] == service.endpoints.livekit_url


async def test_an_unsigned_webhook_is_refused_and_an_unused_one_accepted(service: ServiceUnderTest) -> None:
    dull = b'{"event": "room_started"}'
    digest = base64.b64encode(hashlib.sha256(dull).digest()).decode()
    token = (
        api.AccessToken(service.endpoints.livekit_key, service.endpoints.livekit_secret)
        .with_sha256(digest)
        .to_jwt()
    )
    url = f"http://127.0.0.1:{service.endpoints.http_port}/livekit/webhook"
    async with httpx.AsyncClient(timeout=WAIT_SECONDS) as client:
        unsigned = await client.post(url, content=dull)
        signed = await client.post(url, content=dull, headers={"authorization": token})
    assert (unsigned.status_code, unsigned.json()["reason"]) == (401, "unauthorized")
    assert signed.status_code == 200


async def test_a_command_outcome_can_be_read_over_http(service: ServiceUnderTest) -> None:
    name = await open_room(service)
    command_id = await _publish_mute(service, name)
    rejected = await service.wait_for_event("CommandRejected", name)
    assert rejected.data is not None
    assert (rejected.data["commandId"], rejected.data["reason"]) == (command_id, "not_co_host")
    outcome = (await service.http_get(f"/v1/commands/{command_id}", "alice")).json()
    assert (outcome["outcome"], outcome["reason"]) == ("rejected", "not_co_host")
