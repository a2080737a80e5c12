"""Kafka address and credentials from the services' environment variables (contract, section 8)."""

import os
from dataclasses import dataclass
from typing import Any

from aiokafka.helpers import create_ssl_context

from schemas import topics

_PREFIX = "COHOST_KAFKA_"
_TLS = ("cafile", "capath", "cadata", "certfile", "keyfile", "password")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings from the environment; `kafka_options` has aiokafka's own argument names."""

    kafka: dict[str, str]
    topic_prefix: str

    @property
    def bootstrap_servers(self) -> str:
        """Return Kafka's bootstrap servers."""
        return self.kafka.get("bootstrap_servers", "127.0.0.1:9092")

    def security(self) -> dict[str, Any]:
        """Return aiokafka's security arguments. Raises `OSError` for an unreadable certificate file."""
        arguments: dict[str, Any] = {
            name: value for name, value in self.kafka.items() if name.startswith(("security_", "sasl_"))
        }
        if arguments.get("security_protocol", "").endswith("SSL"):
            tls = {name: self.kafka[f"ssl_{name}"] for name in _TLS if f"ssl_{name}" in self.kafka}
            arguments["ssl_context"] = create_ssl_context(**tls)
        return arguments


def load() -> Settings:
    """Return the settings from the environment."""
    return Settings(
        {name.removeprefix(_PREFIX).lower(): value for name, value in os.environ.items() if _is(name, value)},
        os.environ.get("COHOST_TOPIC_PREFIX", topics.DEFAULT_PREFIX),
    )


def _is(name: str, value: str) -> bool:
    return name.startswith(_PREFIX) and value != ""
