"""Section E, commands: a request's key is the command's id, whichever copy is asked, however often."""

import asyncio
from typing import Any, NamedTuple

import httpx
import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.contract_client import ContractClient, Room, new_id, unique_id
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import GatewayClient, accepted_outcome, assert_pending, assert_refused
from tests.contract.service_processes import run_gateway
from tests.contract.web_client import parse_problem

REUSED = (422, "idempotency_key_reused")
ALL_AT_ONCE = 8


class Invitee(NamedTuple):
    """A room, and a user who may be invited."""

    room: Room
    user: str

    @property
    def path(self) -> str:
        return f"/v1/rooms/{self.room}/invitations"


@pytest.fixture
async def invitee(client: ContractClient) -> Invitee:
    return Invitee(await client.create_room(), await client.create_user())


@pytest.fixture
async def seat(client: ContractClient, stage_driver: StageDriver) -> SeatedUser:
    return await stage_driver.seat_user(await stage_driver.open_room(), await client.create_user())


def assert_reused(answer: httpx.Response) -> None:
    """Assert that a key is refused, without anything of the command that it belongs to."""
    assert parse_problem(answer) == REUSED, answer.text
    assert not {"events", "current", "outcome", "retryAt"} & set(answer.json())
    assert answer.headers.get("location") is None


def assert_same(first: httpx.Response, *others: httpx.Response) -> None:
    for other in others:
        assert (other.status_code, other.json()) == (first.status_code, first.json())
        assert other.headers.get("location") == first.headers.get("location")


async def invite(gateway: GatewayClient, there: Invitee, key: str, **more: Any) -> httpx.Response:
    return await gateway.invite(there.room.id, there.room.host, there.user, idempotency_key=key, **more)


