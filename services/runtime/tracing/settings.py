"""OpenTelemetry's own settings, as far as they decide whether and how traces are sent."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.settings import has_valid_host

_PROTOCOL = "http/protobuf"


class TraceSettings(BaseSettings):
    """The variables that are read here; the exporter and the SDK read all the others that they know."""

    model_config = SettingsConfigDict(
        env_prefix="OTEL_", env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_protocol: str = _PROTOCOL
    exporter_otlp_traces_protocol: str = ""
    traces_exporter: str = "otlp"
    sdk_disabled: str = Field("false", description="Anything but `true` means false, as the SDK reads it.")

    @property
    def is_on(self) -> bool:
        """Return whether traces are sent."""
        is_disabled = self.sdk_disabled.strip().lower() == "true" or self.traces_exporter == "none"
        return bool(self.endpoint) and not is_disabled

    @property
    def endpoint(self) -> str:
        """Return where traces are sent to, as one of the two variables has it."""
        return self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint

    @property
    def endpoint_variable(self) -> str:
        """Return the variable that has the endpoint."""
        name = "TRACES_ENDPOINT" if self.exporter_otlp_traces_endpoint else "ENDPOINT"
        return f"OTEL_EXPORTER_OTLP_{name}"

    @model_validator(mode="after")
    def _check_sending(self) -> Self:
        if not self.is_on:
            return self
        if not self.endpoint.startswith(("http://", "https://")) or not _has_host(self.endpoint):
            msg = f"{self.endpoint_variable}: must be a URL such as http://localhost:4318"
            raise ValueError(msg)
        if self.traces_exporter != "otlp":
            msg = "OTEL_TRACES_EXPORTER: must be otlp or none"
            raise ValueError(msg)
        name = "TRACES_PROTOCOL" if self.exporter_otlp_traces_protocol else "PROTOCOL"
        if (self.exporter_otlp_traces_protocol or self.exporter_otlp_protocol) != _PROTOCOL:
            msg = f"OTEL_EXPORTER_OTLP_{name}: must be {_PROTOCOL}"
            raise ValueError(msg)
        return self


def _has_host(url: str) -> bool:
    try:
        return has_valid_host(url)
    except ValueError:
        return False
