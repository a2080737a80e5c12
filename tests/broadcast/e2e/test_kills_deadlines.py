"""Killed between a webhook or a deadline and the record about it: one outcome."""

import signal

import pytest

from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    LiveKitClients,
    get_broadcast_data,
    open_room,
    seat_and_connect,
    wait_for_badge,
)

SERVICE = killable_service.SERVICE
SETTINGS = {**killable_service.SETTINGS, "COHOST_RECONNECT_GRACE_SECONDS": "2"}


@pytest.mark.parametrize("point", ["before ParticipantJoined", "after ParticipantJoined"])
async def test_an_unanswered_webhook_takes_effect_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    token = (await get_broadcast_data(service, name, "bob")).json()["token"]
    async with killable.restarted_after_kill(point, name):
        await clients.connect_user(service, name, "bob", token=token)
    await service.wait_for_event("CoHostConnected", name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    await killable.assert_consistent(name)
    assert sorted(service.event_names(name)) == ["CoHostConnected", "GrantProvisioned"]


@pytest.mark.parametrize(
    "point", ["before DeadlineReached", "after DeadlineReached", "before ReleaseSeat", "after ReleaseSeat"]
)
async def test_a_deadline_expires_once_after_a_kill(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    seat, bob = await seat_and_connect(service, clients, name)
    async with killable.restarted_after_kill(point, name):
        await bob.disconnect()
    await assert_lost_once(killable, name, seat)


async def test_the_grace_period_runs_while_the_service_is_down(
    killable: KillableService, clients: LiveKitClients
) -> None:
    service = killable.service
    name = await open_room(service)
    seat, bob = await seat_and_connect(service, clients, name)
    await bob.disconnect()
    await service.wait_for_event("CoHostDisconnected", name, "bob")
    assert await service.stop_process(signal.SIGKILL) == -signal.SIGKILL
    await killable.restart()
    await assert_lost_once(killable, name, seat)


async def assert_lost_once(killable: KillableService, room_id: str, seat: str) -> None:
    """Assert that bob's seat was lost once and released by one command."""
    service = killable.service
    await service.wait_for_event("CoHostLost", room_id, "bob")
    releases = await service.wait_for_records(
        lambda record: record.name == "ReleaseSeat" and record.key == room_id
    )
    await service.end_seat(room_id, "bob", seat, "connection_lost")
    await service.wait_for_event("GrantRevoked", room_id, "bob")
    await killable.assert_consistent(room_id)
    assert len({record.envelope["id"] for record in releases}) == 1
    ends = [name for name in service.event_names(room_id) if name in ("CoHostDisconnected", "CoHostLost")]
    assert ends == ["CoHostDisconnected", "CoHostLost"]