async def test_the_same_request_again_has_the_same_answer_at_each_copy(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    key = new_id()
    first = await invite(gateway, invitee, key)
    accepted_outcome(first, 201)
    assert_same(first, *[await invite(copy, invitee, key) for copy in 3 * (gateway, second_gateway)])
    path = f"{invitee.path}/{key}/accept"
    accepted = [
        await copy.post(path, invitee.user, idempotency_key=f"{key}.2") for copy in (gateway, second_gateway)
    ]
    accepted_outcome(accepted[0])
    assert_same(*accepted)
    assert_same(first, await invite(second_gateway, invitee, key))
    for command_id in (key, f"{key}.2"):
        assert len(await client.wait_for_outcome(command_id)) == 1


async def test_the_same_request_at_once_has_one_outcome(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    key = new_id()
    answers = await asyncio.gather(
        *(invite(copy, invitee, key) for copy in ALL_AT_ONCE * (gateway, second_gateway))
    )
    accepted_outcome(answers[0], 201)
    assert_same(*answers)
    await client.wait_until_decided(invitee.room)
    assert [record.name for record in await client.wait_for_outcome(key)] == ["InvitationSent"]


async def test_many_keys_at_once_have_their_own_outcomes(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient
) -> None:
    rooms = [Invitee(await client.create_room(), await client.create_user()) for _ in range(5)]
    keys = [new_id() for _ in rooms]
    answers = await asyncio.gather(
        *(
            invite(copy, there, key)
            for copy in (gateway, second_gateway)
            for there, key in zip(rooms, keys, strict=True)
        )
    )
    assert [accepted_outcome(answer, 201).command_id for answer in answers] == 2 * keys


async def test_a_refusal_is_repeated_too_whatever_holds_now(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient
) -> None:
    there, key = Invitee(await client.create_room(), await client.create_user("banned")), new_id()
    first = await invite(gateway, there, key)
    await assert_refused(client, first, "user_not_eligible")
    await client.publish_user(there.user)
    assert_same(first, await invite(gateway, there, key), await invite(second_gateway, there, key))


async def test_a_refusal_keeps_its_current_invitation_and_its_time(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    sent = accepted_outcome(await invite(gateway, invitee, new_id()), 201)
    path, key = f"{invitee.path}/{sent.command_id}", new_id()
    first = await gateway.post(f"{path}/resend", invitee.room.host, idempotency_key=key)
    problem = await assert_refused(client, first, "too_soon")
    assert problem["current"] == sent.data
    accepted_outcome(await gateway.post(f"{path}/accept", invitee.user))
    for copy in (gateway, second_gateway):
        again = await copy.post(f"{path}/resend", invitee.room.host, idempotency_key=key)
        assert_same(first, again)
        assert int(again.headers["retry-after"]) >= 1


@pytest.mark.parametrize("prefer", ["respond-async", "wait=0", "wait=10"])
async def test_a_known_outcome_is_the_answer_whatever_is_preferred(
    gateway: GatewayClient, second_gateway: GatewayClient, invitee: Invitee, prefer: str
) -> None:
    key = new_id()
    first = await invite(gateway, invitee, key)
    accepted_outcome(first, 201)
    for copy in (gateway, second_gateway):
        assert_same(first, await invite(copy, invitee, key, prefer=prefer))


async def test_after_a_202_the_same_key_has_the_outcome(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    key = new_id()
    assert_pending(await invite(gateway, invitee, key, prefer="respond-async"), key)
    await client.wait_for_outcome(key)
    answers = [await invite(copy, invitee, key) for copy in (second_gateway, gateway)]
    accepted_outcome(answers[0], 201)
    assert_same(*answers)


async def test_a_copy_started_later_answers_the_same(
    deployment: Deployment, gateway: GatewayClient, client: ContractClient, invitee: Invitee, seat: SeatedUser
) -> None:
    keys = [new_id() for _ in range(3)]
    mute, camera = f"/v1/rooms/{seat.room}/co-hosts/{seat.user}/mute", {"source": "camera"}

    async def ask(copy: GatewayClient) -> list[httpx.Response]:
        return [
            await invite(copy, invitee, keys[0]),
            await invite(copy, Invitee(invitee.room, unique_id("user")), keys[1]),
            await copy.post(mute, seat.room.host, camera, idempotency_key=keys[2]),
        ]

    first = await ask(gateway)
    assert [answer.status_code for answer in first] == [201, 404, 200]
    async with (
        run_gateway(deployment) as there,
        GatewayClient(gateway.web, there.gateway_url) as newcomer,
    ):
        for before, after in zip(first, await ask(newcomer), strict=True):
            assert_same(before, after)
    for key in keys:
        assert len(await client.wait_for_outcome(key)) == 1


async def test_a_command_that_came_over_kafka_is_the_first_of_its_key(
    gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    data = {"userId": invitee.user, "actorId": invitee.room.host}
    put, sent = await client.send_accepted("SendInvitation", invitee.room, **data)
    answer = await invite(gateway, invitee, put.id)
    assert accepted_outcome(answer, 201).events == [sent.event]


async def test_another_type_room_invitation_or_actor_is_refused(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    key, other = new_id(), await client.create_room(host=invitee.room.host)
    sent = accepted_outcome(await invite(gateway, invitee, new_id()), 201)
    here = f"{invitee.path}/{sent.command_id}"
    accepted_outcome(await gateway.post(f"{here}/accept", invitee.user, idempotency_key=key))
    cases: list[tuple[str, str, str, Any]] = [
        ("POST", f"{here}/decline", invitee.user, None),
        ("POST", f"{here}/seen", invitee.user, None),
        ("POST", f"/v1/rooms/{other}/invitations/{sent.command_id}/accept", invitee.user, None),
        ("POST", f"{invitee.path}/{new_id()}/accept", invitee.user, None),
        ("POST", f"{here}/accept", "mallory", None),
        ("POST", f"{here}/accept", invitee.room.host, None),
        ("POST", invitee.path, invitee.room.host, {"userId": invitee.user}),
        ("DELETE", f"/v1/rooms/{invitee.room}/co-hosts/{invitee.user}", invitee.user, None),
        (
            "POST",
            f"/v1/rooms/{invitee.room}/co-hosts/{invitee.user}/mute",
            invitee.user,
            {"source": "camera"},
        ),
    ]
    for copy in (gateway, second_gateway):
        for method, path, actor, body in cases:
            assert_reused(await copy.send(method, path, actor, body, idempotency_key=key))
    assert [record.name for record in await client.wait_for_outcome(key)] == ["InvitationAccepted"]


async def test_a_refused_commands_key_cannot_be_reused_either(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, invitee: Invitee
) -> None:
    key = new_id()
    answer = await gateway.invite(invitee.room.id, "mallory", invitee.user, idempotency_key=key)
    await assert_refused(client, answer, "not_room_host")
    for copy in (gateway, second_gateway):
        assert_reused(await invite(copy, invitee, key))


async def test_a_key_of_broadcast_cannot_be_reused_for_invitations(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, seat: SeatedUser
) -> None:
    key, co_host = new_id(), f"/v1/rooms/{seat.room}/co-hosts/{seat.user}"
    first = await gateway.post(f"{co_host}/mute", seat.room.host, {"source": "camera"}, idempotency_key=key)
    accepted_outcome(first)
    for copy in (gateway, second_gateway):
        assert_reused(await copy.send("DELETE", co_host, seat.user, idempotency_key=key))
        assert_reused(await copy.send("DELETE", co_host, seat.room.host, idempotency_key=key))
        unmute = await copy.post(
            f"{co_host}/unmute", seat.room.host, {"source": "camera"}, idempotency_key=key
        )
        assert_reused(unmute)
        again = await copy.post(f"{co_host}/mute", seat.room.host, {"source": "camera"}, idempotency_key=key)
        assert_same(first, again)
    assert [record.name for record in await client.wait_for_outcome(key)] == ["CoHostMuted"]


async def test_other_differences_in_the_body_are_not_noticed(
    gateway: GatewayClient,
    second_gateway: GatewayClient,
    client: ContractClient,
    invitee: Invitee,
    seat: SeatedUser,
) -> None:
    host, co_hosts = seat.room.host, f"/v1/rooms/{seat.room}/co-hosts"
    requests: list[tuple[str, str, str, Any, Any]] = [
        (
            "POST",
            invitee.path,
            invitee.room.host,
            {"userId": invitee.user},
            {"userId": unique_id("user"), "label": "x"},
        ),
        ("PUT", f"{co_hosts}/order", host, {"userIds": [seat.user]}, {"userIds": [unique_id("user")]}),
        (
            "POST",
            f"{co_hosts}/{seat.user}/mute",
            host,
            {"source": "camera"},
            {"source": "microphone", "hard": True},
        ),
    ]
    for method, path, actor, body, other in requests:
        key = new_id()
        first = await gateway.send(method, path, actor, body, idempotency_key=key)
        assert first.is_success
        for copy in (gateway, second_gateway):
            assert_same(first, await copy.send(method, path, actor, other, idempotency_key=key))
        assert len(await client.wait_for_outcome(key)) == 1


async def test_of_two_requests_that_meet_with_one_key_one_has_its_outcome(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient
) -> None:
    for _ in range(5):
        rooms = [Invitee(await client.create_room(), await client.create_user()) for _ in range(2)]
        key = new_id()
        answers = await asyncio.gather(invite(gateway, rooms[0], key), invite(second_gateway, rooms[1], key))
        for there in rooms:
            await client.wait_until_decided(there.room)
        [record] = await client.wait_for_outcome(key)
        won = [there.room.id for there in rooms].index(record.data["roomId"])
        assert accepted_outcome(answers[won], 201).events == [record.event]
        if answers[1 - won].status_code != 202:
            assert_reused(answers[1 - won])
        assert_reused(await invite(gateway, rooms[1 - won], key))
