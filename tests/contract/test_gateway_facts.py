"""Section E, facts: the platform's facts over HTTP."""

from typing import Any

import pytest

from tests.contract import expected_data
from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.gateway_client import PLATFORM, GatewayClient, accepted_outcome
from tests.contract.polling import wait_until
from tests.contract.web_client import OPS, parse_problem

ROOM = {"hostId": "alice", "status": "live"}
USER = {"status": "active"}
REQUESTS: list[tuple[str, str, Any]] = [
    ("PUT", "/v1/rooms/{}", ROOM),
    ("DELETE", "/v1/rooms/{}", None),
    ("PUT", "/v1/users/{}", USER),
    ("DELETE", "/v1/users/{}", None),
]


async def put_fact(gateway: GatewayClient, method: str, path: str, body: Any = None) -> str:
    """Write a fact as the platform, and return its causation id."""
    answer = await gateway.send(method, path, "platform", body, scope=PLATFORM)
    assert answer.status_code == 202, answer.text
    said = answer.json()
    assert set(said) == {"causationId"}
    return str(said["causationId"])


async def test_a_rooms_facts_cause_its_events(gateway: GatewayClient, client: ContractClient) -> None:
    room = Room(unique_id("room"), unique_id("host"), None)  # type: ignore[arg-type]
    fact = {"hostId": room.host, "status": "live", "maxCoHosts": 3.0, "title": "Friday night"}
    cause = await put_fact(gateway, "PUT", f"/v1/rooms/{room}", fact)
    [stage] = await client.wait_for_outcome(cause)
    assert (stage.name, stage.data) == ("StageChanged", expected_data.stage(room, maxCoHosts=3))
    [record] = client.log.by_key["invitations.events", room.id.encode()]
    assert record.event["causationid"] == cause
    shown = await gateway.get_json(f"/v1/rooms/{room}", "anyone")
    assert (shown["title"], shown["maxCoHosts"], shown["hostId"]) == ("Friday night", 3, room.host)
    gone = await put_fact(gateway, "DELETE", f"/v1/rooms/{room}")
    [stage] = await client.wait_for_outcome(gone)
    assert stage.data == expected_data.stage(room, "ended", open=False, maxCoHosts=3)
    prefix, partition, offset = gone.rsplit(":", 2)
    assert (prefix, int(partition)) == (f"{client.deployment.prefix}rooms", client.partition_for(room.id))
    assert int(offset) >= 0
    assert parse_problem(await gateway.get(f"/v1/rooms/{room}", "anyone")) == (404, "room_not_found")


async def test_a_whole_show_is_played_over_http(gateway: GatewayClient, client: ContractClient) -> None:
    room, host, user = unique_id("room"), unique_id("host"), unique_id("user")
    await put_fact(gateway, "PUT", f"/v1/users/{user}", {"status": "active", "displayName": "Bob"})
    await put_fact(gateway, "PUT", f"/v1/rooms/{room}", {"hostId": host, "status": "live"})

    async def invited() -> Any:
        answer = await gateway.invite(room, host, user)
        return answer if answer.status_code != 404 else None

    sent = accepted_outcome(await wait_until(invited, "the facts to take effect"), 201)
    path = f"/v1/rooms/{room}/invitations/{sent.command_id}/accept"
    accepted_outcome(await gateway.post(path, user))
    assert [
        item["userId"] for item in (await gateway.get_json(f"/v1/rooms/{room}/co-hosts", host))["items"]
    ] == [user]
    shown = await gateway.get_json(f"/v1/invitations/{sent.command_id}", user)
    assert (shown["status"], shown["userName"]) == ("accepted", "Bob")
    cause = await put_fact(gateway, "DELETE", f"/v1/users/{user}")
    assert cause.startswith(f"{client.deployment.prefix}users:{client.partition_for(user)}:")
    left = await client.log.wait_until(
        lambda: client.log.records_of("invitations.events", room, "CoHostLeft")
    )
    assert [record.data["reason"] for record in left] == ["not_eligible"]


async def test_a_users_fact_has_all_of_its_fields(gateway: GatewayClient, client: ContractClient) -> None:
    room = await client.create_room()
    for fact, status in (
        ({"status": "active", "canReceiveInvitations": False}, 409),
        ({"status": "active", "blockedUserIds": [room.host]}, 409),
        ({"status": "banned"}, 409),
        ({"status": "active", "blockedUserIds": ["mallory"], "canReceiveInvitations": True}, 201),
    ):
        user = unique_id("user")
        await put_fact(gateway, "PUT", f"/v1/users/{user}", fact)
        await client.wait_until_read("users", user)
        assert (await gateway.invite(room.id, room.host, user)).status_code == status, fact


async def test_what_was_never_known_may_be_deleted(gateway: GatewayClient, client: ContractClient) -> None:
    room, user = unique_id("room"), unique_id("user")
    assert (await put_fact(gateway, "DELETE", f"/v1/rooms/{room}")).startswith(
        f"{client.deployment.prefix}rooms:"
    )
    assert (await put_fact(gateway, "DELETE", f"/v1/users/{user}")).startswith(
        f"{client.deployment.prefix}users:"
    )


