"""A real LiveKit that takes seconds, answers out of order, or restarts and loses every room."""

import asyncio

import pytest

from cohost_schemas import commands, topics
from tests.broadcast.e2e.conftest import Proxied
from tests.broadcast.e2e.house import House, until
from tests.broadcast.e2e.proxy import Proxy
from tests.broadcast.e2e.show import (
    CO_HOST,
    VIEWER,
    Guests,
    agreed,
    badge,
    co_host,
    exists,
    items,
    live,
    participants,
    rights_of,
    told,
)
from tests.broadcast.fake_livekit import refused

SETTINGS = {
    "COHOST_LIVEKIT_TIMEOUT_SECONDS": "4",
    "COHOST_COMPARISON_SECONDS": "2",
    "COHOST_RECONNECT_GRACE_SECONDS": "60",
}
MUTED = {**CO_HOST, "canPublishSources": 3}


async def mute(service: House, room_id: str) -> None:
    command = commands.MuteCoHost(
        room_id=room_id, user_id="bob", actor_id="alice", source="microphone", hard=True
    )
    await service.say(topics.BROADCAST_COMMANDS, command, room_id)


async def test_slow_calls_delay_only_grants(proxied_service: House, proxy: Proxy, clients: Guests) -> None:
    service = proxied_service
    names = [await live(service) for _ in range(4)]
    granting, revoking, silencing, closing = names
    carol = await clients.join(service, granting, "carol", viewer=True)
    seats = [await co_host(service, clients, name) for name in names[1:]]
    proxy.delay = 2
    granted = await service.seat_user(granting, "carol")
    await service.unseat(revoking, "bob", seats[0][0])
    await mute(service, silencing)
    await service.publish_stage(closing, "ended")
    await service.unseat(closing, "bob", seats[2][0], "room_ended")
    await service.event("CoHostMuted", silencing, "bob")
    await badge(service, granting, "carol")
    assert (await items(service, silencing))["bob"]["hardMuted"] == ["microphone"]
    assert rights_of(carol) == VIEWER
    await service.event("GrantProvisioned", granting, "carol")
    await service.event("GrantRevoked", revoking, "bob")
    await service.event("GrantRevoked", closing, "bob")
    await until(lambda: rights_of(seats[1][1]) == MUTED)
    assert not await exists(service, closing)
    proxy.recover()
    for name in names[:3]:
        await until(lambda name=name: agreed(service, name))
    counts = told(service)
    assert {counts[seat, "GrantProvisioned"] for seat in (granted, *(seat for seat, _ in seats))} == {1}
    assert [counts[seat, "GrantRevoked"] for seat, _ in seats] == [1, 0, 1]
    assert counts[granted, "GrantRevoked"] == 0


async def test_a_failed_grant_is_not_retried_after_its_revoke(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name, other = await live(service), await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    revoking = proxy.hold("UpdateParticipant", name, without="coHost")
    seat = await service.seat_user(name, "bob")
    await until(lambda: proxy.count("UpdateParticipant", name))
    await service.unseat(name, "bob", seat)
    await until(revoking.reached.is_set)
    # Another key is retried twice while the revoke is in progress, so the grant's back-off is over as well.
    await service.seat_user(other, "carol")
    await until(lambda: proxy.count("UpdateParticipant", other) >= 3)
    proxy.troubles.clear()
    calls = proxy.count("UpdateParticipant", name)
    revoking.let_go.set()
    await service.event("GrantRevoked", name, "bob")
    await service.event("GrantProvisioned", other, "carol")
    await service.seat_user(other, "dave")
    await service.event("GrantProvisioned", other, "dave")
    assert proxy.count("UpdateParticipant", name) == calls
    assert rights_of(bob) == VIEWER
    assert "IntruderRemoved" not in service.events(name)


@pytest.mark.parametrize("gently", [True, False])
async def test_a_livekit_restart_costs_no_co_host_the_seat(
    proxied_setup: Proxied, proxied_service: House, clients: Guests, *, gently: bool
) -> None:
    service = proxied_service
    names = [await live(service) for _ in range(2)]
    for name in names:
        await clients.join(service, name, "alice")
        _, bob = await co_host(service, clients, name)
        await mute(service, name)
        await until(lambda bob=bob: rights_of(bob) == MUTED)
    before = {name: await items(service, name) for name in names}
    if not gently:
        proxied_setup.livekit.kill("livekit")
    await asyncio.gather(clients.leave(), proxied_setup.livekit.restart("livekit"))
    assert not await exists(service, names[0])
    back = [await clients.join(service, name, "bob") for name in names]
    for name, bob in zip(names, back, strict=True):
        await until(lambda name=name: _back(service, name))
        await until(lambda bob=bob: rights_of(bob) == MUTED)
        on_stage = await items(service, name)
        for user_id, item in before[name].items():
            kept_fields = ("badge", "invitationId", "since", "grant", "hardMuted")
            assert [on_stage[user_id][key] for key in kept_fields] == [item[key] for key in kept_fields]
        assert "CoHostLost" not in service.events(name)
        assert "GrantRevoked" not in service.events(name)
        assert await agreed(service, name)


async def _back(service: House, room_id: str) -> bool:
    present = await participants(service, room_id)
    return "bob" in present and (await items(service, room_id))["bob"]["connection"] == "connected"
