"""A change revoked before its first call costs one call, with the last desired state."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from services.broadcast.effects import reconciler
from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import CO_HOST, VIEWER, Guests, live, rights_of

SERVICE, SETTINGS = kills.SERVICE, kills.SETTINGS
AT_ONCE = reconciler._MAX_CALLS  # noqa: SLF001 - this many calls make all others wait


@contextlib.asynccontextmanager
async def busy(killable: Mortal) -> AsyncIterator[None]:
    """Keep the maximum number of calls in progress during the block."""
    name = await live(killable.house)
    reached = killable.arm("before UpdateParticipant", name, "wait")
    for number in range(AT_ONCE):
        await killable.house.seat_user(name, f"user-{number}")
    await until(lambda: reached.exists() and len(reached.read_text()) == AT_ONCE)
    yield
    reached.unlink()
    Path(str(reached).removesuffix(".reached")).unlink()
    await killable.house.event("GrantProvisioned", name, count=AT_ONCE)


async def test_a_grant_and_its_revoke_are_one_call(killable: Mortal, clients: Guests) -> None:
    service = killable.house
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    async with busy(killable):
        seat = await service.seat_user(name, "bob")
        await service.unseat(name, "bob", seat)
        await service.await_(lambda record: record.key == f"{name}/bob" and record.data is None)
    await service.event("GrantRevoked", name, "bob")
    assert killable.proxy.count("UpdateParticipant", name) == 1
    assert rights_of(bob) == VIEWER
    assert service.events(name) == ["GrantRevoked"]
    await killable.sound(name)


async def test_a_grant_its_revoke_and_the_next_are_one_call(killable: Mortal, clients: Guests) -> None:
    service = killable.house
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    async with busy(killable):
        seat = await service.seat_user(name, "bob")
        await service.unseat(name, "bob", seat)
        again = await service.seat_user(name, "bob")
        await service.await_(
            lambda record: record.topic == "badges" and record.data is not None and _of(record.data, again)
        )
    granted = await service.event("GrantProvisioned", name, "bob")
    assert granted.data is not None
    assert granted.data["invitationId"] == again
    assert killable.proxy.count("UpdateParticipant", name) == 1
    await until(lambda: rights_of(bob) == CO_HOST)
    assert sorted(service.events(name)) == ["CoHostConnected", "GrantProvisioned", "GrantRevoked"]
    await killable.sound(name)


def _of(data: dict[str, object], seat: str) -> bool:
    return data["invitationId"] == seat
