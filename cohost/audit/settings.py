"""Kafka address and credentials from the services' environment variables (contract, section 8)."""

import os
from dataclasses import dataclass
from typing import Any

from aiokafka.helpers import create_ssl_context

from cohost_schemas import topics

_PREFIX = "COHOST_KAFKA_"
_TLS_OPTIONS = ("cafile", "capath", "cadata", "certfile", "keyfile", "password")


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Settings from the environment; `kafka_options` has aiokafka's own argument names."""

    kafka_options: dict[str, str]
    topic_prefix: str

    @property
    def bootstrap_servers(self) -> str:
        """Return Kafka's bootstrap servers."""
        return self.kafka_options.get("bootstrap_servers", "127.0.0.1:9092")

    def security_options(self) -> dict[str, Any]:
        """Return aiokafka's security arguments. Raises `OSError` for an unreadable certificate file."""
        arguments: dict[str, Any] = {
            name: value
            for name, value in self.kafka_options.items()
            if name.startswith(("security_", "sasl_"))
        }
        if arguments.get("security_protocol", "").endswith("SSL"):
            tls = {
                name: self.kafka_options[f"ssl_{name}"]
                for name in _TLS_OPTIONS
                if f"ssl_{name}" in self.kafka_options
            }
            arguments["ssl_context"] = create_ssl_context(**tls)
        return arguments


def load_settings() -> AuditSettings:
    """Return the settings from the environment."""
    return AuditSettings(
        {
            name.removeprefix(_PREFIX).lower(): value
            for name, value in os.environ.items()
            if _is_kafka_variable(name, value)
        },
        os.environ.get("COHOST_TOPIC_PREFIX", topics.DEFAULT_PREFIX),
    )


def _is_kafka_variable(name: str, value: str) -> bool:
    return name.startswith(_PREFIX) and value != ""
