"""A seat whose owner never connects while the room is live is released; other seats are not."""

from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    LiveKitClients,
    livekit_participants,
    open_room,
    publish_track,
    rights_of,
    seat_and_connect,
    stage_items,
    wait_for_badge,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until

SETTINGS = {"COHOST_NO_SHOW_SECONDS": "4", "COHOST_RECONNECT_GRACE_SECONDS": "2"}


async def assert_no_show(service: ServiceUnderTest, room_id: str, user_id: str) -> None:
    """Wait for the release of a no-show's seat, end it, and wait for the revocation."""
    release = await service.wait_for_event("ReleaseSeat", room_id, user_id)
    assert release.data is not None
    assert release.data["reason"] == "no_show"
    await service.wait_for_event("GrantProvisioned", room_id, user_id)
    await service.end_seat(room_id, user_id, release.data["invitationId"], "no_show")
    await service.wait_for_event("GrantRevoked", room_id, user_id)
    assert service.event_names(room_id, user_id) == ["GrantProvisioned", "GrantRevoked"]


async def wait_no_show_time(service: ServiceUnderTest) -> None:
    """Wait until the no-show time has passed and the service has processed a no-show since."""
    name = await open_room(service)
    await service.seat_user(name, "dave")
    await assert_no_show(service, name, "dave")


async def test_a_co_host_who_never_connects_loses_the_seat(proxied_service: ServiceUnderTest) -> None:
    name = await open_room(proxied_service)
    await proxied_service.seat_user(name, "bob")
    await assert_no_show(proxied_service, name, "bob")


async def test_the_no_show_time_starts_when_the_room_goes_live(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service, "idle")
    await service.seat_user(name, "bob")
    await service.seat_user(name, "carol")
    await wait_for_badge(service, name, "carol")
    await wait_no_show_time(service)
    assert "ReleaseSeat" not in [record.name for record in service.published if record.key == name]
    await clients.connect_user(service, name, "carol")
    await service.wait_for_event("CoHostConnected", name, "carol")
    await service.publish_stage(name, "live")
    await assert_no_show(service, name, "bob")
    assert "ReleaseSeat" not in [record.name for record in events_about(service, name, "carol")]


def events_about(service: ServiceUnderTest, room_id: str, user_id: str) -> list[object]:
    return [
        h
        for h in service.published
        if h.key == room_id and h.data is not None and h.data.get("userId") == user_id
    ]


async def test_a_room_waiting_for_its_host_keeps_its_stage(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    # Not live yet: bob must not count as a no-show while he connects.
    name = await open_room(service, "idle")
    seat, bob = await seat_and_connect(service, clients, name)
    await publish_track(bob)
    await service.seat_user(name, "carol")
    await wait_for_badge(service, name, "carol")
    await service.publish_stage(name, "live")
    await wait_until(lambda: has_status(service, name, "live"))
    before, people = await stage_items(service, name), await livekit_participants(service, name)
    await service.publish_stage(name, "waitingReconnect")
    await wait_no_show_time(service)
    assert await has_status(service, name, "waitingReconnect")
    assert {user_id: item["since"] for user_id, item in (await stage_items(service, name)).items()} == {
        user_id: item["since"] for user_id, item in before.items()
    }
    viewer = await clients.connect_user(service, name, "vera", viewer=True)
    await service.publish_stage(name, "live")
    await assert_no_show(service, name, "carol")
    assert bob.isconnected()
    assert viewer.isconnected()
    assert rights_of(bob) == CO_HOST_RIGHTS
    assert (await livekit_participants(service, name))["bob"].sid == people["bob"].sid
    assert [track["source"] for track in (await stage_items(service, name))["bob"]["tracks"]] == [
        "microphone"
    ]
    assert sorted(service.event_names(name, "bob")) == [
        "CoHostConnected",
        "CoHostMediaChanged",
        "GrantProvisioned",
    ]
    assert (await stage_items(service, name))["bob"]["invitationId"] == seat


async def has_status(service: ServiceUnderTest, room_id: str, status: str) -> bool:
    answer = await service.http_get(f"/v1/rooms/{room_id}/stage", "anyone")
    return bool(answer.json()["status"] == status)
