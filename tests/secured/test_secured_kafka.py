"""The services on a Kafka with passwords, TLS and the ACLs of docs/operations.md."""

import asyncio
import json
import re
import secrets
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

import cohost
from cohost_schemas import topics
from cohost_schemas.events import CoHostLeft, GrantProvisioned, GrantRevoked, InvitationExpired
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.partitions import partition_of
from cohost_schemas.topics import Topic
from demo.http_client import open_http_client
from demo.timeline import Timeline
from messaging import cluster
from messaging.config import Config
from ops.exporter import app as exporter
from ops.exporter.settings import ExporterSettings
from stack.services import REPOSITORY
from tests.contract.polling import wait_until
from tests.secured import documented_acls
from tests.secured.conftest import PARTITIONS, SecuredServices
from tests.secured.documented_acls import Acl
from tests.secured.secured_broker import SecuredBroker

SECONDS = 120


def create_client(secured: SecuredBroker, principal: str) -> cohost.Client:
    return cohost.Client(secured.address, security=secured.client_options(principal), timeout=SECONDS)


@pytest.fixture(scope="module")
async def gateway(secured: SecuredBroker) -> AsyncIterator[cohost.Client]:
    async with create_client(secured, "gateway") as gateway:
        yield gateway


async def publish_facts(secured: SecuredBroker, lane: int = 0) -> str:
    """Write, as the platform, a live room of alice in this lane and the user bob; return the room's id."""
    room = next(
        room
        for room in (f"room-{secrets.token_hex(4)}" for _ in range(1000))
        if partition_of(room, PARTITIONS) == lane
    )
    async with create_client(secured, "platform") as platform:
        await platform.set_room(RoomChanged(room_id=room, host_id="alice", status="live"))
        await platform.set_user(UserChanged(user_id="bob", status="active"))
    return room


async def wait_for_events(events: AsyncIterator[cohost.Event], *kinds: type[Any]) -> list[Any]:
    """Wait for the first event of each type: those of different topics come in any order."""
    found: dict[type[Any], Any] = {}
    async with asyncio.timeout(SECONDS):
        async for event in events:
            found.setdefault(type(event.data), event.data)
            if found.keys() >= set(kinds):
                return [found[kind] for kind in kinds]
    raise AssertionError(found)


async def write_garbage(secured: SecuredBroker, principal: str, topic: Topic) -> None:
    """Write a record that is not a CloudEvent."""
    producer = AIOKafkaProducer(bootstrap_servers=secured.address, **secured.client_options(principal))
    await producer.start()
    try:
        await producer.send_and_wait(topic.full_name(documented_acls.PREFIX), b"garbage")
    finally:
        await producer.stop()


async def run_audit(variables: dict[str, str]) -> tuple[int | None, str, str]:
    """Run the audit; return its exit status and its output."""
    command = (sys.executable, "-m", "cohost.audit")
    audit = await asyncio.create_subprocess_exec(
        *command, env=variables, cwd=REPOSITORY, stdout=PIPE, stderr=PIPE
    )
    out, err = await audit.communicate()
    return audit.returncode, out.decode(), err.decode()


def test_the_documented_commands_match_the_documented_table() -> None:
    assert documented_acls.acls_in_commands() == {
        acl for acl in documented_acls.acls_in_table() if acl.principal == "invitations"
    }


@pytest.mark.usefixtures("services")
async def test_an_invitation_becomes_a_grant_and_a_no_show_ends_the_seat(
    secured: SecuredBroker, gateway: cohost.Client
) -> None:
    room = await publish_facts(secured)
    async with create_client(secured, "readers") as reader, reader.events(room_id=room) as events:
        sent = (
            await cohost.retry_until_known(lambda: gateway.send_invitation(room, "bob", "alice"), SECONDS)
        ).data
        with pytest.raises(cohost.Rejected, match="already_invited"):
            await gateway.send_invitation(room, "bob", "alice")
        await gateway.accept_invitation(room, sent.invitation_id, "bob")
        granted, left, revoked = await wait_for_events(events, GrantProvisioned, CoHostLeft, GrantRevoked)
        assert (granted.invitation_id, granted.mode) == (sent.invitation_id, "on_join")
        assert (left.reason, revoked.reason) == ("no_show", "no_show")
    with pytest.raises(cohost.Rejected, match="not_co_host"):
        await gateway.mute_co_host(room, "bob", "alice", "microphone")


