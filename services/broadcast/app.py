"""The wiring of the service: pipeline, background effects and HTTP."""

import asyncpg
from prometheus_client import CollectorRegistry

from messaging import database, metrics
from messaging.config import Config
from messaging.pipeline import Pipeline
from messaging.producer import CloudEventProducer
from services.broadcast.dirty_keys import DirtyKeys
from services.broadcast.effects.dependencies import EffectDependencies
from services.broadcast.effects.lease import LaneLease
from services.broadcast.effects.reconciler import Reconciler
from services.broadcast.effects.resyncer import RoomResyncer
from services.broadcast.effects.sweeper import Sweeper
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
    pool = await database.create_pool(config, size=8)
    effects_pool = await database.create_pool(config, size=4)
    dependencies = _effect_dependencies(settings, config, effects_pool, registry)
    dirty_keys = DirtyKeys()
    resyncer = RoomResyncer(dependencies, settings.seat_timeouts, settings.comparison_seconds)
    provisioner = RoomProvisioner(
        dependencies.livekit, pool, dependencies.producer, settings.departure_seconds
    )
    reconciler = Reconciler(dependencies, resyncer, dirty_keys)
    processor = BroadcastProcessor(settings.seat_timeouts, dirty_keys)
    pipeline = Pipeline(
        config,
        processor,
        metrics.PipelineMetrics(registry, TOPOLOGY.name),
        ("services.broadcast",),
        lane_listeners=(reconciler, resyncer),
    )
    dependencies.lease.use_pipeline(pipeline)
    http_app = fastapi_app.create_app(
        "Co-host broadcast",
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        topology=TOPOLOGY,
        routers=[routes.create_stage_router(pool, dependencies.livekit, provisioner, settings)],
        checks={"livekit": dependencies.livekit.is_reachable},
        public_routers=[
            webhook.create_webhook_router(dependencies.livekit, dependencies.producer, dependencies.metrics)
        ],
    )
    return process.Service(
        TOPOLOGY.name,
        pipeline,
        http_app,
        background=(reconciler.run, resyncer.run, Sweeper(dependencies, resyncer).run),
        closers=(dependencies.producer.stop, dependencies.livekit.close, effects_pool.close, pool.close),
    )


def _effect_dependencies(
    settings: BroadcastSettings, config: Config, pool: asyncpg.Pool, registry: CollectorRegistry
) -> EffectDependencies:
    livekit_metrics = LiveKitMetrics(registry)
    livekit = LiveKitClient(
        settings.livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        settings.livekit_timeout_seconds,
        livekit_metrics,
    )
    return EffectDependencies(
        livekit, CloudEventProducer(config, TOPOLOGY.source), pool, LaneLease(), livekit_metrics
    )
