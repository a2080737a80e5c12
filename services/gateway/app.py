"""The gateway as a FastStream application: no subscriber, but HTTP, the client of Kafka, and streams.

`faststream run services.gateway.app:create --factory` runs it, as `python -m services.gateway` does.
"""

from functools import partial

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from faststream import FastStream
from prometheus_client import CollectorRegistry

import cohost
from cohost.kafka.connection import KafkaConnection
from services.gateway.commands.earlier_use import EarlierUses
from services.gateway.commands.limit import CommandLimit
from services.gateway.commands.metrics import CommandMetrics
from services.gateway.commands.runner import CommandRunner
from services.gateway.http import commands, diagnosis_route, facts, quality_route, reads, streams, web_pages
from services.gateway.http.command_answers import CommandProblem
from services.gateway.kafka_access import KafkaAccess
from services.gateway.ops import log_routes
from services.gateway.ops.dead_letters.parts import DeadLetterParts
from services.gateway.ops.dead_letters.routes import RedriveProblem
from services.gateway.ops.log_view import LogView
from services.gateway.ops.state import routes as ops_state
from services.gateway.services import ServiceProxy
from services.gateway.settings import GatewaySettings
from services.gateway.streams.event_hub import EventHub
from services.gateway.streams.metrics import StreamMetrics
from services.gateway.topology import SOURCE, TOPICS
from services.gateway.trace import PublicationTracer, current_trace
from services.runtime import asyncapi, process
from services.runtime.http import fastapi_app, server
from services.runtime.idle_broker import IdleBroker
from services.runtime.readiness import Readiness, check_kafka
from services.runtime.settings import load_settings
from services.runtime.tracing.traces import start_traces

TITLE = "Co-host gateway"

_REQUEST_HEADERS = (
    *("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer"),
    *("traceparent", "tracestate"),
)
_EXPOSED_HEADERS = ("Location", "Retry-After")
_MAX_CONNECTIONS = 20_000


def create() -> FastStream:
    """Create the application from the environment; nothing is connected until it runs."""
    settings = load_settings(GatewaySettings)
    lifecycle = process.Lifecycle(settings, partial(build_gateway, settings))
    return FastStream(
        IdleBroker(settings.kafka_bootstrap_servers.split(",")),
        specification=asyncapi.ServiceSpecification(
            TITLE, TOPICS, settings.topic_prefix, settings.partitions
        ),
        lifespan=lifecycle.lifespan,
        on_shutdown=[lifecycle.stop],
    )


async def build_gateway(settings: GatewaySettings) -> process.Service:
    """Build the gateway, to be run in the application's lifespan: HTTP, and access to Kafka."""
    traces = start_traces(TOPICS.name)
    tracer = PublicationTracer(traces.tracer, settings.topic_prefix)
    registry = CollectorRegistry()
    kafka = KafkaConnection(settings.kafka_bootstrap_servers, settings.topic_prefix, settings.kafka_options())
    log_view = LogView(kafka)
    hub = EventHub(kafka, StreamMetrics(registry), log_view.activity)
    # Streams end with it: else the HTTP server would wait for them.
    access = KafkaAccess(partial(create_client, settings), on_stop=hub.stop)
    invitations = ServiceProxy("invitations", settings.invitations_url)
    broadcast = ServiceProxy("broadcast", settings.broadcast_url)
    letters = DeadLetterParts(kafka, registry)
    metrics = CommandMetrics(registry)
    runner = CommandRunner(access, EarlierUses(invitations, broadcast), metrics, tracer)
    readiness = Readiness(
        {"kafka": partial(check_kafka, kafka)}, lambda: {"commands": access.is_ready, "streams": hub.is_ready}
    )
    http_app = fastapi_app.create_process_app(
        TITLE,
        settings=settings,
        registry=registry,
        readiness=readiness,
        topology=TOPICS,
        routers=[
            reads.create_read_router(invitations, broadcast),
            diagnosis_route.create_diagnosis_router(invitations, broadcast),
            quality_route.create_quality_router(broadcast),
            streams.create_stream_router(hub, invitations),
            commands.create_command_router(runner, CommandLimit(settings.commands_per_minute, metrics)),
            facts.create_fact_router(access, tracer),
            letters.router,
            ops_state.create_state_router(invitations, broadcast, settings.audit_report),
            log_routes.create_log_router(log_view),
        ],
        public_routers=web_pages.create_page_routers(settings),
        problem_models=[CommandProblem, RedriveProblem],
        traces=traces,
    )
    allow_origins(http_app, settings.cors_origins)
    return process.Service(
        TOPICS.name,
        access,
        http_app,
        background=(hub.run, log_view.run),
        closers=(log_view.close, invitations.close, broadcast.close, letters.close, traces.close),
        max_connections=server.max_connections(_MAX_CONNECTIONS, descriptors_per_connection=2),
    )


def create_client(settings: GatewaySettings) -> cohost.Client:
    """Return a client for commands, facts and their outcomes; it asks the services nothing itself."""
    return cohost.Client(
        settings.kafka_bootstrap_servers,
        prefix=settings.topic_prefix,
        source=SOURCE,
        security=settings.kafka_options(),
        trace=current_trace,
    )


def allow_origins(application: FastAPI, origins: tuple[str, ...]) -> None:
    """Let browsers call from these origins, with every header of the contract and without cookies."""
    if origins:
        application.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "DELETE"),
            allow_headers=_REQUEST_HEADERS,
            expose_headers=_EXPOSED_HEADERS,
        )
