"""A real LiveKit behind a failing proxy: grants come late, none is lost, wrong permissions are corrected."""

import asyncio

from livekit import rtc

from cohost_schemas import commands, topics
from cohost_schemas.types import MuteSource
from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    forged_token,
    grant_event_counts,
    livekit_matches_stage,
    livekit_participants,
    livekit_room_exists,
    open_room,
    publish_track,
    rights_of,
    seat_and_connect,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until
from tests.broadcast.fake_livekit import twirp_error

SETTINGS = {
    "COHOST_LIVEKIT_TIMEOUT_SECONDS": "0.5",
    "COHOST_COMPARISON_SECONDS": "2",
    "COHOST_RECONNECT_GRACE_SECONDS": "3",
    "COHOST_SESSION_TIMEOUT_MS": "6000",
}


async def publish_mute(
    service: ServiceUnderTest, room_id: str, source: MuteSource = "microphone", *, hard: bool = False
) -> str:
    command = commands.MuteCoHost(room_id=room_id, user_id="bob", actor_id="alice", source=source, hard=hard)
    return await service.publish_record(topics.BROADCAST_COMMANDS, command, room_id)


async def assert_settled(
    service: ServiceUnderTest, room_id: str, granted: list[str], revoked: list[str]
) -> None:
    """Assert one grant or revocation event per seat, and that LiveKit matches the stage."""
    await wait_until(lambda: livekit_matches_stage(service, room_id))
    counts = grant_event_counts(service)
    assert [counts[seat, "GrantProvisioned"] for seat in granted] == [1] * len(granted)
    assert [counts[seat, "GrantRevoked"] for seat in revoked] == [1] * len(revoked)
    assert not [seat for seat in granted if seat not in revoked and counts[seat, "GrantRevoked"]]
    assert service.is_running


