"""The HTTP API of invitations."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cohost_schemas import commands
from tests.invitations.desk import LONG_AGO, ONE_DAY, SOON, Desk, opened
from tests.invitations.ledger import Ledger
from tests.invitations.theatre import GUEST, HOST, ROOM


@pytest.fixture
async def harness(batch_harness: Ledger) -> AsyncIterator[Desk]:
    async with opened(batch_harness) as harness:
        yield harness


def told(name: str, **more: Any) -> dict[str, Any]:
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
        **more,
    }


async def reason(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["reason"]


async def test_an_invitation_is_shown_to_host_invitee_and_ops_alone(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    for user in (HOST, GUEST):
        assert await harness.get("/v1/invitations/i1", user) == (200, told("i1"))
    assert await harness.get("/v1/invitations/i1", "somebody", ops=True) == (200, told("i1"))
    assert await reason(await harness.get("/v1/invitations/i1", "stranger")) == (403, "forbidden")


async def test_the_new_host_and_the_inviting_host_both_see_an_invitation(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    await harness.set_room(host="carol")
    assert (await harness.get("/v1/invitations/i1", "carol"))[0] == 200
    assert (await harness.get("/v1/invitations/i1", HOST))[0] == 200


async def test_a_missing_resource_is_404_for_every_caller(harness: Desk) -> None:
    assert await reason(await harness.get("/v1/invitations/i1", "stranger")) == (404, "invitation_not_found")
    assert await reason(await harness.get("/v1/rooms/none/invitations", "stranger")) == (
        404,
        "room_not_found",
    )
    assert await reason(await harness.get("/v1/rooms/none/co-hosts", "stranger")) == (404, "room_not_found")
    assert await reason(await harness.get("/v1/commands/none", "stranger")) == (404, "command_not_found")


async def test_reads_without_a_token_are_refused(harness: Desk) -> None:
    for path in (
        "rooms/none/invitations",
        "users/bob/invitations",
        "invitations/i1",
        "rooms/none/co-hosts",
        "commands/none",
    ):
        answer = await harness.http.get(f"/v1/{path}")
        assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized"), path


async def test_a_rooms_list_is_readable_by_its_host_and_ops(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    await harness.invite("i2", "carol")
    path = f"/v1/rooms/{ROOM}/invitations"
    page = {"items": [told("i2", userId="carol"), told("i1")], "nextCursor": None}
    assert await harness.get(path) == (200, page)
    assert await harness.get(path, "somebody", ops=True) == (200, page)
    assert await reason(await harness.get(path, GUEST)) == (403, "forbidden")


async def test_the_host_of_an_ended_room_still_reads_its_list(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    await harness.set_room("ended")
    assert await harness.listed(f"/v1/rooms/{ROOM}/invitations") == ["i1"]


async def test_statuses_filter_both_lists(harness: Desk) -> None:
    await harness.set_room()
    users = {"pending": "u1", "accepted": "u2", "rejected": "u3", "cancelled": "u4", "expired": "u5"}
    for name, user in users.items():
        await harness.invite(name, user, at=LONG_AGO if name == "expired" else SOON)
    await harness.answer(commands.AcceptInvitation, "accepted", "u2")
    await harness.answer(commands.DeclineInvitation, "rejected", "u3")
    await harness.answer(commands.CancelInvitation, "cancelled", HOST)
    for name, user in users.items():
        assert await harness.listed(f"/v1/rooms/{ROOM}/invitations?status={name}") == [name]
        assert await harness.listed(f"/v1/users/{user}/invitations?status={name}", user) == [name]
        assert await harness.listed(f"/v1/users/{user}/invitations?status=any", user) == [name]
        mine = [name] if name == "pending" else []
        assert await harness.listed(f"/v1/users/{user}/invitations", user) == mine
    assert await harness.listed(f"/v1/rooms/{ROOM}/invitations?status=any") == list(users)[::-1]


async def test_an_overdue_pending_invitation_reads_as_expired(harness: Desk) -> None:
    await harness.set_room(at=LONG_AGO)
    await harness.invite("i1", at=LONG_AGO)
    rows = await harness.book.rows()
    assert [row["status"] for row in rows["invitations"]] == ["pending"]
    expiry = "2001-01-02T12:00:00.000Z"
    expired = told(
        "i1", status="expired", sentAt=LONG_AGO, expiresAt=expiry, updatedAt=expiry, closeReason="expired"
    )
    page = {"items": [expired], "nextCursor": None}
    nothing: dict[str, Any] = {"items": [], "nextCursor": None}
    assert await harness.get("/v1/invitations/i1") == (200, expired)
    for status, shown in {"any": page, "expired": page, "pending": nothing}.items():
        assert await harness.get(f"/v1/rooms/{ROOM}/invitations?status={status}") == (200, shown)
        assert await harness.get(f"/v1/users/{GUEST}/invitations?status={status}", GUEST) == (200, shown)
    assert await harness.get(f"/v1/users/{GUEST}/invitations", GUEST) == (200, nothing)


async def test_a_users_list_is_readable_by_that_user_and_ops(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    path = f"/v1/users/{GUEST}/invitations"
    assert await harness.listed(path, GUEST) == ["i1"]
    assert await harness.listed(path, "somebody", ops=True) == ["i1"]
    assert await reason(await harness.get(path, HOST)) == (403, "forbidden")


async def test_an_unknown_users_own_list_is_empty(harness: Desk) -> None:
    nothing: dict[str, Any] = {"items": [], "nextCursor": None}
    assert await harness.get("/v1/users/nobody/invitations?status=any", "nobody") == (200, nothing)


@pytest.mark.parametrize("status", ["any", "pending"])
async def test_a_users_list_may_be_of_one_room(harness: Desk, status: str) -> None:
    await harness.set_room()
    await harness.set_room(room="room-2")
    await harness.invite("i1")
    await harness.invite("i2", room="room-2")
    path = f"/v1/users/{GUEST}/invitations?status={status}"
    assert await harness.listed(path, GUEST) == ["i2", "i1"]
    assert await harness.listed(f"{path}&roomId={ROOM}", GUEST) == ["i1"]
    assert await harness.listed(f"{path}&roomId=elsewhere", GUEST) == []


@pytest.mark.parametrize("status", ["any", "pending"])
async def test_pages_neither_skip_nor_repeat_simultaneous_invitations(harness: Desk, status: str) -> None:
    await harness.set_room()
    names = [f"i{number:02d}" for number in range(7)]
    for name in names:
        await harness.set_room(room=f"room-{name}")
        await harness.invite(name, f"user-{name}")
        await harness.invite(f"{name}-2", "everywhere", f"room-{name}")
    room = f"/v1/rooms/{ROOM}/invitations?status={status}&limit=2"
    assert await harness.listed(room) == names[::-1]
    user = f"/v1/users/everywhere/invitations?status={status}&limit=3"
    assert await harness.listed(user, "everywhere") == [f"{name}-2" for name in names[::-1]]


async def test_a_full_last_page_has_no_next_one(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    status, page = await harness.get(f"/v1/rooms/{ROOM}/invitations?limit=1")
    assert (status, page["nextCursor"]) == (200, None)


@pytest.mark.parametrize(
    "question", ["limit=0", "limit=201", "limit=many", "cursor=forged", "status=maybe", "status="]
)
async def test_an_invalid_query_is_422_before_403(harness: Desk, question: str) -> None:
    await harness.set_room()
    path = f"/v1/rooms/{ROOM}/invitations?{question}"
    assert await reason(await harness.get(path, "stranger")) == (422, "invalid_request")


async def test_co_hosts_are_listed_to_anyone_newest_first(harness: Desk) -> None:
    await harness.set_room()
    for name, user in (("i1", GUEST), ("i2", "carol"), ("i3", "dave")):
        await harness.invite(name, user)
        await harness.answer(commands.AcceptInvitation, name, user)
    await harness.hear(commands.LeaveStage(room_id=ROOM, actor_id="carol"))
    seats = [
        {"userId": "dave", "invitationId": "i3", "since": SOON},
        {"userId": GUEST, "invitationId": "i1", "since": SOON},
    ]
    assert await harness.get(f"/v1/rooms/{ROOM}/co-hosts", "anyone") == (200, {"items": seats})


async def test_a_deleted_rooms_invitations_can_still_be_read(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    await harness.set_room(host="carol")
    await harness.hear(None)
    for path in (f"/v1/rooms/{ROOM}/invitations", f"/v1/rooms/{ROOM}/co-hosts"):
        assert await reason(await harness.get(path, "somebody", ops=True)) == (404, "room_not_found")
    assert (await harness.get("/v1/invitations/i1", HOST))[0] == 200
    assert (await harness.get("/v1/invitations/i1", GUEST))[0] == 200
    assert (await harness.get("/v1/invitations/i1", "somebody", ops=True))[0] == 200
    assert await reason(await harness.get("/v1/invitations/i1", "carol")) == (403, "forbidden")
    assert await harness.listed(f"/v1/users/{GUEST}/invitations?status=cancelled", GUEST) == ["i1"]


async def test_a_recreated_room_lists_only_its_new_invitations(harness: Desk) -> None:
    await harness.set_room()
    await harness.invite("i1")
    await harness.hear(None)
    await harness.set_room(host="carol")
    assert await harness.listed(f"/v1/rooms/{ROOM}/invitations", "carol") == []
    assert await reason(await harness.get("/v1/invitations/i1", "carol")) == (403, "forbidden")
