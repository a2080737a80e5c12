"""Killed between a webhook or a deadline and the record about it: one outcome."""

import signal

import pytest

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import Guests, badge, broadcast_data, co_host, live

SERVICE = kills.SERVICE
SETTINGS = {**kills.SETTINGS, "COHOST_RECONNECT_GRACE_SECONDS": "2"}


@pytest.mark.parametrize("point", ["before ParticipantJoined", "after ParticipantJoined"])
async def test_an_unanswered_webhook_takes_effect_once(killable: Mortal, clients: Guests, point: str) -> None:
    service = killable.house
    name = await live(service)
    await service.seat_user(name, "bob")
    await badge(service, name, "bob")
    token = (await broadcast_data(service, name, "bob")).json()["token"]
    async with killable.killed(point, name):
        await clients.join(service, name, "bob", token=token)
    await service.event("CoHostConnected", name, "bob")
    await service.event("GrantProvisioned", name, "bob")
    await killable.sound(name)
    assert sorted(service.events(name)) == ["CoHostConnected", "GrantProvisioned"]


@pytest.mark.parametrize(
    "point", ["before DeadlineReached", "after DeadlineReached", "before ReleaseSeat", "after ReleaseSeat"]
)
async def test_a_deadline_expires_once_after_a_kill(killable: Mortal, clients: Guests, point: str) -> None:
    service = killable.house
    name = await live(service)
    seat, bob = await co_host(service, clients, name)
    async with killable.killed(point, name):
        await bob.disconnect()
    await lost(killable, name, seat)


async def test_the_grace_period_runs_while_the_service_is_down(killable: Mortal, clients: Guests) -> None:
    service = killable.house
    name = await live(service)
    seat, bob = await co_host(service, clients, name)
    await bob.disconnect()
    await service.event("CoHostDisconnected", name, "bob")
    assert await service.stop(signal.SIGKILL) == -signal.SIGKILL
    await killable.revive()
    await lost(killable, name, seat)


async def lost(killable: Mortal, room_id: str, seat: str) -> None:
    """Assert that bob's seat was lost once and released by one command."""
    service = killable.house
    await service.event("CoHostLost", room_id, "bob")
    releases = await service.await_(lambda record: record.name == "ReleaseSeat" and record.key == room_id)
    await service.unseat(room_id, "bob", seat, "connection_lost")
    await service.event("GrantRevoked", room_id, "bob")
    await killable.sound(room_id)
    assert len({record.envelope["id"] for record in releases}) == 1
    ends = [name for name in service.events(room_id) if name in ("CoHostDisconnected", "CoHostLost")]
    assert ends == ["CoHostDisconnected", "CoHostLost"]
