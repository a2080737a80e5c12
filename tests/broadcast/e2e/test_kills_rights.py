"""Killed around a call that gives or takes rights: they are right in the end, and told of once."""

import signal

import pytest

from schemas import commands, topics
from tests.broadcast.e2e import kills
from tests.broadcast.e2e.copies import second
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import CO_HOST, VIEWER, Guests, co_host, live, rights_of

SERVICE = kills.SERVICE
SETTINGS = {**kills.SETTINGS, "COHOST_COMPARISON_SECONDS": "5"}
POINTS = kills.points("UpdateParticipant", report="GrantApplied")


@pytest.mark.parametrize("point", POINTS)
async def test_a_grant_is_applied_and_published_once(mortal: Mortal, guests: Guests, point: str) -> None:
    house = mortal.house
    name = await live(house)
    bob = await guests.join(house, name, "bob", viewer=True)
    async with mortal.killed(point, name):
        await house.seat(name, "bob")
    await house.event("GrantProvisioned", name, "bob")
    await until(lambda: rights_of(bob) == CO_HOST)
    await mortal.sound(name)


@pytest.mark.parametrize("point", POINTS)
async def test_a_revocation_is_applied_and_published_once(mortal: Mortal, guests: Guests, point: str) -> None:
    house = mortal.house
    name = await live(house)
    seat, bob = await co_host(house, guests, name)
    async with mortal.killed(point, name):
        await house.unseat(name, "bob", seat)
    await house.event("GrantRevoked", name, "bob")
    await until(lambda: rights_of(bob) == VIEWER)
    await mortal.sound(name)
    assert "IntruderRemoved" not in house.events(name)


@pytest.mark.parametrize("point", POINTS[1:3])
async def test_a_hard_mute_is_applied_and_published_once(mortal: Mortal, guests: Guests, point: str) -> None:
    house = mortal.house
    name = await live(house)
    _, bob = await co_host(house, guests, name)
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="camera", hard=True)
    async with mortal.killed(point, name):
        await house.say(topics.BROADCAST_COMMANDS, mute, name)
    await until(lambda: rights_of(bob) == {**CO_HOST, "canPublishSources": 3})
    await mortal.sound(name)
    assert house.events(name).count("CoHostMuted") == 1


async def test_a_killed_services_late_grant_is_revoked(mortal: Mortal, guests: Guests) -> None:
    house = mortal.house
    name = await live(house)
    bob = await guests.join(house, name, "bob", viewer=True)
    async with mortal.dead("in UpdateParticipant, not done", name) as late:
        seat = await house.seat(name, "bob")
    await house.unseat(name, "bob", seat)
    changes: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
    await mortal.revive()
    await house.event("GrantRevoked", name, "bob")
    assert late is not None
    late.let_go.set()
    await until(lambda: changes == [True, False])
    await mortal.sound(name)


async def test_a_stopped_services_late_grant_is_revoked(mortal: Mortal, guests: Guests) -> None:
    house = mortal.house
    name = await live(house)
    bob = await guests.join(house, name, "bob", viewer=True)
    reached = mortal.arm("before UpdateParticipant", name, "SIGSTOP")
    seat = await house.seat(name, "bob")
    await until(reached.exists)
    assert house.process is not None
    async with second(house):
        await house.event("GrantProvisioned", name, "bob")
        await house.unseat(name, "bob", seat)
        await house.event("GrantRevoked", name, "bob")
        await until(lambda: rights_of(bob) == VIEWER)
        changes: list[bool] = []
        bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
        house.process.send_signal(signal.SIGCONT)
        await until(lambda: changes == [True, False])
        await until(lambda: house.events(name).count("IntruderRemoved") == 1)
    await mortal.sound(name)
