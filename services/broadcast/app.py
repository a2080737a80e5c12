"""The wiring of the service: pipeline, background effects and HTTP."""

import asyncpg
from prometheus_client import CollectorRegistry

from messaging import database, metrics
from messaging.config import Config
from messaging.pipeline import Pipeline
from messaging.producer import CloudEventProducer
from services.broadcast import api, webhook
from services.broadcast.comparison import Comparison
from services.broadcast.creation import Creation
from services.broadcast.livekit import LiveKit
from services.broadcast.metrics import Metrics
from services.broadcast.ownership import Ownership
from services.broadcast.reconciler import Reconciler
from services.broadcast.settings import Settings
from services.broadcast.surroundings import Surroundings
from services.broadcast.sweeper import Sweeper
from services.broadcast.wakeup import Wakeup
from services.broadcast.worker import LAYOUT, Worker
from services.hosting import http, process


async def build(settings: Settings) -> process.Service:
    """Return the service with these settings, not started yet."""
    config = settings.pipeline(LAYOUT.name)
    registry = CollectorRegistry()
    pool = await database.create_pool(config, size=8)
    acting = await database.create_pool(config, size=4)
    around = _surroundings(settings, config, acting, registry)
    wakeup = Wakeup()
    comparison = Comparison(around, settings.patience, settings.comparison_seconds)
    creation = Creation(around.livekit, pool, around.producer, settings.departure_seconds)
    reconciler = Reconciler(around, comparison, wakeup)
    worker = Worker(settings.patience, wakeup, (reconciler, comparison))
    pipeline = Pipeline(
        config, worker, metrics.PipelineMetrics(registry, LAYOUT.name), ("services.broadcast",)
    )
    around.ownership.follow(pipeline)
    web = http.create(
        "Co-host broadcast",
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        layout=LAYOUT,
        routers=[api.router(pool, around.livekit, creation, settings)],
        checks={"livekit": around.livekit.reachable},
        open_routers=[webhook.router(around.livekit, around.producer, around.metrics)],
    )
    return process.Service(
        LAYOUT.name,
        pipeline,
        web,
        background=(reconciler.run, comparison.run, Sweeper(around, comparison).run),
        closers=(around.producer.stop, around.livekit.close, acting.close, pool.close),
    )


def _surroundings(
    settings: Settings, config: Config, pool: asyncpg.Pool, registry: CollectorRegistry
) -> Surroundings:
    watched = Metrics(registry)
    livekit = LiveKit(
        settings.livekit_url,
        settings.livekit_api_key,
        settings.livekit_api_secret.get_secret_value(),
        settings.livekit_timeout_seconds,
        watched,
    )
    return Surroundings(livekit, CloudEventProducer(config, LAYOUT.source), pool, Ownership(), watched)
