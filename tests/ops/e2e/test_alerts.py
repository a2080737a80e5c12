"""Alerts fire by their real causes, with the expressions that operators use.

The tests run in their order, and each leaves everything well. Only `for` and the intervals are shorter than
in `ops/prometheus`: see `write_quick_configuration`.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg
import httpx
import pytest
from livekit import api
from prometheus_client import CollectorRegistry

from cohost import Client
from cohost_schemas import commands, facts, ids, topics
from cohost_schemas.partitions import partition_of
from demo import steps
from demo.context import DemoContext
from demo.http_client import open_http_client
from demo.timeline import Timeline
from ops.exporter.metrics import LogMetrics
from tests.contract.polling import wait_until
from tests.messaging.worker_fleet import command_record
from tests.ops import alert_rules
from tests.ops.e2e.watched_show import PREFIX, WatchedShow

QUIET_STEPS = steps.STEPS[: steps.STEPS.index(steps.remove_intruder)]
COMMANDS = topics.INVITATION_COMMANDS
ROOM, HOST = "a-room", "alice"
INVITATIONS = f"/v1/rooms/{ROOM}/invitations"
LANE = partition_of(ROOM, topics.DEFAULT_PARTITIONS)


@pytest.fixture(scope="module")
async def demo(show: WatchedShow) -> AsyncIterator[DemoContext]:
    """The demo's show before mallory appears, played through the gateway."""
    async with open_http_client(show.environment.gateway_url, show.environment.jwt_secret) as client:
        playing = DemoContext(show.environment, client, Timeline())
        try:
            for step in QUIET_STEPS:
                await step(playing)
            yield playing
        finally:
            await playing.close()


@pytest.fixture(scope="module")
async def client(show: WatchedShow) -> AsyncIterator[Client]:
    """A client with a live room."""
    async with Client(show.stack.kafka_bootstrap_servers, prefix=PREFIX, timeout=30) as client:
        await client.set_room(facts.RoomChanged(room_id=ROOM, host_id=HOST, status="live"))
        yield client


def invitation(user: str) -> bytes:
    return command_record(ids.uuid7(), commands.SendInvitation(room_id=ROOM, user_id=user, actor_id=HOST))


async def test_no_alert_fires_in_a_quiet_show(show: WatchedShow, demo: DemoContext) -> None:
    await show.wait_until_well()
    assert demo.participants["bob"].may_publish
    assert await show.fired_alerts() == set()
    assert {labels["job"] for labels in await show.query("up == 1")} == set(show.parts)


async def test_rights_without_a_seat_fire_intruders(show: WatchedShow, demo: DemoContext) -> None:
    await steps.remove_intruder(demo)
    await show.wait_for_alert("Intruders", action="demoted")
    assert await show.fired_alerts() == {"Intruders"}


async def test_a_record_that_is_no_command_fires_dead_letters(show: WatchedShow) -> None:
    await show.send_records(COMMANDS, [b"no command"], ROOM, LANE)
    await show.wait_for_alert("DeadLetters", job="invitations")


async def test_a_foreign_partitioner_fires_its_alert(show: WatchedShow) -> None:
    wrong = (LANE + 1) % topics.DEFAULT_PARTITIONS
    await show.send_records(COMMANDS, [invitation("bob")], ROOM, wrong)
    await show.wait_for_alert("ForeignPartitioner", job="invitations")


async def test_another_key_of_livekit_fires_failing_calls_and_refused_webhooks(show: WatchedShow) -> None:
    keys = await show.restart_livekit_with_another_key()
    livekit_url = show.parts["livekit"].address.replace("ws", "http", 1)
    async with api.LiveKitAPI(livekit_url, keys.livekit_key, keys.livekit_secret) as livekit:
        # LiveKit reports the room, signed with the key that it has now.
        await livekit.room.create_room(api.CreateRoomRequest(name="another"))
    await show.wait_for_alert("WebhooksRefused")
    await show.wait_for_alert("LiveKitCallsFail", result="unauthorized")
    await show.wait_for_alert("PartNotReady", job="broadcast", part="livekit")
    await show.restart("livekit")
    await show.wait_until_well()


async def test_a_stopped_livekit_fires_its_alerts(show: WatchedShow) -> None:
    await show.processes["livekit"].stop()
    await show.wait_for_alert("ProcessGone", job="livekit")
    await show.wait_for_alert("LiveKitCallsFail", result="ClientConnectorError")
    await show.restart("livekit")
    await show.wait_until_well()


