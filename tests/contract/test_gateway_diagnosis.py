"""Section E, diagnosis: why a user is not on air, for each cause that invitations knows, and who may ask."""

import re
from typing import Any

import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.expiring_invitations import LIFETIME_SECONDS, wait_until_after
from tests.contract.gateway_client import GatewayClient, assert_refused
from tests.contract.web_client import parse_problem

STEPS = [
    *("room_known", "room_open", "user_known", "user_eligible", "invited", "seen", "accepted", "seated"),
    *("granted", "connected", "publishing", "quality"),
]
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
Step = tuple[str | None, str | None, str | None]
ON_AIR: Step = (None, None, None)


def path_of(room: Room | str, user: str) -> str:
    return f"/v1/rooms/{room}/users/{user}/diagnosis"


async def read_steps(
    gateway: GatewayClient, room: Room | str, user: str, caller: str | None = None, *, ops: bool = False
) -> list[dict[str, Any]]:
    """Return the steps of a diagnosis, of which everything is checked that always holds."""
    found = await gateway.get_json(path_of(room, user), None if ops else caller or user, ops=ops)
    assert set(found) == {"roomId", "userId", "steps"}
    assert (found["roomId"], found["userId"]) == (str(room), user)
    assert [step["step"] for step in found["steps"]] == STEPS
    is_ok = True
    for step in found["steps"]:
        assert set(step) == {"step", "state", "at", "detail", "advice"}
        assert step["at"] is None or MOMENT.fullmatch(step["at"])
        assert step["detail"] is None or re.fullmatch("[a-z_]+", step["detail"])
        if step["state"] == "ok":
            assert is_ok, found["steps"]
            assert step["advice"] is None
        else:
            assert step["state"] in ({"failed", "waiting", "unknown"} if is_ok else {"waiting", "unknown"})
            assert re.fullmatch(r"[A-Z].*\.", step["advice"]), step
            is_ok = False
    return list(found["steps"])


async def first_problem(gateway: GatewayClient, room: Room | str, user: str, **more: Any) -> Step:
    """Return the first step that is not ok, its state and its detail."""
    for step in await read_steps(gateway, room, user, **more):
        if step["state"] != "ok":
            return step["step"], step["state"], step["detail"]
    return ON_AIR


async def test_an_unknown_room(gateway: GatewayClient) -> None:
    room, user = unique_id("room"), unique_id("user")
    for more in ({"caller": user}, {"ops": True}):
        step, state, _ = await first_problem(gateway, room, user, **more)
        assert (step, state) == ("room_known", "failed")
    answer = await gateway.get(path_of(room, user), "mallory")
    assert parse_problem(answer) == (404, "room_not_found")


