"""Killed between a webhook or a deadline and the record that tells of it: one outcome."""

import signal

import pytest

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import Guests, badge, broadcast_data, co_host, live

SERVICE = kills.SERVICE
SETTINGS = {**kills.SETTINGS, "COHOST_RECONNECT_GRACE_SECONDS": "2"}


@pytest.mark.parametrize("point", ["before ParticipantJoined", "after ParticipantJoined"])
async def test_an_unanswered_webhook_takes_effect_once(mortal: Mortal, guests: Guests, point: str) -> None:
    house = mortal.house
    name = await live(house)
    await house.seat(name, "bob")
    await badge(house, name, "bob")
    token = (await broadcast_data(house, name, "bob")).json()["token"]
    async with mortal.killed(point, name):
        await guests.join(house, name, "bob", token=token)
    await house.event("CoHostConnected", name, "bob")
    await house.event("GrantProvisioned", name, "bob")
    await mortal.sound(name)
    assert sorted(house.events(name)) == ["CoHostConnected", "GrantProvisioned"]


@pytest.mark.parametrize(
    "point", ["before DeadlineReached", "after DeadlineReached", "before ReleaseSeat", "after ReleaseSeat"]
)
async def test_a_deadline_expires_once_after_a_kill(mortal: Mortal, guests: Guests, point: str) -> None:
    house = mortal.house
    name = await live(house)
    seat, bob = await co_host(house, guests, name)
    async with mortal.killed(point, name):
        await bob.disconnect()
    await lost(mortal, name, seat)


async def test_the_grace_period_runs_while_the_service_is_down(mortal: Mortal, guests: Guests) -> None:
    house = mortal.house
    name = await live(house)
    seat, bob = await co_host(house, guests, name)
    await bob.disconnect()
    await house.event("CoHostDisconnected", name, "bob")
    assert await house.stop(signal.SIGKILL) == -signal.SIGKILL
    await mortal.revive()
    await lost(mortal, name, seat)


async def lost(mortal: Mortal, room_id: str, seat: str) -> None:
    """Claim that bob's seat was lost once, and its end asked for by one command."""
    house = mortal.house
    await house.event("CoHostLost", room_id, "bob")
    asked = await house.await_(lambda heard: heard.name == "ReleaseSeat" and heard.key == room_id)
    await house.unseat(room_id, "bob", seat, "connection_lost")
    await house.event("GrantRevoked", room_id, "bob")
    await mortal.sound(room_id)
    assert len({heard.envelope["id"] for heard in asked}) == 1
    ends = [name for name in house.events(room_id) if name in ("CoHostDisconnected", "CoHostLost")]
    assert ends == ["CoHostDisconnected", "CoHostLost"]
