"""Section 5: the steps of a diagnosis that invitations knows, and the hosts of a room."""

from typing import Any

import pytest

from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, Room, WrittenRecord, unique_id
from tests.contract.expiring_invitations import ExpiringInvitations
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import WebClient

STEPS = ["room_known", "room_open", "user_known", "user_eligible", "invited", "seen", "accepted", "seated"]
Problem = tuple[str, str, str | None]


def diagnosis_path(room: Room | str, user: str) -> str:
    return f"/v1/rooms/{room}/users/{user}/diagnosis"


async def read_steps(web: WebClient, room: Room | str, user: str, reader: str | None = None) -> list[Any]:
    """Return the steps as the user or another reader sees them, after checking what holds for all."""
    body = await web.get_json(diagnosis_path(room, user), reader or user, ops=reader == "ops")
    assert (body["roomId"], body["userId"]) == (str(room), user)
    steps: list[Any] = body["steps"][: len(STEPS)]
    assert [step["step"] for step in steps] == STEPS
    assert all(step.keys() == {"step", "state", "at", "detail", "advice"} for step in steps)
    assert all((step["advice"] is None) == (step["state"] == "ok") for step in steps)
    first = next((place for place, step in enumerate(steps) if step["state"] != "ok"), len(steps))
    assert {step["state"] for step in steps[first + 1 :]} <= {"waiting", "unknown"}
    return steps


async def find_problem(
    web: WebClient, room: Room | str, user: str, reader: str | None = None
) -> Problem | None:
    """Return step, state and detail of the first step that is not ok."""
    steps = await read_steps(web, room, user, reader)
    problems = [(step["step"], step["state"], step["detail"]) for step in steps if step["state"] != "ok"]
    return problems[0] if problems else None


async def invite(client: ContractClient, room: Room, user: str) -> WrittenRecord:
    sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    return sent


async def answer(
    client: ContractClient, name: str, room: Room, sent: WrittenRecord, actor: str
) -> TopicRecord:
    _, done = await client.send_accepted(name, room, invitationId=sent.id, actorId=actor)
    return done


async def test_each_step_on_the_way_to_the_seat_is_shown(
    web: WebClient, client: ContractClient, people: People
) -> None:
    room = await client.create_room("idle")
    assert await find_problem(web, room, people.bob) == ("invited", "waiting", None)
    sent = await invite(client, room, people.bob)
    assert await find_problem(web, room, people.bob) == ("seen", "waiting", None)
    seen = await answer(client, "MarkInvitationSeen", room, sent, people.bob)
    assert await find_problem(web, room, people.bob) == ("accepted", "waiting", None)
    accepted = await answer(client, "AcceptInvitation", room, sent, people.bob)
    for reader in (people.bob, room.host, "ops"):
        steps = await read_steps(web, room, people.bob, reader)
        assert {step["state"] for step in steps} == {"ok"}
        assert [step["at"] for step in steps[4:]] == [
            sent.timestamp,
            seen.data["seenAt"],
            *[accepted.data["respondedAt"]] * 2,
        ]


async def test_a_diagnosis_is_for_the_user_the_host_and_ops(
    web: WebClient, client: ContractClient, people: People
) -> None:
    room = await client.create_room()
    await invite(client, room, people.carol)
    path = diagnosis_path(room, people.bob)
    assert await web.get_problem(path, people.carol) == (403, "forbidden")
    assert await web.get_problem(path) == (401, "unauthorized")
    assert await web.get_problem(diagnosis_path(room, "no%20id"), room.host) == (422, "invalid_request")


@pytest.mark.parametrize("is_deleted", [True, False])
async def test_a_room_that_nobody_knows_is_the_first_reason(
    web: WebClient, client: ContractClient, people: People, *, is_deleted: bool
) -> None:
    room: Room | str = unique_id("room")
    if is_deleted:
        room = await client.create_room()
        await client.wait_for_outcome((await client.delete_room(room)).position)
    for reader in (people.bob, "ops"):
        found = await find_problem(web, room, people.bob, reader)
        assert found == ("room_known", "failed", "room_not_found")
    assert await web.get_problem(diagnosis_path(room, people.bob), people.carol) == (404, "room_not_found")


async def test_a_closed_room_is_the_reason(web: WebClient, client: ContractClient, people: People) -> None:
    room = await client.create_room()
    await invite(client, room, people.bob)
    await client.change_room(room, status="ended")
    assert await find_problem(web, room, people.bob) == ("room_open", "failed", "room_not_open")


