"""A seat whose owner never connects while the room is live is released; other seats are not."""

from tests.broadcast.e2e.house import House
from tests.broadcast.e2e.show import (
    CO_HOST,
    Guests,
    badge,
    co_host,
    items,
    live,
    participants,
    publish,
    rights_of,
)

SETTINGS = {"COHOST_NO_SHOW_SECONDS": "4", "COHOST_RECONNECT_GRACE_SECONDS": "2"}


async def no_show(service: House, room_id: str, user_id: str) -> None:
    """Wait for the release of a no-show's seat, end it, and wait for the revocation."""
    release = await service.event("ReleaseSeat", room_id, user_id)
    assert release.data is not None
    assert release.data["reason"] == "no_show"
    await service.unseat(room_id, user_id, release.data["invitationId"], "no_show")
    await service.event("GrantRevoked", room_id, user_id)
    assert service.events(room_id, user_id) == ["GrantProvisioned", "GrantRevoked"]


async def passes(service: House) -> None:
    """Wait until the no-show time has passed and the service has processed a no-show since."""
    name = await live(service)
    await service.seat_user(name, "dave")
    await no_show(service, name, "dave")


async def test_a_co_host_who_never_connects_loses_the_seat(proxied_service: House) -> None:
    name = await live(proxied_service)
    await proxied_service.seat_user(name, "bob")
    await no_show(proxied_service, name, "bob")


async def test_the_no_show_time_starts_when_the_room_goes_live(
    proxied_service: House, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service, "idle")
    await service.seat_user(name, "bob")
    await service.seat_user(name, "carol")
    await badge(service, name, "carol")
    await passes(service)
    assert "ReleaseSeat" not in [record.name for record in service.published if record.key == name]
    await clients.join(service, name, "carol")
    await service.event("CoHostConnected", name, "carol")
    await service.publish_stage(name, "live")
    await no_show(service, name, "bob")
    assert "ReleaseSeat" not in [record.name for record in about(service, name, "carol")]


def about(service: House, room_id: str, user_id: str) -> list[object]:
    return [
        h
        for h in service.published
        if h.key == room_id and h.data is not None and h.data.get("userId") == user_id
    ]


async def test_a_room_waiting_for_its_host_keeps_its_stage(proxied_service: House, clients: Guests) -> None:
    service = proxied_service
    name = await live(service)
    seat, bob = await co_host(service, clients, name)
    await publish(bob)
    await service.seat_user(name, "carol")
    await badge(service, name, "carol")
    before, people = await items(service, name), await participants(service, name)
    await service.publish_stage(name, "waitingReconnect")
    await passes(service)
    during = (await service.get(f"/v1/rooms/{name}/stage", "anyone")).json()
    assert during["status"] == "waitingReconnect"
    assert {user_id: item["since"] for user_id, item in (await items(service, name)).items()} == {
        user_id: item["since"] for user_id, item in before.items()
    }
    viewer = await clients.join(service, name, "vera", viewer=True)
    await service.publish_stage(name, "live")
    await no_show(service, name, "carol")
    assert bob.isconnected()
    assert viewer.isconnected()
    assert rights_of(bob) == CO_HOST
    assert (await participants(service, name))["bob"].sid == people["bob"].sid
    assert [track["source"] for track in (await items(service, name))["bob"]["tracks"]] == ["microphone"]
    assert sorted(service.events(name, "bob")) == ["CoHostConnected", "GrantProvisioned"]
    assert (await items(service, name))["bob"]["invitationId"] == seat
