"""Section 5, LiveKit tokens: `GET /livekit/admit` accepts or refuses a token."""

import time
from typing import Any

import jwt
import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import Room, unique_id
from tests.contract.livekit_participants import LiveKitServerApi
from tests.contract.polling import wait_until
from tests.contract.web_client import WebClient

VIEWER = {"as": "viewer"}


async def admission(web: WebClient, token: str) -> int:
    """Return the status for a token, which is the same in each of its places and for HEAD."""
    requests: list[dict[str, Any]] = [
        {"params": {"access_token": token}},
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"headers": {"X-Original-URI": f"/rtc/v1?protocol=16&access_token={token}&auto_subscribe=1"}},
    ]
    answers = [
        await web.broadcast.request(method, "/livekit/admit", **request)
        for method in ("GET", "HEAD")
        for request in requests
    ]
    assert [answer.content for answer in answers] == [b""] * len(answers)
    [status] = {answer.status_code for answer in answers}
    return status


async def test_tokens_of_broadcast_data_are_admitted_while_they_hold(
    stage_driver: StageDriver, web: WebClient, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    roles = [(room.host, {}), (people.bob, {}), (people.carol, VIEWER), (people.bob, VIEWER)]
    tokens = [(await stage_driver.get_broadcast_data(room, user, **query))["token"] for user, query in roles]
    assert [await admission(web, token) for token in tokens] == [200] * 4
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
    await stage_driver.wait_for_revoked(seat)
    assert [await admission(web, token) for token in tokens] == [200, 403, 200, 200]
    await stage_driver.client.change_room(room, hostId=people.dave)
    await stage_driver.wait_for_badge(room, people.dave)
    assert [await admission(web, token) for token in tokens] == [403, 403, 200, 200]
    new_host = (await stage_driver.get_broadcast_data(room, people.dave))["token"]
    await stage_driver.client.change_room(room, hostId=people.dave, status="idle")
    await wait_until(lambda: _has_status(web, room, "idle"), "the idle room")
    assert [await admission(web, token) for token in (*tokens, new_host)] == [403, 403, 403, 403, 200]
    await stage_driver.client.change_room(room, hostId=people.dave, status="ended")
    await stage_driver.wait_for_no_badge(room, people.dave)
    assert [await admission(web, token) for token in (*tokens, new_host)] == [403] * 5


async def _has_status(web: WebClient, room: Room, status: str) -> bool:
    stage = await web.get_json(f"/v1/rooms/{room}/stage", "anyone", broadcast=True)
    return bool(stage["status"] == status)


@pytest.mark.parametrize(
    "grants",
    [
        {"roomCreate": True},
        {"roomAdmin": True},
        {"roomList": True},
        {"roomRecord": True},
        {"ingressAdmin": True},
        {"hidden": True},
        {"recorder": True},
        {"agent": True},
        {"canUpdateOwnMetadata": True},
        {"destinationRoom": "another-room"},
    ],
)
async def test_any_further_grant_is_refused_to_people_and_not_to_agents(
    stage_driver: StageDriver, web: WebClient, livekit: LiveKitServerApi, grants: dict[str, Any]
) -> None:
    room = await stage_driver.open_room()
    video = {"roomJoin": True, "room": room.id, "canPublish": True}
    assert await admission(web, livekit.sign_token(room.host, video=video)) == 200
    assert await admission(web, livekit.sign_token(room.host, video=video | grants)) == 403
    for kind, status in (("agent", 200), ("egress", 200), ("ingress", 200), ("sip", 403), ("standard", 403)):
        token = livekit.sign_token("helper", video=video | grants, kind=kind)
        assert (kind, await admission(web, token)) == (kind, status)


async def test_tokens_that_are_not_valid_are_refused(
    stage_driver: StageDriver, web: WebClient, livekit: LiveKitServerApi
) -> None:
    room = await stage_driver.open_room()
    now, secret = int(time.time()), livekit.deployment.livekit_api_secret
    video = {"roomJoin": True, "room": room.id, "canPublish": True}
    claims = {"iss": livekit.deployment.livekit_api_key, "sub": room.host, "exp": now + 60, "video": video}
    refused = {
        "expired": jwt.encode({**claims, "exp": now - 1}, secret, "HS256"),
        "no expiry": jwt.encode({**claims, "exp": None}, secret, "HS256"),
        "not yet": jwt.encode({**claims, "nbf": now + 3600}, secret, "HS256"),
        "another key": jwt.encode({**claims, "iss": "another"}, secret, "HS256"),
        "another secret": jwt.encode(claims, secret[::-1] + "x" * 32, "HS256"),
        "another algorithm": jwt.encode(claims, secret * 2, "HS512"),
        "unsigned": jwt.encode(claims, None, "none"),
        "another room": jwt.encode(claims | {"video": {**video, "room": unique_id("room")}}, secret, "HS256"),
        "no room": jwt.encode({**claims, "video": {"roomJoin": True}}, secret, "HS256"),
        "no grant": jwt.encode({**claims, "video": None}, secret, "HS256"),
        "a caller's": web.sign_token(room.host),
        "no token": "nonsense",
    }
    assert await admission(web, jwt.encode(claims, secret, "HS256")) == 200
    assert {name: await admission(web, token) for name, token in refused.items()} == dict.fromkeys(
        refused, 403
    )
    for uri in ("", "/rtc", "//[", "%", "?access_token="):
        answer = await web.broadcast.get("/livekit/admit", headers={"X-Original-URI": uri})
        assert (answer.status_code, answer.content) == (403, b"")
