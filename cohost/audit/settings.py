"""Kafka address and credentials from the services' environment variables (contract, section 8)."""

import os

from pydantic import ValidationError

from cohost.kafka.security import KafkaSecurity, describe_wrong_setting
from cohost_schemas import topics

_PREFIX = "COHOST_"


class AuditSettings(KafkaSecurity):
    """Settings from the environment: those of the services that the audit needs."""

    kafka_bootstrap_servers: str = "127.0.0.1:9092"
    topic_prefix: str = topics.DEFAULT_PREFIX


def load_settings() -> AuditSettings:
    """Return the settings from the environment; an empty variable counts as not set.

    Raises `ValueError` that names the wrong variable.
    """
    given = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in os.environ.items()
        if name.startswith(_PREFIX) and value
    }
    try:
        return AuditSettings.model_validate(given)
    except ValidationError as error:
        raise ValueError(describe_wrong_setting(error)) from None
