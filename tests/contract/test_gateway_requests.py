"""Section E, commands: requests that are no command are refused, and no command is written."""

import asyncio
import urllib.error
import urllib.request
from typing import Any

import httpx
import pytest

from tests.contract.contract_client import ContractClient, Room, new_id, unique_id
from tests.contract.gateway_client import GatewayClient, accepted_outcome
from tests.contract.web_client import parse_problem

INVALID = (422, "invalid_request")
MIB = 1024 * 1024
BODILESS = ["accept", "decline", "cancel", "seen"]
BAD_IDS = ["a b", "grün", "🙂", "x" * 65, "a\n", "%", "a#b", "a?b", "a\u0000"]


@pytest.fixture
async def room(client: ContractClient) -> Room:
    return await client.create_room()


async def assert_nothing_written(client: ContractClient, room: Room | str, *keys: str) -> None:
    """Assert that no command has one of these ids, once all that was written before is decided."""
    for topic in ("invitations.commands", "broadcast.commands"):
        await client.wait_until_decided(room, topic)
    assert [key for key in keys if client.log.by_id[key]] == []


async def refusal(
    gateway: GatewayClient, method: str, path: str, user: str | None, **more: Any
) -> tuple[int, str]:
    return parse_problem(await gateway.send(method, path, user, **more))


GOOD: dict[str, Any] = {"userId": "bob"}
BAD_INVITATIONS: list[Any] = [
    {},
    {"userId": None},
    {**GOOD, "actorId": "alice"},
    {**GOOD, "roomId": "room"},
    {**GOOD, "hots": 1},
    {"user_id": "bob"},
    *(
        {"userId": bad}
        for bad in (".", "..", "", "a b", "a/b", "grün", "x" * 65, 17, True, ["bob"], {"id": 1})
    ),
    *(
        {**GOOD, "expiresInSeconds": bad}
        for bad in (9, 604_801, 0, -60, 2**63, 10**300, "60", True, 60.5, [60], {})
    ),
    *({**GOOD, "message": bad} for bad in (281 * "x", 281 * "🎤", 17, True, [], "nul\u0000")),
    *({**GOOD, "label": bad} for bad in ("", 41 * "x", 41 * "🎤", 17, False, "nul\u0000")),
]


@pytest.mark.parametrize("body", BAD_INVITATIONS, ids=lambda body: repr(body)[:40])
async def test_an_invitation_that_would_be_invalid_is_not_written(
    gateway: GatewayClient, client: ContractClient, room: Room, body: Any
) -> None:
    key, path = new_id(), f"/v1/rooms/{room}/invitations"
    assert await refusal(gateway, "POST", path, room.host, body=body, idempotency_key=key) == INVALID
    await assert_nothing_written(client, room, key)


CO_HOSTS = "/v1/rooms/{room}/co-hosts"
INVITATION = "/v1/rooms/{room}/invitations/i-1"
BAD_BODIES: list[tuple[str, str, Any]] = [
    *(("POST", f"{INVITATION}/{verb}", body) for verb in BODILESS for body in ({"a": 1}, {"actorId": "x"})),
    *(("POST", f"{INVITATION}/{verb}", {"expiresInSeconds": 60}) for verb in BODILESS),
    *(
        ("POST", f"{INVITATION}/resend", {"expiresInSeconds": bad})
        for bad in (9, 604_801, "60", True, 60.5, 10**300)
    ),
    ("POST", f"{INVITATION}/resend", {"message": "again"}),
    ("DELETE", f"{CO_HOSTS}/bob", {"reason": "left"}),
    *(
        ("PUT", f"{CO_HOSTS}/order", body)
        for body in (
            {},
            {"userIds": []},
            {"userIds": None},
            {"userIds": "bob"},
            {"userIds": ["bob", "bob"]},
            {"userIds": ["bob", "no id!"]},
            {"userIds": [17]},
            {"userIds": [f"user-{number}" for number in range(101)]},
            {"userIds": ["bob"], "actorId": "alice"},
        )
    ),
    *(
        ("POST", f"{CO_HOSTS}/bob/{verb}", body)
        for verb in ("mute", "unmute")
        for body in (
            {},
            {"source": None},
            {"source": "screen_share_audio"},
            {"source": "Camera"},
            {"source": ["camera"]},
            {"source": "camera", "userId": "bob"},
            {"source": "camera", "hard": "true"},
        )
    ),
    ("POST", f"{CO_HOSTS}/bob/mute", {"source": "camera", "hard": 1}),
    ("POST", f"{CO_HOSTS}/bob/unmute", {"source": "camera", "hard": True}),
]


@pytest.mark.parametrize(("method", "path", "body"), BAD_BODIES)
async def test_a_body_that_would_be_invalid_is_not_written(
    gateway: GatewayClient, client: ContractClient, method: str, path: str, body: Any
) -> None:
    room, key = unique_id("room"), new_id()
    path = path.format(room=room)
    assert await refusal(gateway, method, path, "alice", body=body, idempotency_key=key) == INVALID
    await assert_nothing_written(client, room, key)


