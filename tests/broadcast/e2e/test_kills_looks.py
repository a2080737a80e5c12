"""Killed during a resync while webhooks get lost: the next owner finds every connection and intruder."""

import pytest

from tests.broadcast.e2e import kills
from tests.broadcast.e2e.house import until
from tests.broadcast.e2e.kills import Mortal
from tests.broadcast.e2e.show import VIEWER, Guests, broadcast_data, forged, live, rights_of

SERVICE, WITHOUT_WEBHOOKS = kills.SERVICE, True
SETTINGS = {**kills.SETTINGS, "COHOST_COMPARISON_SECONDS": "0.5"}
LOOKS = [
    *((point, "all") for point in kills.points("ListRooms", report="")[:-1]),
    *((point, "room") for point in kills.points("ListParticipants", report="")[:-1]),
    ("before RoomCompared", "mallory"),
    ("after RoomCompared", "mallory"),
]


@pytest.mark.parametrize(("point", "about"), LOOKS)
async def test_each_participant_is_found_once_by_the_next_owner(
    killable: Mortal, clients: Guests, point: str, about: str
) -> None:
    service = killable.house
    name = await live(service)
    await service.seat_user(name, "bob")
    await service.event("GrantProvisioned", name, "bob")
    token = (await broadcast_data(service, name, "bob")).json()["token"]
    async with killable.killed(point, name if about == "room" else about):
        bob = await clients.join(service, name, "bob", token=token)
        mallory = await clients.join(service, name, "mallory", token=forged(service, name))
    await service.event("CoHostConnected", name, "bob")
    await service.event("IntruderRemoved", name, "mallory")
    await until(lambda: rights_of(mallory) == VIEWER)
    await killable.sound(name)
    assert bob.isconnected()
    assert sorted(service.events(name)) == ["CoHostConnected", "GrantProvisioned", "IntruderRemoved"]
