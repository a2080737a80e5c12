"""Section 8: settings that change the behaviour, each with its own services."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import jwt

from tests.stranger import snapshots
from tests.stranger.client import BROADCAST, Room, Stranger, connected, event, unique
from tests.stranger.onstage import Director, Seat
from tests.stranger.place import Place
from tests.stranger.processes import free_port, running
from tests.stranger.web import Web

# The example of RFC 7517, appendix A.2.
PUBLIC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
PRIVATE = {**PUBLIC, "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}


@asynccontextmanager
async def director_at(deployment: Place) -> AsyncIterator[Director]:
    async with connected(deployment) as client, Web(deployment) as web:
        yield Director(client, web)


async def test_unknown_users_few_invitations_other_keys_and_a_restart(
    deployment: Place, database_url: str, prefix: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{**PUBLIC, "kid": "1", "use": "sig", "alg": "ES256"}]}))
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "3"}
    more = {"COHOST_UNKNOWN_USERS": "accept", "COHOST_MAX_PENDING": "2", "COHOST_JWKS_FILE": str(keys)}
    async with running(deployment, "invitations", **own, **more) as there, connected(there) as client:
        await accepts_the_unknown(client)
        await has_few_pending(client)
        await knows_the_key(there)
        known = await client.create_room()
    async with connected(there) as client:
        await reads_facts_before_it_decides(client, known, running(deployment, "invitations", **own))


async def accepts_the_unknown(client: Stranger) -> None:
    room = await client.create_room()
    user = unique("unknown")
    sent, _ = await client.accepted("SendInvitation", room, userId=user, actorId=room.host)
    await client.accepted("AcceptInvitation", room, invitationId=sent.id, actorId=user)
    assert await client.reason("ExcludeUser", room, userId=user) == "user_eligible"
    gone = await client.user()
    await client.remove_user(gone)
    never = unique("unknown")
    await client.remove_user(never)
    banned = await client.user("banned")
    for who, reason in ((gone, "user_not_found"), (never, "user_not_found"), (banned, "user_not_eligible")):
        data = {"userId": who, "actorId": room.host}
        assert await client.reason("SendInvitation", room, **data) == reason


async def has_few_pending(client: Stranger) -> None:
    room = await client.create_room()
    for _ in range(2):
        await client.accepted("SendInvitation", room, userId=unique("user"), actorId=room.host)
    data = {"userId": unique("user"), "actorId": room.host}
    assert await client.reason("SendInvitation", room, **data) == "too_many_pending"


async def knows_the_key(deployment: Place) -> None:
    key = jwt.algorithms.ECAlgorithm.from_jwk(PRIVATE)
    token = jwt.encode({"sub": "alice"}, key, "ES256", {"kid": "1"})
    async with httpx.AsyncClient(base_url=deployment.invitations_url) as client:
        for given, status in ((token, 200), (f"{token[:-8]}AAAAAAAA", 401)):
            headers = {"Authorization": f"Bearer {given}"}
            answer = await client.get("/v1/users/alice/invitations", headers=headers)
            assert answer.status_code == status


async def reads_facts_before_it_decides(
    client: Stranger, known: Room, starting: AbstractAsyncContextManager[Place]
) -> None:
    """Write commands while no service runs, then the facts they depend on, and start one."""
    user, room = unique("user"), unique("room")
    puts = [
        await client.send("SendInvitation", room, userId=user, actorId="alice"),
        await client.send("SendInvitation", known, userId=user, actorId=known.host),
    ]
    await client.publish("users", event("UserChanged", user, {"userId": user, "status": "active"}))
    await client.say_room(room, hostId="alice", status="live")
    await client.remove_room(known)
    async with starting:
        assert [await client.fate(put) for put in puts] == ["InvitationSent", "room_not_found"]


async def test_an_unavailable_livekit_delays_only_grants(
    deployment: Place, database_url: str, prefix: str
) -> None:
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "2"}
    more = {"COHOST_LIVEKIT_URL": f"ws://127.0.0.1:{free_port()}", "COHOST_NO_SHOW_SECONDS": "1"}
    async with (
        # Broadcast is not ready while LiveKit is down.
        running(deployment, "invitations", "broadcast", path="/healthz", **own, **more) as there,
        director_at(there) as stage_driver,
    ):
        idle, live = await stage_driver.show("idle"), await stage_driver.show("live")
        user = await stage_driver.stranger.user()
        waiting, shown = await stage_driver.seat_user(idle, user), await stage_driver.seat_user(live, user)
        await fails_to_grant(stage_driver, waiting)
        await goes_for_never_connecting(stage_driver, shown)
        await stage_driver.stranger.say_room(idle.id, hostId=idle.host, status="live")
        await goes_for_never_connecting(stage_driver, waiting)
        assert [len(stage_driver.said(seat, "GrantFailed")) for seat in (waiting, shown)] == [1, 1]


async def fails_to_grant(stage_driver: Director, seat: Seat) -> None:
    [failed] = await stage_driver.events(seat, "GrantFailed")
    said = {**failed.data}
    assert (said.pop("attempts") >= 1, len(said.pop("error")) > 0) == (True, True)
    assert said == {**seat.ids, "retryable": True}
    assert (await stage_driver.items(seat.room))[seat.user]["grant"] == "failed"
    mute = {"userId": seat.user, "actorId": seat.room.host, "source": "camera", "hard": True}
    await stage_driver.stranger.accepted("MuteCoHost", seat.room, topic=BROADCAST, **mute)


async def goes_for_never_connecting(stage_driver: Director, seat: Seat) -> None:
    log = stage_driver.stranger.log
    [left] = await log.until(lambda: log.records_of("invitations.events", seat.room.id, "CoHostLeft"))
    at = left.data["leftAt"]
    assert snapshots.without_nulls(left.data) == snapshots.left(dict(seat.ids), at, "no_show")
    [command] = log.by_id[left.event["causationid"]]
    assert command.data == {**seat.ids, "reason": "no_show"}