async def test_a_gateway_with_its_principals_rights_serves_an_app(services: SecuredServices) -> None:
    await services.start_copy("gateway")
    room = f"room-{secrets.token_hex(4)}"
    timeline = Timeline()
    secret = services.environment["COHOST_JWT_SECRET"]
    async with open_http_client(services.urls["gateway"], secret) as app:
        await app.set_user(UserChanged(user_id="bob", status="active"))
        await app.set_room(RoomChanged(room_id=room, host_id="alice", status="idle"))
        async with app.follow_room(room, timeline):
            sent = await cohost.retry_until_known(lambda: app.send_invitation(room, "bob", "alice"), SECONDS)
            await app.accept_invitation(room, sent.data.invitation_id, "bob")
            for event in ("InvitationSent", "InvitationAccepted", "GrantProvisioned", "BadgeChanged"):
                await timeline.wait_for_event(event, "bob")
            with pytest.raises(cohost.Rejected, match="not_co_host"):
                await app.mute_co_host(room, "carol", "alice", "microphone")
        assert (await app.verify_outcomes()).violations == []


async def test_ops_see_offsets_and_owners_with_the_services_rights(services: SecuredServices) -> None:
    secret = services.environment["COHOST_JWT_SECRET"]
    token = cohost.tokens.sign(secret, "ops", ops=True)
    for name in ("invitations", "broadcast"):

        async def read_owned(name: str = name) -> Any:
            async with httpx.AsyncClient(base_url=services.urls[name], timeout=SECONDS) as web:
                answer = await web.get("/v1/ops/lanes", headers={"Authorization": f"Bearer {token}"})
            if not answer.is_success:
                return None
            lanes = answer.json()
            # Kafka counts as unavailable if it takes a second, and each connection begins with TLS.
            is_whole = not lanes["unavailable"] and all(lane["owner"] for lane in lanes["items"])
            return lanes if is_whole else None

        lanes = await wait_until(read_owned, "the owners of all lanes", SECONDS)
        assert all(lane["owner"].startswith(f"cohost.{name}-") for lane in lanes["items"])
        assert len(lanes["items"]) == PARTITIONS


async def test_another_copy_closes_what_a_killed_one_left_overdue(
    secured: SecuredBroker, services: SecuredServices, gateway: cohost.Client
) -> None:
    async def invited(lane: int) -> str:
        room = await publish_facts(secured, lane)
        sending = partial(gateway.send_invitation, room, "bob", "alice", expires_in_seconds=10)
        return (await cohost.retry_until_known(sending, SECONDS)).data.invitation_id

    async with create_client(secured, "readers") as reader, reader.events("invitations") as events:
        sent = {await invited(lane) for lane in range(PARTITIONS)}
        killed = services.processes["invitations"]
        await services.start_copy("invitations")
        killed.kill()
        assert {(await wait_for_events(events, InvitationExpired))[0].invitation_id for _ in sent} == sent


async def test_a_forbidden_operation_is_retried_and_named(
    secured: SecuredBroker, services: SecuredServices, gateway: cohost.Client
) -> None:
    room = await publish_facts(secured)
    sent = (
        await cohost.retry_until_known(lambda: gateway.send_invitation(room, "bob", "alice"), SECONDS)
    ).data
    service = services.processes["invitations"]

    def interrupted() -> bool:
        # The last line may be incomplete.
        text = service.program.log.read_text().rpartition("\n")[0]
        lines = [json.loads(line) for line in text.splitlines()]
        return any(
            line["event"] == "pipeline interrupted" and "cohost.invitations.events" in line["error"]
            for line in lines
        )

    async with secured.deny_acl(
        Acl("invitations", "Write", "topic", f"{documented_acls.PREFIX}invitations.events")
    ):
        declining = asyncio.create_task(gateway.decline_invitation(room, sent.invitation_id, "bob"))
        # The service has work in progress when it is interrupted.
        async with create_client(secured, "platform") as platform:
            while not interrupted():
                await platform.set_user(UserChanged(user_id="bob", status="active"))
    assert (await declining).data.status == "rejected"
    assert "Traceback" not in service.program.log.read_text()


