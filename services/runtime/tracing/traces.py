"""Start and stop a process' traces."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi.telemetry import TelemetryConfig
from pydantic import ValidationError
from starlette.datastructures import Headers
from starlette.types import Scope

from cohost.kafka.security import describe_wrong_setting
from messaging.tracing.context import is_sampled
from messaging.tracing.tracer import Tracer
from services.runtime.startup_checks import WrongSetting
from services.runtime.tracing.settings import TraceSettings

# FastAPI has telemetry of its own, which begins with any tracer provider that is registered globally.
_WITHOUT_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "auto_configure": False,
}


async def _close_nothing() -> None:
    """Close traces that were never started."""


def _find_no_parent() -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Traces:
    """A process' traces; without a tracer they are off.

    `telemetry` is FastAPI's, which traces HTTP requests. `current_parent` returns the `traceparent` of the
    request that is being served, None if it has no span.
    """

    tracer: Tracer | None = None
    telemetry: TelemetryConfig = field(default_factory=lambda: _WITHOUT_TELEMETRY)
    current_parent: Callable[[], str | None] = _find_no_parent
    close: Callable[[], Awaitable[None]] = _close_nothing


def start_traces(service: str) -> Traces:
    """Return the traces of a service, on if the environment has an OTLP endpoint.

    Raises `WrongSetting` if a setting is wrong or the packages that it needs are not installed.
    """
    try:
        settings = TraceSettings()
    except ValidationError as error:
        raise WrongSetting(describe_wrong_setting(error)) from error
    if not settings.is_on:
        return Traces()
    try:
        from services.runtime.tracing import otlp  # noqa: PLC0415 - nothing of it is imported while traces are off
    except ImportError as error:
        msg = f"{settings.endpoint_variable}: to send traces, install requirements-traces.txt ({error})"
        raise WrongSetting(msg) from error
    try:
        exporter = otlp.SpanExport(service)
    except ValueError as error:
        msg = f"{settings.endpoint_variable}: another variable of OpenTelemetry is wrong: {error}"
        raise WrongSetting(msg) from error
    telemetry: TelemetryConfig = {
        **_WITHOUT_TELEMETRY,
        "tracing": True,
        "operation_spans": False,
        "tracer_provider": exporter.provider,
        "exclude": _is_unsampled,
    }
    return Traces(exporter.tracer, telemetry, otlp.current_parent, exporter.close)


def _is_unsampled(scope: Scope) -> bool:
    parents = Headers(scope=scope).getlist("traceparent")
    return len(parents) != 1 or not is_sampled(parents[0])
