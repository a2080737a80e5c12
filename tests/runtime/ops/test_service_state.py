"""The state of a service with workers as processes: each copy answers the same for all of them."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
from aiokafka import AIOKafkaProducer

from cohost_schemas import topics
from cohost_schemas.ops.state import LaneState, StateOverview
from messaging import database
from messaging.config import Config
from messaging.database import Connection
from services.runtime.ops import service_state
from services.runtime.ops.group_view import GroupView
from services.runtime.ops.service_state import ServiceState
from stack import Stack
from tests.contract.polling import wait_until
from tests.messaging.counter_processor import TOPOLOGY
from tests.messaging.worker_fleet import PARTITIONS, WorkerFleet

COMMANDS = 30
AT = "2026-01-01T12:00:00.000Z"
SECONDS = 60.0


async def count_departures(connection: Connection) -> Mapping[str, int]:
    return {"seats": await connection.fetchval("SELECT coalesce(sum(left_count), 0)::int FROM departures")}


@pytest.fixture
async def fleet(kafka: str, database_url: str, prefix: str) -> AsyncIterator[WorkerFleet]:
    config = Config(
        kafka, database_url, "counter", prefix=prefix, partitions=PARTITIONS, session_timeout_ms=6000
    )
    fleet = WorkerFleet(config)
    await fleet.create_tables()
    yield fleet
    await fleet.kill_workers()


@pytest.fixture
async def copies(fleet: WorkerFleet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[ServiceState]]:
    """Two copies' states of the same service, which wait as long as a busy machine takes."""
    for name in ("_DATABASE_SECONDS", "_KAFKA_SECONDS"):
        monkeypatch.setattr(service_state, name, SECONDS)
    config = fleet.config
    pool = await database.create_pool(config, size=2)
    views = [GroupView.of_service(config.kafka, TOPOLOGY) for _ in range(2)]
    yield [ServiceState("invitations", pool, view, count_departures, config.prefix) for view in views]
    for view in views:
        await view.close()
    await pool.close()


async def wait_for(
    state: ServiceState, is_right: Callable[[list[LaneState]], bool], what: str
) -> list[LaneState]:
    """Wait until the lanes are right, and return them."""

    async def probe() -> list[LaneState] | None:
        found = await state.read_lanes()
        return list(found.items) if not found.unavailable and is_right(list(found.items)) else None

    lanes: list[LaneState] = await wait_until(probe, what, SECONDS)
    return lanes


def are_owned(lanes: list[LaneState]) -> bool:
    return all(lane.owner for lane in lanes)


def command_lag(lane: LaneState) -> int:
    return (lane.lag or {}).get("invitations.commands", 0)


def are_idle(lanes: list[LaneState]) -> bool:
    return are_owned(lanes) and not any(
        lane.outbox_batches or sum((lane.lag or {}).values()) for lane in lanes
    )


async def wait_for_overview(copy: ServiceState) -> StateOverview:
    """Return a copy's overview, without its time, once Kafka answers in time for it."""

    async def read() -> StateOverview | None:
        found = await copy.read_overview()
        return None if found.unavailable else found.model_copy(update={"at": AT})

    overview: StateOverview = await wait_until(read, "an overview", SECONDS)
    return overview


async def test_each_copy_says_the_same_of_all_workers(fleet: WorkerFleet, copies: list[ServiceState]) -> None:
    workers = [fleet.start_worker() for _ in range(2)]
    for worker in workers:
        await worker.wait_until_reached("ready")
    lanes = await wait_for(
        copies[0], lambda lanes: len({lane.owner for lane in lanes if lane.owner}) == 2, "two owners"
    )
    assert [lane.lane for lane in lanes] == list(range(PARTITIONS))
    await fleet.publish_commands(COMMANDS)
    await fleet.wait_until_decided()
    for copy in copies:
        # The ends of transactions are passed within a second.
        await wait_for(copy, are_idle, "no lag")
    overviews = [await wait_for_overview(copy) for copy in copies]
    assert overviews[0] == overviews[1]
    taken = sum(lane.epoch for lane in (await copies[0].read_lanes()).items)
    assert overviews[0] == StateOverview(
        at=AT,
        seats=COMMANDS - COMMANDS // 5,
        lag=0,
        outbox_batches=0,
        lanes=PARTITIONS,
        lanes_without_owner=0,
        takeovers=taken,
    )