async def test_a_killed_worker_fires_its_absence_and_that_of_its_lanes(show: WatchedShow) -> None:
    show.processes["invitations"].kill()
    await show.wait_for_alert("ProcessGone", job="invitations")
    await show.wait_for_alert("LanesWithoutOwner", job="invitations")
    await show.restart("invitations")
    await show.wait_until_well()


@contextlib.asynccontextmanager
async def paused(show: WatchedShow, name: str) -> AsyncIterator[None]:
    """Pause a process during the block, and wait until everything is well again."""
    show.processes[name].pause()
    try:
        yield
    finally:
        show.processes[name].resume()
    await show.wait_until_well()


async def test_a_paused_postgres_fires_parts_that_are_not_ready(show: WatchedShow) -> None:
    async with paused(show, "postgres"):
        for service in ("invitations", "broadcast"):
            await show.wait_for_alert("PartNotReady", job=service, part="database")


async def test_a_paused_kafka_fires_unavailability(show: WatchedShow, client: Client) -> None:
    assert client
    async with paused(show, "kafka"):
        for job in ("invitations", "broadcast", "gateway"):
            await show.wait_for_alert("PartNotReady", job=job, part="kafka")
        for user in ("bob", "carol"):
            answer = await show.post_to_gateway(INVITATIONS, HOST, {"userId": user})
            assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE, answer.text
        await show.wait_for_alert("GatewayUnavailable")


async def test_a_paused_worker_fires_late_outcomes(show: WatchedShow, client: Client) -> None:
    assert client
    async with paused(show, "invitations"):
        waiting = asyncio.create_task(show.post_to_gateway(INVITATIONS, HOST, {"userId": "dave"}, 30))
        await show.wait_for_alert("ProcessGone", job="invitations")
    assert (await waiting).status_code == httpx.codes.CREATED
    await show.wait_for_alert("LateOutcomes")
    await show.wait_for_alert("SlowHttp", job="gateway", route="/v1/rooms/{roomId}/invitations")


async def test_a_user_who_sends_too_many_commands_fires_its_alert(show: WatchedShow) -> None:
    sent = (show.post_to_gateway(f"{INVITATIONS}/none/accept", "zoe") for _ in range(130))
    answers = [answer.status_code for answer in await asyncio.gather(*sent)]
    assert set(answers) == {httpx.codes.ACCEPTED, httpx.codes.TOO_MANY_REQUESTS}
    await show.wait_for_alert("UsersHeldBack")


async def test_a_foreign_transaction_on_commands_fires_a_stuck_lane_and_its_lag(
    show: WatchedShow, client: Client
) -> None:
    behind = [invitation("nobody") for _ in range(1_100)]
    async with show.open_transaction(COMMANDS, invitation("frank"), ROOM, LANE):
        await show.send_records(COMMANDS, behind, ROOM, LANE)
        await show.wait_for_alert("CommandsWaiting", topic=COMMANDS.full_name(PREFIX))
        await show.wait_for_alert("LaneStuck", topic=COMMANDS.full_name(PREFIX), lane=str(LANE))
        # Nothing else shows it: everything is ready.
        await show.wait_until_well()
    sent = await client.send_invitation(ROOM, "erin", HOST)
    assert sent.data.user_id == "erin"


async def test_a_transaction_on_what_the_service_writes_fires_a_stuck_outbox(
    show: WatchedShow, client: Client
) -> None:
    async with show.open_transaction(topics.INVITATION_EVENTS, invitation("nobody"), ROOM, LANE):
        await show.send_records(COMMANDS, [invitation("frank")], ROOM, LANE)
        await show.wait_for_alert("OutboxStuck", job="invitations")
    await show.wait_until_well()
    await wait_until(partial(show.query, "max(cohost_outbox_oldest_seconds) < 5"), "an empty outbox")
    sent = await client.send_invitation(ROOM, "grace", HOST)
    assert sent.data.user_id == "grace"


def exporter_metric_names() -> set[str]:
    registry = CollectorRegistry()
    LogMetrics(registry).start_topic("a-topic")
    return {sample.name for metric in registry.collect() for sample in metric.samples}


@pytest.mark.parametrize("page", sorted(alert_rules.RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
async def test_every_query_of_a_runbook_can_be_asked(show: WatchedShow, page: Path) -> None:
    # No exporter is part of the show.
    known = await show.metric_names() | exporter_metric_names()
    for expression in re.findall(r"```promql\n(.*?)```", page.read_text(), re.DOTALL):
        await show.query(expression)
        assert set(re.findall(r"\b(?:cohost|process)_\w+", expression)) <= known
    connection = await asyncpg.connect(show.database_url)
    try:
        for statement in re.findall(r"```sql\n(.*?)```", page.read_text(), re.DOTALL):
            await connection.fetch(statement)
    finally:
        await connection.close()
