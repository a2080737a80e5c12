"""Killed while an intruder is demoted or removed: the permissions are revoked and published once."""

import pytest

from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    VIEWER_RIGHTS,
    LiveKitClients,
    forged_token,
    livekit_participants,
    open_room,
    rights_of,
)
from tests.broadcast.e2e.service_under_test import wait_until
from tests.broadcast.fake_livekit import twirp_error

SERVICE, SETTINGS = killable_service.SERVICE, killable_service.SETTINGS


@pytest.mark.parametrize(
    "point", killable_service.failpoints_around("GetParticipant", "UpdateParticipant", report="GrantApplied")
)
async def test_an_intruder_is_demoted_and_published_once(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    async with killable.restarted_after_kill(point, name):
        mallory = await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    await service.wait_for_event("IntruderRemoved", name, "mallory")
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)
    await killable.assert_consistent(name)
    assert service.event_names(name, "mallory") == ["IntruderRemoved"]


@pytest.mark.parametrize(
    "point", killable_service.failpoints_around("RemoveParticipant", report="GrantApplied")
)
async def test_an_intruder_is_removed_once_when_demotion_is_refused(
    killable: KillableService, clients: LiveKitClients, point: str
) -> None:
    service = killable.service
    name = await open_room(service)
    await clients.connect_user(service, name, "alice")
    killable.proxy.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    async with killable.restarted_after_kill(point, name):
        await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    removed = await service.wait_for_event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "removed"
    assert set(await livekit_participants(service, name)) == {"alice"}
    await killable.assert_consistent(name)
    assert service.event_names(name, "mallory") == ["IntruderRemoved"]
