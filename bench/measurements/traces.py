"""Measurement of what traces cost a worker: the same drain without them, and with none or few sampled."""

import contextlib
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.environment import BenchEnvironment
from bench.measurements import drain
from bench.results import Measurement

SAMPLED_EVERY = 100


@dataclass(frozen=True)
class TraceVariant:
    """Whether the worker sends traces, and whether one command of `SAMPLED_EVERY` is sampled."""

    name: str
    is_on: bool
    is_sampled: bool


# The commands of all variants have a trace, of the same length: they differ in one digit.
VARIANTS = (
    TraceVariant("off", is_on=False, is_sampled=True),
    TraceVariant("on, 0 % sampled", is_on=True, is_sampled=False),
    TraceVariant("on, 1 % sampled", is_on=True, is_sampled=True),
)


@dataclass(frozen=True)
class TracedDrain:
    """A drain, and the number of spans that it sent."""

    measurement: Measurement
    spans: int


@dataclass
class _SpanSink:
    """An OTLP collector that keeps requests until they are counted."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)

    async def receive(self, request: web.Request) -> web.Response:
        self.requests.append(await request.read())
        return web.Response(content_type="application/x-protobuf")

    def count_spans(self) -> int:
        return sum(
            len(scope.spans)
            for body in self.requests
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
        )


async def measure_variant(
    environment: BenchEnvironment, variant: TraceVariant, count: int, seed: int
) -> TracedDrain:
    """Drain commands with one worker."""
    run = await environment.create_run("traces")
    trace = _number_traces(SAMPLED_EVERY if variant.is_sampled else None)
    commands = await drain.fill_topics(run, count, seed, trace)
    async with _running_sink() as sink:
        variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url} if variant.is_on else {}
        measured = await drain.measure_drain(run, commands, None, **variables)
    return TracedDrain(measured, sink.count_spans())


def _number_traces(sampled_every: int | None) -> Callable[[], Mapping[str, str]]:
    numbers = itertools.count(1)

    def next_trace() -> Mapping[str, str]:
        number = next(numbers)
        flag = int(sampled_every is not None and number % sampled_every == 0)
        return {"traceparent": f"00-{number:032x}-{number:016x}-0{flag}"}

    return next_trace


@contextlib.asynccontextmanager
async def _running_sink() -> AsyncIterator[_SpanSink]:
    sink = _SpanSink()
    application = web.Application()
    application.router.add_post("/v1/traces", sink.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        try:
            await web.SockSite(runner, listener).start()
            sink.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            yield sink
        finally:
            await runner.cleanup()