@pytest.mark.parametrize(
    "content",
    [
        *(
            b"[]",
            b'"text"',
            b"17",
            b"true",
            b"null",
            b"{",
            b"{}{}",
            b"nonsense",
            b"\xff\xfe",
            b'{"userId": "\xff"}',
        ),
        *(b'{"userId": "bob", "expiresInSeconds": NaN}', b'{"userId": "bob", "expiresInSeconds": Infinity}'),
        *(b'{"userId": "\\ud83d"}', b'{"userId": "bob", "message": "\\ud83d"}', b"userId=bob"),
        b'{"userId": "bob", "message": ' + 5000 * b"[" + 5000 * b"]" + b"}",
        b'{"userId": "bob", "expiresInSeconds": ' + 5000 * b"1" + b"}",
    ],
    ids=lambda content: repr(content[:40]),
)
async def test_a_body_that_is_no_json_object_is_refused(
    gateway: GatewayClient, client: ContractClient, room: Room, content: bytes
) -> None:
    key, path = new_id(), f"/v1/rooms/{room}/invitations"
    found = await refusal(gateway, "POST", path, room.host, content=content, idempotency_key=key)
    assert found == INVALID
    await assert_nothing_written(client, room, key)


@pytest.mark.parametrize("bad", BAD_IDS)
async def test_a_path_with_an_invalid_id_is_refused(
    gateway: GatewayClient, client: ContractClient, room: Room, bad: str
) -> None:
    key, segment = new_id(), "".join(f"%{byte:02X}" for byte in bad.encode())
    for method, path, body in (
        ("POST", f"/v1/rooms/{segment}/invitations", {"userId": "bob"}),
        ("POST", f"/v1/rooms/{room}/invitations/{segment}/accept", None),
        ("DELETE", f"/v1/rooms/{room}/co-hosts/{segment}", None),
        ("POST", f"/v1/rooms/{room}/co-hosts/{segment}/mute", {"source": "camera"}),
    ):
        found = await refusal(gateway, method, path, room.host, body=body, idempotency_key=key)
        assert found == INVALID, path
    await assert_nothing_written(client, room, key)


@pytest.mark.parametrize("key", ["", "a b", "a/b", "x" * 65, ".", "..", "a,b", "#", '"quoted"'])
async def test_a_key_that_is_no_id_is_refused(gateway: GatewayClient, room: Room, key: str) -> None:
    path, body = f"/v1/rooms/{room}/invitations", {"userId": "bob"}
    assert await refusal(gateway, "POST", path, room.host, body=body, idempotency_key=key) == INVALID


async def test_without_a_valid_token_no_command_is_written(
    gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    key = new_id()
    old = {"Authorization": f"Bearer {gateway.web.sign_token(room.host, exp=1)}", "Idempotency-Key": key}
    for method, path in (
        ("POST", f"/v1/rooms/{room}/invitations"),
        *(("POST", f"/v1/rooms/{room}/invitations/i-1/{verb}") for verb in (*BODILESS, "resend")),
        ("DELETE", f"/v1/rooms/{room}/co-hosts/bob"),
        ("PUT", f"/v1/rooms/{room}/co-hosts/order"),
        ("POST", f"/v1/rooms/{room}/co-hosts/bob/mute"),
        ("POST", f"/v1/rooms/{room}/co-hosts/bob/unmute"),
    ):
        for headers in ({"Idempotency-Key": key}, old):
            answer = await gateway.http.request(method, path, headers=headers, json={"userId": "bob"})
            assert parse_problem(answer) == (401, "unauthorized"), path
    await assert_nothing_written(client, room, key)


async def post_body_of(
    gateway: GatewayClient, room: Room, user: str, size: int, *, is_chunked: bool
) -> httpx.Response:
    """Post an invitation in a body of this size, most of it white space."""
    body = f'{{"userId": "{user}"'.encode()
    content = body + (size - len(body) - 1) * b" " + b"}"

    async def chunks() -> Any:
        for start in range(0, size, 65_536):
            yield content[start : start + 65_536]

    path = f"/v1/rooms/{room}/invitations"
    return await gateway.post(path, room.host, content=chunks() if is_chunked else content)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_body_beyond_a_mebibyte_is_too_large(
    gateway: GatewayClient, client: ContractClient, room: Room, *, is_chunked: bool
) -> None:
    user = await client.create_user()
    answer = await post_body_of(gateway, room, user, MIB + 1, is_chunked=is_chunked)
    assert parse_problem(answer) == (413, "too_large")
    accepted_outcome(await post_body_of(gateway, room, user, MIB, is_chunked=is_chunked), 201)


@pytest.mark.parametrize("size", [2 * MIB, 16 * MIB])
async def test_a_client_that_closes_after_its_request_gets_the_answer(
    gateway: GatewayClient, room: Room, size: int
) -> None:
    url = f"{gateway.http.base_url}/v1/rooms/{room}/invitations"
    for user, expected in ((room.host, 413), (None, 401)):
        headers = gateway.web.headers(user) if user else {}
        # It sends `Connection: close`, and looks for an answer once it has sent everything.
        request = urllib.request.Request(url, size * b" ", headers, method="POST")  # noqa: S310
        with pytest.raises(urllib.error.HTTPError) as error:
            await asyncio.to_thread(urllib.request.urlopen, request, timeout=60)
        assert error.value.code == expected
        error.value.close()
