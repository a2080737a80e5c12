"""The exporter as a FastStream application: no subscriber, but a reader of the log, and HTTP.

`faststream run ops.exporter.app:create --factory` runs it, as `python -m ops.exporter` does.
"""

from functools import partial

from faststream import FastStream
from prometheus_client import CollectorRegistry

from cohost.kafka.connection import KafkaConnection
from ops.exporter.log_follower import LogFollower
from ops.exporter.metrics import CaughtUpCollector, LogMetrics
from ops.exporter.settings import ExporterSettings
from ops.exporter.stage_history import StageHistory
from services.runtime import process
from services.runtime.http import fastapi_app
from services.runtime.idle_broker import IdleBroker
from services.runtime.readiness import Readiness, check_kafka
from services.runtime.settings import load_settings

TITLE = "Co-host exporter"


def create() -> FastStream:
    """Create the application from the environment; nothing is connected until it runs."""
    settings = load_settings(ExporterSettings)
    lifecycle = process.Lifecycle(settings, partial(build_exporter, settings))
    return FastStream(
        IdleBroker(settings.kafka_bootstrap_servers.split(",")),
        lifespan=lifecycle.lifespan,
        on_shutdown=[lifecycle.stop],
    )


async def build_exporter(settings: ExporterSettings) -> process.Service:
    """Build the exporter, to be run in the application's lifespan: the reader of the log, and HTTP."""
    registry, business = CollectorRegistry(), CollectorRegistry()
    kafka = KafkaConnection(settings.kafka_bootstrap_servers, settings.topic_prefix, settings.kafka_options())
    follower = LogFollower(kafka, StageHistory(business), LogMetrics(registry))
    registry.register(CaughtUpCollector(business, follower))
    http_app = fastapi_app.create_process_app(
        TITLE,
        settings=settings,
        registry=registry,
        readiness=Readiness({"kafka": partial(check_kafka, kafka)}, lambda: {"caught_up": follower.is_ready}),
        topology=None,
        routers=(),
    )
    return process.Service("exporter", follower, http_app)
