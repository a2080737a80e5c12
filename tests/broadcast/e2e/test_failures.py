"""A LiveKit that refuses, hangs or is down: no work is lost or repeated, and other rooms do not wait."""

import asyncio
import signal
from typing import Any

from livekit import api
from livekit.protocol import models

from cohost_schemas import commands, signals, topics
from cohost_schemas.types import MuteSource
from services.broadcast.domain import permissions
from tests.broadcast.e2e.scenario_steps import get_broadcast_data, open_room
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error


def make_unavailable(fake: FakeLiveKit, *methods: str) -> None:
    for method in methods or ("UpdateParticipant",):
        fake.error_replies[method] = lambda: twirp_error(503, "unavailable")


async def test_a_failed_grant_is_retried_until_it_succeeds(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.add_participant(name, "bob")
    make_unavailable(fake)
    invitation_id = await service_on_fake_livekit.seat_user(name, "bob")
    failed = await service_on_fake_livekit.wait_for_event("GrantFailed", name, "bob")
    assert failed.data == {
        "roomId": name,
        "userId": "bob",
        "invitationId": invitation_id,
        "error": "UpdateParticipant: unavailable (503) as the test wishes",
        "attempts": 1,
        "retryable": True,
    }
    assert (await _grant_state(service_on_fake_livekit, name)) == "failed"
    await wait_until(lambda: fake.calls["UpdateParticipant"] >= 4)
    fake.error_replies.clear()
    granted = await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    assert granted.data is not None
    assert granted.data["mode"] == "in_place"
    assert grant_event_names(service_on_fake_livekit, name) == ["GrantFailed", "GrantProvisioned"]
    assert (await _grant_state(service_on_fake_livekit, name)) == "provisioned"


def grant_event_names(service: ServiceUnderTest, room_id: str) -> list[str]:
    """Return the names of the grant events of bob."""
    return [name for name in service.event_names(room_id, "bob") if name.startswith("Grant")]


async def _grant_state(service: ServiceUnderTest, room_id: str) -> str:
    answer = (await service.http_get(f"/v1/rooms/{room_id}/stage", "anyone")).json()
    return str(answer["items"][1]["grant"])


async def test_a_wrong_key_is_not_retried_until_the_desired_state_changes(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.add_participant(name, "bob")
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(401, "unknown")
    invitation_id = await service_on_fake_livekit.seat_user(name, "bob")
    failed = await service_on_fake_livekit.wait_for_event("GrantFailed", name, "bob")
    assert failed.data is not None
    assert failed.data["retryable"] is False
    fake.error_replies.clear()
    # The grant in another room proves that the reconciler has run again since.
    other = await open_room(service_on_fake_livekit)
    await service_on_fake_livekit.seat_user(other, "carol")
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", other, "carol")
    assert [request.identity for request in updates_of(fake, name)] == []
    await service_on_fake_livekit.end_seat(name, "bob", invitation_id)
    await service_on_fake_livekit.wait_for_event("GrantRevoked", name, "bob")


def updates_of(fake: FakeLiveKit, room_id: str) -> list[api.UpdateParticipantRequest]:
    """Return the answered updates of a room's participants: other rooms may have unfinished work."""
    return [
        request
        for _, request in fake.requests
        if isinstance(request, api.UpdateParticipantRequest) and request.room == room_id
    ]


async def test_a_grant_revoked_before_its_first_success_is_one_call(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.add_participant(name, "bob", can_publish=True)
    make_unavailable(fake)
    invitation_id = await service_on_fake_livekit.seat_user(name, "bob")
    await service_on_fake_livekit.wait_for_event("GrantFailed", name, "bob")
    await service_on_fake_livekit.end_seat(name, "bob", invitation_id)
    await service_on_fake_livekit.wait_for_records(
        lambda record: record.key == f"{name}/bob" and record.data is None
    )
    fake.requests.clear()
    fake.error_replies.clear()
    await service_on_fake_livekit.wait_for_event("GrantRevoked", name, "bob")
    assert grant_event_names(service_on_fake_livekit, name) == ["GrantFailed", "GrantRevoked"]
    wanted = [request.permission for request in updates_of(fake, name)]
    assert wanted == [models.ParticipantPermission(can_subscribe=True)]


async def test_a_hanging_livekit_delays_only_its_own_calls(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.hanging_methods.add("UpdateParticipant")
    users = [f"user-{number}" for number in range(100)]
    for user_id in users:
        await service_on_fake_livekit.seat_user(name, user_id)
    # If each decision waited until its call times out, they would take eight minutes.
    await service_on_fake_livekit.wait_for_records(
        lambda record: record.topic == "badges" and record.key.startswith(name), 101, 60
    )
    command = commands.MuteCoHost(
        room_id=name, user_id="user-1", actor_id="alice", source="camera", hard=True
    )
    await service_on_fake_livekit.publish_record(topics.BROADCAST_COMMANDS, command, name)
    await service_on_fake_livekit.wait_for_event("CoHostMuted", name, "user-1")
    assert (await service_on_fake_livekit.http_get(f"/v1/rooms/{name}/stage", "anyone")).status_code == 200
    fake.clear_faults()
    await asyncio.gather(
        *(service_on_fake_livekit.wait_for_event("GrantProvisioned", name, user_id) for user_id in users)
    )
    assert all(
        service_on_fake_livekit.event_names(name, user_id).count("GrantProvisioned") == 1 for user_id in users
    )


async def test_an_intruder_is_removed_when_demotion_fails(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.add_participant(name, "mallory", can_publish=True)
    make_unavailable(fake)
    await service_on_fake_livekit.publish_record(
        topics.BROADCAST_SIGNALS, _track_published(name, "mallory"), name
    )
    removed = await service_on_fake_livekit.wait_for_event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "removed"
    assert "mallory" not in fake.rooms[name]


def _track_published(room_id: str, user_id: str) -> signals.TrackPublished:
    track = signals.Track(sid="TR_1", source="camera", muted=False)
    return signals.TrackPublished(room_id=room_id, room_sid="RM_1", user_id=user_id, sid="PA_1", track=track)


async def test_a_failed_room_deletion_is_retried_until_it_succeeds(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.rooms[name] = {}
    make_unavailable(fake, "DeleteRoom", "ListRooms")
    invitation_id = await service_on_fake_livekit.seat_user(name, "bob")
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    await service_on_fake_livekit.publish_stage(name, "ended")
    await service_on_fake_livekit.end_seat(name, "bob", invitation_id, "room_ended")
    await wait_until(lambda: fake.calls["ListRooms"] >= 2)
    del fake.error_replies["ListRooms"]
    await wait_until(lambda: fake.calls["DeleteRoom"] >= 2)
    assert service_on_fake_livekit.event_names(name, "bob") == ["GrantProvisioned"]
    fake.error_replies.clear()
    revoked = await service_on_fake_livekit.wait_for_event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    assert name not in fake.rooms


async def test_a_reopened_room_waits_until_its_old_livekit_room_is_deleted(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.rooms[name] = {}
    fake.hanging_methods.add("ListRooms")
    await service_on_fake_livekit.publish_stage(name, "ended")
    await service_on_fake_livekit.publish_stage(name, "live")
    await service_on_fake_livekit.wait_for_records(lambda record: record.key == f"{name}/alice", 3)
    request = asyncio.create_task(get_broadcast_data(service_on_fake_livekit, name, "alice"))
    await wait_until(lambda: fake.calls["ListRooms"] >= 1)
    assert fake.calls["CreateRoom"] == 0
    fake.clear_faults()
    await request
    about = [kind for kind, request in fake.requests if name in (*_method_and_room(request),)]
    assert about == ["DeleteRoomRequest", "CreateRoomRequest"]


def _method_and_room(request: Any) -> tuple[str, str]:
    return getattr(request, "name", ""), getattr(request, "room", "")


async def test_no_token_is_issued_while_livekit_is_down(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    make_unavailable(fake, "CreateRoom")
    answer = await service_on_fake_livekit.http_get(f"/v1/rooms/{name}/broadcast-data", "alice")
    assert (answer.status_code, answer.json()["reason"]) == (503, "livekit_unavailable")


async def test_a_join_with_the_services_own_token_needs_no_livekit_call(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    await service_on_fake_livekit.seat_user(name, "bob")
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    participant = signals.Participant(
        user_id="bob",
        sid="PA_1",
        permissions=permissions.for_badge("coHost"),
        badge="coHost",
        can_update_metadata=False,
        tracks=(),
    )
    joined = signals.ParticipantJoined(room_id=name, room_sid="RM_1", participant=participant)
    await service_on_fake_livekit.publish_record(topics.BROADCAST_SIGNALS, joined, name)
    await service_on_fake_livekit.wait_for_event("CoHostConnected", name, "bob")
    await service_on_fake_livekit.seat_user(name, "carol")
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "carol")
    assert [request.identity for request in updates_of(fake, name)] == ["bob", "carol"]


async def test_a_soft_mute_of_an_absent_user_is_skipped(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    await service_on_fake_livekit.seat_user(name, "bob")
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    # The second action of a user begins when the first is over.
    sources: tuple[MuteSource, ...] = ("camera", "microphone")
    for number, source in enumerate(sources, 1):
        command = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source=source)
        await service_on_fake_livekit.publish_record(topics.BROADCAST_COMMANDS, command, name)
        await service_on_fake_livekit.wait_for_event("CoHostMuted", name, "bob", count=number)
        await wait_until(lambda number=number: fake.calls["GetParticipant"] >= number)
    assert fake.calls["MutePublishedTrack"] == 0


def held_updates(fake: FakeLiveKit, room_id: str) -> list[api.UpdateParticipantRequest]:
    """Return the updates of a room's participants that LiveKit has not answered."""
    requests = [api.UpdateParticipantRequest.FromString(body) for _, body in fake.held]
    return [request for request in requests if request.room == room_id]


async def test_the_next_owner_repeats_calls_a_killed_service_did_not_report(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.add_participant(name, "bob")
    fake.hanging_methods.add("UpdateParticipant")
    await service_on_fake_livekit.seat_user(name, "bob")
    await wait_until(lambda: held_updates(fake, name))
    await service_on_fake_livekit.stop_process(signal.SIGKILL)
    fake.clear_faults()
    service_on_fake_livekit.start_process()
    await service_on_fake_livekit.wait_until_ready()
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    assert service_on_fake_livekit.event_names(name, "bob").count("GrantProvisioned") == 1


async def test_a_stopping_service_waits_for_its_call_and_hands_over(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    fake.add_participant(name, "bob")
    fake.hanging_methods.add("UpdateParticipant")
    await service_on_fake_livekit.seat_user(name, "bob")
    await wait_until(lambda: held_updates(fake, name))
    stopping = asyncio.create_task(service_on_fake_livekit.stop_process())
    fake.clear_faults()
    assert await stopping == 0
    service_on_fake_livekit.start_process()
    await service_on_fake_livekit.wait_until_ready()
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    assert grant_event_names(service_on_fake_livekit, name) == ["GrantProvisioned"]


async def test_a_killed_services_late_call_is_corrected_by_the_next_owner(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    name = await open_room(service_on_fake_livekit)
    bob = fake.add_participant(name, "bob")
    await service_on_fake_livekit.seat_user(name, "bob")
    await service_on_fake_livekit.wait_for_event("GrantProvisioned", name, "bob")
    fake.hanging_methods.add("UpdateParticipant")
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="camera", hard=True)
    await service_on_fake_livekit.publish_record(topics.BROADCAST_COMMANDS, mute, name)
    await wait_until(lambda: held_updates(fake, name))
    await service_on_fake_livekit.stop_process(signal.SIGKILL)
    late = fake.release
    fake.hanging_methods.clear()
    # The new owner resyncs after twice the call timeout, to find effects of the old owner's late calls.
    service_on_fake_livekit.start_process()
    await service_on_fake_livekit.wait_until_ready()
    await wait_until(lambda: len(bob.permission.can_publish_sources) == 3)
    unmute = commands.UnmuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="camera")
    await service_on_fake_livekit.publish_record(topics.BROADCAST_COMMANDS, unmute, name)
    await wait_until(lambda: len(bob.permission.can_publish_sources) == 4)
    earlier = len(fake.requests)
    late.set()
    # The resync may correct the late call between two looks at the permission.
    await wait_until(
        lambda: any(
            kind == "UpdateParticipantRequest" and len(request.permission.can_publish_sources) == 3
            for kind, request in fake.requests[earlier:]
        )
    )
    await wait_until(lambda: len(bob.permission.can_publish_sources) == 4)
    assert grant_event_names(service_on_fake_livekit, name) == ["GrantProvisioned"]
