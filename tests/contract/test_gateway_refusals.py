"""Section E, answers: every refusal of every command has its status, reason and current state."""

import asyncio
from datetime import datetime
from typing import Any, NamedTuple

import pytest

from tests.contract import expected_data
from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.expiring_invitations import LIFETIME_SECONDS, MAX_ROUNDS, wait_until_time
from tests.contract.gateway_client import GatewayClient, accepted_outcome, assert_refused

ANSWERS = ["accept", "decline", "cancel", "seen", "resend"]
BY_HOST = ("cancel", "resend")


class Invited(NamedTuple):
    """A room with a pending invitation."""

    room: Room
    user: str
    invitation: str
    data: dict[str, Any]

    def path(self, verb: str, room: Room | str | None = None, invitation: str | None = None) -> str:
        return f"/v1/rooms/{room or self.room}/invitations/{invitation or self.invitation}/{verb}"

    def actor(self, verb: str) -> str:
        return self.room.host if verb in BY_HOST else self.user


@pytest.fixture
async def invited(client: ContractClient) -> Invited:
    return await invite_someone(client)


async def invite_someone(client: ContractClient, **more: Any) -> Invited:
    room, user = await client.create_room(), await client.create_user()
    put, sent = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host, **more)
    return Invited(room, user, put.id, sent.data)


async def assert_invite_refused(  # noqa: PLR0913, PLR0917 - a case has no fewer parts
    gateway: GatewayClient, client: ContractClient, room: Room | str, host: str, user: str, reason: str
) -> dict[str, Any]:
    return await assert_refused(client, await gateway.invite(str(room), host, user), reason)


async def test_inviting_is_refused_for_each_reason(gateway: GatewayClient, client: ContractClient) -> None:
    room, closed = await client.create_room(), await client.create_room("ended")
    good, banned, co_host, invited = await asyncio.gather(
        client.create_user(), client.create_user("banned"), client.create_user(), client.create_user()
    )
    sent = accepted_outcome(await gateway.invite(room.id, room.host, co_host), 201)
    await gateway.post(f"/v1/rooms/{room}/invitations/{sent.command_id}/accept", co_host)
    pending = accepted_outcome(await gateway.invite(room.id, room.host, invited), 201)
    shown = {}
    for where, host, user, reason in (
        (unique_id("room"), room.host, good, "room_not_found"),
        (closed, closed.host, good, "room_not_open"),
        (room, "mallory", good, "not_room_host"),
        (room, room.host, room.host, "invalid_target"),
        (room, room.host, unique_id("user"), "user_not_found"),
        (room, room.host, banned, "user_not_eligible"),
        (room, room.host, co_host, "already_co_host"),
        (room, room.host, invited, "already_invited"),
    ):
        problem = await assert_invite_refused(gateway, client, where, host, user, reason)
        shown[reason] = problem.get("current")
    assert shown == {**dict.fromkeys(shown, None), "already_invited": pending.data}


async def test_inviting_too_many_is_refused(gateway: GatewayClient, client: ContractClient) -> None:
    room = await client.create_room()
    users = [unique_id("user") for _ in range(101)]
    await asyncio.gather(*(client.publish_user(user) for user in users))
    data = {"actorId": room.host}
    await asyncio.gather(
        *(client.send_accepted("SendInvitation", room, userId=user, **data) for user in users[:100])
    )
    await assert_invite_refused(gateway, client, room, room.host, users[100], "too_many_pending")


@pytest.mark.parametrize("verb", ANSWERS)
async def test_room_invitation_and_actor_are_checked_in_order(
    gateway: GatewayClient, client: ContractClient, invited: Invited, verb: str
) -> None:
    elsewhere = await client.create_room()
    for path, reason in (
        (invited.path(verb, unique_id("room")), "room_not_found"),
        (invited.path(verb, invitation=unique_id("invitation")), "invitation_not_found"),
        (invited.path(verb, elsewhere), "invitation_not_found"),
    ):
        await assert_refused(client, await gateway.post(path, invited.actor(verb)), reason)
    reason, other = ("not_room_host", invited.user) if verb in BY_HOST else ("not_invitee", invited.room.host)
    for actor, current in ((other, invited.data), ("mallory", None)):
        problem = await assert_refused(client, await gateway.post(invited.path(verb), actor), reason)
        assert problem.get("current") == current


@pytest.mark.parametrize("verb", ANSWERS)
async def test_an_invitation_that_is_not_pending_is_shown(
    gateway: GatewayClient, client: ContractClient, invited: Invited, verb: str
) -> None:
    declined = accepted_outcome(await gateway.post(invited.path("decline"), invited.user))
    answer = await gateway.post(invited.path(verb), invited.actor(verb))
    problem = await assert_refused(client, answer, "invitation_not_pending")
    assert problem["current"] == declined.data


