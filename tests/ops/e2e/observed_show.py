"""A show on real servers, which a Prometheus observes."""

import asyncio
import dataclasses
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from demo import closing_steps, steps
from demo.context import DemoContext, run_steps
from demo.http_client import open_http_client
from demo.show_client import DemoEnvironment
from demo.timeline import Timeline
from stack import Stack, components, ports
from stack.processes.process import Program
from stack.services import RunningServices, ServiceProcess
from tests.ops.e2e.prometheus_reader import PrometheusReader
from tests.ops.e2e.watched_show import write_quick_configuration

# Without the steps that wait for a time to pass, or that add nothing to the metrics.
_STEPS = (
    steps.open_room,
    steps.invite_dave_and_erin,
    steps.promote_bob,
    steps.reject_second_accept,
    steps.decline_and_reinvite,
    steps.accept_while_absent,
    steps.reconnect_in_time,
    steps.mute_carol,
)
_CLOSING_STEPS = (closing_steps.remove_co_host, closing_steps.end_room)
# A show may be over before LiveKit, which counts packets every few seconds, was scraped twice.
_MEDIA = (
    "rate(livekit_packet_bytes[10s])",
    "histogram_quantile(0.95, rate(livekit_packet_loss_percent_bucket[10s]))",
)
_MEDIA_SECONDS = 120


@dataclass(frozen=True)
class ObservedStack:
    """Servers and services, and the Prometheus that scrapes them."""

    stack: Stack
    services: RunningServices
    prometheus: PrometheusReader
    began_at: float


class ExporterProcess(ServiceProcess):
    """The process of the exporter, which starts like a service."""

    async def prepare_program(self) -> Program:
        """Return the program to run."""
        command = (sys.executable, "-m", "ops.exporter")
        return dataclasses.replace(await super().prepare_program(), command=command)


@asynccontextmanager
async def run_observed_stack(folder: Path) -> AsyncIterator[ObservedStack]:
    """Run servers, services, gateway and exporter, and a Prometheus that scrapes them every two seconds."""
    async with AsyncExitStack() as ending:
        stack = await ending.enter_async_context(Stack(isolated=True))
        services = await ending.enter_async_context(stack.run_services("show.", with_gateway=True))
        exporter = await ending.enter_async_context(_run_exporter(stack, services))
        targets = {
            "invitations": [_address(services.invitations_url)],
            "broadcast": [_address(services.broadcast_url)],
            "gateway": [_address(services.gateway_url)],
            "exporter": [_address(exporter)],
            "livekit": [stack.livekit_metrics_address],
        }
        url = await ending.enter_async_context(
            stack.run_prometheus(targets, write_quick_configuration(folder / "prometheus"))
        )
        http = await ending.enter_async_context(httpx.AsyncClient(base_url=url, trust_env=False, timeout=30))
        yield ObservedStack(stack, services, PrometheusReader(http), time.time())


async def play_show(observed: ObservedStack) -> None:
    """Play the demo over HTTP, without the steps that wait for a time to pass."""
    stack, services = observed.stack, observed.services
    environment = DemoEnvironment(
        stack.kafka_bootstrap_servers,
        services.invitations_url,
        services.broadcast_url,
        services.gateway_url,
        services.jwt_secret,
        stack.livekit_url,
        stack.livekit_api_key,
        stack.livekit_api_secret,
    )
    async with open_http_client(environment.gateway_url, environment.jwt_secret) as client:
        context = DemoContext(environment, client, Timeline())
        try:
            await run_steps(context, _STEPS)
            await _wait_for_media(observed)
            await run_steps(context, _CLOSING_STEPS)
        finally:
            await context.close()


async def _wait_for_media(observed: ObservedStack) -> None:
    """Wait until Prometheus has seen media flow."""
    async with asyncio.timeout(_MEDIA_SECONDS):
        for expression in _MEDIA:
            while not await observed.prometheus.range_series(expression, observed.began_at, time.time()):
                await asyncio.sleep(0.2)


@asynccontextmanager
async def _run_exporter(stack: Stack, services: RunningServices) -> AsyncIterator[str]:
    (port,) = ports.reserve_ports((), 1)
    exporter = ExporterProcess("exporter", (port,), services.environment, stack.root / "exporter.log")
    running = await components.launch_component(exporter)
    try:
        yield exporter.address
    finally:
        await running.stop()
        ports.release_ports(port)


def _address(url: str) -> str:
    return urlsplit(url).netloc
