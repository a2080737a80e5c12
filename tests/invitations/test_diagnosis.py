"""A diagnosis over HTTP: rooms, users, and who may read it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cohost_schemas import commands, topics
from cohost_schemas.facts import UserChanged
from services.invitations.domain.state import Policy
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.diagnosed_room import (
    PATH,
    answer,
    invite,
    open_diagnosed_room,
    read_problem,
    read_steps,
    set_room,
)
from tests.invitations.http_harness import HttpHarness, open_http_harness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM


@pytest.fixture
async def harness(batch_harness: BatchHarness) -> AsyncIterator[HttpHarness]:
    async with open_diagnosed_room(batch_harness) as harness:
        yield harness


@pytest.mark.parametrize("more", [{"user": GUEST}, {"user": "somebody", "ops": True}])
@pytest.mark.parametrize("is_deleted", [True, False])
async def test_an_unknown_or_deleted_room_fails_its_first_step(
    batch_harness: BatchHarness, more: Any, *, is_deleted: bool
) -> None:
    async with open_http_harness(batch_harness) as harness:
        if is_deleted:
            await set_room(harness)
            await harness.process_record(None)
        assert await read_problem(harness, **more) == ("room_known", "failed", "room_not_found", None)


@pytest.mark.parametrize("user", ["somebody", HOST])
async def test_an_unknown_room_is_404_for_others(batch_harness: BatchHarness, user: str) -> None:
    async with open_http_harness(batch_harness) as harness:
        status, problem = await harness.get_json(PATH, user)
        assert (status, problem["reason"]) == (404, "room_not_found")


async def test_others_may_not_read_a_diagnosis(harness: HttpHarness) -> None:
    await invite(harness, user="carol")
    status, problem = await harness.get_json(PATH, "carol")
    assert (status, problem["reason"]) == (403, "forbidden")
    for user, ops in ((GUEST, False), (HOST, False), ("somebody", True)):
        await read_steps(harness, user, ops=ops)


async def test_an_invalid_id_in_the_path_is_422(harness: HttpHarness) -> None:
    status, problem = await harness.get_json(f"/v1/rooms/{ROOM}/users/a%20b/diagnosis")
    assert (status, problem["reason"]) == (422, "invalid_request")


async def test_a_closed_room_is_the_first_reason(harness: HttpHarness) -> None:
    await invite(harness)
    await set_room(harness, "ended")
    assert await read_problem(harness) == ("room_open", "failed", "room_not_open", None)


@pytest.mark.parametrize("is_gone", [True, False])
async def test_an_unknown_or_deleted_user_is_not_known(batch_harness: BatchHarness, *, is_gone: bool) -> None:
    async with open_http_harness(batch_harness) as harness:
        await set_room(harness)
        if is_gone:
            await harness.process_record(None, GUEST, topic=topics.USERS)
        assert await read_problem(harness, HOST) == ("user_known", "failed", "user_not_found", None)


async def test_an_unknown_user_is_known_where_the_operator_accepts_them(batch_harness: BatchHarness) -> None:
    async with open_http_harness(batch_harness, Policy(accept_unknown_users=True)) as harness:
        await set_room(harness)
        assert await read_problem(harness) == ("invited", "waiting", None, None)
        await harness.process_record(None, GUEST, topic=topics.USERS)
        assert await read_problem(harness) == ("user_known", "failed", "user_not_found", None)


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"status": "banned", "can_receive_invitations": False}, "banned"),
        ({"status": "deleted"}, "deleted"),
        ({"can_receive_invitations": False, "blocked_user_ids": (HOST,)}, "takes_no_invitations"),
        ({"blocked_user_ids": ("carol", HOST)}, "blocks_host"),
    ],
)  # fmt: skip
async def test_only_the_host_does_not_see_why_a_user_is_not_eligible(
    harness: HttpHarness, fields: Any, cause: str
) -> None:
    fact = UserChanged.model_validate({"user_id": GUEST, "status": "active", **fields})
    await harness.process_record(fact, GUEST)
    seen = await read_problem(harness)
    assert (
        seen
        == await read_problem(harness, "somebody", ops=True)
        == await read_problem(harness, HOST, ops=True)
    )
    assert seen == ("user_eligible", "failed", cause, None)
    assert await read_problem(harness, HOST) == ("user_eligible", "failed", None, None)
    [step] = [step for step in await read_steps(harness, HOST) if step["state"] == "failed"]
    assert step["advice"] == "The user may not be invited or seated."


@pytest.mark.parametrize(
    "fields",
    [{"can_receive_invitations": False}, {"blocked_user_ids": (HOST,)}, {"blocked_user_ids": ("carol",)}],
)
async def test_what_forbids_inviting_does_not_matter_once_invited(harness: HttpHarness, fields: Any) -> None:
    await invite(harness)
    await harness.process_record(UserChanged(user_id=GUEST, status="active", **fields), GUEST)
    assert await read_problem(harness) == ("seen", "waiting", None, None)
    await answer(harness, commands.AcceptInvitation)
    assert all(step["state"] == "ok" for step in await read_steps(harness))


async def test_the_host_needs_no_fact_and_no_invitation(batch_harness: BatchHarness) -> None:
    async with open_http_harness(batch_harness) as harness:
        await set_room(harness, host=GUEST)
        assert all(step["state"] == "ok" for step in await read_steps(harness))
        await set_room(harness, "terminated", host=GUEST)
        assert await read_problem(harness) == ("room_open", "failed", "room_not_open", None)


async def test_a_former_host_is_diagnosed_like_any_user(harness: HttpHarness) -> None:
    await invite(harness)
    await set_room(harness, host=GUEST)
    await set_room(harness)
    step, state, detail, _ = await read_problem(harness)
    assert (step, state, detail) == ("seen", "failed", "became_host")
