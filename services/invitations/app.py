"""The invitations service as a FastStream application: topics in, handler, topics out, HTTP and sweeper.

`faststream run services.invitations.app:create --factory` runs it, as `python -m services.invitations` does.
"""

from functools import partial

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaMessage
from prometheus_client import CollectorRegistry

from cohost_schemas import commands, events, topics
from cohost_schemas.rejections import CommandRejected
from messaging import database
from messaging.inputs.broker import LaneBroker
from messaging.lanes.lease import LaneLease
from messaging.metrics import PipelineMetrics
from messaging.pipeline import Pipeline
from messaging.producer import AtLeastOnceProducer
from services.invitations.effects.sweeper import Sweeper
from services.invitations.http import routes, state_queries
from services.invitations.metrics import InvitationNumbers, count_rows
from services.invitations.processor import InvitationsProcessor
from services.invitations.settings import InvitationsSettings
from services.invitations.topology import TOPOLOGY
from services.runtime import asyncapi, process
from services.runtime.business.lane_totals import LaneTotals
from services.runtime.http import fastapi_app
from services.runtime.ops.group_view import GroupView
from services.runtime.ops.service_state import ServiceState
from services.runtime.ops.state_routes import create_state_router
from services.runtime.settings import load_settings
from services.runtime.tracing.traces import start_traces

TITLE = "Co-host invitations"


def create() -> FastStream:
    """Create the application from the environment; nothing is connected until it runs."""
    settings = load_settings(InvitationsSettings)
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


def create_broker(settings: InvitationsSettings) -> LaneBroker:
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
        topics.INVITATION_EVENTS.full_name(prefix),
        schema=asyncapi.union_of(events.INVITATIONS),
        title="Invitation events",
    )
    broker.publisher(
        topics.INVITATION_REJECTIONS.full_name(prefix), schema=CommandRejected, title="Rejected commands"
    )
    broker.publisher(topics.INVITATION_DEAD_LETTERS.full_name(prefix), schema=bytes, title="Dead letters")
    # Written by the sweeper, outside of the transactions.
    broker.publisher(
        topics.INVITATION_COMMANDS.full_name(prefix),
        schema=commands.ExpireInvitation | commands.ExcludeUser,
        title="Commands of the sweeper",
    )
    return broker


async def build_service(settings: InvitationsSettings, broker: LaneBroker) -> process.Service:
    """Build the service, to be run in the application's lifespan: pipeline, HTTP and sweeper."""
    config = settings.pipeline_config(TOPOLOGY.name)
    traces = start_traces(TOPOLOGY.name)
    registry = CollectorRegistry()
    metrics = PipelineMetrics(registry, TOPOLOGY.name)
    pool = await database.create_pool(config, size=8)
    sweeper_pool = await database.create_pool(config, size=2)
    lease = LaneLease()
    totals = LaneTotals(lease, sweeper_pool, count_rows)
    processor = InvitationsProcessor(
        settings.invitation_policy(), numbers=InvitationNumbers(registry, totals)
    )
    pipeline = Pipeline(
        config,
        broker,
        processor,
        metrics,
        ("services.invitations",),
        lane_listeners=(totals,),
        lease=lease,
        other_pools=(pool, sweeper_pool),
        tracer=traces.tracer,
    )
    view = GroupView.of_service(config.kafka, TOPOLOGY)
    state = ServiceState("invitations", pool, view, state_queries.count_state, config.prefix)
    http_app = fastapi_app.create_app(
        TITLE,
        settings=settings,
        pipeline=pipeline,
        registry=registry,
        pool=pool,
        topology=TOPOLOGY,
        routers=[
            routes.create_invitations_router(pool, settings.invitation_policy()),
            create_state_router(state),
        ],
        traces=traces,
    )
    producer = AtLeastOnceProducer(config, TOPOLOGY.source, traces.tracer)
    sweeper = Sweeper(pipeline, sweeper_pool, producer)
    closers = (view.close, producer.stop, sweeper_pool.close, pool.close, traces.close)
    return process.Service(TOPOLOGY.name, pipeline, http_app, background=(sweeper.run,), closers=closers)