async def test_changes_made_while_livekit_was_down_are_applied(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    names = [await open_room(service) for _ in range(5)]
    granting, revoking, silencing, muting, closing = names
    carol = await clients.connect_user(service, granting, "carol", viewer=True)
    seats = [await seat_and_connect(service, clients, name) for name in names[1:]]
    publication = await publish_track(seats[2][1])
    # Six seconds exceed the longest back-off: a longer outage ends the same way.
    proxy.is_down = True
    granted = await service.seat_user(granting, "carol")
    await service.end_seat(revoking, "bob", seats[0][0])
    hard = await publish_mute(service, silencing, hard=True)
    soft = await publish_mute(service, muting)
    await service.publish_stage(closing, "ended")
    await service.end_seat(closing, "bob", seats[3][0], "room_ended")
    await asyncio.gather(
        *(service.wait_for_event("CoHostMuted", name, "bob") for name in (silencing, muting))
    )
    await service.wait_for_event("GrantFailed", granting, "carol")
    await asyncio.sleep(6)
    assert rights_of(carol) == VIEWER_RIGHTS
    assert not publication.muted
    proxy.is_down = False
    await service.wait_for_event("GrantProvisioned", granting, "carol")
    await service.wait_for_event("GrantRevoked", revoking, "bob")
    revoked = await service.wait_for_event("GrantRevoked", closing, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    assert not await livekit_room_exists(service, closing)
    await wait_until(lambda: publication.muted)
    await wait_until(lambda: rights_of(seats[1][1]) == {**CO_HOST_RIGHTS, "canPublishSources": 3})
    for name in names[:4]:
        await assert_settled(
            service, name, [granted, *(seat for seat, _ in seats)], [seats[0][0], seats[3][0]]
        )
    for command_id in (hard, soft):
        outcome = (await service.http_get(f"/v1/commands/{command_id}", "alice")).json()
        assert outcome["outcome"] == "accepted"


async def test_a_grant_applied_without_an_answer_is_published_once(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    proxy.unanswered_methods.add("UpdateParticipant")
    seat = await service.seat_user(name, "bob")
    await service.wait_for_event("GrantFailed", name, "bob")
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)
    proxy.clear_faults()
    await service.wait_for_event("GrantProvisioned", name, "bob")
    proxy.unanswered_methods.add("UpdateParticipant")
    await service.end_seat(name, "bob", seat)
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
    assert "GrantRevoked" not in service.event_names(name)
    proxy.clear_faults()
    await service.wait_for_event("GrantRevoked", name, "bob")
    await assert_settled(service, name, [seat], [seat])


async def test_an_intruder_removed_without_an_answer_stays_removed(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    proxy.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    proxy.unanswered_methods.add("RemoveParticipant")
    await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    await wait_until(lambda: proxy.count_calls("RemoveParticipant", name))
    await wait_until(lambda: is_absent(service, name, "mallory"))
    proxy.clear_faults()
    await wait_until(lambda: livekit_matches_stage(service, name))
    assert set(await livekit_participants(service, name)) == {"alice"}


async def is_absent(service: ServiceUnderTest, room_id: str, user_id: str) -> bool:
    return user_id not in await livekit_participants(service, room_id)


async def test_an_intruder_is_removed_when_livekit_refuses_to_demote(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    proxy.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    removed = await service.wait_for_event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "removed"
    assert set(await livekit_participants(service, name)) == {"alice"}


async def test_a_former_co_host_is_removed_when_livekit_refuses_to_demote(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    seat, _ = await seat_and_connect(service, clients, name)
    proxy.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    await service.end_seat(name, "bob", seat)
    await service.wait_for_event("GrantRevoked", name, "bob")
    assert set(await livekit_participants(service, name)) == {"alice"}
    await assert_settled(service, name, [seat], [seat])


async def test_a_room_deleted_without_an_answer_counts_as_deleted(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    seat, _ = await seat_and_connect(service, clients, name)
    proxy.unanswered_methods.add("DeleteRoom")
    await service.publish_stage(name, "ended")
    await service.end_seat(name, "bob", seat, "room_ended")
    await wait_until(lambda: is_deleted(service, name))
    assert "GrantRevoked" not in service.event_names(name)
    proxy.clear_faults()
    revoked = await service.wait_for_event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    await assert_settled(service, name, [seat], [seat])


async def is_deleted(service: ServiceUnderTest, room_id: str) -> bool:
    return not await livekit_room_exists(service, room_id)


async def test_a_room_created_without_an_answer_is_reused_by_the_next_join(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    proxy.unanswered_methods.add("CreateRoom")
    answer = await service.http_get(f"/v1/rooms/{name}/broadcast-data", "alice")
    assert (answer.status_code, answer.json()["reason"]) == (503, "livekit_unavailable")
    await wait_until(lambda: livekit_room_exists(service, name))
    proxy.clear_faults()
    alice = await clients.connect_user(service, name, "alice")
    assert rights_of(alice) == {**CO_HOST_RIGHTS, "badge": "host"}


async def test_a_grant_landing_after_its_revoke_is_undone_by_a_resync(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    late = proxy.hold_call("UpdateParticipant", name)
    seat = await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    await service.end_seat(name, "bob", seat)
    await service.wait_for_event("GrantRevoked", name, "bob")
    changes: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
    changes.clear()
    assert late.reached.is_set()
    late.release.set()
    await wait_until(lambda: changes == [True, False])
    await assert_settled(service, name, [seat], [seat])


async def test_a_room_closed_while_livekit_is_down_is_deleted_on_recovery(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    seat, bob = await seat_and_connect(service, clients, name)
    reasons: list[rtc.DisconnectReason] = []
    bob.on("disconnected", reasons.append)
    proxy.is_down = True
    await service.publish_stage(name, "ended")
    await service.end_seat(name, "bob", seat, "room_ended")
    await service.wait_for_records(lambda record: record.key == f"{name}/bob" and record.data is None)
    for query in ("", "?as=viewer"):
        refusal = await service.http_get(f"/v1/rooms/{name}/broadcast-data{query}", "bob")
        assert (refusal.status_code, refusal.json()["reason"]) == (409, "room_not_open")
    calls = proxy.count_calls("ListRooms", name)
    await wait_until(lambda: proxy.count_calls("ListRooms", name) > calls + 1)
    assert "GrantRevoked" not in service.event_names(name)
    proxy.clear_faults()
    await wait_until(lambda: is_deleted(service, name))
    await wait_until(lambda: reasons)
    revoked = await service.wait_for_event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    await assert_settled(service, name, [seat], [seat])
