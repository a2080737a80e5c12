"""Broadcast data: co-hosts may watch too, and the answers while LiveKit refuses or does not answer."""

import jwt

from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    VIEWER_RIGHTS,
    LiveKitClients,
    get_broadcast_data,
    livekit_participants,
    open_room,
    rights_of,
    seat_and_connect,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error


async def test_a_co_host_who_watches_as_a_viewer_stays_on_stage(
    service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    name = await open_room(service)
    _, bob = await seat_and_connect(service, clients, name)
    data = (await get_broadcast_data(service, name, "bob", viewer=True)).json()
    assert (data["userId"], data["role"]) == ("bob", "viewer")
    watching = await clients.connect_user(service, name, "bob", token=data["token"])
    assert set(await livekit_participants(service, name)) == {"bob", "bob#viewer"}
    assert rights_of(watching) == VIEWER_RIGHTS
    assert rights_of(bob) == CO_HOST_RIGHTS
    assert (await service.http_get(f"/v1/rooms/{name}/stage", "vera")).json()["items"][1]["userId"] == "bob"
    await watching.disconnect()
    assert service.event_names(name, "bob") == ["GrantProvisioned", "CoHostConnected"] or service.event_names(
        name, "bob"
    ) == ["CoHostConnected", "GrantProvisioned"]


async def test_others_watch_with_their_own_identity(service: ServiceUnderTest) -> None:
    name = await open_room(service)
    for user_id, identity in (("vera", "vera"), ("alice", "alice#viewer")):
        data = (await get_broadcast_data(service, name, user_id, viewer=True)).json()
        claims = jwt.decode(data["token"], options={"verify_signature": False})
        assert (data["userId"], claims["sub"], claims["video"]["canPublish"]) == (user_id, identity, False)


async def test_broadcast_data_is_never_cached(service: ServiceUnderTest) -> None:
    name = await open_room(service)
    for path, user_id, status in ((name, "alice", 200), (name, "vera", 403), ("nowhere", "alice", 404)):
        answer = await service.http_get(f"/v1/rooms/{path}/broadcast-data", user_id)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")


async def test_a_refused_key_and_an_absent_livekit_come_after_every_other_refusal(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    service = service_on_fake_livekit
    name = await open_room(service, "idle")
    refusals = {
        lambda: twirp_error(401, "unknown"): "livekit_refused",
        lambda: twirp_error(503, "unavailable"): "livekit_unavailable",
    }
    for reply, reason in refusals.items():
        fake.error_replies["CreateRoom"] = reply
        found = [
            (await service.http_get(f"/v1/rooms/{path}/broadcast-data{query}", user_id)).json()["reason"]
            for path, query, user_id in (
                (name, "", "alice"),
                (name, "", "vera"),
                (name, "?as=viewer", "vera"),
                ("nowhere", "", "alice"),
            )
        ]
        assert found == [reason, "not_on_stage", "room_not_live", "room_not_found"]


async def test_many_viewers_cost_one_creation(
    service_on_fake_livekit: ServiceUnderTest, fake: FakeLiveKit
) -> None:
    service = service_on_fake_livekit
    name = await open_room(service)
    for number in range(40):
        await get_broadcast_data(service, name, f"viewer-{number}", viewer=True)
    assert fake.calls["CreateRoom"] == 1
