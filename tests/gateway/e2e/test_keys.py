"""Idempotency keys: a repeat has the first answer, another command under the same key has none."""

import asyncio
from typing import Any

import pytest

from cohost_schemas import ids
from tests.contract.polling import wait_until
from tests.gateway.e2e.command_harness import CommandHarness, read_problem, unique

KEYS = [ids.uuid7, lambda: unique("my.own:key@1")]


@pytest.mark.parametrize("make_key", KEYS, ids=["uuid7", "any other"])
async def test_a_repeat_has_the_first_answer_at_every_copy(harness: CommandHarness, make_key: Any) -> None:
    room, key = await harness.open_room(), make_key()
    path = f"/v1/rooms/{room}/invitations"
    first = await harness.caller.post(path, "alice", {"userId": "bob", "label": "A"}, key)
    assert first.status_code == 201, first.text
    for caller in [*harness.callers, *harness.callers]:
        for prefer in ("wait=0", "respond-async"):
            again = await caller.post(path, "alice", {"userId": "carol"}, key, Prefer=prefer)
            assert (again.status_code, again.content) == (201, first.content)
            assert again.headers["location"] == first.headers["location"]
    assert len(await harness.records_caused_by(key, room)) == 1


async def test_a_repeated_refusal_is_the_same_at_every_copy(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    await harness.invite(room, "bob")
    path = f"/v1/rooms/{room}/invitations"
    answers = [
        await caller.post(path, "alice", {"userId": "bob"}, key)
        for caller in [*harness.callers, *harness.callers]
    ]
    problem = read_problem(answers[0], 409, "already_invited")
    assert problem["commandId"] == key
    assert [answer.json() for answer in answers] == [problem] * 4


async def test_two_copies_asked_at_once_give_one_outcome(harness: CommandHarness) -> None:
    room = await harness.open_room(max_co_hosts=10)
    path = f"/v1/rooms/{room}/invitations"
    for number in range(10):
        key = unique("key")
        body = {"userId": f"user-{number}"}
        answers = await asyncio.gather(
            *(caller.post(path, "alice", body, key) for caller in harness.callers * 3)
        )
        assert {answer.status_code for answer in answers} == {201}, [answer.text for answer in answers]
        assert len({answer.content for answer in answers}) == 1


async def test_a_copy_that_cancelled_is_answered_like_the_other(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    path = f"/v1/rooms/{room}/invitations/{await harness.invite(room, 'bob')}/cancel"
    answers = await asyncio.gather(*(caller.post(path, "alice", None, key) for caller in harness.callers))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("is_at_once", [False, True], ids=["later", "at once"])
async def test_another_command_under_the_key_is_refused(harness: CommandHarness, *, is_at_once: bool) -> None:
    room, other_room = await harness.open_room(), await harness.open_room()
    await harness.seat(room, "bob")
    invitation = await harness.invite(room, "carol")
    first, second = harness.callers
    pairs: list[tuple[Any, Any]] = [
        (
            ("POST", f"/v1/rooms/{room}/invitations", "alice", {"userId": "dave"}),
            ("POST", f"/v1/rooms/{other_room}/invitations", "alice", {"userId": "dave"}),
        ),
        (
            ("POST", f"/v1/rooms/{room}/invitations/{invitation}/seen", "carol", None),
            ("POST", f"/v1/rooms/{room}/invitations/{invitation}/seen", "eve", None),
        ),
        (
            ("POST", f"/v1/rooms/{room}/co-hosts/bob/mute", "alice", {"source": "camera"}),
            ("POST", f"/v1/rooms/{room}/invitations", "alice", {"userId": "erin"}),
        ),
        (
            ("PUT", f"/v1/rooms/{room}/co-hosts/order", "alice", {"userIds": ["bob"]}),
            ("POST", f"/v1/rooms/{room}/co-hosts/bob/unmute", "alice", {"source": "camera"}),
        ),
        (
            ("POST", f"/v1/rooms/{room}/invitations/{invitation}/decline", "carol", None),
            ("POST", f"/v1/rooms/{room}/invitations/{invitation}/accept", "carol", None),
        ),
    ]
    for one, other in pairs:
        key = unique("key")
        if is_at_once:
            # No copy knows what another one does at this moment, but each service decides an id once.
            copy = first if "mute" in one[1] + other[1] else second
            answers = list(await asyncio.gather(first.send(*one, key), copy.send(*other, key)))
        else:
            answers = [await first.send(*one, key), await second.send(*other, key)]
            assert answers[1].status_code == 422
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses[1] == 422, (one, other, [answer.text for answer in answers])
        refused = next(answer for answer in answers if answer.status_code == 422)
        problem = read_problem(refused, 422, "idempotency_key_reused")
        assert not {"events", "current"} & problem.keys()


async def test_another_users_key_is_refused_also_where_records_do_not_tell(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    path = f"/v1/rooms/{room}/invitations/{await harness.invite(room, 'bob')}/cancel"
    assert (await harness.caller.post(path, "alice", None, key)).status_code == 200
    for caller in harness.callers:
        read_problem(await caller.post(path, "eve", None, key), 422, "idempotency_key_reused")


async def test_an_undecided_command_is_pending_and_later_answered(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    path = f"/v1/rooms/{room}/invitations"
    answer = await harness.caller.post(path, "alice", {"userId": "bob"}, key, Prefer="respond-async")
    assert answer.status_code == 202
    assert answer.json() == {"commandId": key, "outcome": "pending"}
    assert answer.headers["location"] == f"/v1/commands/{key}"

    async def is_decided() -> bool:
        return (await harness.caller.send("GET", f"/v1/commands/{key}", "alice")).status_code == 200

    await wait_until(is_decided, f"the outcome of {key}")
    for caller in harness.callers:
        again = await caller.post(path, "alice", {"userId": "bob"}, key, Prefer="respond-async")
        assert again.status_code == 201
        assert again.json()["commandId"] == key