async def test_lanes_of_a_killed_worker_lose_their_owner(
    fleet: WorkerFleet, copies: list[ServiceState]
) -> None:
    first = fleet.start_worker()
    await first.wait_until_reached("ready")
    before = await wait_for(copies[0], are_idle, "an owner")
    first.send_signal(signal.SIGKILL)
    await first.wait_for_exit()
    await fleet.publish_commands(COMMANDS)
    lost = await wait_for(copies[0], lambda lanes: not any(lane.owner for lane in lanes), "no owner")
    assert sum(lane.lag["invitations.commands"] for lane in lost if lane.lag) == COMMANDS
    overview = await copies[0].read_overview()
    assert (overview.lanes_without_owner, overview.lag) == (PARTITIONS, COMMANDS)
    second = fleet.start_worker()
    await second.wait_until_reached("ready")
    after = await wait_for(copies[1], are_idle, "another owner")
    assert {lane.owner for lane in after}.isdisjoint(lane.owner for lane in before)
    assert all(late.epoch > early.epoch for early, late in zip(before, after, strict=True))
    takeovers = (await copies[1].read_overview()).takeovers
    assert takeovers is not None
    assert overview.takeovers is not None
    assert takeovers >= overview.takeovers + PARTITIONS


async def test_lag_shows_what_an_open_transaction_holds_back(
    fleet: WorkerFleet, copies: list[ServiceState]
) -> None:
    worker = fleet.start_worker()
    await worker.wait_until_reached("ready")
    await wait_for(copies[0], are_idle, "an owner")
    writer = AIOKafkaProducer(
        bootstrap_servers=fleet.config.bootstrap_servers, transactional_id=f"{fleet.config.prefix}writer"
    )
    await writer.start()
    try:
        await writer.begin_transaction()
        topic = topics.INVITATION_COMMANDS.full_name(fleet.config.prefix)
        await writer.send_and_wait(topic, b"held back", partition=1)
        held = await wait_for(copies[0], lambda lanes: any(map(command_lag, lanes)), "lag")
        assert list(map(command_lag, held)) == [0, 1, 0]
        await writer.abort_transaction()
        await wait_for(copies[0], are_idle, "no lag")
    finally:
        await writer.stop()


async def test_a_released_lane_has_no_owner(fleet: WorkerFleet, copies: list[ServiceState]) -> None:
    worker = fleet.start_worker()
    await worker.wait_until_reached("ready")
    await wait_for(copies[0], are_owned, "an owner")
    worker.send_signal(signal.SIGTERM)
    assert await worker.wait_for_exit() == 0
    await wait_for(copies[0], lambda lanes: not any(lane.owner for lane in lanes), "no owner")


async def test_many_readers_share_one_answer(
    fleet: WorkerFleet, copies: list[ServiceState], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = fleet.start_worker()
    await worker.wait_until_reached("ready")
    asked = 0

    async def count(connection: Connection) -> Mapping[str, int]:
        nonlocal asked
        asked += 1
        return await count_departures(connection)

    monkeypatch.setattr(copies[0], "_count_rows", count)
    began = time.monotonic()
    for _ in range(20):
        await asyncio.gather(*(copies[0].read_overview() for _ in range(50)))
    assert asked <= 1 + (time.monotonic() - began) / 0.5


@pytest.mark.usefixtures("stack")
async def test_without_kafka_the_database_still_answers(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_state, "_DATABASE_SECONDS", SECONDS)
    async with Stack(components=("kafka", "postgres"), isolated=True) as own:
        database_url = await own.create_database("state")
        fleet = WorkerFleet(
            Config(own.kafka_bootstrap_servers, database_url, "counter", prefix=prefix, partitions=PARTITIONS)
        )
        await fleet.create_tables()
        worker = fleet.start_worker()
        await worker.wait_until_reached("ready")
        pool = await database.create_pool(fleet.config, size=2)
        view = GroupView.of_service(fleet.config.kafka, TOPOLOGY)
        state = ServiceState("invitations", pool, view, count_departures, prefix)
        try:
            await wait_for(state, are_owned, "an owner")
            own.process_of("kafka").pause()
            found = await wait_until(lambda: state_without_kafka(state), "Kafka to be unavailable", SECONDS)
            assert (found.lag, found.lanes_without_owner, found.lanes) == (None, None, PARTITIONS)
            own.process_of("kafka").resume()
            await wait_for(state, are_owned, "Kafka again")
        finally:
            await view.close()
            await pool.close()
            await fleet.kill_workers()


async def state_without_kafka(state: ServiceState) -> StateOverview | None:
    began = time.monotonic()
    found = await state.read_overview()
    # An answer takes less than two seconds, where the machine does not stall.
    is_in_time = time.monotonic() - began < 2
    return found if is_in_time and found.unavailable == ("kafka",) else None
