"""Section 7: permissions without a seat are revoked within five seconds, and webhooks are signed."""

import base64
import hashlib
import json
from typing import Any

import pytest
from livekit.rtc.participant import PublishTrackError

from tests.contract import broadcast_stage, expected_data
from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import Room, new_id
from tests.contract.livekit_participants import (
    LiveKitParticipant,
    LiveKitServerApi,
    granted_permissions,
    join_room,
)
from tests.contract.polling import in_time, retry_when_late, wait_until
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import WebClient, parse_problem

SECONDS = 5.0


async def wait_for_removal(stage_driver: StageDriver, room: Room, user: str) -> TopicRecord:
    """Wait for the `IntruderRemoved` of a user."""
    log = stage_driver.client.log

    def found() -> list[TopicRecord]:
        events = log.records_of(broadcast_stage.EVENTS, room.id, "IntruderRemoved")
        return [record for record in events if record.data["userId"] == user]

    with in_time(SECONDS, "the intruder's removal"):
        [event] = await log.wait_until(found, "the intruder's removal")
    assert event.data["action"] in {"demoted", "removed"}
    at = event.data["at"]
    who = {"userId": user, "identity": user}
    expected = {"roomId": room.id, **who, "action": event.data["action"], "at": at}
    assert event.data == expected
    return event


async def wait_until_harmless(
    livekit: LiveKitServerApi, room: Room, user: str, participant: LiveKitParticipant
) -> None:
    async def so() -> bool:
        found = await livekit.find_participant(room.id, user)
        return found is None or granted_permissions(found) == expected_data.VIEWER

    with in_time(SECONDS, "the intruder's demotion"):
        await wait_until(so, "the intruder to be harmless")
    await wait_until(lambda: participant.disconnected or not participant.can_publish)


