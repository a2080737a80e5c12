"""Facts over HTTP: written for the platform alone, and named by what follows from them."""

from typing import Any

import pytest

from tests.contract.polling import wait_until
from tests.gateway.e2e.command_harness import CommandHarness, read_problem, unique

PLATFORM = {"scope": "cohost:platform"}


async def write(harness: CommandHarness, method: str, path: str, body: Any = None) -> str:
    answer = await harness.caller.send(method, path, "platform", body, claims=PLATFORM)
    assert answer.status_code == 202, answer.text
    assert set(answer.json()) == {"causationId"}
    return str(answer.json()["causationId"])


async def test_a_room_is_written_and_tombstoned(harness: CommandHarness) -> None:
    room = unique("room")
    path = f"/v1/rooms/{room}"
    opened = await write(harness, "PUT", path, {"hostId": "alice", "status": "live", "maxCoHosts": 2.0})

    async def status_is(status: int) -> bool:
        return (await harness.caller.send("GET", path, "bob")).status_code == status

    await wait_until(lambda: status_is(200))
    gone = await write(harness, "DELETE", path)
    await wait_until(lambda: status_is(404))
    prefix = harness.variables["COHOST_TOPIC_PREFIX"]
    assert gone.startswith(f"{prefix}rooms:")
    [first] = await harness.records_caused_by(opened, room)
    assert first.envelope.data["maxCoHosts"] == 2
    [second] = await harness.records_caused_by(gone, room)
    assert second.envelope.data["status"] == "ended"


async def test_a_user_is_written_and_tombstoned(harness: CommandHarness) -> None:
    room, user = await harness.open_room(), unique("user")
    path = f"/v1/rooms/{room}/invitations"
    await write(harness, "PUT", f"/v1/users/{user}", {"status": "banned", "unknown": [1]})

    async def is_refused(reason: str) -> bool:
        answer = await harness.caller.post(path, "alice", {"userId": user})
        return bool(answer.json().get("reason") == reason)

    await wait_until(lambda: is_refused("user_not_eligible"))
    await write(harness, "DELETE", f"/v1/users/{user}")
    await wait_until(lambda: is_refused("user_not_found"))
    await write(harness, "DELETE", f"/v1/users/{unique('never')}", {})
    await write(harness, "DELETE", "/v1/users/%2E")


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/rooms/r", "/v1/users/u"])
@pytest.mark.parametrize("scope", ["", "cohost:ops"])
async def test_facts_are_the_platforms_alone(
    harness: CommandHarness, method: str, path: str, scope: str
) -> None:
    answer = await harness.caller.send(method, path, "alice", {"more": 1}, claims={"scope": scope})
    read_problem(answer, 403, "forbidden")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/rooms/r", {}),
        ("/v1/rooms/r", {"hostId": "alice", "status": "dead"}),
        ("/v1/rooms/r", {"hostId": "alice", "status": "live", "maxCoHosts": 101}),
        ("/v1/rooms/r", {"hostId": "alice", "status": "live", "maxCoHosts": "2"}),
        ("/v1/rooms/r", {"hostId": "alice", "status": "live", "title": "\x00"}),
        ("/v1/rooms/r", {"hostId": "alice", "status": "live", "roomId": "other"}),
        ("/v1/rooms/%2E", {"hostId": "alice", "status": "live"}),
        ("/v1/users/u", {"status": "active", "blockedUserIds": ["a"] * 10_001}),
        ("/v1/users/u", {"status": "active", "userId": "other"}),
        ("/v1/users/u", {"status": "active", "canReceiveInvitations": 1}),
    ],
)
async def test_an_invalid_fact_is_refused(harness: CommandHarness, path: str, body: Any) -> None:
    answer = await harness.caller.send("PUT", path, "platform", body, claims=PLATFORM)
    read_problem(answer, 422, "invalid_request")


async def test_the_platform_has_no_other_right(harness: CommandHarness) -> None:
    answer = await harness.caller.send("GET", "/v1/rooms", "platform", claims=PLATFORM)
    read_problem(answer, 403, "forbidden")
