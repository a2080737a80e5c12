"""A collector of spans over OTLP/HTTP, in the test's process."""

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.contract.polling import wait_until


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it was exported; ids are hexadecimal, `parent_id` is empty for a trace's first."""

    service: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    links: tuple[tuple[str, str], ...]
    failed: bool
    attributes: Mapping[str, Any]

    @property
    def outcome(self) -> tuple[Any, Any]:
        return self.attributes.get("cohost.outcome"), self.attributes.get("cohost.reason")


@dataclass
class OtlpCollector:
    """The spans received so far, and where to send more."""

    url: str = ""
    spans: list[CollectedSpan] = field(default_factory=list)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that sends its spans here, without delay."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def find(self, trace_id: str, name: str | None = None) -> list[CollectedSpan]:
        return [
            span for span in self.spans if span.trace_id == trace_id and (name is None or span.name == name)
        ]

    async def wait_for(
        self, trace_id: str, name: str, seconds: float = 60, **attributes: Any
    ) -> CollectedSpan:
        """Return the first span of a trace with this name, and these values of `cohost.` attributes."""
        wanted = {f"cohost.{key}": value for key, value in attributes.items()}

        def found() -> CollectedSpan | None:
            spans = self.find(trace_id, name)
            return next((span for span in spans if wanted.items() <= span.attributes.items()), None)

        span = await wait_until(found, f"{name} {wanted} in {self.find(trace_id)}", seconds)
        assert isinstance(span, CollectedSpan)
        return span

    async def wait_for_parent(self, span: CollectedSpan, seconds: float = 60) -> CollectedSpan:
        def found() -> CollectedSpan | None:
            return next((each for each in self.find(span.trace_id) if each.span_id == span.parent_id), None)

        parent = await wait_until(found, f"the parent of {span} in {self.find(span.trace_id)}", seconds)
        assert isinstance(parent, CollectedSpan)
        return parent

    def linked_to(self, span: CollectedSpan, name: str) -> list[CollectedSpan]:
        place = (span.trace_id, span.span_id)
        return [other for other in self.spans if other.name == name and place in other.links]

    async def receive(self, request: web.Request) -> web.Response:
        exported = ExportTraceServiceRequest.FromString(await request.read())
        for resource in exported.resource_spans:
            service = read_attributes(resource.resource.attributes)["service.name"]
            for scope in resource.scope_spans:
                self.spans += [read_span(service, span) for span in scope.spans]
        return web.Response(
            body=ExportTraceServiceResponse().SerializeToString(), content_type="application/x-protobuf"
        )


def read_span(service: str, span: Span) -> CollectedSpan:
    return CollectedSpan(
        service=service,
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes=read_attributes(span.attributes),
    )


def read_attributes(attributes: Any) -> dict[str, Any]:
    found: list[KeyValue] = list(attributes)
    return {each.key: read_value(each.value) for each in found}


def read_value(value: AnyValue) -> Any:
    name = value.WhichOneof("value")
    assert name is not None
    if name == "array_value":
        return [read_value(each) for each in value.array_value.values]
    return getattr(value, name)


@contextlib.asynccontextmanager
async def running_collector() -> AsyncIterator[OtlpCollector]:
    """Run a collector during the block."""
    collector = OtlpCollector()
    application = web.Application()
    application.router.add_post("/v1/traces", collector.receive)
    runner = web.AppRunner(application)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        await web.SockSite(runner, listener).start()
        collector.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            yield collector
        finally:
            await runner.cleanup()
