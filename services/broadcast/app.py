"""The broadcast service as a FastStream application: topics in, handler, topics out, HTTP and effects.

`faststream run services.broadcast.app:create --factory` runs it, as `python -m services.broadcast` does.
"""

import time
from functools import partial

import asyncpg
from fastapi import APIRouter
from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaMessage
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, events, signals, topics
from cohost_schemas.rejections import CommandRejected
from messaging import database
from messaging.inputs.broker import LaneBroker
from messaging.lanes.lease import LaneLease
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.producer import AtLeastOnceProducer
from messaging.tracing.tracer import Tracer
from services.broadcast import store
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.domain.state import SeatTimeouts
from services.broadcast.effects.background_effects import BackgroundEffects
from services.broadcast.effects.call_limits import FailureThrottle
from services.broadcast.effects.effect_runner import EffectRunner
from services.broadcast.effects.pending_poller import PendingPoller
from services.broadcast.effects.reconciler import Reconciler
from services.broadcast.effects.report_writer import ReportWriter
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.effects.retry_scheduler import RetryScheduler
from services.broadcast.effects.room_snapshots import SnapshotWriter
from services.broadcast.effects.sweeper import Sweeper
from services.broadcast.effects.work_item_runner import WorkItemRunner
from services.broadcast.effects.work_queue import WorkQueue
from services.broadcast.http import admission, diagnosis, ops_routes, quality, routes, state_queries, webhook
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics, StageNumbers
from services.broadcast.processor import BroadcastProcessor
from services.broadcast.settings import BroadcastSettings
from services.broadcast.topology import TOPOLOGY
from services.runtime import asyncapi, process
from services.runtime.business.lane_totals import LaneTotals
from services.runtime.http import fastapi_app
from services.runtime.ops.group_view import GroupView
from services.runtime.ops.service_state import ServiceState
from services.runtime.ops.state_routes import create_state_router
from services.runtime.settings import load_settings
from services.runtime.startup_checks import WrongSetting
from services.runtime.tracing.traces import start_traces

TITLE = "Co-host broadcast"


def create() -> FastStream:
    """Create the application from the environment; nothing is connected until it runs."""
    settings = load_settings(BroadcastSettings)
    broker = create_broker(settings)
    lifecycle = process.Lifecycle(settings, partial(build_service, settings, broker))
    return FastStream(
        broker,
        specification=asyncapi.ServiceSpecification(
            TITLE, TOPOLOGY, settings.topic_prefix, settings.partitions
        ),
        lifespan=lifecycle.lifespan,
        on_shutdown=[lifecycle.stop],
    )


def create_broker(settings: BroadcastSettings) -> LaneBroker:
    """Create the broker with the topics that the service reads and writes."""
    prefix = settings.topic_prefix
    broker = LaneBroker(settings.pipeline_config(TOPOLOGY.name))

    @broker.subscriber(
        *TOPOLOGY.input_names(prefix),
        batch=True,
        group_id=TOPOLOGY.group_id(prefix),
        # Postgres has the positions: they are committed together with the decisions.
        ack_policy=AckPolicy.MANUAL,
    )
    async def handle_batch(message: KafkaMessage) -> None:
        """Decide a batch, commit the decisions with the new positions, and publish the outputs."""
        await broker.deliver(message)

    # Declared only: the pipeline publishes in transactions, which FastStream's producer does not offer.
    broker.publisher(
        topics.BROADCAST_EVENTS.full_name(prefix),
        schema=asyncapi.union_of(events.BROADCAST),
        title="Broadcast events",
    )
    broker.publisher(
        topics.BROADCAST_REJECTIONS.full_name(prefix), schema=CommandRejected, title="Rejected commands"
    )
    broker.publisher(
        topics.BADGES.full_name(prefix),
        schema=events.BadgeChanged,
        title="Badges, compacted by room and user",
    )
    broker.publisher(topics.BROADCAST_DEAD_LETTERS.full_name(prefix), schema=bytes, title="Dead letters")
    # Written by the effects and the webhook, outside of the transactions.
    broker.publisher(
        topics.BROADCAST_SIGNALS.full_name(prefix),
        schema=asyncapi.union_of(signals.ALL),
        title="Reports from LiveKit and from users on stage",
    )
    broker.publisher(
        topics.INVITATION_COMMANDS.full_name(prefix),
        schema=commands.ReleaseSeat,
        title="Seats of co-hosts who did not come back",
    )
    return broker


