"""Killed during a resync while webhooks get lost: the next owner finds every connection and intruder."""

import pytest

from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    VIEWER_RIGHTS,
    LiveKitClients,
    forged_token,
    get_broadcast_data,
    open_room,
    rights_of,
)
from tests.broadcast.e2e.service_under_test import wait_until

SERVICE, WITHOUT_WEBHOOKS = killable_service.SERVICE, True
SETTINGS = {**killable_service.SETTINGS, "COHOST_COMPARISON_SECONDS": "0.5"}
RESYNC_POINTS = [
    *((point, "all") for point in killable_service.failpoints_around("ListRooms", report="")[:-1]),
    *((point, "room") for point in killable_service.failpoints_around("ListParticipants", report="")[:-1]),
    ("before RoomCompared", "mallory"),
    ("after RoomCompared", "mallory"),
]


@pytest.mark.parametrize(("point", "about"), RESYNC_POINTS)
async def test_each_participant_is_found_once_by_the_next_owner(
    killable: KillableService, clients: LiveKitClients, point: str, about: str
) -> None:
    service = killable.service
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    token = (await get_broadcast_data(service, name, "bob")).json()["token"]
    async with killable.restarted_after_kill(point, name if about == "room" else about):
        bob = await clients.connect_user(service, name, "bob", token=token)
        mallory = await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    await service.wait_for_event("CoHostConnected", name, "bob")
    await service.wait_for_event("IntruderRemoved", name, "mallory")
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)
    await killable.assert_consistent(name)
    assert bob.isconnected()
    assert sorted(service.event_names(name)) == ["CoHostConnected", "GrantProvisioned", "IntruderRemoved"]
