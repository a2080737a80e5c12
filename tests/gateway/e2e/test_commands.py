"""Every command over HTTP: what it does, and what it is answered with."""

from typing import Any

import httpx
import pytest

from tests.gateway.e2e.command_harness import CommandHarness, read_problem, unique


def event_types(answer: httpx.Response) -> list[str]:
    return [event["type"] for event in answer.json()["events"]]


def assert_accepted(answer: httpx.Response, *names: str) -> dict[str, Any]:
    """Return the data of the last event of a command that was accepted."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"commandId", "outcome", "events"}
    assert body["outcome"] == "accepted"
    assert event_types(answer) == [f"cohost.{name}.v1" for name in names]
    assert {event["causationid"] for event in body["events"]} == {body["commandId"]}
    data: dict[str, Any] = body["events"][-1]["data"]
    return data


async def test_a_sent_invitation_is_created(harness: CommandHarness) -> None:
    room = await harness.open_room()
    body = {"userId": "bob", "expiresInSeconds": 600.0, "message": "Come", "label": "Guitar"}
    answer = await harness.caller.post(f"/v1/rooms/{room}/invitations", "alice", body)
    assert answer.status_code == 201, answer.text
    assert event_types(answer) == ["cohost.InvitationSent.v1"]
    said = answer.json()
    assert answer.headers["location"] == f"/v1/invitations/{said['commandId']}"
    data = said["events"][0]["data"]
    assert (data["invitationId"], data["userId"], data["invitedBy"]) == (said["commandId"], "bob", "alice")
    assert (data["message"], data["label"]) == ("Come", "Guitar")
    [written] = await harness.records_caused_by(said["commandId"], room)
    assert written.value in answer.content


@pytest.mark.parametrize(
    ("action", "actor", "name"),
    [
        ("accept", "bob", "InvitationAccepted"),
        ("decline", "bob", "InvitationDeclined"),
        ("seen", "bob", "InvitationSeen"),
        ("cancel", "alice", "InvitationCancelled"),
    ],
)
async def test_an_invitation_is_answered(harness: CommandHarness, action: str, actor: str, name: str) -> None:
    room = await harness.open_room()
    path = f"/v1/rooms/{room}/invitations/{await harness.invite(room, 'bob')}/{action}"
    assert assert_accepted(await harness.caller.post(path, actor), name)["userId"] == "bob"


async def test_a_user_leaves_and_another_is_removed(harness: CommandHarness) -> None:
    room = await harness.open_room()
    await harness.seat(room, "bob")
    await harness.seat(room, "carol")
    left = await harness.caller.send("DELETE", f"/v1/rooms/{room}/co-hosts/bob", "bob")
    assert assert_accepted(left, "CoHostLeft")["reason"] == "left"
    removed = await harness.caller.send("DELETE", f"/v1/rooms/{room}/co-hosts/carol", "alice", {})
    assert assert_accepted(removed, "CoHostLeft")["reason"] == "removed_by_host"


async def test_the_stage_is_arranged_and_muted(harness: CommandHarness) -> None:
    room = await harness.open_room()
    await harness.seat(room, "bob")
    await harness.seat(room, "carol")
    path = f"/v1/rooms/{room}/co-hosts"
    arranged = await harness.caller.send("PUT", f"{path}/order", "alice", {"userIds": ["carol"]})
    assert assert_accepted(arranged, "StageArranged")["userIds"] == ["carol", "bob"]
    muted = await harness.caller.post(f"{path}/bob/mute", "alice", {"source": "camera", "hard": True})
    assert assert_accepted(muted, "CoHostMuted")["hard"] is True
    unmuted = await harness.caller.post(f"{path}/bob/unmute", "alice", {"source": "camera"})
    assert assert_accepted(unmuted, "CoHostUnmuteRequested")["by"] == "alice"


async def test_a_refusal_shows_the_invitation_as_it_is(harness: CommandHarness) -> None:
    room = await harness.open_room()
    invitation = await harness.invite(room, "bob")
    answer = await harness.caller.post(f"/v1/rooms/{room}/invitations", "alice", {"userId": "bob"})
    problem = read_problem(answer, 409, "already_invited")
    assert problem["current"]["invitationId"] == invitation
    assert problem["message"] == "The user has a pending invitation already."
    status = await harness.caller.send("GET", f"/v1/commands/{problem['commandId']}", "alice")
    assert status.json()["reason"] == "already_invited"


async def test_resending_too_soon_tells_when_to_come_back(harness: CommandHarness) -> None:
    room = await harness.open_room()
    path = f"/v1/rooms/{room}/invitations/{await harness.invite(room, 'bob')}/resend"
    answer = await harness.caller.post(path, "alice", {"expiresInSeconds": 60})
    problem = read_problem(answer, 409, "too_soon")
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert problem["retryAt"].endswith("Z")


@pytest.mark.parametrize(
    ("status", "reason", "request_parts"),
    [
        (404, "room_not_found", ("POST", "/v1/rooms/nowhere/invitations", "alice", {"userId": "bob"})),
        (403, "not_room_host", ("POST", "/v1/rooms/{room}/invitations", "bob", {"userId": "carol"})),
        (422, "invalid_target", ("POST", "/v1/rooms/{room}/invitations", "alice", {"userId": "alice"})),
        (404, "invitation_not_found", ("POST", "/v1/rooms/{room}/invitations/none/accept", "bob")),
        (403, "not_invitee", ("POST", "/v1/rooms/{room}/invitations/{invitation}/accept", "carol")),
        (409, "not_co_host", ("DELETE", "/v1/rooms/{room}/co-hosts/bob", "bob")),
        (409, "not_co_host", ("PUT", "/v1/rooms/{room}/co-hosts/order", "alice", {"userIds": ["bob"]})),
        (
            *(409, "not_co_host"),
            ("POST", "/v1/rooms/{room}/co-hosts/bob/mute", "alice", {"source": "camera"}),
        ),
    ],
)
async def test_a_refused_command_has_the_status_of_its_reason(
    harness: CommandHarness, status: int, reason: str, request_parts: tuple[Any, ...]
) -> None:
    room = await harness.open_room()
    invitation = await harness.invite(room, "bob")
    method, path, *more = request_parts
    url = path.format(room=room, invitation=invitation)
    problem = read_problem(await harness.caller.send(method, url, *more), status, reason)
    assert problem["commandId"]
    assert problem["current"] is None


async def test_a_trace_is_carried_into_the_events(harness: CommandHarness) -> None:
    room = await harness.open_room()
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "v=1,w@x=2"}
    path = f"/v1/rooms/{room}/invitations"
    answer = await harness.caller.post(path, "alice", {"userId": "bob"}, **trace)
    [event] = answer.json()["events"]
    assert {name: event[name] for name in trace} == trace
    wrong = {"traceparent": f"00-{'0' * 32}-{'b' * 16}-01", "tracestate": "v=1"}
    answer = await harness.caller.post(path, "alice", {"userId": "carol"}, **wrong)
    assert not trace.keys() & answer.json()["events"][0].keys()


async def test_an_invalid_request_writes_no_command(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    path = f"/v1/rooms/{room}/invitations"
    for body in ({}, {"userId": "bob", "more": 1}, {"userId": "a/b"}, {"userId": "bob", "actorId": "alice"}):
        read_problem(await harness.caller.post(path, "alice", body, key), 422, "invalid_request")
    answer = await harness.caller.post(path, "alice", {"userId": "bob", "message": None}, key)
    assert answer.status_code == 201
