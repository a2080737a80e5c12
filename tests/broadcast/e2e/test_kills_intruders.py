"""Killed while an intruder is demoted or removed: the permissions are revoked and published once."""

import pytest

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import VIEWER, Guests, forged, live, participants, rights_of
from tests.broadcast.fake_livekit import refused

SERVICE, SETTINGS = kills.SERVICE, kills.SETTINGS


@pytest.mark.parametrize("point", kills.points("GetParticipant", "UpdateParticipant", report="GrantApplied"))
async def test_an_intruder_is_demoted_and_published_once(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    await clients.join(service, name, "alice")
    async with killable.killed(point, name):
        mallory = await clients.join(service, name, "mallory", token=forged(service, name))
    await service.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)
    await killable.sound(name)
    assert service.events(name) == ["IntruderRemoved"]


@pytest.mark.parametrize("point", kills.points("RemoveParticipant", report="GrantApplied"))
async def test_an_intruder_is_removed_once_when_demotion_is_refused(
    killable: Mortal, clients: Guests, point: str
) -> None:
    service = killable.house
    name = await live(service)
    await clients.join(service, name, "alice")
    killable.proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    async with killable.killed(point, name):
        await clients.join(service, name, "mallory", token=forged(service, name))
    removed = await service.event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "removed"
    assert set(await participants(service, name)) == {"alice"}
    await killable.sound(name)
    assert service.events(name) == ["IntruderRemoved"]
