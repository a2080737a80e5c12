"""OpenTelemetry's variables turn traces on; without them nothing of it is imported or done."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from services.runtime import tracing
from services.runtime.startup_checks import WrongSetting
from services.runtime.tracing.traces import Traces, start_traces
from tests.contract.service_processes import REPOSITORY, run_until_exit

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
UNREACHABLE = {
    "COHOST_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "COHOST_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "COHOST_JWT_SECRET": "a secret of the tests, long enough for PyJWT",
    "COHOST_INVITATIONS_URL": "http://127.0.0.1:1",
    "COHOST_BROADCAST_URL": "http://127.0.0.1:1",
    "COHOST_LIVEKIT_URL": "ws://127.0.0.1:1",
    "COHOST_LIVEKIT_API_KEY": "key",
    "COHOST_LIVEKIT_API_SECRET": "a secret of LiveKit, long enough for production",
}
_PRINT_MODULES = "import json, sys; print(json.dumps([name for name in sys.modules if '{word}' in name]))"


@pytest.fixture(autouse=True)
def _without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def modules_after(statement: str, word: str) -> list[str]:
    """Return the modules with this word in their name that a new interpreter has after a statement."""
    program = f"{statement}\n{_PRINT_MODULES.format(word=word)}"
    environment = {**os.environ, **UNREACHABLE, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'schemas'}"}
    output = subprocess.check_output([sys.executable, "-c", program], env=environment, cwd=REPOSITORY)
    found: list[str] = json.loads(output)
    return found


@pytest.mark.parametrize("service", ["invitations", "broadcast", "gateway"])
def test_a_service_without_traces_imports_nothing_for_them(service: str) -> None:
    # FastAPI imports the API, whether it is used or not; everything else of OpenTelemetry is missing.
    statement = (
        f"from services.{service} import app\nassert app.start_traces('x').tracer is None\napp.create()"
    )
    loaded = modules_after(statement, "")
    assert [name for name in loaded if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))] == []
    tracing = {name for name in loaded if name.startswith("services.runtime.tracing.")}
    assert tracing == {"services.runtime.tracing.settings", "services.runtime.tracing.traces"}


@pytest.mark.parametrize(
    "module",
    [
        "cohost",
        "messaging.batch.committer",
        "messaging.outbox.publisher",
        "messaging.producer",
        "messaging.tracing.record_tracer",
        "services.broadcast.processor",
        "services.invitations.processor",
    ],
)
def test_what_does_not_need_fastapi_does_without_opentelemetry(module: str) -> None:
    assert modules_after(f"import {module}", "opentelemetry") == []


def test_the_modules_of_a_process_with_traces_are_the_ones_missing_without() -> None:
    statement = (
        f"import os; os.environ.update({ENDPOINT})\n"
        "from services.runtime.tracing.traces import start_traces\nstart_traces('x')"
    )
    loaded = modules_after(statement, "")
    assert {"opentelemetry.sdk.trace", "services.runtime.tracing.otlp"} <= set(loaded)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {**ENDPOINT, "OTEL_SDK_DISABLED": "TRUE"},
        {**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_traces_are_off(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert start_traces("x") == Traces()


WRONG = [
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"},
        "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL such as http://localhost:4318",
    ),
    (
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://"},
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be a URL such as http://localhost:4318",
    ),
    (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:port"},
        "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL such as http://localhost:4318",
    ),
    ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER: must be otlp or none"),
    (
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "OTEL_EXPORTER_OTLP_PROTOCOL: must be http/protobuf",
    ),
    (
        {**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: must be http/protobuf",
    ),
]


@pytest.mark.parametrize(("variables", "line"), WRONG)
def test_a_wrong_setting_is_named(
    variables: Mapping[str, str], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as wrong:
        start_traces("x")
    assert str(wrong.value) == line


@pytest.mark.parametrize("missing", ["opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http"])
def test_missing_packages_are_named_with_the_setting_that_needs_them(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    for name in [name for name in sys.modules if name.startswith((missing, "services.runtime.tracing.otlp"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr(tracing, "otlp", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(WrongSetting, match=r"^OTEL_EXPORTER_OTLP_ENDPOINT: .* requirements-traces\.txt"):
        start_traces("x")


@pytest.mark.parametrize("service", ["invitations", "broadcast", "gateway"])
async def test_a_service_with_a_wrong_setting_exits_with_status_2(service: str) -> None:
    variables = {**UNREACHABLE, "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}
    status, line = await run_until_exit(service, variables)
    assert (status, line) == (2, "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL such as http://localhost:4318")
