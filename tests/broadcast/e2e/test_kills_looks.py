"""Killed while it compares, and no webhook comes through: the next owner finds it all the same."""

import pytest

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import VIEWER, Guests, broadcast_data, forged, live, rights_of

SERVICE, DEAF = kills.SERVICE, True
SETTINGS = {**kills.SETTINGS, "COHOST_COMPARISON_SECONDS": "0.5"}
LOOKS = [
    *((point, "all") for point in kills.points("ListRooms", report="")[:-1]),
    *((point, "room") for point in kills.points("ListParticipants", report="")[:-1]),
    ("before RoomCompared", "mallory"),
    ("after RoomCompared", "mallory"),
]


@pytest.mark.parametrize(("point", "about"), LOOKS)
async def test_each_participant_is_found_once_by_the_next_owner(
    mortal: Mortal, guests: Guests, point: str, about: str
) -> None:
    house = mortal.house
    name = await live(house)
    await house.seat(name, "bob")
    await house.event("GrantProvisioned", name, "bob")
    token = (await broadcast_data(house, name, "bob")).json()["token"]
    async with mortal.killed(point, name if about == "room" else about):
        bob = await guests.join(house, name, "bob", token=token)
        mallory = await guests.join(house, name, "mallory", token=forged(house, name))
    await house.event("CoHostConnected", name, "bob")
    await house.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)
    await mortal.sound(name)
    assert bob.isconnected()
    assert sorted(house.events(name)) == ["CoHostConnected", "GrantProvisioned", "IntruderRemoved"]