async def test_a_closed_room(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.create_closed_room(), await client.create_user()
    step, state, detail = await first_problem(gateway, room, user)
    assert (step, state) == ("room_open", "failed")
    assert detail in (None, "room_not_open", "room_ended")


async def test_an_unknown_user(gateway: GatewayClient, stage_driver: StageDriver) -> None:
    room, user = await stage_driver.open_room(), unique_id("user")
    step, state, detail = await first_problem(gateway, room, user, caller=room.host)
    assert (step, state) == ("user_known", "failed")
    assert detail in (None, "user_not_found")


@pytest.mark.parametrize(
    ("cause", "fact"),
    [
        ("banned", {"status": "banned"}),
        ("deleted", {"status": "deleted"}),
        ("takes_no_invitations", {"canReceiveInvitations": False}),
        ("blocks_host", {"blockedUserIds": ["host"]}),
    ],
)
async def test_an_ineligible_user(
    gateway: GatewayClient, stage_driver: StageDriver, cause: str, fact: dict[str, Any]
) -> None:
    room = await stage_driver.open_room()
    blocked = {"blockedUserIds": [room.host]} if cause == "blocks_host" else {}
    user = await stage_driver.client.create_user(**{**fact, **blocked})
    assert await first_problem(gateway, room, user) == ("user_eligible", "failed", cause)
    assert await first_problem(gateway, room, user, ops=True) == ("user_eligible", "failed", cause)
    steps = await read_steps(gateway, room, user, room.host)
    [step] = [step for step in steps if step["step"] == "user_eligible"]
    assert (step["state"], step["detail"]) == ("failed", None)
    assert cause not in str(steps)


async def test_a_user_who_is_not_invited(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    for more in ({}, {"caller": room.host}, {"ops": True}):
        assert await first_problem(gateway, room, user, **more) == ("invited", "waiting", None)


async def test_a_user_who_never_answers(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    invitation = await stage_driver.invite_user(room, user)
    assert await first_problem(gateway, room, user) == ("seen", "waiting", None)
    await client.send_accepted("MarkInvitationSeen", room, invitationId=invitation, actorId=user)
    for more in ({}, {"caller": room.host}, {"ops": True}):
        assert await first_problem(gateway, room, user, **more) == ("accepted", "waiting", None)


@pytest.mark.parametrize(
    ("command", "detail"), [("DeclineInvitation", "declined"), ("CancelInvitation", "cancelled_by_host")]
)
async def test_an_invitation_that_was_closed(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver, command: str, detail: str
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    invitation = await stage_driver.invite_user(room, user)
    await client.send_accepted("MarkInvitationSeen", room, invitationId=invitation, actorId=user)
    actor = user if command == "DeclineInvitation" else room.host
    await client.send_accepted(command, room, invitationId=invitation, actorId=actor)
    assert await first_problem(gateway, room, user) == ("accepted", "failed", detail)


@pytest.mark.parametrize("is_seen", [True, False])
async def test_an_invitation_that_expired(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver, *, is_seen: bool
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    data = {"userId": user, "actorId": room.host, "expiresInSeconds": LIFETIME_SECONDS}
    put, _ = await client.send_accepted("SendInvitation", room, **data)
    if is_seen:
        await client.send_accepted("MarkInvitationSeen", room, invitationId=put.id, actorId=user)
    await wait_until_after(put, LIFETIME_SECONDS)
    step, state, detail = await first_problem(gateway, room, user)
    assert step in ({"accepted"} if is_seen else {"seen", "accepted"})
    assert state == "failed"
    assert detail in {"expired", "invitation_expired"}


async def test_a_full_room(gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver) -> None:
    room, user = await stage_driver.open_room(maxCoHosts=1), await client.create_user()
    invitation = await stage_driver.invite_user(room, user)
    await stage_driver.seat_user(room, await client.create_user())
    await client.send_accepted("MarkInvitationSeen", room, invitationId=invitation, actorId=user)
    answer = await gateway.post(f"/v1/rooms/{room}/invitations/{invitation}/accept", user)
    await assert_refused(client, answer, "room_full")
    step, state, detail = await first_problem(gateway, room, user)
    assert (step, detail) == ("accepted", "room_full")
    assert state in {"failed", "waiting"}


@pytest.mark.parametrize("reason", ["no_show", "connection_lost", "left", "removed_by_host"])
async def test_a_seat_that_ended(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver, reason: str
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, await client.create_user())
    release = {"userId": seat.user, "invitationId": seat.invitation, "reason": reason}
    command, data = {
        "left": ("LeaveStage", {"actorId": seat.user}),
        "removed_by_host": ("RemoveCoHost", {"userId": seat.user, "actorId": room.host}),
    }.get(reason, ("ReleaseSeat", release))
    await client.send_accepted(command, room, **data)
    await stage_driver.wait_for_no_badge(room, seat.user)
    assert await first_problem(gateway, room, seat.user) == ("seated", "failed", reason)


async def test_a_user_who_is_invited_again_waits_again(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, await client.create_user())
    await client.send_accepted("LeaveStage", room, actorId=seat.user)
    await stage_driver.invite_user(room, seat.user)
    assert await first_problem(gateway, room, seat.user) == ("seen", "waiting", None)


async def test_the_diagnosis_is_for_the_user_the_host_and_ops(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    for caller in ("mallory", await client.create_user()):
        assert parse_problem(await gateway.get(path_of(room, user), caller)) == (403, "forbidden")
    assert parse_problem(await gateway.get(path_of(room, user))) == (401, "unauthorized")
    for bad in (f"/v1/rooms/a%20b/users/{user}/diagnosis", f"/v1/rooms/{room}/users/a%20b/diagnosis"):
        assert parse_problem(await gateway.get(bad, ops=True)) == (422, "invalid_request")