async def test_facts_name_their_writer(gateway: GatewayClient, client: ContractClient) -> None:
    """The outcome names the fact's id as its cause; a second fact has another."""
    room = unique_id("room")
    causes = [
        await put_fact(gateway, "PUT", f"/v1/rooms/{room}", {"hostId": "alice", "status": status})
        for status in ("idle", "live")
    ]
    assert len(set(causes)) == 2
    for cause, status in zip(causes, ("idle", "live"), strict=True):
        [stage] = await client.wait_for_outcome(cause)
        assert stage.data["status"] == status


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_facts_need_the_platforms_scope(
    gateway: GatewayClient, method: str, path: str, body: Any
) -> None:
    there = path.format(unique_id("x"))
    for scope in (None, OPS, "cohost:platformx", "COHOST:PLATFORM", "cohost", ""):
        answer = await gateway.send(method, there, "alice", body, scope=scope)
        assert parse_problem(answer) == (403, "forbidden"), scope
    assert parse_problem(await gateway.send(method, there, None, body)) == (401, "unauthorized")
    answer = await gateway.send(method, there, "alice", body, scope=f"openid {PLATFORM} {OPS}")
    assert answer.status_code == 202


async def test_the_platforms_scope_gives_no_other_right(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    room, user = await stage_driver.open_room(), await client.create_user()
    sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    for path in (
        "/v1/rooms",
        f"/v1/rooms/{room}/invitations",
        f"/v1/users/{user}/invitations",
        f"/v1/invitations/{sent.id}",
        f"/v1/commands/{sent.id}",
        f"/v1/users/{user}/stream",
        f"/v1/rooms/{room}/broadcast-data",
        f"/v1/rooms/{room}/users/{user}/diagnosis",
    ):
        answer = await gateway.send("GET", path, "platform", scope=PLATFORM)
        assert answer.status_code == 403, path


BAD_ROOMS: list[Any] = [
    {},
    {"hostId": "alice"},
    {"status": "live"},
    {**ROOM, "status": "open"},
    {**ROOM, "status": None},
    {**ROOM, "hostId": "no id!"},
    {**ROOM, "hostId": ".."},
    *({**ROOM, "maxCoHosts": bad} for bad in (-1, 101, "5", True, 1.5, [5])),
    *({**ROOM, "title": bad} for bad in (17, ["x"], "nul\u0000")),
]
BAD_USERS: list[Any] = [
    {},
    {"status": "gone"},
    {"status": None},
    {**USER, "canReceiveInvitations": "true"},
    {**USER, "canReceiveInvitations": 1},
    {**USER, "blockedUserIds": "bob"},
    {**USER, "blockedUserIds": ["no id!"]},
    {**USER, "blockedUserIds": [f"user-{number}" for number in range(10_001)]},
    {**USER, "displayName": 17},
]


@pytest.mark.parametrize(
    ("path", "body"), [*(("rooms", body) for body in BAD_ROOMS), *(("users", body) for body in BAD_USERS)]
)
async def test_an_invalid_fact_is_refused_and_not_written(
    gateway: GatewayClient, client: ContractClient, path: str, body: Any
) -> None:
    there = unique_id("x")
    answer = await gateway.send("PUT", f"/v1/{path}/{there}", "platform", body, scope=PLATFORM)
    assert parse_problem(answer) == (422, "invalid_request")
    await client.wait_until_read(path, there)
    [letter] = [record for record in client.log.records if record.key == there.encode()]
    assert letter.topic == "invitations.dead-letters"  # of the record that shows that all were read
    assert letter.value == b"no fact"


@pytest.mark.parametrize("content", [b"", b"[]", b"17", b"null", b"{", b"\xff"])
@pytest.mark.parametrize("path", ["rooms", "users"])
async def test_a_fact_that_is_no_json_object_is_refused(
    gateway: GatewayClient, path: str, content: bytes
) -> None:
    there = f"/v1/{path}/{unique_id('x')}"
    answer = await gateway.send("PUT", there, "platform", content=content, scope=PLATFORM)
    assert parse_problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("bad", ["a%20b", "%C3%BC", 65 * "x"])
async def test_a_fact_about_an_invalid_id_is_refused(
    gateway: GatewayClient, method: str, path: str, body: Any, bad: str
) -> None:
    answer = await gateway.send(method, path.format(bad), "platform", body, scope=PLATFORM)
    assert parse_problem(answer) == (422, "invalid_request")


async def test_unknown_fields_of_a_fact_are_ignored_as_on_the_topic(
    gateway: GatewayClient, client: ContractClient
) -> None:
    cause = await put_fact(gateway, "PUT", f"/v1/rooms/{unique_id('room')}", {**ROOM, "colour": "red"})
    [stage] = await client.wait_for_outcome(cause)
    assert stage.data["hostId"] == "alice"
    user = unique_id("user")
    await put_fact(gateway, "PUT", f"/v1/users/{user}", {"status": "active", "colour": "red"})


async def test_a_fact_beyond_a_mebibyte_is_too_large(gateway: GatewayClient) -> None:
    content = b'{"hostId": "alice", "status": "live"}' + 1024 * 1024 * b" "
    path = f"/v1/rooms/{unique_id('room')}"
    answer = await gateway.send("PUT", path, "platform", content=content, scope=PLATFORM)
    assert parse_problem(answer) == (413, "too_large")
