"""A change revoked before its first call costs one call, with the last desired state."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from services.broadcast.effects import call_limits
from tests.broadcast.e2e import killable_service
from tests.broadcast.e2e.killable_service import KillableService
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    open_room,
    rights_of,
)
from tests.broadcast.e2e.service_under_test import wait_until

SERVICE = killable_service.SERVICE
# Nothing is killed here, so the session may last: a session that ends repeats the calls that it has begun.
SETTINGS = {**killable_service.SETTINGS, "COHOST_SESSION_TIMEOUT_MS": "60000"}
MAX_CALLS = call_limits._MAX_CALLS  # noqa: SLF001 - this many calls make all others wait


@contextlib.asynccontextmanager
async def all_call_slots_taken(killable: KillableService) -> AsyncIterator[None]:
    """Keep the maximum number of calls in progress during the block."""
    name = await open_room(killable.service)
    reached = killable.arm_failpoint("before UpdateParticipant", name, "wait")
    for number in range(MAX_CALLS):
        await killable.service.seat_user(name, f"user-{number}")
    await wait_until(lambda: reached.exists() and len(reached.read_text()) == MAX_CALLS)
    yield
    reached.unlink()
    Path(str(reached).removesuffix(".reached")).unlink()
    await killable.service.wait_for_event("GrantProvisioned", name, count=MAX_CALLS)


async def test_a_grant_and_its_revoke_are_one_call(
    killable: KillableService, clients: LiveKitClients
) -> None:
    service = killable.service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    async with all_call_slots_taken(killable):
        seat = await service.seat_user(name, "bob")
        await service.end_seat(name, "bob", seat)
        await service.wait_for_records(lambda record: record.key == f"{name}/bob" and record.data is None)
    await service.wait_for_event("GrantRevoked", name, "bob")
    assert killable.proxy.count_calls("UpdateParticipant", name) == 1
    assert rights_of(bob) == VIEWER_RIGHTS
    assert service.event_names(name) == ["GrantRevoked"]
    await killable.assert_consistent(name)


async def test_a_grant_its_revoke_and_the_next_are_one_call(
    killable: KillableService, clients: LiveKitClients
) -> None:
    service = killable.service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    async with all_call_slots_taken(killable):
        seat = await service.seat_user(name, "bob")
        await service.end_seat(name, "bob", seat)
        again = await service.seat_user(name, "bob")
        await service.wait_for_records(
            lambda record: (
                record.topic == "badges" and record.data is not None and _is_of_seat(record.data, again)
            )
        )
    granted = await service.wait_for_event("GrantProvisioned", name, "bob")
    assert granted.data is not None
    assert granted.data["invitationId"] == again
    assert killable.proxy.count_calls("UpdateParticipant", name) == 1
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)
    assert sorted(service.event_names(name)) == ["CoHostConnected", "GrantProvisioned", "GrantRevoked"]
    await killable.assert_consistent(name)


def _is_of_seat(data: dict[str, object], seat: str) -> bool:
    return data["invitationId"] == seat
