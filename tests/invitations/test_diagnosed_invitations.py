"""A diagnosis over HTTP: the first step that an invitation or a seat has not reached."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cohost_schemas import commands
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.diagnosed_room import (
    ANSWERED,
    ENDED,
    STEPS,
    answer,
    end_seat,
    invite,
    open_diagnosed_room,
    read_problem,
    read_steps,
    set_room,
)
from tests.invitations.http_harness import LONG_AGO, ONE_DAY, HttpHarness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM


@pytest.fixture
async def harness(batch_harness: BatchHarness) -> AsyncIterator[HttpHarness]:
    async with open_diagnosed_room(batch_harness) as harness:
        yield harness


async def test_a_seated_user_has_come_through_all_steps(harness: HttpHarness) -> None:
    await invite(harness)
    await answer(harness, commands.MarkInvitationSeen)
    await answer(harness, commands.AcceptInvitation)
    assert await read_steps(harness) == [
        {"step": step, "state": "ok", "at": at, "detail": None, "advice": None}
        for step, at in zip(STEPS, [None] * 4 + [ONE_DAY["sentAt"]] + [ANSWERED] * 3, strict=True)
    ]


async def test_a_user_who_was_not_invited_waits_for_the_host(harness: HttpHarness) -> None:
    assert await read_problem(harness) == ("invited", "waiting", None, None)
    assert {step["state"] for step in (await read_steps(harness))[5:]} == {"waiting"}


async def test_an_invitation_before_the_rooms_tombstone_does_not_count(harness: HttpHarness) -> None:
    await invite(harness)
    await harness.process_record(None)
    await set_room(harness)
    assert await read_problem(harness) == ("invited", "waiting", None, None)


async def test_a_pending_invitation_waits_to_be_seen_then_to_be_accepted(harness: HttpHarness) -> None:
    await invite(harness)
    assert await read_problem(harness) == ("seen", "waiting", None, None)
    await answer(harness, commands.MarkInvitationSeen)
    assert await read_problem(harness) == ("accepted", "waiting", None, None)


@pytest.mark.parametrize("was_seen", [True, False])
async def test_an_invitation_expires_at_the_step_it_had_come_to(
    harness: HttpHarness, *, was_seen: bool
) -> None:
    await invite(harness, at=LONG_AGO)
    if was_seen:
        seen = commands.MarkInvitationSeen(room_id=ROOM, invitation_id="i1", actor_id=GUEST)
        await harness.process_record(seen, at=LONG_AGO)
    step = "accepted" if was_seen else "seen"
    expected = (step, "failed", "expired", "2001-01-02T12:00:00.000Z")
    assert await read_problem(harness) == expected
    expire = commands.ExpireInvitation(room_id=ROOM, invitation_id="i1")
    await harness.process_record(expire, at=ANSWERED)
    assert await read_problem(harness) == expected


async def test_a_declined_invitation_was_seen(harness: HttpHarness) -> None:
    await invite(harness)
    await answer(harness, commands.DeclineInvitation)
    assert await read_problem(harness) == ("accepted", "failed", "declined", ANSWERED)
    assert (await read_steps(harness))[5]["at"] == ANSWERED


async def test_a_cancelled_invitation_fails_the_step_it_had_come_to(harness: HttpHarness) -> None:
    await invite(harness)
    await answer(harness, commands.CancelInvitation, HOST)
    assert await read_problem(harness) == ("seen", "failed", "cancelled_by_host", ANSWERED)


async def test_the_last_invitation_counts(harness: HttpHarness) -> None:
    await invite(harness)
    await answer(harness, commands.DeclineInvitation)
    await invite(harness, "i2")
    assert await read_problem(harness) == ("seen", "waiting", None, None)


async def test_a_full_room_is_named_while_the_invitation_is_pending(harness: HttpHarness) -> None:
    for name, user in (("i1", GUEST), ("i2", "carol")):
        await invite(harness, name, user)
    await answer(harness, commands.AcceptInvitation, "carol", "i2")
    assert await read_problem(harness) == ("seen", "waiting", "room_full", None)
    await answer(harness, commands.MarkInvitationSeen)
    assert await read_problem(harness) == ("accepted", "waiting", "room_full", None)
    await set_room(harness, seats=2)
    assert await read_problem(harness) == ("accepted", "waiting", None, None)


async def test_an_invitation_that_could_not_be_accepted_was_seen(harness: HttpHarness) -> None:
    for name, user in (("i1", GUEST), ("i2", "carol")):
        await invite(harness, name, user)
    await answer(harness, commands.AcceptInvitation, "carol", "i2")
    async with harness.batch_harness.pool.acquire() as connection:
        await connection.execute(
            """
            INSERT INTO outcomes (id, type, decided_at, room_id, invitation_id, actor_id, reason)
            SELECT 'c' || second, 'cohost.AcceptInvitation.v1',
                timestamptz '2126-01-01 12:00:07Z' + second * interval '1 s', $1, 'i1', $2, 'room_full'
            FROM generate_series(0, 3) AS second
            """,
            ROOM,
            GUEST,
        )
    assert await read_problem(harness) == ("accepted", "waiting", "room_full", None)
    assert (await read_steps(harness))[5] == {
        "step": "seen", "state": "ok", "at": ANSWERED, "detail": None, "advice": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (commands.LeaveStage(room_id=ROOM, actor_id=GUEST), "left"),
        (commands.RemoveCoHost(room_id=ROOM, user_id=GUEST, actor_id=HOST), "removed_by_host"),
        *(
            (commands.ReleaseSeat(room_id=ROOM, user_id=GUEST, invitation_id="i1", reason=reason), reason)
            for reason in ("no_show", "connection_lost")
        ),
    ],
)
async def test_a_seat_that_ended_says_why_and_when(harness: HttpHarness, command: Any, reason: str) -> None:
    await invite(harness)
    await answer(harness, commands.AcceptInvitation)
    await end_seat(harness, command)
    assert await read_problem(harness) == ("seated", "failed", reason, ENDED)


async def test_a_seat_that_ended_before_reasons_were_stored_has_none(harness: HttpHarness) -> None:
    await invite(harness)
    await answer(harness, commands.AcceptInvitation)
    await end_seat(harness, commands.LeaveStage(room_id=ROOM, actor_id=GUEST))
    async with harness.batch_harness.pool.acquire() as connection:
        await connection.execute("UPDATE invitations SET left_at = NULL, leave_reason = NULL")
    assert await read_problem(harness) == ("seated", "failed", None, None)


@pytest.mark.parametrize("host", ["carol", HOST])
async def test_the_reopened_room_tells_that_the_seat_ended_with_it(harness: HttpHarness, host: str) -> None:
    await invite(harness)
    await answer(harness, commands.AcceptInvitation)
    await set_room(harness, "ended")
    await set_room(harness, host=host)
    step, state, detail, _ = await read_problem(harness)
    assert (step, state, detail) == ("seated", "failed", "room_ended")
