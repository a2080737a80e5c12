"""Killed around a call that grants or revokes: the permissions end correct and are published once."""

import signal

import pytest

from cohost_schemas import commands, topics
from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    open_room,
    rights_of,
    seat_and_connect,
)
from tests.broadcast.e2e.second_copy import start_second_copy
from tests.broadcast.e2e.service_under_test import wait_until

SERVICE = killable_service.SERVICE
SETTINGS = {**killable_service.SETTINGS, "COHOST_COMPARISON_SECONDS": "5"}
POINTS = killable_service.failpoints_around("UpdateParticipant", report="GrantApplied")


@pytest.mark.parametrize("point", POINTS)
async def test_a_grant_is_applied_and_published_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    async with killable.restarted_after_kill(point, name):
        await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)
    await killable.assert_consistent(name)


@pytest.mark.parametrize("point", POINTS)
async def test_a_revocation_is_applied_and_published_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    seat, bob = await seat_and_connect(service, clients, name)
    async with killable.restarted_after_kill(point, name):
        await service.end_seat(name, "bob", seat)
    await service.wait_for_event("GrantRevoked", name, "bob")
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
    await killable.assert_consistent(name)
    assert "IntruderRemoved" not in service.event_names(name)


@pytest.mark.parametrize("point", POINTS[1:3])
async def test_a_hard_mute_is_applied_and_published_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="camera", hard=True)
    async with killable.restarted_after_kill(point, name):
        await service.publish_record(topics.BROADCAST_COMMANDS, mute, name)
    await wait_until(lambda: rights_of(bob) == {**CO_HOST_RIGHTS, "canPublishSources": 3})
    await killable.assert_consistent(name)
    assert service.event_names(name).count("CoHostMuted") == 1


async def test_a_killed_services_late_grant_is_revoked(
    killable: KillableService, clients: LiveKitClients
) -> None:
    service = killable.service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    async with killable.killed_at("in UpdateParticipant, not done", name) as late:
        seat = await service.seat_user(name, "bob")
    await service.end_seat(name, "bob", seat)
    await killable.restart()
    await service.wait_for_event("GrantRevoked", name, "bob")
    # The new owner may have made the grant, too, before it read of the seat's end.
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
    changes: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
    assert late is not None
    late.release.set()
    await wait_until(lambda: changes == [True, False])
    await killable.assert_consistent(name)


async def test_a_stopped_services_late_grant_is_revoked(
    killable: KillableService, clients: LiveKitClients
) -> None:
    service = killable.service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    reached = killable.arm_failpoint("before UpdateParticipant", name, "SIGSTOP")
    seat = await service.seat_user(name, "bob")
    await wait_until(reached.exists)
    assert service.process is not None
    async with start_second_copy(service):
        await service.wait_for_event("GrantProvisioned", name, "bob")
        await service.end_seat(name, "bob", seat)
        await service.wait_for_event("GrantRevoked", name, "bob")
        await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
        changes: list[bool] = []
        bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
        service.process.send_signal(signal.SIGCONT)
        await wait_until(lambda: changes == [True, False])
        await wait_until(lambda: service.event_names(name).count("IntruderRemoved") == 1)
    await killable.assert_consistent(name)