async def test_unknown_and_deleted_users_are_not_known(web: WebClient, client: ContractClient) -> None:
    room, gone = await client.create_room(), await client.create_user()
    await client.delete_user(gone)
    for user in (gone, unique_id("user")):
        assert await find_problem(web, room, user, room.host) == ("user_known", "failed", "user_not_found")


@pytest.mark.parametrize("cause", ["banned", "deleted", "takes_no_invitations", "blocks_host"])
async def test_the_host_does_not_see_why_a_user_is_not_eligible(
    web: WebClient, client: ContractClient, cause: str
) -> None:
    room = await client.create_room()
    fields: dict[str, dict[str, Any]] = {
        "takes_no_invitations": {"canReceiveInvitations": False, "blockedUserIds": [room.host]},
        "blocks_host": {"blockedUserIds": [room.host]},
    }
    user = await client.create_user(**fields.get(cause, {"status": cause}))
    for reader in (user, "ops"):
        assert await find_problem(web, room, user, reader) == ("user_eligible", "failed", cause)
    assert await find_problem(web, room, user, room.host) == ("user_eligible", "failed", None)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("DeclineInvitation", ("accepted", "failed", "declined")),
        ("CancelInvitation", ("seen", "failed", "cancelled_by_host")),
    ],
)
async def test_a_closed_invitation_says_how_it_ended(
    web: WebClient, client: ContractClient, people: People, name: str, problem: Problem
) -> None:
    room = await client.create_room()
    sent = await invite(client, room, people.bob)
    await answer(client, name, room, sent, people.bob if name == "DeclineInvitation" else room.host)
    assert await find_problem(web, room, people.bob) == problem


async def test_an_expired_invitation_is_the_reason(web: WebClient, expiring: ExpiringInvitations) -> None:
    [case, *_] = await expiring.unanswered_cases()
    await expiring.wait_for_closings(case)
    assert await find_problem(web, case.room, case.user) == ("seen", "failed", "expired")


async def test_a_full_room_is_the_reason(web: WebClient, client: ContractClient, people: People) -> None:
    room = await client.create_room(maxCoHosts=1)
    sent = await invite(client, room, people.bob)
    taken = await invite(client, room, people.carol)
    await answer(client, "AcceptInvitation", room, taken, people.carol)
    accept = {"invitationId": sent.id, "actorId": people.bob}
    assert await client.refusal_reason("AcceptInvitation", room, **accept) == "room_full"
    assert await find_problem(web, room, people.bob) == ("accepted", "waiting", "room_full")
    await client.change_room(room, maxCoHosts=2)
    assert await find_problem(web, room, people.bob) == ("accepted", "waiting", None)


@pytest.mark.parametrize("reason", ["left", "removed_by_host", "no_show", "connection_lost"])
async def test_a_seat_that_ended_says_why(
    web: WebClient, client: ContractClient, people: People, reason: str
) -> None:
    room = await client.create_room()
    sent = await invite(client, room, people.bob)
    await answer(client, "AcceptInvitation", room, sent, people.bob)
    commands = {
        "left": ("LeaveStage", {"actorId": people.bob}),
        "removed_by_host": ("RemoveCoHost", {"userId": people.bob, "actorId": room.host}),
    }
    release = {"userId": people.bob, "invitationId": sent.id, "reason": reason}
    name, data = commands.get(reason, ("ReleaseSeat", release))
    put, _ = await client.send_accepted(name, room, **data)
    assert await find_problem(web, room, people.bob) == ("seated", "failed", reason)
    assert (await read_steps(web, room, people.bob))[-1]["at"] == put.timestamp


async def test_the_host_is_seated_without_an_invitation(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    assert await find_problem(web, room, room.host) is None


async def test_the_hosts_of_a_room_are_those_of_its_events(web: WebClient, client: ContractClient) -> None:
    room = await client.create_room()
    other = unique_id("host")
    expected = []
    for change in ({}, {"status": "idle"}, {"hostId": other}, {"hostId": other, "status": "ended"}):
        fact = room.fact if not change else (await client.change_room(room, **change))[0]
        [found, *_] = await client.wait_for_outcome(fact.id)
        if change.get("status") is None:
            expected.append(
                {
                    "hostId": found.data["hostId"],
                    "sequence": int(found.event["sequence"]),
                    "since": found.event["time"],
                }
            )
    assert await web.get_json(f"/v1/rooms/{room}/hosts", "anyone") == {"items": expected}
    unknown = await web.get_problem(f"/v1/rooms/{unique_id('room')}/hosts", "anyone")
    assert unknown == (404, "room_not_found")
