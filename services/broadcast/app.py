"""The wiring of the service: pipeline, background effects and HTTP."""

import time

import asyncpg
from prometheus_client import CollectorRegistry

from messaging import database, metrics
from messaging.lanes.lease import LaneLease
from messaging.pipeline import Pipeline
from messaging.producer import CloudEventProducer
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
from services.broadcast.http import routes, webhook
from services.broadcast.http.room_provisioner import RoomProvisioner
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics
from services.broadcast.processor import BroadcastProcessor
from services.broadcast.settings import BroadcastSettings
from services.broadcast.topology import TOPOLOGY
from services.runtime import process
from services.runtime.http import fastapi_app


async def build_service(settings: BroadcastSettings) -> process.Service:
    """Return the service with these settings, not started yet."""
    config = settings.pipeline_config(TOPOLOGY.name)
    registry = CollectorRegistry()
    livekit_metrics = LiveKitMetrics(registry)
    livekit = _livekit_client(settings, livekit_metrics)
    producer = CloudEventProducer(config, TOPOLOGY.source)
    pool = await database.create_pool(config, size=8)
    effects_pool = await database.create_pool(config, size=4)
    lease = LaneLease()
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
    )
    pipeline = Pipeline(
        config,
        BroadcastProcessor(settings.seat_timeouts, dirty_keys),
        metrics.PipelineMetrics(registry, TOPOLOGY.name),
        ("services.broadcast",),
        lane_listeners=(effects,),
        lease=lease,
    )
    provisioner = RoomProvisioner(livekit, pool, producer, settings.departure_seconds)
    http_app = fastapi_app.create_app(
        "Co-host broadcast",
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        topology=TOPOLOGY,
        routers=[routes.create_stage_router(pool, livekit, provisioner, settings)],
        checks={"livekit": livekit.is_reachable},
        public_routers=[webhook.create_webhook_router(livekit, producer, livekit_metrics)],
    )
    return process.Service(
        TOPOLOGY.name,
        pipeline,
        http_app,
        background=(
            effects.poller.run,
            effects.reconciler.run,
            effects.resyncer.run,
            effects.sweeper.run,
        ),
        closers=(producer.stop, livekit.close, effects_pool.close, pool.close),
    )


def create_effects(  # noqa: PLR0913 - what the effects act on
    livekit: LiveKitClient,
    producer: CloudEventProducer,
    pool: asyncpg.Pool,
    lease: LaneLease,
    dirty_keys: DirtyKeys,
    *,
    livekit_metrics: LiveKitMetrics,
    timeouts: SeatTimeouts,
    period_seconds: float,
) -> BackgroundEffects:
    """Return the background effects: poller → work queue → reconciler → LiveKit calls → reports."""
    call_seconds = livekit.timeout_seconds
    queue = WorkQueue(time.monotonic, period_seconds)
    poller = PendingPoller(pool, lease, dirty_keys, queue, livekit_metrics)
    snapshots = SnapshotWriter(livekit, producer, timeouts)
    resyncer = RoomResyncer(livekit, pool, lease, snapshots, period_seconds)
    throttle = FailureThrottle(time.monotonic)
    reports = ReportWriter(producer, lease)
    retries = RetryScheduler(queue, throttle, dirty_keys, resyncer, call_seconds)
    runner = WorkItemRunner(queue, EffectRunner(livekit, lease, reports), reports, throttle, retries)
    reconciler = Reconciler(queue, runner, throttle, lease, call_seconds)
    sweeper = Sweeper(livekit, producer, pool, lease, resyncer)
    return BackgroundEffects(poller, reconciler, resyncer, sweeper)


def _livekit_client(settings: BroadcastSettings, livekit_metrics: LiveKitMetrics) -> LiveKitClient:
    return LiveKitClient(
        settings.livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        settings.livekit_timeout_seconds,
        livekit_metrics,
    )
