"""Section 5: access to the HTTP APIs, and the answers to all other callers."""

import time
from typing import Any, NamedTuple

import httpx
import jwt
import pytest

from tests.contract.conftest import People
from tests.contract.contract_client import ContractClient, unique_id
from tests.contract.web_client import OPS, WebClient, parse_problem

PATHS = [
    "/v1/rooms",
    "/v1/rooms/room",
    "/v1/rooms/room/invitations",
    "/v1/users/user/invitations",
    "/v1/invitations/invitation",
    "/v1/rooms/room/co-hosts",
    "/v1/commands/command",
]
BROADCAST_PATHS = ["/v1/rooms/room/broadcast-data", "/v1/rooms/room/stage", "/v1/commands/command"]
ALL_PATHS = [*((path, False) for path in PATHS), *((path, True) for path in BROADCAST_PATHS)]


async def get_raw(web: WebClient, path: str, broadcast: bool, authorization: str | None) -> httpx.Response:  # noqa: FBT001
    client = web.broadcast if broadcast else web.invitations
    headers = {"Authorization": authorization} if authorization is not None else {}
    return await client.get(path, headers=headers)


@pytest.mark.parametrize(("path", "broadcast"), ALL_PATHS)
async def test_requests_without_a_token_are_refused(web: WebClient, path: str, *, broadcast: bool) -> None:
    assert parse_problem(await get_raw(web, path, broadcast, None)) == (401, "unauthorized")


def forged_headers(web: WebClient) -> dict[str, str]:
    soon = int(time.time()) + 60
    claims = {"sub": "alice", "exp": soon}
    good = web.sign_token("alice")
    head, body, signature = good.split(".")
    return {
        "another secret": f"Bearer {web.sign_token('alice', 'another secret that is long enough!!')}",
        "expired": f"Bearer {web.sign_token('alice', exp=int(time.time()) - 3600)}",
        "just expired": f"Bearer {web.sign_token('alice', exp=int(time.time()) - 1)}",
        "no expiry": f"Bearer {web.sign_token('alice', exp=None)}",
        "expiry is a text": f"Bearer {web.sign_token('alice', exp=str(soon))}",
        "issued later": f"Bearer {web.sign_token('alice', iat=int(time.time()) + 3600)}",
        "not yet valid": f"Bearer {web.sign_token('alice', nbf=int(time.time()) + 3600)}",
        "no algorithm": f"Bearer {jwt.encode(claims, None, 'none')}",
        "another algorithm": f"Bearer {jwt.encode(claims, web.deployment.jwt_secret, 'HS512')}",
        "no subject": f"Bearer {web.sign_token(None)}",
        "subject is no id": f"Bearer {web.sign_token('no id!')}",
        "subject is empty": f"Bearer {web.sign_token('')}",
        "signature cut": f"Bearer {head}.{body}.{signature[:-4]}",
        "signature gone": f"Bearer {head}.{body}.",
        "no token": "Bearer",
        "no jwt": "Bearer abc",
        "odd bytes": "Bearer ...",
        "basic": "Basic YWxpY2U6c2VjcmV0",
        "no scheme": good,
        "empty": "",
    }


@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
@pytest.mark.parametrize("broadcast", [False, True])
async def test_an_invalid_token_is_refused(web: WebClient, *, broadcast: bool) -> None:
    path = "/v1/commands/command"
    answers = {
        name: parse_problem(await get_raw(web, path, broadcast, given))
        for name, given in forged_headers(web).items()
    }
    assert answers == dict.fromkeys(answers, (401, "unauthorized"))


async def test_a_valid_token_may_have_other_claims_and_begin_soon(web: WebClient) -> None:
    soon = int(time.time()) + 50
    begins: list[dict[str, Any]] = [{"nbf": soon}, {"iat": soon}]
    for claims in ({"scope": None}, {"aud": "other"}, {"iss": "us"}, {"scope": "a b"}, *begins):
        given = f"Bearer {web.sign_token('alice', **claims)}"
        answer = await get_raw(web, "/v1/users/alice/invitations", False, given)  # noqa: FBT003
        assert answer.status_code == 200


async def test_the_scheme_is_written_in_any_case(web: WebClient) -> None:
    given = f"bearer {web.sign_token('alice')}"
    answer = await get_raw(web, "/v1/users/alice/invitations", False, given)  # noqa: FBT003
    assert answer.status_code == 200


class RoomWithInvitation(NamedTuple):
    """A room in which bob is invited."""

    room: str
    host: str
    invitation: str
    bob: str


@pytest.fixture
async def invited_room(client: ContractClient, people: People) -> RoomWithInvitation:
    room = await client.create_room()
    put, _ = await client.send_accepted("SendInvitation", room, userId=people.bob, actorId=room.host)
    return RoomWithInvitation(room.id, room.host, put.id, people.bob)


async def test_an_invitation_is_readable_by_its_participants_and_ops(
    web: WebClient, invited_room: RoomWithInvitation
) -> None:
    path = f"/v1/invitations/{invited_room.invitation}"
    for user in (invited_room.host, invited_room.bob):
        assert (await web.get_json(path, user))["invitationId"] == invited_room.invitation
    assert (await web.get_json(path, "ops", ops=True))["invitationId"] == invited_room.invitation
    assert await web.get_problem(path, "mallory") == (403, "forbidden")


