"""Section 5: broadcast data, for each role and room status."""

import time
from datetime import datetime
from typing import Any
from unittest.mock import ANY

import jwt
import pytest

from tests.contract import expected_data
from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import OPEN_STATUSES, Room, unique_id
from tests.contract.livekit_participants import BADGE, LiveKitServerApi, join_room

CLOSED = ["ended", "recorded", "terminated", "error"]


def decode_answer(answer: dict[str, Any], stage_driver: StageDriver) -> dict[str, Any]:
    """Return an answer with its token decoded and its times checked."""
    deployment = stage_driver.client.deployment
    token = jwt.decode(answer["token"], deployment.livekit_api_secret, ["HS256"])
    expires = datetime.fromisoformat(answer["expiresAt"]).timestamp()
    assert abs(expires - token["exp"]) < 1
    assert time.time() < expires <= time.time() + 600
    forbidden = ("roomAdmin", "roomCreate", "roomList", "canUpdateOwnMetadata", "roomRecord", "hidden")
    assert not any(token["video"].get(grant) for grant in forbidden)
    names = ("roomJoin", "room", "canPublish", "canPublishData", "canSubscribe", "canPublishSources")
    video = {"canPublishSources": []} | {name: token["video"].get(name) for name in names}
    video["canPublishSources"] = video["canPublishSources"] or []
    badge = token.get("attributes", {}).get(BADGE, "")
    return {**answer, "token": {"sub": token["sub"], "video": video, "badge": badge}, "expiresAt": ""}


def expected_answer(stage_driver: StageDriver, room: Room, user: str, role: str) -> dict[str, Any]:
    permissions = expected_data.VIEWER if role == "viewer" else expected_data.publisher_permissions()
    video = {"roomJoin": True, "room": room.id, **permissions}
    return {
        "roomId": room.id,
        "userId": user,
        "role": role,
        "serverUrl": stage_driver.client.deployment.public_livekit_url,
        "token": {"sub": user, "video": video, "badge": "" if role == "viewer" else role},
        "expiresAt": "",
        "livekitRoom": room.id,
        "permissions": permissions,
        "publishDefaults": None if role == "viewer" else ANY,
    }


@pytest.mark.parametrize("status", OPEN_STATUSES)
async def test_the_host_connects_in_any_open_state(stage_driver: StageDriver, status: str) -> None:
    room = await stage_driver.open_room(status)
    answer = decode_answer(await stage_driver.get_broadcast_data(room, room.host), stage_driver)
    assert answer == expected_answer(stage_driver, room, room.host, "host")


@pytest.mark.parametrize("status", OPEN_STATUSES)
async def test_a_co_host_connects_in_any_open_state(
    stage_driver: StageDriver, people: People, status: str
) -> None:
    room = await stage_driver.open_room(status)
    await stage_driver.seat_user(room, people.bob)
    answer = decode_answer(await stage_driver.get_broadcast_data(room, people.bob), stage_driver)
    assert answer == expected_answer(stage_driver, room, people.bob, "coHost")


@pytest.mark.parametrize("status", ["live", "waitingReconnect"])
async def test_viewers_connect_once_the_room_is_live(stage_driver: StageDriver, status: str) -> None:
    room = await stage_driver.open_room(status)
    answer = decode_answer(
        await stage_driver.get_broadcast_data(room, "viewer", **{"as": "viewer"}), stage_driver
    )
    assert answer == expected_answer(stage_driver, room, "viewer", "viewer")


async def test_host_and_co_host_may_come_as_viewers(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    for user in (room.host, people.bob):
        answer = decode_answer(
            await stage_driver.get_broadcast_data(room, user, **{"as": "viewer"}), stage_driver
        )
        expected = expected_answer(stage_driver, room, user, "viewer")
        assert answer == {**expected, "token": {**expected["token"], "sub": f"{user}#viewer"}}


async def test_viewers_are_refused_before_the_room_is_live(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room("idle")
    for user in ("viewer", room.host):
        assert await stage_driver.get_refusal(room, user, **{"as": "viewer"}) == (409, "room_not_live")


async def test_a_user_who_is_not_on_stage_is_refused(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.invite_user(room, people.bob)
    for user in ("mallory", people.bob):
        assert await stage_driver.get_refusal(room, user) == (403, "not_on_stage")


async def test_a_former_co_host_is_not_on_stage(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
    await stage_driver.wait_for_revoked(seat)
    assert await stage_driver.get_refusal(room, people.bob) == (403, "not_on_stage")


async def test_an_unknown_room_is_not_found(stage_driver: StageDriver) -> None:
    room = unique_id("room")
    assert await stage_driver.get_refusal(room, "alice") == (404, "room_not_found")
    assert await stage_driver.get_refusal(room, "alice", **{"as": "viewer"}) == (404, "room_not_found")


@pytest.mark.parametrize("status", CLOSED)
async def test_a_closed_room_is_refused_to_everyone(stage_driver: StageDriver, status: str) -> None:
    room = await stage_driver.create_closed_room(status)
    for user in (room.host, "mallory"):
        assert await stage_driver.get_refusal(room, user) == (409, "room_not_open")
        assert await stage_driver.get_refusal(room, user, **{"as": "viewer"}) == (409, "room_not_open")


async def test_a_deleted_room_counts_as_closed(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room()
    await stage_driver.client.delete_room(room)
    await stage_driver.wait_for_no_badge(room, room.host)
    assert await stage_driver.get_refusal(room, room.host) == (409, "room_not_open")


async def test_a_former_host_is_not_on_stage(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room()
    await stage_driver.client.publish_room(room.id, hostId="zoe", status="live")
    await stage_driver.wait_for_no_badge(room, room.host)
    await stage_driver.wait_for_badge(room, "zoe")
    assert await stage_driver.get_refusal(room, room.host) == (403, "not_on_stage")
    assert (await stage_driver.get_broadcast_data(room, "zoe"))["role"] == "host"


async def test_viewer_is_the_only_role_to_ask_for(stage_driver: StageDriver) -> None:
    room = await stage_driver.open_room()
    assert await stage_driver.get_refusal(room, room.host, **{"as": "host"}) == (422, "invalid_request")


async def test_the_livekit_room_is_made_when_first_needed(
    stage_driver: StageDriver, livekit: LiveKitServerApi
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.get_broadcast_data(room, room.host)
    assert await livekit.room_exists(room.id)


async def test_each_role_has_its_permissions_on_livekit(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    wanted = {
        room.host: (expected_data.publisher_permissions(), "host"),
        people.bob: (expected_data.publisher_permissions(), "coHost"),
        "viewer": (expected_data.VIEWER, ""),
    }
    for user, (permissions, badge) in wanted.items():
        query = {"as": "viewer"} if user == "viewer" else {}
        async with join_room(await stage_driver.get_broadcast_data(room, user, **query)) as participant:
            assert participant.room.local_participant.identity == user
            assert await livekit.permissions_of(room.id, user) == permissions
            assert participant.badge == badge
