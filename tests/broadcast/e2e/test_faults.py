"""A real LiveKit behind a failing proxy: grants come late, none is lost, wrong permissions are corrected."""

import asyncio
from collections.abc import Callable

from livekit import rtc

from cohost_schemas import commands, topics
from cohost_schemas.types import MuteSource
from tests.broadcast.e2e.house import Heard, House, until
from tests.broadcast.e2e.proxy import Proxy
from tests.broadcast.e2e.show import (
    CO_HOST,
    VIEWER,
    Guests,
    agreed,
    co_host,
    exists,
    forged,
    live,
    participants,
    publish,
    rights_of,
    told,
)
from tests.broadcast.fake_livekit import refused

SETTINGS = {
    "COHOST_LIVEKIT_TIMEOUT_SECONDS": "0.5",
    "COHOST_COMPARISON_SECONDS": "2",
    "COHOST_RECONNECT_GRACE_SECONDS": "3",
    "COHOST_SESSION_TIMEOUT_MS": "6000",
}


async def mute(service: House, room_id: str, source: MuteSource = "microphone", *, hard: bool = False) -> str:
    command = commands.MuteCoHost(room_id=room_id, user_id="bob", actor_id="alice", source=source, hard=hard)
    return await service.say(topics.BROADCAST_COMMANDS, command, room_id)


async def settled(service: House, room_id: str, granted: list[str], revoked: list[str]) -> None:
    """Assert one grant or revocation event per seat, and that LiveKit matches the stage."""
    await until(lambda: agreed(service, room_id))
    counts = told(service)
    assert [counts[seat, "GrantProvisioned"] for seat in granted] == [1] * len(granted)
    assert [counts[seat, "GrantRevoked"] for seat in revoked] == [1] * len(revoked)
    assert not [seat for seat in granted if seat not in revoked and counts[seat, "GrantRevoked"]]
    assert service.alive


