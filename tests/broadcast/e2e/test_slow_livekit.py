"""A real LiveKit that takes seconds, answers in the wrong order, or starts anew with all rooms lost."""

import asyncio

import pytest

from schemas import commands, topics
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


async def mute(house: House, room_id: str) -> None:
    command = commands.MuteCoHost(
        room_id=room_id, user_id="bob", actor_id="alice", source="microphone", hard=True
    )
    await house.say(topics.BROADCAST_COMMANDS, command, room_id)


async def test_slow_calls_delay_only_grants(proxied_house: House, proxy: Proxy, guests: Guests) -> None:
    house = proxied_house
    names = [await live(house) for _ in range(4)]
    granting, revoking, silencing, closing = names
    carol = await guests.join(house, granting, "carol", viewer=True)
    seats = [await co_host(house, guests, name) for name in names[1:]]
    proxy.delay = 2
    granted = await house.seat(granting, "carol")
    await house.unseat(revoking, "bob", seats[0][0])
    await mute(house, silencing)
    await house.stage(closing, "ended")
    await house.unseat(closing, "bob", seats[2][0], "room_ended")
    await house.event("CoHostMuted", silencing, "bob")
    await badge(house, granting, "carol")
    assert (await items(house, silencing))["bob"]["hardMuted"] == ["microphone"]
    assert rights_of(carol) == VIEWER
    await house.event("GrantProvisioned", granting, "carol")
    await house.event("GrantRevoked", revoking, "bob")
    await house.event("GrantRevoked", closing, "bob")
    await until(lambda: rights_of(seats[1][1]) == MUTED)
    assert not await exists(house, closing)
    proxy.recover()
    for name in names[:3]:
        await until(lambda name=name: agreed(house, name))
    said = told(house)
    assert {said[seat, "GrantProvisioned"] for seat in (granted, *(seat for seat, _ in seats))} == {1}
    assert [said[seat, "GrantRevoked"] for seat, _ in seats] == [1, 0, 1]
    assert said[granted, "GrantRevoked"] == 0


async def test_a_failed_grant_is_not_retried_after_its_revoke(
    proxied_house: House, proxy: Proxy, guests: Guests
) -> None:
    house = proxied_house
    name, other = await live(house), await live(house)
    bob = await guests.join(house, name, "bob", viewer=True)
    proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    revoking = proxy.hold("UpdateParticipant", name, without="coHost")
    seat = await house.seat(name, "bob")
    await until(lambda: proxy.count("UpdateParticipant", name))
    await house.unseat(name, "bob", seat)
    await until(revoking.reached.is_set)
    # The rests of another are over twice while the revoke is under way: so is that of the grant.
    await house.seat(other, "carol")
    await until(lambda: proxy.count("UpdateParticipant", other) >= 3)
    proxy.troubles.clear()
    calls = proxy.count("UpdateParticipant", name)
    revoking.let_go.set()
    await house.event("GrantRevoked", name, "bob")
    await house.event("GrantProvisioned", other, "carol")
    await house.seat(other, "dave")
    await house.event("GrantProvisioned", other, "dave")
    assert proxy.count("UpdateParticipant", name) == calls
    assert rights_of(bob) == VIEWER
    assert "IntruderRemoved" not in house.events(name)


@pytest.mark.parametrize("gently", [True, False])
async def test_a_livekit_restart_costs_no_co_host_the_seat(
    proxied: Proxied, proxied_house: House, guests: Guests, *, gently: bool
) -> None:
    house = proxied_house
    names = [await live(house) for _ in range(2)]
    for name in names:
        await guests.join(house, name, "alice")
        _, bob = await co_host(house, guests, name)
        await mute(house, name)
        await until(lambda bob=bob: rights_of(bob) == MUTED)
    before = {name: await items(house, name) for name in names}
    if not gently:
        proxied.livekit.kill("livekit")
    await asyncio.gather(guests.leave(), proxied.livekit.restart("livekit"))
    assert not await exists(house, names[0])
    back = [await guests.join(house, name, "bob") for name in names]
    for name, bob in zip(names, back, strict=True):
        await until(lambda name=name: _back(house, name))
        await until(lambda bob=bob: rights_of(bob) == MUTED)
        on_stage = await items(house, name)
        for user_id, item in before[name].items():
            kept = ("badge", "invitationId", "since", "grant", "hardMuted")
            assert [on_stage[user_id][key] for key in kept] == [item[key] for key in kept]
        assert "CoHostLost" not in house.events(name)
        assert "GrantRevoked" not in house.events(name)
        assert await agreed(house, name)


async def _back(house: House, room_id: str) -> bool:
    there = await participants(house, room_id)
    return "bob" in there and (await items(house, room_id))["bob"]["connection"] == "connected"
