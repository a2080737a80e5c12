"""Killed while an intruder is dealt with: the intruder's rights are gone, and it is told once."""

import pytest

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import VIEWER, Guests, forged, live, participants, rights_of
from tests.broadcast.fake_livekit import refused

SERVICE, SETTINGS = kills.SERVICE, kills.SETTINGS


@pytest.mark.parametrize("point", kills.points("GetParticipant", "UpdateParticipant", report="GrantApplied"))
async def test_an_intruder_is_demoted_and_published_once(mortal: Mortal, guests: Guests, point: str) -> None:
    house = mortal.house
    name = await live(house)
    await guests.join(house, name, "alice")
    async with mortal.killed(point, name):
        mallory = await guests.join(house, name, "mallory", token=forged(house, name))
    await house.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)
    await mortal.sound(name)
    assert house.events(name) == ["IntruderRemoved"]


@pytest.mark.parametrize("point", kills.points("RemoveParticipant", report="GrantApplied"))
async def test_an_intruder_is_removed_once_when_demotion_is_refused(
    mortal: Mortal, guests: Guests, point: str
) -> None:
    house = mortal.house
    name = await live(house)
    await guests.join(house, name, "alice")
    mortal.proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    async with mortal.killed(point, name):
        await guests.join(house, name, "mallory", token=forged(house, name))
    removed = await house.event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "removed"
    assert set(await participants(house, name)) == {"alice"}
    await mortal.sound(name)
    assert house.events(name) == ["IntruderRemoved"]
