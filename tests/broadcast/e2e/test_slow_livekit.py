"""A real LiveKit that takes seconds, refuses, answers out of order, or restarts and loses every room."""

import asyncio
from collections.abc import Callable

import pytest

from cohost_schemas import commands, topics
from tests.broadcast.e2e.conftest import ProxiedSetup
from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    grant_event_counts,
    livekit_matches_stage,
    livekit_participants,
    livekit_room_exists,
    open_room,
    rights_of,
    seat_and_connect,
    stage_items,
    wait_for_badge,
)
from tests.broadcast.e2e.service_under_test import PublishedRecord, ServiceUnderTest, wait_until
from tests.broadcast.fake_livekit import twirp_error

SETTINGS = {
    "COHOST_LIVEKIT_TIMEOUT_SECONDS": "4",
    "COHOST_COMPARISON_SECONDS": "2",
    "COHOST_RECONNECT_GRACE_SECONDS": "60",
}
MUTED = {**CO_HOST_RIGHTS, "canPublishSources": 3}


async def publish_hard_mute(service: ServiceUnderTest, room_id: str) -> None:
    command = commands.MuteCoHost(
        room_id=room_id, user_id="bob", actor_id="alice", source="microphone", hard=True
    )
    await service.publish_record(topics.BROADCAST_COMMANDS, command, room_id)


