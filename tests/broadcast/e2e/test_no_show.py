"""A seat whose owner never comes, while the room is live, is asked to be given up; nobody else's is."""

from tests.broadcast.e2e.house import House
from tests.broadcast.e2e.show import CO_HOST, Guests, badge, co_host, items, live, publish, rights_of
from tests.broadcast.e2e.show import participants as there

SETTINGS = {"COHOST_NO_SHOW_SECONDS": "4", "COHOST_RECONNECT_GRACE_SECONDS": "2"}


async def no_show(house: House, room_id: str, user_id: str) -> None:
    """Wait until a seat is asked to be given up, then see it end."""
    asked = await house.event("ReleaseSeat", room_id, user_id)
    assert asked.data is not None
    assert asked.data["reason"] == "no_show"
    await house.unseat(room_id, user_id, asked.data["invitationId"], "no_show")
    await house.event("GrantRevoked", room_id, user_id)
    assert house.events(room_id, user_id) == ["GrantProvisioned", "GrantRevoked"]


async def passes(house: House) -> None:
    """Let as much time pass as a seat waits for its owner, and the service see to it that it has."""
    name = await live(house)
    await house.seat(name, "dave")
    await no_show(house, name, "dave")


async def test_a_co_host_who_never_connects_loses_the_seat(proxied_house: House) -> None:
    name = await live(proxied_house)
    await proxied_house.seat(name, "bob")
    await no_show(proxied_house, name, "bob")


async def test_the_no_show_time_starts_when_the_room_goes_live(proxied_house: House, guests: Guests) -> None:
    house = proxied_house
    name = await live(house, "idle")
    await house.seat(name, "bob")
    await house.seat(name, "carol")
    await badge(house, name, "carol")
    await passes(house)
    assert "ReleaseSeat" not in [heard.name for heard in house.heard if heard.key == name]
    await guests.join(house, name, "carol")
    await house.event("CoHostConnected", name, "carol")
    await house.stage(name, "live")
    await no_show(house, name, "bob")
    assert "ReleaseSeat" not in [heard.name for heard in about(house, name, "carol")]


def about(house: House, room_id: str, user_id: str) -> list[object]:
    return [
        h for h in house.heard if h.key == room_id and h.data is not None and h.data.get("userId") == user_id
    ]


async def test_a_room_waiting_for_its_host_keeps_its_stage(proxied_house: House, guests: Guests) -> None:
    house = proxied_house
    name = await live(house)
    seat, bob = await co_host(house, guests, name)
    await publish(bob)
    await house.seat(name, "carol")
    await badge(house, name, "carol")
    before, people = await items(house, name), await there(house, name)
    await house.stage(name, "waitingReconnect")
    await passes(house)
    during = (await house.get(f"/v1/rooms/{name}/stage", "anyone")).json()
    assert during["status"] == "waitingReconnect"
    assert {user_id: item["since"] for user_id, item in (await items(house, name)).items()} == {
        user_id: item["since"] for user_id, item in before.items()
    }
    viewer = await guests.join(house, name, "vera", viewer=True)
    await house.stage(name, "live")
    await no_show(house, name, "carol")
    assert bob.isconnected()
    assert viewer.isconnected()
    assert rights_of(bob) == CO_HOST
    assert (await there(house, name))["bob"].sid == people["bob"].sid
    assert [track["source"] for track in (await items(house, name))["bob"]["tracks"]] == ["microphone"]
    assert sorted(house.events(name, "bob")) == ["CoHostConnected", "GrantProvisioned"]
    assert (await items(house, name))["bob"]["invitationId"] == seat
