"""Wiring of the service: processor, sweeper and HTTP."""

from prometheus_client import CollectorRegistry

from messaging import database
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.producer import CloudEventProducer
from services.hosting import http, process
from services.invitations import api
from services.invitations.settings import Settings
from services.invitations.sweeper import Sweeper
from services.invitations.worker import LAYOUT, Invitations


async def build(settings: Settings) -> process.Service:
    """Build the service from its settings."""
    config = settings.pipeline("invitations")
    registry = CollectorRegistry()
    metrics = PipelineMetrics(registry, "invitations")
    pipeline = Pipeline(config, Invitations(settings.policy()), metrics, ("services.invitations",))
    pool = await database.create_pool(config, size=8)
    web = http.create(
        "Co-host invitations",
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        layout=LAYOUT,
        routers=[api.router(pool)],
    )
    sweeping = await database.create_pool(config, size=2)
    producer = CloudEventProducer(config, LAYOUT.source)
    sweeper = Sweeper(pipeline, sweeping, producer)
    closers = (producer.stop, sweeping.close, pool.close)
    return process.Service("invitations", pipeline, web, background=(sweeper.run,), closers=closers)
