"""Section 7: permissions without a seat are revoked within five seconds, and webhooks are signed."""

import base64
import hashlib
import json

from tests.stranger import onstage, snapshots
from tests.stranger.client import Room, new_id
from tests.stranger.conftest import People
from tests.stranger.log import Record
from tests.stranger.onstage import Director
from tests.stranger.participants import LiveKit, Participant, joined
from tests.stranger.patience import eventually
from tests.stranger.web import Web, problem

SECONDS = 5.0


async def removed(stage_driver: Director, room: Room, user: str) -> Record:
    """Wait for the `IntruderRemoved` of a user."""
    log = stage_driver.stranger.log

    def found() -> list[Record]:
        events = log.records_of(onstage.EVENTS, room.id, "IntruderRemoved")
        return [record for record in events if record.data["userId"] == user]

    [event] = await log.until(found, "the intruder's removal", SECONDS)
    assert event.data["action"] in {"demoted", "removed"}
    at = event.data["at"]
    expected = {"roomId": room.id, "userId": user, "action": event.data["action"], "at": at}
    assert event.data == expected
    return event


async def harmless(livekit: LiveKit, room: Room, user: str, participant: Participant) -> None:
    async def so() -> bool:
        found = await livekit.participant(room.id, user)
        return found is None or await livekit.permissions(room.id, user) == snapshots.VIEWER

    await eventually(so, "the intruder to be harmless", SECONDS)
    await eventually(lambda: participant.disconnected or not participant.can_publish)


async def test_a_user_joining_with_permissions_but_no_seat_is_demoted(
    stage_driver: Director, livekit: LiveKit
) -> None:
    room = await stage_driver.show()
    await stage_driver.get_broadcast_data(room, room.host)
    async with joined(livekit.forged(room.id, "mallory")) as mallory:
        await removed(stage_driver, room, "mallory")
        await harmless(livekit, room, "mallory", mallory)


async def test_a_former_co_host_with_an_old_token_is_demoted(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    seat = await stage_driver.seat_user(room, people.bob)
    old = await stage_driver.get_broadcast_data(room, people.bob)
    await stage_driver.stranger.accepted("LeaveStage", room, actorId=people.bob)
    await stage_driver.revoked(seat)
    async with joined(old) as bob:
        await removed(stage_driver, room, people.bob)
        await harmless(livekit, room, people.bob, bob)


async def test_an_externally_promoted_viewer_is_demoted(stage_driver: Director, livekit: LiveKit) -> None:
    room = await stage_driver.show()
    async with (
        joined(await stage_driver.get_broadcast_data(room, room.host)) as host,
        joined(await stage_driver.get_broadcast_data(room, "mallory", **{"as": "viewer"})) as mallory,
    ):
        permission = {"can_publish": True, "can_subscribe": True, "can_publish_data": True}
        await livekit.call(
            "UpdateParticipant", room.id, {"room": room.id, "identity": "mallory", "permission": permission}
        )
        await eventually(lambda: mallory.can_publish)
        await mallory.publish()
        await removed(stage_driver, room, "mallory")
        await harmless(livekit, room, "mallory", mallory)
        await eventually(lambda: host.hears("mallory") == [], "the intruder's track to go")


async def test_host_co_hosts_and_viewers_are_not_intruders(
    stage_driver: Director, livekit: LiveKit, people: People
) -> None:
    room = await stage_driver.show()
    await stage_driver.seat_user(room, people.bob)
    async with (
        joined(await stage_driver.get_broadcast_data(room, room.host)) as host,
        joined(await stage_driver.get_broadcast_data(room, people.bob)) as bob,
        joined(await stage_driver.get_broadcast_data(room, "viewer", **{"as": "viewer"})),
    ):
        await host.publish()
        await bob.publish()
        async with joined(livekit.forged(room.id, "mallory")):
            await removed(stage_driver, room, "mallory")
    intruders = stage_driver.stranger.log.records_of(onstage.EVENTS, room.id, "IntruderRemoved")
    assert {record.data["userId"] for record in intruders} == {"mallory"}


async def test_a_webhook_without_a_good_signature_is_refused(web: Web, livekit: LiveKit) -> None:
    body = json.dumps({"event": "room_started", "id": new_id()})
    other = base64.b64encode(hashlib.sha256(b"another body").digest()).decode()
    for headers in (
        {},
        {"Authorization": "abc"},
        {"Authorization": livekit.token("x", sha256=other)},
        {"Authorization": web.token("x")},
    ):
        found = {"Content-Type": "application/webhook+json", **headers}
        answer = await web.broadcast.post("/livekit/webhook", content=body, headers=found)
        assert problem(answer) == (401, "unauthorized")


async def test_a_signed_webhook_is_accepted_whatever_its_content(web: Web, livekit: LiveKit) -> None:
    for event in ("room_started", "egress_ended", "something_new"):
        body = json.dumps({"event": event, "id": new_id(), "createdAt": "1"})
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        headers = {
            "Authorization": livekit.token("", sha256=digest),
            "Content-Type": "application/webhook+json",
        }
        answer = await web.broadcast.post("/livekit/webhook", content=body, headers=headers)
        assert answer.status_code == 200