async def test_slow_calls_delay_only_grants(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    names = [await open_room(service) for _ in range(4)]
    granting, revoking, silencing, closing = names
    carol = await clients.connect_user(service, granting, "carol", viewer=True)
    seats = [await seat_and_connect(service, clients, name) for name in names[1:]]
    # Several, for the calls that follow one that has timed out.
    held = [proxy.hold_call("UpdateParticipant", granting) for _ in range(5)]
    proxy.delay_seconds = 2
    granted = await service.seat_user(granting, "carol")
    await service.end_seat(revoking, "bob", seats[0][0])
    await publish_hard_mute(service, silencing)
    await service.publish_stage(closing, "ended")
    await service.end_seat(closing, "bob", seats[2][0], "room_ended")
    await service.wait_for_event("CoHostMuted", silencing, "bob")
    await wait_for_badge(service, granting, "carol")
    assert (await stage_items(service, silencing))["bob"]["hardMuted"] == ["microphone"]
    assert rights_of(carol) == VIEWER_RIGHTS
    for hold in held:
        hold.release.set()
    await service.wait_for_event("GrantProvisioned", granting, "carol")
    await service.wait_for_event("GrantRevoked", revoking, "bob")
    await service.wait_for_event("GrantRevoked", closing, "bob")
    await wait_until(lambda: rights_of(seats[1][1]) == MUTED)
    assert not await livekit_room_exists(service, closing)
    proxy.clear_faults()
    for name in names[:3]:
        await wait_until(lambda name=name: livekit_matches_stage(service, name))
    counts = grant_event_counts(service)
    assert {counts[seat, "GrantProvisioned"] for seat in (granted, *(seat for seat, _ in seats))} == {1}
    assert [counts[seat, "GrantRevoked"] for seat, _ in seats] == [1, 0, 1]
    assert counts[granted, "GrantRevoked"] == 0


async def test_a_failed_grant_is_not_retried_after_its_revoke(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name, other = await open_room(service), await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    proxy.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    revoking = proxy.hold_call("UpdateParticipant", name, without="coHost")
    seat = await service.seat_user(name, "bob")
    await wait_until(lambda: proxy.count_calls("UpdateParticipant", name))
    await service.end_seat(name, "bob", seat)
    await wait_until(revoking.reached.is_set)
    # Another key is retried twice while the revoke is in progress, so the grant's back-off is over as well.
    await service.seat_user(other, "carol")
    await wait_until(lambda: proxy.count_calls("UpdateParticipant", other) >= 3)
    proxy.error_replies.clear()
    # The revoke itself may time out on a busy machine, and is then made again.
    grants = proxy.count_calls("UpdateParticipant", name, "coHost")
    revoking.release.set()
    await service.wait_for_event("GrantRevoked", name, "bob")
    await service.wait_for_event("GrantProvisioned", other, "carol")
    await service.seat_user(other, "dave")
    await service.wait_for_event("GrantProvisioned", other, "dave")
    assert proxy.count_calls("UpdateParticipant", name, "coHost") == grants
    assert rights_of(bob) == VIEWER_RIGHTS
    assert "IntruderRemoved" not in service.event_names(name)


async def test_refusing_every_third_call_leaves_no_wrong_permission(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    names = [await open_room(service) for _ in range(12)]
    for name in names:
        await clients.connect_user(service, name, "bob", viewer=True)
    proxy.refuse_every = 3
    first = [await service.seat_user(name, "bob") for name in names]
    for name, seat in zip(names, first, strict=True):
        await service.end_seat(name, "bob", seat)
    second = [await service.seat_user(name, "bob") for name in names]
    for name, seat in zip(names[::2], second[::2], strict=True):
        await service.end_seat(name, "bob", seat)
    await asyncio.gather(
        *(service.wait_for_event("GrantRevoked", name, "bob", count=2) for name in names[::2])
    )
    await asyncio.gather(*(service.wait_for_records(is_grant_of(seat)) for seat in second[1::2]))
    proxy.clear_faults()
    for name, seat in zip(names, second, strict=True):
        await wait_until(lambda name=name: livekit_matches_stage(service, name))
        assert "IntruderRemoved" not in service.event_names(name)
        assert service.event_names(name).count("GrantRevoked") == 1 + (seat in second[::2])
    counts = grant_event_counts(service)
    assert [counts[seat, "GrantRevoked"] for seat in first] == [1] * len(first)
    assert all(counts[seat, "GrantProvisioned"] <= 1 for seat in (*first, *second))


def is_grant_of(seat: str) -> Callable[[PublishedRecord], bool]:
    return lambda record: (
        record.name == "GrantProvisioned" and record.data is not None and record.data["invitationId"] == seat
    )


@pytest.mark.parametrize("gently", [True, False])
async def test_a_livekit_restart_costs_no_co_host_the_seat(
    proxied_setup: ProxiedSetup, proxied_service: ServiceUnderTest, clients: LiveKitClients, *, gently: bool
) -> None:
    service = proxied_service
    names = [await open_room(service) for _ in range(2)]
    for name in names:
        await clients.connect_user(service, name, "alice")
        _, bob = await seat_and_connect(service, clients, name)
        await publish_hard_mute(service, name)
        await wait_until(lambda bob=bob: rights_of(bob) == MUTED)
    before = {name: await stage_items(service, name) for name in names}
    if not gently:
        proxied_setup.livekit.process_of("livekit").kill()
    await asyncio.gather(clients.disconnect_all(), proxied_setup.livekit.restart("livekit"))
    assert not await livekit_room_exists(service, names[0])
    back = [await clients.connect_user(service, name, "bob") for name in names]
    for name, bob in zip(names, back, strict=True):
        await wait_until(lambda name=name: _has_returned(service, name))
        await wait_until(lambda bob=bob: rights_of(bob) == MUTED)
        on_stage = await stage_items(service, name)
        for user_id, item in before[name].items():
            kept_fields = ("badge", "invitationId", "since", "grant", "hardMuted")
            assert [on_stage[user_id][key] for key in kept_fields] == [item[key] for key in kept_fields]
        assert "CoHostLost" not in service.event_names(name)
        assert "GrantRevoked" not in service.event_names(name)
        assert await livekit_matches_stage(service, name)


async def _has_returned(service: ServiceUnderTest, room_id: str) -> bool:
    present = await livekit_participants(service, room_id)
    return "bob" in present and (await stage_items(service, room_id))["bob"]["connection"] == "connected"
