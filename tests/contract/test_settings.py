"""Section 8: settings that change the behaviour, each with its own services."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import jwt

from tests.contract import expected_data
from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.contract_client import (
    BROADCAST_COMMANDS,
    ContractClient,
    Room,
    cloud_event,
    open_contract_client,
    unique_id,
)
from tests.contract.deployment import Deployment
from tests.contract.service_processes import free_port, run_services
from tests.contract.web_client import WebClient

# The example of RFC 7517, appendix A.2.
PUBLIC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
}
PRIVATE = {**PUBLIC, "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}


@asynccontextmanager
async def stage_driver_for(deployment: Deployment) -> AsyncIterator[StageDriver]:
    async with open_contract_client(deployment) as client, WebClient(deployment) as web:
        yield StageDriver(client, web)


async def test_unknown_users_few_invitations_other_keys_and_a_restart(
    deployment: Deployment, database_url: str, prefix: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [{**PUBLIC, "kid": "1", "use": "sig", "alg": "ES256"}]}))
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "3"}
    more = {"COHOST_UNKNOWN_USERS": "accept", "COHOST_MAX_PENDING": "2", "COHOST_JWKS_FILE": str(keys)}
    async with (
        run_services(deployment, "invitations", **own, **more) as there,
        open_contract_client(there) as client,
    ):
        await assert_unknown_users_accepted(client)
        await assert_pending_limit(client)
        await assert_key_accepted(there)
        known = await client.create_room()
    async with open_contract_client(there) as client:
        await assert_facts_read_before_commands(client, known, run_services(deployment, "invitations", **own))


async def assert_unknown_users_accepted(client: ContractClient) -> None:
    room = await client.create_room()
    user = unique_id("unknown")
    sent, _ = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    await client.send_accepted("AcceptInvitation", room, invitationId=sent.id, actorId=user)
    assert await client.refusal_reason("ExcludeUser", room, userId=user) == "user_eligible"
    gone = await client.create_user()
    await client.delete_user(gone)
    never = unique_id("unknown")
    await client.delete_user(never)
    banned = await client.create_user("banned")
    for who, reason in ((gone, "user_not_found"), (never, "user_not_found"), (banned, "user_not_eligible")):
        data = {"userId": who, "actorId": room.host}
        assert await client.refusal_reason("SendInvitation", room, **data) == reason


async def assert_pending_limit(client: ContractClient) -> None:
    room = await client.create_room()
    for _ in range(2):
        await client.send_accepted("SendInvitation", room, userId=unique_id("user"), actorId=room.host)
    data = {"userId": unique_id("user"), "actorId": room.host}
    assert await client.refusal_reason("SendInvitation", room, **data) == "too_many_pending"


async def assert_key_accepted(deployment: Deployment) -> None:
    key = jwt.algorithms.ECAlgorithm.from_jwk(PRIVATE)
    claims = {"sub": "alice", "exp": int(time.time()) + 60}
    token = jwt.encode(claims, key, "ES256", {"kid": "1"})
    async with httpx.AsyncClient(base_url=deployment.invitations_url, timeout=60) as client:
        for given, status in ((token, 200), (f"{token[:-8]}AAAAAAAA", 401)):
            headers = {"Authorization": f"Bearer {given}"}
            answer = await client.get("/v1/users/alice/invitations", headers=headers)
            assert answer.status_code == status


async def assert_facts_read_before_commands(
    client: ContractClient, known: Room, starting: AbstractAsyncContextManager[Deployment]
) -> None:
    """Write commands while no service runs, then the facts they depend on, and start one."""
    user, room = unique_id("user"), unique_id("room")
    puts = [
        await client.send_command("SendInvitation", room, userId=user, actorId="alice"),
        await client.send_command("SendInvitation", known, userId=user, actorId=known.host),
    ]
    await client.publish_event(
        "users", cloud_event("UserChanged", user, {"userId": user, "status": "active"})
    )
    await client.publish_room(room, hostId="alice", status="live")
    await client.delete_room(known)
    async with starting:
        assert [await client.wait_for_result(put) for put in puts] == ["InvitationSent", "room_not_found"]


async def test_an_unavailable_livekit_delays_only_grants(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "2"}
    more = {"COHOST_LIVEKIT_URL": f"ws://127.0.0.1:{free_port()}", "COHOST_NO_SHOW_SECONDS": "3"}
    async with (
        # Broadcast is not ready while LiveKit is down.
        run_services(deployment, "invitations", "broadcast", path="/healthz", **own, **more) as there,
        stage_driver_for(there) as stage_driver,
    ):
        idle, live = await stage_driver.open_room("idle"), await stage_driver.open_room("live")
        user = await stage_driver.client.create_user()
        waiting = await stage_driver.seat_user(idle, user)
        # Without a look at the badge: it may be gone by then.
        invitation = await stage_driver.invite_user(live, user)
        shown = await stage_driver.accept_invitation(live, user, invitation)
        await assert_grant_fails(stage_driver, waiting)
        await assert_no_show(stage_driver, shown)
        await stage_driver.client.publish_room(idle.id, hostId=idle.host, status="live")
        await assert_no_show(stage_driver, waiting)
        assert [len(stage_driver.events_so_far(seat, "GrantFailed")) for seat in (waiting, shown)] == [1, 1]


async def assert_grant_fails(stage_driver: StageDriver, seat: SeatedUser) -> None:
    [failed] = await stage_driver.wait_for_events(seat, "GrantFailed")
    said = {**failed.data}
    assert (said.pop("attempts") >= 1, len(said.pop("error")) > 0) == (True, True)
    assert said == {**seat.ids, "retryable": True}
    assert (await stage_driver.stage_items(seat.room))[seat.user]["grant"] == "failed"
    mute = {"userId": seat.user, "actorId": seat.room.host, "source": "camera", "hard": True}
    await stage_driver.client.send_accepted("MuteCoHost", seat.room, topic=BROADCAST_COMMANDS, **mute)


async def assert_no_show(stage_driver: StageDriver, seat: SeatedUser) -> None:
    log = stage_driver.client.log
    [left] = await log.wait_until(lambda: log.records_of("invitations.events", seat.room.id, "CoHostLeft"))
    at = left.data["leftAt"]
    assert expected_data.without_nulls(left.data) == expected_data.left(dict(seat.ids), at, "no_show")
    [command] = log.by_id[left.event["causationid"]]
    assert command.data == {**seat.ids, "reason": "no_show"}
