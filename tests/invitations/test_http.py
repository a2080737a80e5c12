"""The HTTP API of invitations."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cohost_schemas import commands, topics
from tests.invitations.batch_harness import BatchHarness
from tests.invitations.http_harness import FUTURE, LONG_AGO, ONE_DAY, HttpHarness, open_http_harness
from tests.invitations.in_memory_processor import GUEST, HOST, ROOM


@pytest.fixture
async def harness(batch_harness: BatchHarness) -> AsyncIterator[HttpHarness]:
    async with open_http_harness(batch_harness) as harness:
        yield harness


def expected_invitation(name: str, **more: Any) -> dict[str, Any]:
    return {
        "invitationId": name,
        "roomId": ROOM,
        "userId": GUEST,
        "invitedBy": HOST,
        "status": "pending",
        **ONE_DAY,
        "respondedAt": None,
        "updatedAt": ONE_DAY["sentAt"],
        "closeReason": None,
        "message": None,
        "previousInvitationId": None,
        "label": None,
        "timesSent": 1,
        "resentAt": None,
        "seenAt": None,
        "roomTitle": None,
        "inviterName": None,
        "userName": None,
        **more,
    }


async def problem_reason(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["reason"]


async def test_an_invitation_is_shown_to_host_invitee_and_ops_alone(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    for user in (HOST, GUEST):
        assert await harness.get_json("/v1/invitations/i1", user) == (200, expected_invitation("i1"))
    assert await harness.get_json("/v1/invitations/i1", "somebody", ops=True) == (
        200,
        expected_invitation("i1"),
    )
    assert await problem_reason(await harness.get_json("/v1/invitations/i1", "stranger")) == (
        403,
        "forbidden",
    )


async def test_an_invitation_has_the_title_and_names_of_the_last_facts(harness: HttpHarness) -> None:
    await harness.set_room(title="Monday")
    await harness.set_user(HOST, "Alice")
    await harness.set_user(GUEST, "Bobby")
    await harness.send_invitation("i1")
    await harness.set_room(title="Friday night")
    await harness.set_user(GUEST, "Bob", status="banned")
    named = expected_invitation("i1", roomTitle="Friday night", inviterName="Alice", userName="Bob")
    page = {"items": [named], "nextCursor": None}
    assert await harness.get_json("/v1/invitations/i1") == (200, named)
    assert await harness.get_json(f"/v1/rooms/{ROOM}/invitations") == (200, page)
    assert await harness.get_json(f"/v1/users/{GUEST}/invitations", GUEST) == (200, page)
    await harness.set_room()
    await harness.set_user(HOST)
    anonymous = {**named, "roomTitle": None, "inviterName": None}
    assert await harness.get_json("/v1/invitations/i1") == (200, anonymous)


async def test_a_tombstone_takes_titles_and_names_away(harness: HttpHarness) -> None:
    await harness.set_room(title="Monday")
    await harness.set_user(GUEST, "Bob")
    await harness.send_invitation("i1")
    await harness.process_record(None)
    await harness.process_record(None, GUEST, topic=topics.USERS)
    status, shown = await harness.get_json("/v1/invitations/i1")
    assert (status, shown["roomTitle"], shown["userName"]) == (200, None, None)


async def test_a_renewed_invitation_is_shown_as_it_is(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1", label="Guitar")
    later = "2126-01-01T12:00:10.000Z"
    resend = commands.ResendInvitation(
        room_id=ROOM, invitation_id="i1", actor_id=HOST, expires_in_seconds=600
    )
    await harness.process_record(resend, at=later)
    await harness.answer_invitation(commands.MarkInvitationSeen, "i1", GUEST)
    renewed = {"label": "Guitar", "timesSent": 2, "resentAt": later, "seenAt": FUTURE}
    expected = expected_invitation("i1", **renewed, expiresAt="2126-01-01T12:10:10.000Z")
    assert await harness.get_json("/v1/invitations/i1") == (200, expected)


async def test_the_new_host_and_the_inviting_host_both_see_an_invitation(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    await harness.set_room(host="carol")
    assert (await harness.get_json("/v1/invitations/i1", "carol"))[0] == 200
    assert (await harness.get_json("/v1/invitations/i1", HOST))[0] == 200


async def test_a_missing_resource_is_404_for_every_caller(harness: HttpHarness) -> None:
    assert await problem_reason(await harness.get_json("/v1/invitations/i1", "stranger")) == (
        404,
        "invitation_not_found",
    )
    assert await problem_reason(await harness.get_json("/v1/rooms/none/invitations", "stranger")) == (
        404,
        "room_not_found",
    )
    assert await problem_reason(await harness.get_json("/v1/rooms/none/co-hosts", "stranger")) == (
        404,
        "room_not_found",
    )
    assert await problem_reason(await harness.get_json("/v1/commands/none", "stranger")) == (
        404,
        "command_not_found",
    )


async def test_reads_without_a_token_are_refused(harness: HttpHarness) -> None:
    for path in (
        "rooms/none/invitations",
        "users/bob/invitations",
        "invitations/i1",
        "rooms/none/co-hosts",
        "commands/none",
    ):
        answer = await harness.http.get(f"/v1/{path}")
        assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized"), path


async def test_a_rooms_list_is_readable_by_its_host_and_ops(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    await harness.send_invitation("i2", "carol")
    path = f"/v1/rooms/{ROOM}/invitations"
    page = {
        "items": [expected_invitation("i2", userId="carol"), expected_invitation("i1")],
        "nextCursor": None,
    }
    assert await harness.get_json(path) == (200, page)
    assert await harness.get_json(path, "somebody", ops=True) == (200, page)
    assert await problem_reason(await harness.get_json(path, GUEST)) == (403, "forbidden")


async def test_the_host_of_an_ended_room_still_reads_its_list(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    await harness.set_room("ended")
    assert await harness.list_ids(f"/v1/rooms/{ROOM}/invitations") == ["i1"]


async def test_statuses_filter_both_lists(harness: HttpHarness) -> None:
    await harness.set_room()
    users = {"pending": "u1", "accepted": "u2", "rejected": "u3", "cancelled": "u4", "expired": "u5"}
    for name, user in users.items():
        await harness.send_invitation(name, user, at=LONG_AGO if name == "expired" else FUTURE)
    await harness.answer_invitation(commands.AcceptInvitation, "accepted", "u2")
    await harness.answer_invitation(commands.DeclineInvitation, "rejected", "u3")
    await harness.answer_invitation(commands.CancelInvitation, "cancelled", HOST)
    for name, user in users.items():
        assert await harness.list_ids(f"/v1/rooms/{ROOM}/invitations?status={name}") == [name]
        assert await harness.list_ids(f"/v1/users/{user}/invitations?status={name}", user) == [name]
        assert await harness.list_ids(f"/v1/users/{user}/invitations?status=any", user) == [name]
        mine = [name] if name == "pending" else []
        assert await harness.list_ids(f"/v1/users/{user}/invitations", user) == mine
    assert await harness.list_ids(f"/v1/rooms/{ROOM}/invitations?status=any") == list(users)[::-1]


async def test_an_overdue_pending_invitation_reads_as_expired(harness: HttpHarness) -> None:
    await harness.set_room(at=LONG_AGO)
    await harness.send_invitation("i1", at=LONG_AGO)
    rows = await harness.batch_harness.stored_rows()
    assert [row["status"] for row in rows["invitations"]] == ["pending"]
    expiry = "2001-01-02T12:00:00.000Z"
    expired = expected_invitation(
        "i1", status="expired", sentAt=LONG_AGO, expiresAt=expiry, updatedAt=expiry, closeReason="expired"
    )
    page = {"items": [expired], "nextCursor": None}
    nothing: dict[str, Any] = {"items": [], "nextCursor": None}
    assert await harness.get_json("/v1/invitations/i1") == (200, expired)
    for status, shown in {"any": page, "expired": page, "pending": nothing}.items():
        assert await harness.get_json(f"/v1/rooms/{ROOM}/invitations?status={status}") == (200, shown)
        assert await harness.get_json(f"/v1/users/{GUEST}/invitations?status={status}", GUEST) == (200, shown)
    assert await harness.get_json(f"/v1/users/{GUEST}/invitations", GUEST) == (200, nothing)


async def test_a_users_list_is_readable_by_that_user_and_ops(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    path = f"/v1/users/{GUEST}/invitations"
    assert await harness.list_ids(path, GUEST) == ["i1"]
    assert await harness.list_ids(path, "somebody", ops=True) == ["i1"]
    assert await problem_reason(await harness.get_json(path, HOST)) == (403, "forbidden")


async def test_an_unknown_users_own_list_is_empty(harness: HttpHarness) -> None:
    nothing: dict[str, Any] = {"items": [], "nextCursor": None}
    assert await harness.get_json("/v1/users/nobody/invitations?status=any", "nobody") == (200, nothing)


@pytest.mark.parametrize("status", ["any", "pending"])
async def test_a_users_list_may_be_of_one_room(harness: HttpHarness, status: str) -> None:
    await harness.set_room()
    await harness.set_room(room="room-2")
    await harness.send_invitation("i1")
    await harness.send_invitation("i2", room="room-2")
    path = f"/v1/users/{GUEST}/invitations?status={status}"
    assert await harness.list_ids(path, GUEST) == ["i2", "i1"]
    assert await harness.list_ids(f"{path}&roomId={ROOM}", GUEST) == ["i1"]
    assert await harness.list_ids(f"{path}&roomId=elsewhere", GUEST) == []


@pytest.mark.parametrize("status", ["any", "pending"])
async def test_pages_neither_skip_nor_repeat_simultaneous_invitations(
    harness: HttpHarness, status: str
) -> None:
    await harness.set_room()
    names = [f"i{number:02d}" for number in range(7)]
    for name in names:
        await harness.set_room(room=f"room-{name}")
        await harness.send_invitation(name, f"user-{name}")
        await harness.send_invitation(f"{name}-2", "everywhere", f"room-{name}")
    room = f"/v1/rooms/{ROOM}/invitations?status={status}&limit=2"
    assert await harness.list_ids(room) == names[::-1]
    user = f"/v1/users/everywhere/invitations?status={status}&limit=3"
    assert await harness.list_ids(user, "everywhere") == [f"{name}-2" for name in names[::-1]]


async def test_a_full_last_page_has_no_next_one(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    status, page = await harness.get_json(f"/v1/rooms/{ROOM}/invitations?limit=1")
    assert (status, page["nextCursor"]) == (200, None)


@pytest.mark.parametrize(
    "question", ["limit=0", "limit=201", "limit=many", "cursor=forged", "status=maybe", "status="]
)
async def test_an_invalid_query_is_422_before_403(harness: HttpHarness, question: str) -> None:
    await harness.set_room()
    path = f"/v1/rooms/{ROOM}/invitations?{question}"
    assert await problem_reason(await harness.get_json(path, "stranger")) == (422, "invalid_request")


async def test_co_hosts_are_listed_to_anyone_in_their_order(harness: HttpHarness) -> None:
    await harness.set_room()
    for name, user, label in (("i1", GUEST, None), ("i2", "carol", "Drums"), ("i3", "dave", "Guitar")):
        await harness.send_invitation(name, user, label=label)
        await harness.answer_invitation(commands.AcceptInvitation, name, user)
    arrange = commands.ArrangeStage(room_id=ROOM, actor_id=HOST, user_ids=("dave", "carol"))
    await harness.process_record(arrange)
    await harness.process_record(commands.LeaveStage(room_id=ROOM, actor_id="carol"))
    seats = [
        {"userId": "dave", "invitationId": "i3", "since": FUTURE, "label": "Guitar", "order": 1},
        {"userId": GUEST, "invitationId": "i1", "since": FUTURE, "label": None, "order": 2},
    ]
    assert await harness.get_json(f"/v1/rooms/{ROOM}/co-hosts", "anyone") == (200, {"items": seats})


async def test_a_deleted_rooms_invitations_can_still_be_read(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    await harness.set_room(host="carol")
    await harness.process_record(None)
    for path in (f"/v1/rooms/{ROOM}/invitations", f"/v1/rooms/{ROOM}/co-hosts"):
        assert await problem_reason(await harness.get_json(path, "somebody", ops=True)) == (
            404,
            "room_not_found",
        )
    assert (await harness.get_json("/v1/invitations/i1", HOST))[0] == 200
    assert (await harness.get_json("/v1/invitations/i1", GUEST))[0] == 200
    assert (await harness.get_json("/v1/invitations/i1", "somebody", ops=True))[0] == 200
    assert await problem_reason(await harness.get_json("/v1/invitations/i1", "carol")) == (403, "forbidden")
    assert await harness.list_ids(f"/v1/users/{GUEST}/invitations?status=cancelled", GUEST) == ["i1"]


async def test_a_recreated_room_lists_only_its_new_invitations(harness: HttpHarness) -> None:
    await harness.set_room()
    await harness.send_invitation("i1")
    await harness.process_record(None)
    await harness.set_room(host="carol")
    assert await harness.list_ids(f"/v1/rooms/{ROOM}/invitations", "carol") == []
    assert await problem_reason(await harness.get_json("/v1/invitations/i1", "carol")) == (403, "forbidden")
