"""Wiring of the service: processor, sweeper and HTTP."""

from prometheus_client import CollectorRegistry

from messaging import database
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.producer import CloudEventProducer
from services.invitations.effects.sweeper import Sweeper
from services.invitations.http import routes
from services.invitations.processor import InvitationsProcessor
from services.invitations.settings import InvitationsSettings
from services.invitations.topology import TOPOLOGY
from services.runtime import process
from services.runtime.http import fastapi_app


async def build_service(settings: InvitationsSettings) -> process.Service:
    """Build the service from its settings."""
    config = settings.pipeline_config("invitations")
    registry = CollectorRegistry()
    metrics = PipelineMetrics(registry, "invitations")
    pipeline = Pipeline(
        config, InvitationsProcessor(settings.invitation_policy()), metrics, ("services.invitations",)
    )
    pool = await database.create_pool(config, size=8)
    http_app = fastapi_app.create_app(
        "Co-host invitations",
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        topology=TOPOLOGY,
        routers=[routes.create_invitations_router(pool)],
    )
    sweeper_pool = await database.create_pool(config, size=2)
    producer = CloudEventProducer(config, TOPOLOGY.source)
    sweeper = Sweeper(pipeline, sweeper_pool, producer)
    closers = (producer.stop, sweeper_pool.close, pool.close)
    return process.Service("invitations", pipeline, http_app, background=(sweeper.run,), closers=closers)