async def test_the_inviter_still_reads_it_under_a_new_host(
    web: WebClient, client: ContractClient, invited_room: RoomWithInvitation
) -> None:
    fact = await client.publish_room(invited_room.room, hostId="zoe", status="live")
    await client.wait_for_outcome(fact.id)
    path = f"/v1/invitations/{invited_room.invitation}"
    for user in ("zoe", invited_room.host, invited_room.bob):
        assert (await web.get_json(path, user))["invitedBy"] == invited_room.host
    assert await web.get_problem(f"/v1/rooms/{invited_room.room}/invitations", invited_room.host) == (
        403,
        "forbidden",
    )
    assert len((await web.get_json(f"/v1/rooms/{invited_room.room}/invitations", "zoe"))["items"]) == 1


async def test_a_rooms_invitations_are_readable_by_host_and_ops(
    web: WebClient, invited_room: RoomWithInvitation
) -> None:
    path = f"/v1/rooms/{invited_room.room}/invitations"
    assert len((await web.get_json(path, invited_room.host))["items"]) == 1
    assert len((await web.get_json(path, ops=True))["items"]) == 1
    for user in ("mallory", invited_room.bob):
        assert await web.get_problem(path, user) == (403, "forbidden")


async def test_a_users_invitations_are_readable_by_that_user_and_ops(
    web: WebClient, invited_room: RoomWithInvitation
) -> None:
    path = f"/v1/users/{invited_room.bob}/invitations"
    query: dict[str, Any] = {"roomId": invited_room.room}
    assert len((await web.get_json(path, invited_room.bob, **query))["items"]) == 1
    assert len((await web.get_json(path, ops=True, **query))["items"]) == 1
    for user in ("mallory", invited_room.host):
        assert await web.get_problem(path, user, **query) == (403, "forbidden")


async def test_the_co_hosts_are_readable_by_anyone(web: WebClient, invited_room: RoomWithInvitation) -> None:
    assert (await web.get_json(f"/v1/rooms/{invited_room.room}/co-hosts", "mallory"))["items"] == []


async def test_a_missing_resource_is_404_before_403(web: WebClient) -> None:
    room, invitation = unique_id("room"), unique_id("invitation")
    assert await web.get_problem(f"/v1/rooms/{room}/invitations", "mallory") == (404, "room_not_found")
    assert await web.get_problem(f"/v1/rooms/{room}/invitations", ops=True) == (404, "room_not_found")
    assert await web.get_problem(f"/v1/rooms/{room}/co-hosts", "mallory") == (404, "room_not_found")
    path = f"/v1/invitations/{invitation}"
    assert await web.get_problem(path, "mallory") == (404, "invitation_not_found")
    assert await web.get_problem(path, ops=True) == (404, "invitation_not_found")


async def test_an_unknown_users_own_list_is_empty(web: WebClient) -> None:
    user = unique_id("user")
    empty = {"items": [], "nextCursor": None}
    assert await web.get_json(f"/v1/users/{user}/invitations", user) == empty
    assert await web.get_json(f"/v1/users/{user}/invitations", ops=True) == empty


@pytest.mark.parametrize("scope", ["cohost:opsx", "xcohost:ops", "COHOST:OPS", "cohost", "", "cohost:ops,x"])
async def test_another_scope_is_not_ops(web: WebClient, invited_room: RoomWithInvitation, scope: str) -> None:
    answer = await web.invitations.get(
        f"/v1/invitations/{invited_room.invitation}", headers=web.headers("mallory", scope=scope)
    )
    assert parse_problem(answer) == (403, "forbidden")


@pytest.mark.parametrize("scope", [OPS, f"openid {OPS}", f"{OPS} openid"])
async def test_ops_is_one_scope_among_others(
    web: WebClient, invited_room: RoomWithInvitation, scope: str
) -> None:
    answer = await web.invitations.get(
        f"/v1/invitations/{invited_room.invitation}", headers=web.headers("mallory", scope=scope)
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("broadcast", [False, True])
@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/asyncapi", "/openapi.json"])
async def test_public_paths_need_no_token(web: WebClient, path: str, *, broadcast: bool) -> None:
    answer = await get_raw(web, path, broadcast, None)
    assert answer.status_code == 200
    kinds = {"/metrics": "text/plain", "/asyncapi": "text/html", "/openapi.json": "application/json"}
    assert answer.headers["content-type"].startswith(kinds.get(path, ""))


async def test_the_openapi_page_names_the_contracts_paths(web: WebClient) -> None:
    ours = (await web.invitations.get("/openapi.json")).json()["paths"]
    theirs = (await web.broadcast.get("/openapi.json")).json()["paths"]
    assert {
        "/v1/rooms",
        "/v1/rooms/{roomId}",
        "/v1/rooms/{roomId}/invitations",
        "/v1/users/{userId}/invitations",
        "/v1/invitations/{invitationId}",
        "/v1/rooms/{roomId}/co-hosts",
        "/v1/rooms/{roomId}/hosts",
        "/v1/rooms/{roomId}/users/{userId}/diagnosis",
        "/v1/commands/{commandId}",
    } <= set(ours)
    assert {
        "/v1/rooms/{roomId}/broadcast-data",
        "/v1/rooms/{roomId}/stage",
        "/v1/commands/{commandId}",
        "/livekit/webhook",
        "/livekit/admit",
    } <= set(theirs)


@pytest.mark.parametrize("broadcast", [False, True])
async def test_every_error_is_a_problem(web: WebClient, *, broadcast: bool) -> None:
    client = web.broadcast if broadcast else web.invitations
    headers = web.headers("alice")
    assert parse_problem(await client.get("/v1/nothing", headers=headers))[0] == 404
    assert parse_problem(await client.post("/v1/commands/x", headers=headers))[0] == 405
    assert parse_problem(await client.get("/v1/commands/x", headers=headers)) == (404, "command_not_found")