async def test_a_service_that_may_create_topics_creates_them(secured: SecuredBroker) -> None:
    prefix = "made."
    own = {acl for acl in documented_acls.acls_in_table() if acl.principal == "invitations"}
    moved = {replace(acl, name=acl.name.replace(documented_acls.PREFIX, prefix)) for acl in own}
    await secured.add_acls({*moved, Acl("invitations", "Create", "topic", prefix, prefixed=True)})
    config = Config(secured.address, "", "", secured.client_options("invitations"), prefix, PARTITIONS)
    assert (await cluster.ensure_topics(config)).partitions == PARTITIONS


@pytest.mark.usefixtures("services")
async def test_the_exporter_reads_with_its_principals_rights(
    secured: SecuredBroker, services: SecuredServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert services.urls
    for variable, value in secured.client_variables("exporter").items():
        monkeypatch.setenv(variable, value)
    service = await exporter.build_exporter(ExporterSettings())
    running = asyncio.create_task(service.main.run())
    async with asyncio.timeout(SECONDS):
        while not service.main.is_ready:
            await asyncio.sleep(0.05)
    service.main.stop()
    await running


async def test_readers_may_not_write(secured: SecuredBroker) -> None:
    async with create_client(secured, "readers") as reader, reader.badges():
        with pytest.raises(ClusterAuthorizationFailedError):
            await reader.leave_stage("room", "bob")
    for topic in (topics.INVITATION_COMMANDS, topics.INVITATION_EVENTS):
        with pytest.raises(TopicAuthorizationFailedError):
            await write_garbage(secured, "readers", topic)
    with pytest.raises(TopicAuthorizationFailedError):
        await write_garbage(secured, "gateway", topics.INVITATION_EVENTS)


@pytest.mark.parametrize("principal", ["gateway", "platform"])
async def test_writers_of_commands_and_facts_may_not_open_transactions(
    secured: SecuredBroker, principal: str
) -> None:
    options = secured.client_options(principal)
    producer = AIOKafkaProducer(bootstrap_servers=secured.address, transactional_id="cohost.mine", **options)
    try:
        with pytest.raises(TransactionalIdAuthorizationFailed):
            await producer.start()
    finally:
        await producer.stop()


@pytest.mark.usefixtures("services")
async def test_a_non_command_is_a_dead_letter_and_the_audit_passes(
    secured: SecuredBroker, environment: dict[str, str]
) -> None:
    for topic in (topics.INVITATION_COMMANDS, topics.BROADCAST_COMMANDS):
        await write_garbage(secured, "gateway", topic)
    async with asyncio.timeout(SECONDS):
        while True:
            status, out, err = await run_audit({**environment, **secured.client_variables("ops")})
            assert (status, err) == (0, "")
            assert "every promise was kept" in out
            if re.search(r"dead letters +2\n", out):
                break


async def test_an_audit_without_read_access_reports_it(
    secured: SecuredBroker, environment: dict[str, str]
) -> None:
    status, out, err = await run_audit({**environment, **secured.client_variables("readers")})
    assert (status, out) == (2, "")
    assert re.fullmatch(r"the log cannot be read: .*TopicAuthorizationFailedError: cohost\..*\n", err)


async def test_an_audit_with_a_wrong_password_reports_it(
    secured: SecuredBroker, environment: dict[str, str]
) -> None:
    wrong = secured.client_variables("ops", SASL_PLAIN_PASSWORD="hush")
    status, out, err = await run_audit({**environment, **wrong})
    assert (status, out) == (2, "")
    assert "invalid credentials" in err
    assert "hush" not in err