async def build_service(settings: BroadcastSettings, broker: LaneBroker) -> process.Service:
    """Build the service, to be run in the application's lifespan: pipeline, HTTP and effects."""
    config = settings.pipeline_config(TOPOLOGY.name)
    traces = start_traces(TOPOLOGY.name)
    registry = CollectorRegistry()
    livekit_metrics = LiveKitMetrics(registry)
    livekit = await _create_livekit_client(settings, livekit_metrics, traces.tracer)
    producer = AtLeastOnceProducer(config, TOPOLOGY.source, traces.tracer)
    pool = await database.create_pool(config, size=8)
    effects_pool = await database.create_pool(config, size=4)
    lease = LaneLease()
    totals = LaneTotals(lease, effects_pool, store.count_co_hosts)
    dirty_keys = DirtyKeys()
    effects = create_effects(
        livekit,
        producer,
        effects_pool,
        lease,
        dirty_keys,
        livekit_metrics=livekit_metrics,
        timeouts=settings.seat_timeouts,
        period_seconds=settings.comparison_seconds,
        tracer=traces.tracer,
    )
    pipeline = Pipeline(
        config,
        broker,
        BroadcastProcessor(
            settings.seat_timeouts,
            dirty_keys,
            livekit_metrics,
            numbers=StageNumbers(registry, totals),
            tracer=traces.tracer,
        ),
        PipelineMetrics(registry, TOPOLOGY.name),
        ("services.broadcast",),
        lane_listeners=(totals, effects),
        lease=lease,
        other_pools=(pool, effects_pool),
        tracer=traces.tracer,
    )
    provisioner = RoomProvisioner(livekit, pool, producer, settings.departure_seconds)
    view = GroupView.of_service(config.kafka, TOPOLOGY)
    state = ServiceState("broadcast", pool, view, state_queries.count_state, config.prefix)
    http_app = fastapi_app.create_app(
        TITLE,
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        topology=TOPOLOGY,
        routers=[
            routes.create_stage_router(pool, livekit, provisioner, settings),
            quality.create_quality_router(pool, producer),
            diagnosis.create_diagnosis_router(pool, livekit),
            create_state_router(state, ops_routes.LiveKitState(pool, livekit).read),
            ops_routes.create_stage_list_router(pool),
        ],
        checks={"livekit": livekit.check_access},
        public_routers=_public_routers(livekit, producer, pool, livekit_metrics),
        traces=traces,
    )
    return process.Service(
        TOPOLOGY.name,
        pipeline,
        http_app,
        background=effects.tasks,
        closers=(view.close, producer.stop, livekit.close, effects_pool.close, pool.close, traces.close),
    )


def create_effects(  # noqa: PLR0913 - the dependencies of the effects
    livekit: LiveKitClient,
    producer: AtLeastOnceProducer,
    pool: asyncpg.Pool,
    lease: LaneLease,
    dirty_keys: DirtyKeys,
    *,
    livekit_metrics: LiveKitMetrics,
    timeouts: SeatTimeouts,
    period_seconds: float,
    tracer: Tracer | None = None,
) -> BackgroundEffects:
    """Return the background effects: poller → work queue → reconciler → LiveKit calls → reports."""
    call_seconds = livekit.timeout_seconds
    queue = WorkQueue(time.monotonic, period_seconds)
    poller = PendingPoller(pool, lease, dirty_keys, queue, livekit_metrics)
    snapshots = SnapshotWriter(livekit, producer, timeouts)
    resyncer = RoomResyncer(livekit, pool, lease, snapshots, period_seconds)
    livekit_metrics.oldest_look.set_function(resyncer.oldest_look_seconds)
    throttle = FailureThrottle(time.monotonic)
    reports = ReportWriter(producer, lease)
    retries = RetryScheduler(queue, throttle, dirty_keys, resyncer, call_seconds)
    runner = WorkItemRunner(queue, EffectRunner(livekit, lease, reports), reports, throttle, retries, tracer)
    reconciler = Reconciler(queue, runner, throttle, lease, call_seconds)
    sweeper = Sweeper(livekit, producer, pool, lease, resyncer)
    return BackgroundEffects(poller, reconciler, resyncer, sweeper)


async def _create_livekit_client(
    settings: BroadcastSettings, livekit_metrics: LiveKitMetrics, tracer: Tracer | None
) -> LiveKitClient:
    """Return a client of LiveKit, also while LiveKit does not answer.

    Raises `WrongSetting` if LiveKit refuses our key.
    """
    livekit = LiveKitClient(
        settings.livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        settings.livekit_timeout_seconds,
        livekit_metrics,
        other_kinds=settings.livekit_kinds,
        tracer=tracer,
    )
    if await livekit.check_access() == "unauthorized":
        await livekit.close()
        msg = "COHOST_LIVEKIT_API_KEY: LiveKit refuses this key with this COHOST_LIVEKIT_API_SECRET"
        raise WrongSetting(msg)
    return livekit


def _public_routers(
    livekit: LiveKitClient, producer: AtLeastOnceProducer, pool: asyncpg.Pool, livekit_metrics: LiveKitMetrics
) -> list[APIRouter]:
    return [
        webhook.create_webhook_router(livekit, producer, livekit_metrics),
        admission.create_admission_router(pool, livekit),
    ]
