"""Why a user is not on air, by what broadcast has decided and by what LiveKit answers."""

import time
from typing import Any

from cohost_schemas import commands, topics
from tests.broadcast.e2e.conftest import Join
from tests.broadcast.e2e.scenario_steps import open_room, publish_track, wait_for_badge
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, new_room_id, wait_until
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error


async def get_steps(service: ServiceUnderTest, room_id: str, user_id: str = "bob") -> list[dict[str, Any]]:
    """Return the steps of a diagnosis, which the user may read."""
    answer = await service.http_get(f"/v1/rooms/{room_id}/users/{user_id}/diagnosis", user_id)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["roomId"], body["userId"]) == (room_id, user_id)
    steps: list[dict[str, Any]] = body["steps"]
    assert [step["step"] for step in steps] == ["granted", "connected", "publishing", "quality"]
    return steps


async def get_cause(
    service: ServiceUnderTest, room_id: str, user_id: str = "bob"
) -> tuple[str | None, ...] | None:
    """Return the first step that is not `ok`, with its state and detail.

    To find out, the service may ask LiveKit, and it does not wait long for the answer.
    """
    steps = await get_steps(service, room_id, user_id)
    first = next((step for step in steps if step["state"] != "ok"), None)
    return first and (first["step"], first["state"], first["detail"])


async def wait_for_cause(
    service: ServiceUnderTest, room_id: str, cause: tuple[str | None, ...] | None, user_id: str = "bob"
) -> None:
    async def is_found() -> bool:
        return await get_cause(service, room_id, user_id) == cause

    await wait_until(is_found)


async def test_each_step_of_a_co_host_is_diagnosed(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    assert await get_cause(service, name) == ("granted", "waiting", "not_on_stage")
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    await wait_for_cause(service, name, ("connected", "waiting", None))
    bob = await join(name, "bob")
    await service.wait_for_event("CoHostConnected", name, "bob")
    await wait_for_cause(service, name, ("publishing", "waiting", None))
    await publish_track(bob)
    await wait_for_cause(service, name, None)
    times = [step["at"] for step in await get_steps(service, name)]
    provisioned = await service.wait_for_event("GrantProvisioned", name, "bob")
    connected = await service.wait_for_event("CoHostConnected", name, "bob")
    assert provisioned.data is not None
    assert connected.data is not None
    assert times == [provisioned.data["provisionedAt"], connected.data["at"], None, None]
    await bob.disconnect()
    dropped = await service.wait_for_event("CoHostDisconnected", name, "bob")
    await wait_for_cause(service, name, ("connected", "waiting", "disconnected"))
    assert dropped.data is not None
    assert (await get_steps(service, name))[1]["at"] == dropped.data["at"]


async def test_a_host_is_diagnosed_without_a_grant(service: ServiceUnderTest, join: Join) -> None:
    name = await open_room(service)
    await wait_for_cause(service, name, ("connected", "waiting", None), "alice")
    await publish_track(await join(name, "alice"))
    await wait_for_cause(service, name, None, "alice")


async def test_a_diagnosis_is_for_the_user_the_host_and_ops(service: ServiceUnderTest) -> None:
    name, unknown = await open_room(service), new_room_id()
    found = await service.http_get(f"/v1/rooms/{name}/users/bob/diagnosis", "bob")
    for user_id, ops in (("alice", False), ("somebody", True)):
        answer = await service.http_get(f"/v1/rooms/{name}/users/bob/diagnosis", user_id, ops=ops)
        assert (answer.status_code, answer.json()) == (200, found.json())
    refused = await service.http_get(f"/v1/rooms/{name}/users/bob/diagnosis", "carol")
    assert (refused.status_code, refused.json()["reason"]) == (403, "forbidden")
    refused = await service.http_get(f"/v1/rooms/{unknown}/users/bob/diagnosis", "carol")
    assert (refused.status_code, refused.json()["reason"]) == (404, "room_not_found")
    assert [step["state"] for step in await get_steps(service, unknown)] == ["unknown"] * 4


async def test_a_lost_webhook_is_seen_on_livekit(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    service = service_on_fake_livekit
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    await wait_for_cause(service, name, ("connected", "waiting", None))
    fake.add_participant(name, "bob", can_publish=True)
    await wait_for_cause(service, name, ("connected", "waiting", "webhook_lost"))


async def test_a_failing_grant_is_diagnosed(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    service = service_on_fake_livekit
    name = await open_room(service)
    fake.add_participant(name, "bob")
    fake.error_replies["UpdateParticipant"] = lambda: twirp_error(503, "unavailable")
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantFailed", name, "bob")
    await wait_for_cause(service, name, ("granted", "failed", "grant_failed"))
    fake.error_replies["GetParticipant"] = lambda: twirp_error(503, "unavailable")
    assert await get_cause(service, name) == ("granted", "failed", "livekit_unavailable")


async def test_a_refused_key_is_diagnosed(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    service = service_on_fake_livekit
    name = await open_room(service)
    for method in ("UpdateParticipant", "GetParticipant"):
        fake.error_replies[method] = lambda: twirp_error(401, "unauthenticated")
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantFailed", name, "bob")
    await wait_for_cause(service, name, ("granted", "failed", "livekit_refused"))
    await wait_for_cause(service, name, ("connected", "failed", "livekit_refused"), "alice")


async def test_a_hanging_livekit_delays_a_diagnosis_briefly(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    service = service_on_fake_livekit
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantProvisioned", name, "bob")
    fake.hanging_methods.add("GetParticipant")
    # A pause of the machine delays one diagnosis, not each of them.
    await wait_until(
        lambda: is_diagnosed_soon(service, name, ("connected", "unknown", "livekit_unavailable"))
    )


async def is_diagnosed_soon(
    service: ServiceUnderTest, room_id: str, cause: tuple[str | None, ...] | None
) -> bool:
    """Return whether a diagnosis took less than three seconds; assert that it names this cause."""
    began = time.monotonic()
    assert await get_cause(service, room_id) == cause
    return time.monotonic() - began < 3


async def test_a_co_host_whose_sources_are_all_muted_is_told_so(
    service: ServiceUnderTest, join: Join
) -> None:
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    await join(name, "bob")
    await service.wait_for_event("CoHostConnected", name, "bob")
    for source in ("camera", "microphone", "screen_share"):
        mute: Any = {"room_id": name, "user_id": "bob", "actor_id": "alice", "source": source}
        command = commands.MuteCoHost(**mute, hard=True)
        await service.publish_record(topics.BROADCAST_COMMANDS, command, name)
    await wait_for_cause(service, name, ("publishing", "waiting", "hard_muted"))
