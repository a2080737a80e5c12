"""Killed around a call that grants or revokes: the permissions end correct and are published once."""

import signal

import pytest

from cohost_schemas import commands, topics
from tests.broadcast.e2e import kills
from tests.broadcast.e2e.copies import second
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import CO_HOST, VIEWER, Guests, co_host, live, rights_of

SERVICE = kills.SERVICE
SETTINGS = {**kills.SETTINGS, "COHOST_COMPARISON_SECONDS": "5"}
POINTS = kills.points("UpdateParticipant", report="GrantApplied")


@pytest.mark.parametrize("point", POINTS)
async def test_a_grant_is_applied_and_published_once(killable: Mortal, clients: Guests, point: str) -> None:
    service = killable.house
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    async with killable.killed(point, name):
        await service.seat_user(name, "bob")
    await service.event("GrantProvisioned", name, "bob")
    await until(lambda: rights_of(bob) == CO_HOST)
    await killable.sound(name)


@pytest.mark.parametrize("point", POINTS)
async def test_a_revocation_is_applied_and_published_once(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    seat, bob = await co_host(service, clients, name)
    async with killable.killed(point, name):
        await service.unseat(name, "bob", seat)
    await service.event("GrantRevoked", name, "bob")
    await until(lambda: rights_of(bob) == VIEWER)
    await killable.sound(name)
    assert "IntruderRemoved" not in service.events(name)


@pytest.mark.parametrize("point", POINTS[1:3])
async def test_a_hard_mute_is_applied_and_published_once(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    _, bob = await co_host(service, clients, name)
    mute = commands.MuteCoHost(room_id=name, user_id="bob", actor_id="alice", source="camera", hard=True)
    async with killable.killed(point, name):
        await service.say(topics.BROADCAST_COMMANDS, mute, name)
    await until(lambda: rights_of(bob) == {**CO_HOST, "canPublishSources": 3})
    await killable.sound(name)
    assert service.events(name).count("CoHostMuted") == 1


async def test_a_killed_services_late_grant_is_revoked(killable: Mortal, clients: Guests) -> None:
    service = killable.house
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    async with killable.dead("in UpdateParticipant, not done", name) as late:
        seat = await service.seat_user(name, "bob")
    await service.unseat(name, "bob", seat)
    changes: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
    await killable.revive()
    await service.event("GrantRevoked", name, "bob")
    assert late is not None
    late.let_go.set()
    await until(lambda: changes == [True, False])
    await killable.sound(name)


async def test_a_stopped_services_late_grant_is_revoked(killable: Mortal, clients: Guests) -> None:
    service = killable.house
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    reached = killable.arm("before UpdateParticipant", name, "SIGSTOP")
    seat = await service.seat_user(name, "bob")
    await until(reached.exists)
    assert service.process is not None
    async with second(service):
        await service.event("GrantProvisioned", name, "bob")
        await service.unseat(name, "bob", seat)
        await service.event("GrantRevoked", name, "bob")
        await until(lambda: rights_of(bob) == VIEWER)
        changes: list[bool] = []
        bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
        service.process.send_signal(signal.SIGCONT)
        await until(lambda: changes == [True, False])
        await until(lambda: service.events(name).count("IntruderRemoved") == 1)
    await killable.sound(name)