async def test_changes_made_while_livekit_was_down_are_applied(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    names = [await live(service) for _ in range(5)]
    granting, revoking, silencing, muting, closing = names
    carol = await clients.join(service, granting, "carol", viewer=True)
    seats = [await co_host(service, clients, name) for name in names[1:]]
    publication = await publish(seats[2][1])
    # Six seconds exceed the longest back-off: a longer outage ends the same way.
    proxy.down = True
    granted = await service.seat_user(granting, "carol")
    await service.unseat(revoking, "bob", seats[0][0])
    hard = await mute(service, silencing, hard=True)
    soft = await mute(service, muting)
    await service.publish_stage(closing, "ended")
    await service.unseat(closing, "bob", seats[3][0], "room_ended")
    await asyncio.gather(*(service.event("CoHostMuted", name, "bob") for name in (silencing, muting)))
    await service.event("GrantFailed", granting, "carol")
    await asyncio.sleep(6)
    assert rights_of(carol) == VIEWER
    assert not publication.muted
    proxy.down = False
    await service.event("GrantProvisioned", granting, "carol")
    await service.event("GrantRevoked", revoking, "bob")
    revoked = await service.event("GrantRevoked", closing, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    assert not await exists(service, closing)
    await until(lambda: publication.muted)
    await until(lambda: rights_of(seats[1][1]) == {**CO_HOST, "canPublishSources": 3})
    for name in names[:4]:
        await settled(service, name, [granted, *(seat for seat, _ in seats)], [seats[0][0], seats[3][0]])
    for command_id in (hard, soft):
        outcome = (await service.get(f"/v1/commands/{command_id}", "alice")).json()
        assert outcome["outcome"] == "accepted"


async def test_refusing_every_third_call_leaves_no_wrong_permission(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    names = [await live(service) for _ in range(12)]
    for name in names:
        await clients.join(service, name, "bob", viewer=True)
    proxy.every = 3
    first = [await service.seat_user(name, "bob") for name in names]
    for name, seat in zip(names, first, strict=True):
        await service.unseat(name, "bob", seat)
    second = [await service.seat_user(name, "bob") for name in names]
    for name, seat in zip(names[::2], second[::2], strict=True):
        await service.unseat(name, "bob", seat)
    await asyncio.gather(*(service.event("GrantRevoked", name, "bob", count=2) for name in names[::2]))
    await asyncio.gather(*(service.await_(granted(seat)) for seat in second[1::2]))
    proxy.recover()
    for name, seat in zip(names, second, strict=True):
        await until(lambda name=name: agreed(service, name))
        assert "IntruderRemoved" not in service.events(name)
        assert service.events(name).count("GrantRevoked") == 1 + (seat in second[::2])
    counts = told(service)
    assert [counts[seat, "GrantRevoked"] for seat in first] == [1] * len(first)
    assert all(counts[seat, "GrantProvisioned"] <= 1 for seat in (*first, *second))


def granted(seat: str) -> Callable[[Heard], bool]:
    return lambda record: (
        record.name == "GrantProvisioned" and record.data is not None and record.data["invitationId"] == seat
    )


async def test_a_grant_applied_without_an_answer_is_published_once(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    proxy.swallow.add("UpdateParticipant")
    seat = await service.seat_user(name, "bob")
    await service.event("GrantFailed", name, "bob")
    await until(lambda: rights_of(bob) == CO_HOST)
    proxy.recover()
    await service.event("GrantProvisioned", name, "bob")
    proxy.swallow.add("UpdateParticipant")
    await service.unseat(name, "bob", seat)
    await until(lambda: rights_of(bob) == VIEWER)
    assert "GrantRevoked" not in service.events(name)
    proxy.recover()
    await service.event("GrantRevoked", name, "bob")
    await settled(service, name, [seat], [seat])


async def test_an_intruder_removed_without_an_answer_stays_removed(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    await clients.join(service, name, "alice")
    proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    proxy.swallow.add("RemoveParticipant")
    await clients.join(service, name, "mallory", token=forged(service, name))
    await until(lambda: proxy.count("RemoveParticipant", name))
    await until(lambda: absent(service, name, "mallory"))
    proxy.recover()
    await until(lambda: agreed(service, name))
    assert set(await participants(service, name)) == {"alice"}


async def absent(service: House, room_id: str, user_id: str) -> bool:
    return user_id not in await participants(service, room_id)


async def test_an_intruder_is_removed_when_livekit_refuses_to_demote(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    await clients.join(service, name, "alice")
    proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    await clients.join(service, name, "mallory", token=forged(service, name))
    removed = await service.event("IntruderRemoved", name, "mallory")
    assert removed.data is not None
    assert removed.data["action"] == "removed"
    assert set(await participants(service, name)) == {"alice"}


async def test_a_former_co_host_is_removed_when_livekit_refuses_to_demote(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    await clients.join(service, name, "alice")
    seat, _ = await co_host(service, clients, name)
    proxy.troubles["UpdateParticipant"] = lambda: refused(503, "unavailable")
    await service.unseat(name, "bob", seat)
    await service.event("GrantRevoked", name, "bob")
    assert set(await participants(service, name)) == {"alice"}
    await settled(service, name, [seat], [seat])


async def test_a_room_deleted_without_an_answer_counts_as_deleted(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    seat, _ = await co_host(service, clients, name)
    proxy.swallow.add("DeleteRoom")
    await service.publish_stage(name, "ended")
    await service.unseat(name, "bob", seat, "room_ended")
    await until(lambda: gone(service, name))
    assert "GrantRevoked" not in service.events(name)
    proxy.recover()
    revoked = await service.event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    await settled(service, name, [seat], [seat])


async def gone(service: House, room_id: str) -> bool:
    return not await exists(service, room_id)


async def test_a_room_created_without_an_answer_is_reused_by_the_next_join(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    proxy.swallow.add("CreateRoom")
    answer = await service.get(f"/v1/rooms/{name}/broadcast-data", "alice")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    await until(lambda: exists(service, name))
    proxy.recover()
    alice = await clients.join(service, name, "alice")
    assert rights_of(alice) == {**CO_HOST, "badge": "host"}


async def test_a_grant_landing_after_its_revoke_is_undone_by_a_resync(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    late = proxy.hold("UpdateParticipant", name)
    seat = await service.seat_user(name, "bob")
    await service.event("GrantProvisioned", name, "bob")
    await service.unseat(name, "bob", seat)
    await service.event("GrantRevoked", name, "bob")
    changes: list[bool] = []
    bob.on("participant_permissions_changed", lambda _, now: changes.append(now.can_publish))
    await until(lambda: rights_of(bob) == VIEWER)
    changes.clear()
    assert late.reached.is_set()
    late.let_go.set()
    await until(lambda: changes == [True, False])
    await settled(service, name, [seat], [seat])


async def test_a_room_closed_while_livekit_is_down_is_deleted_on_recovery(
    proxied_service: House, proxy: Proxy, clients: Guests
) -> None:
    service = proxied_service
    name = await live(service)
    seat, bob = await co_host(service, clients, name)
    reasons: list[rtc.DisconnectReason] = []
    bob.on("disconnected", reasons.append)
    proxy.down = True
    await service.publish_stage(name, "ended")
    await service.unseat(name, "bob", seat, "room_ended")
    await service.await_(lambda record: record.key == f"{name}/bob" and record.data is None)
    for query in ("", "?as=viewer"):
        refusal = await service.get(f"/v1/rooms/{name}/broadcast-data{query}", "bob")
        assert (refusal.status_code, refusal.json()["reason"]) == (409, "room_not_open")
    calls = proxy.count("ListRooms", name)
    await until(lambda: proxy.count("ListRooms", name) > calls + 1)
    assert "GrantRevoked" not in service.events(name)
    proxy.recover()
    await until(lambda: gone(service, name), 10)
    await until(lambda: reasons)
    revoked = await service.event("GrantRevoked", name, "bob")
    assert revoked.data is not None
    assert revoked.data["mode"] == "room_deleted"
    await settled(service, name, [seat], [seat])
