"""A room with one seat and a known guest, and what a diagnosis of the guest says."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from cohost_schemas.facts import RoomChanged
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.http_harness import HttpHarness, open_http_harness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM

PATH = f"/v1/rooms/{ROOM}/users/{GUEST}/diagnosis"
STEPS = ["room_known", "room_open", "user_known", "user_eligible", "invited", "seen", "accepted", "seated"]
ANSWERED = "2126-01-01T12:00:07.000Z"
ENDED = "2126-01-01T12:00:09.000Z"


@contextlib.asynccontextmanager
async def open_diagnosed_room(batch_harness: BatchHarness) -> AsyncIterator[HttpHarness]:
    """Serve the HTTP API with the room live."""
    async with open_http_harness(batch_harness) as harness:
        await set_room(harness)
        await harness.set_user(GUEST)
        yield harness


async def set_room(harness: HttpHarness, status: Any = "live", *, host: str = HOST, seats: int = 1) -> None:
    fact = RoomChanged(room_id=ROOM, host_id=host, status=status, max_co_hosts=seats)
    await harness.process_record(fact)


async def invite(harness: HttpHarness, name: str = "i1", user: str = GUEST, **more: Any) -> None:
    await harness.send_invitation(name, user, **more)


async def answer(harness: HttpHarness, kind: Any, actor: str = GUEST, name: str = "i1") -> None:
    command = kind(room_id=ROOM, invitation_id=name, actor_id=actor)
    await harness.process_record(command, at=ANSWERED)


async def end_seat(harness: HttpHarness, command: Any) -> None:
    await harness.process_record(command, at=ENDED)


async def read_steps(harness: HttpHarness, user: str = GUEST, **more: Any) -> list[dict[str, Any]]:
    """Return the guest's steps, after checking what holds for all diagnoses."""
    status, body = await harness.get_json(PATH, user, **more)
    assert status == 200, body
    assert (body["roomId"], body["userId"]) == (ROOM, GUEST)
    steps: list[dict[str, Any]] = body["steps"]
    assert [step["step"] for step in steps] == STEPS
    states = [step["state"] for step in steps]
    reached = next((place for place, state in enumerate(states) if state != "ok"), len(steps))
    assert set(states[reached + 1 :]) <= {"waiting", "unknown"}
    assert all((step["advice"] is None) == (step["state"] == "ok") for step in steps)
    return steps


async def read_problem(harness: HttpHarness, user: str = GUEST, **more: Any) -> tuple[Any, ...]:
    """Return step, state, detail and time of the guest's first step that is not ok."""
    steps = await read_steps(harness, user, **more)
    problem = next(step for step in steps if step["state"] != "ok")
    return problem["step"], problem["state"], problem["detail"], problem["at"]