async def test_an_overdue_invitation_is_refused_in_one_of_two_words(
    gateway: GatewayClient, client: ContractClient
) -> None:
    """The service's clock may have closed it by then: both reasons are right, with what is stored."""

    async def reason_of(verb: str) -> str:
        invited = await invite_someone(client, expiresInSeconds=LIFETIME_SECONDS)
        await wait_until_time(invited.data["expiresAt"])
        answer = await gateway.post(invited.path(verb), invited.actor(verb))
        reason = str(answer.json()["reason"])
        assert reason in {"invitation_expired", "invitation_not_pending"}
        problem = await assert_refused(client, answer, reason)
        is_stored = reason == "invitation_expired"
        assert problem["current"] == (invited.data if is_stored else expected_data.expired(invited.data))
        return reason

    for _ in range(MAX_ROUNDS):
        reasons = await asyncio.gather(*(reason_of(verb) for verb in 2 * ANSWERS))
        if "invitation_expired" in reasons:
            return
    pytest.fail("the service's clock was faster each time")


async def test_seeing_twice_is_refused(
    gateway: GatewayClient, client: ContractClient, invited: Invited
) -> None:
    seen = accepted_outcome(await gateway.post(invited.path("seen"), invited.user))
    problem = await assert_refused(
        client, await gateway.post(invited.path("seen"), invited.user), "already_seen"
    )
    assert problem["current"] == seen.data


async def test_resending_too_soon_says_when_to_retry(
    gateway: GatewayClient, client: ContractClient, invited: Invited
) -> None:
    answer = await gateway.post(invited.path("resend"), invited.room.host)
    problem = await assert_refused(client, answer, "too_soon")
    retry = datetime.fromisoformat(problem["retryAt"]) - datetime.fromisoformat(invited.data["sentAt"])
    assert retry.total_seconds() == 10
    assert answer.headers["retry-after"].isdecimal()
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert problem["current"] == invited.data


async def test_an_ineligible_invitee_cannot_accept(gateway: GatewayClient, client: ContractClient) -> None:
    for status, reason in (("banned", "user_not_eligible"), (None, "user_not_found")):
        invited = await invite_someone(client)
        await (client.publish_user(invited.user, status) if status else client.delete_user(invited.user))
        answer = await gateway.post(invited.path("accept"), invited.user)
        # The service may have closed the invitation by then.
        found = answer.json()["reason"]
        assert found in {reason, "invitation_not_pending"}
        await assert_refused(client, answer, found)


async def test_a_full_room_refuses_and_shows_the_invitation(
    gateway: GatewayClient, client: ContractClient
) -> None:
    room, user = await client.create_room(maxCoHosts=0), await client.create_user()
    sent = accepted_outcome(await gateway.invite(room.id, room.host, user), 201)
    answer = await gateway.post(f"/v1/rooms/{room}/invitations/{sent.command_id}/accept", user)
    assert (await assert_refused(client, answer, "room_full"))["current"] == sent.data


async def test_requests_about_co_hosts_are_refused_for_each_reason(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user, stranger = await stage_driver.open_room(), await client.create_user(), unique_id("user")
    await stage_driver.seat_user(room, user)
    unknown, camera = unique_id("room"), {"source": "camera"}
    cases: list[tuple[str, str, str, dict[str, Any] | None, str]] = [
        ("DELETE", f"{unknown}/co-hosts/{user}", room.host, None, "room_not_found"),
        ("DELETE", f"{room}/co-hosts/{user}", "mallory", None, "not_room_host"),
        ("DELETE", f"{room}/co-hosts/{stranger}", room.host, None, "not_co_host"),
        ("DELETE", f"{unknown}/co-hosts/{user}", user, None, "room_not_found"),
        ("DELETE", f"{room}/co-hosts/{stranger}", stranger, None, "not_co_host"),
        ("PUT", f"{unknown}/co-hosts/order", room.host, {"userIds": [user]}, "room_not_found"),
        ("PUT", f"{room}/co-hosts/order", user, {"userIds": [user]}, "not_room_host"),
        ("PUT", f"{room}/co-hosts/order", room.host, {"userIds": [user, stranger]}, "not_co_host"),
        *(
            case
            for verb in ("mute", "unmute")
            for case in (
                ("POST", f"{unknown}/co-hosts/{user}/{verb}", room.host, camera, "room_not_found"),
                ("POST", f"{room}/co-hosts/{stranger}/{verb}", "mallory", camera, "not_co_host"),
                ("POST", f"{room}/co-hosts/{user}/{verb}", "mallory", camera, "not_room_host"),
            )
        ),
        ("POST", f"{room}/co-hosts/{user}/mute", user, {"source": "camera", "hard": True}, "not_room_host"),
        ("POST", f"{room}/co-hosts/{user}/unmute", user, camera, "not_room_host"),
    ]
    for method, path, actor, body, reason in cases:
        answer = await gateway.send(method, f"/v1/rooms/{path}", actor, body)
        await assert_refused(client, answer, reason)