@retry_when_late
async def test_a_user_joining_with_permissions_but_no_seat_is_demoted(
    stage_driver: StageDriver, livekit: LiveKitServerApi
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.get_broadcast_data(room, room.host)
    async with join_room(livekit.forged_broadcast_data(room.id, "mallory")) as mallory:
        await wait_for_removal(stage_driver, room, "mallory")
        await wait_until_harmless(livekit, room, "mallory", mallory)


@retry_when_late
async def test_a_former_co_host_with_an_old_token_is_demoted(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    old = await stage_driver.get_broadcast_data(room, people.bob)
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
    await stage_driver.wait_for_revoked(seat)
    async with join_room(old) as bob:
        await wait_for_removal(stage_driver, room, people.bob)
        await wait_until_harmless(livekit, room, people.bob, bob)


@retry_when_late
async def test_an_externally_promoted_viewer_is_demoted(
    stage_driver: StageDriver, livekit: LiveKitServerApi
) -> None:
    room = await stage_driver.open_room()
    async with (
        join_room(await stage_driver.get_broadcast_data(room, room.host)) as host,
        join_room(await stage_driver.get_broadcast_data(room, "mallory", **{"as": "viewer"})) as mallory,
    ):
        permission = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}
        await livekit.call_api(
            "UpdateParticipant", room.id, {"room": room.id, "identity": "mallory", "permission": permission}
        )
        await publish_if_allowed(stage_driver, room, mallory, 1)
        await wait_for_removal(stage_driver, room, "mallory")
        await wait_until_harmless(livekit, room, "mallory", mallory)
        await wait_until(lambda: host.remote_track_sids("mallory") == [], "the intruder's track to go")


async def publish_if_allowed(
    stage_driver: StageDriver, room: Room, participant: LiveKitParticipant, removal: int
) -> None:
    """Publish a track once LiveKit allows it, unless this removal is faster, by a comparison."""

    def is_removed() -> bool:
        log = stage_driver.client.log
        return len(log.records_of(broadcast_stage.EVENTS, room.id, "IntruderRemoved")) >= removal

    await wait_until(lambda: participant.can_publish or is_removed(), "the promotion")
    if is_removed():
        return
    try:
        await participant.publish_track()
    except PublishTrackError:
        await stage_driver.client.log.wait_until(is_removed, "a removal")


async def removals(stage_driver: StageDriver, room: Room, count: int) -> list[tuple[Any, str, str]]:
    """Return the user, identity and action of the room's first removals of intruders."""
    log = stage_driver.client.log

    def found() -> list[TopicRecord] | None:
        events = log.records_of(broadcast_stage.EVENTS, room.id, "IntruderRemoved")
        return events if len(events) >= count else None

    with in_time(SECONDS, "a removal"):
        records = await log.wait_until(found, f"{count} removals")
    return [(record.data["userId"], record.data["identity"], record.data["action"]) for record in records]


@pytest.mark.parametrize(
    ("identity", "user", "grants"),
    [
        pytest.param("mallory", "mallory", {"hidden": True}, id="hidden"),
        pytest.param("data", "data", {"canPublish": False, "canPublishData": True}, id="data"),
        pytest.param("no id!", None, {}, id="no id"),
        pytest.param("carol#viewer", None, {}, id="viewer's connection"),
        pytest.param("..", None, {}, id="dots"),
    ],
)
@retry_when_late
async def test_the_second_intrusion_of_an_identity_removes_it(
    stage_driver: StageDriver,
    livekit: LiveKitServerApi,
    identity: str,
    user: str | None,
    grants: dict[str, Any],
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.get_broadcast_data(room, room.host)
    forged = livekit.forged_broadcast_data(room.id, identity, **grants)
    async with join_room(forged) as first:
        assert await removals(stage_driver, room, 1) == [(user, identity, "demoted")]
        await wait_until_harmless(livekit, room, identity, first)
    async with join_room(forged) as second:
        assert await removals(stage_driver, room, 2) == [
            (user, identity, "demoted"),
            (user, identity, "removed"),
        ]
        await wait_until(lambda: second.disconnected, "the intruder to be disconnected")


@retry_when_late
async def test_a_connection_that_is_promoted_again_is_a_second_intrusion(
    stage_driver: StageDriver, livekit: LiveKitServerApi
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.get_broadcast_data(room, room.host)
    async with join_room(livekit.forged_broadcast_data(room.id, "mallory")) as mallory:
        assert await removals(stage_driver, room, 1) == [("mallory", "mallory", "demoted")]
        await wait_until(lambda: not mallory.can_publish)
        permission = {"can_publish": True, "can_subscribe": True}
        await livekit.call_api(
            "UpdateParticipant", room.id, {"room": room.id, "identity": "mallory", "permission": permission}
        )
        await publish_if_allowed(stage_driver, room, mallory, 2)
        assert [action for *_, action in await removals(stage_driver, room, 2)] == ["demoted", "removed"]
        await wait_until(lambda: mallory.disconnected, "the intruder to be disconnected")


@retry_when_late
async def test_a_long_identity_is_cut(stage_driver: StageDriver, livekit: LiveKitServerApi) -> None:
    room = await stage_driver.open_room()
    data = await stage_driver.get_broadcast_data(room, room.host)
    assert data["livekitRoom"] == room.id
    found = await livekit.call_api("ListRooms", room.id, {"names": [room.id]})
    participant = {"sid": "PA_1", "identity": 300 * "é", "permission": {"canPublish": True}}
    livekit_room = {"name": room.id, "sid": found["rooms"][0]["sid"]}
    event = {"event": "participant_joined", "id": new_id(), "room": livekit_room, "participant": participant}
    assert await livekit.send_webhook(event) == 200
    assert await removals(stage_driver, room, 1) == [(None, 256 * "é", "removed")]


@retry_when_late
async def test_host_co_hosts_and_viewers_are_not_intruders(
    stage_driver: StageDriver, livekit: LiveKitServerApi, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    async with (
        join_room(await stage_driver.get_broadcast_data(room, room.host)) as host,
        join_room(await stage_driver.get_broadcast_data(room, people.bob)) as bob,
        join_room(await stage_driver.get_broadcast_data(room, "viewer", **{"as": "viewer"})),
    ):
        await host.publish_track()
        await bob.publish_track()
        async with join_room(livekit.forged_broadcast_data(room.id, "mallory")):
            await wait_for_removal(stage_driver, room, "mallory")
    intruders = stage_driver.client.log.records_of(broadcast_stage.EVENTS, room.id, "IntruderRemoved")
    assert {record.data["userId"] for record in intruders} == {"mallory"}


async def test_a_webhook_without_a_good_signature_is_refused(
    web: WebClient, livekit: LiveKitServerApi
) -> None:
    body = json.dumps({"event": "room_started", "id": new_id()})
    other = base64.b64encode(hashlib.sha256(b"another body").digest()).decode()
    for headers in (
        {},
        {"Authorization": "abc"},
        {"Authorization": livekit.sign_token("x", sha256=other)},
        {"Authorization": web.sign_token("x")},
    ):
        found = {"Content-Type": "application/webhook+json", **headers}
        answer = await web.broadcast.post("/livekit/webhook", content=body, headers=found)
        assert parse_problem(answer) == (401, "unauthorized")


async def test_a_signed_webhook_is_accepted_whatever_its_content(
    web: WebClient, livekit: LiveKitServerApi
) -> None:
    for event in ("room_started", "egress_ended", "something_new"):
        body = json.dumps({"event": event, "id": new_id(), "createdAt": "1"})
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        headers = {
            "Authorization": livekit.sign_token("", sha256=digest),
            "Content-Type": "application/webhook+json",
        }
        answer = await web.broadcast.post("/livekit/webhook", content=body, headers=headers)
        assert answer.status_code == 200
