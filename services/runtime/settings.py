"""Settings that the processes share (contract, section 8), read from the environment only."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cohost.kafka import security
from cohost.kafka.security import KafkaSecurity, Secret
from cohost_schemas import topics
from messaging.config import Config
from messaging.postgres.url import parse_database_url
from services.runtime.http import auth
from services.runtime.http.jwks_url import JwksUrl

EXIT_WRONG_SETTING = 2

_MAX_PREFIX_LENGTH = 249 - max(len(topic.suffix) for topic in topics.ALL)
_MAX_PORT = 65_535
# RFC 7518, section 3.2: a key of at least the hash's size.
_MIN_SECRET_BYTES = 32
# An event id has three hexadecimal digits for its partition.
_MAX_PARTITIONS = 4096

_match_server = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/,\[\]@]+)(:(?P<port>[0-9]{1,5}))?").fullmatch
_match_jwks_url = re.compile(r"https?://[^\s/@?#]+([/?]\S*)?").fullmatch
_match_database_url = re.compile(r"postgres(ql)?://\S*").fullmatch


def variable_name(field: str) -> str:
    """Return the environment variable that sets a field of the settings."""
    return f"COHOST_{field.upper()}"


def is_example_secret(secret: str) -> bool:
    """Return whether this is one of the secrets in the published examples."""
    return secret.lower().startswith("change-me")


def reject_short_secret(field: str, secret: SecretStr | None) -> None:
    """Raise `ValueError` if a signing secret is set, but too short for production."""
    if secret is not None and len(secret.get_secret_value().encode()) < _MIN_SECRET_BYTES:
        msg = f"{variable_name(field)}: must have at least {_MIN_SECRET_BYTES} bytes in production"
        raise ValueError(msg)


def is_valid_host(name: str) -> bool:
    """Return whether a host name can be resolved: its labels have a length that DNS allows."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def has_valid_host(url: str) -> bool:
    """Return whether a URL has a host name that can be resolved. Raises `ValueError` for a wrong port."""
    parts = urlsplit(url)
    return bool(parts.hostname) and is_valid_host(str(parts.hostname)) and parts.port != 0


def _validate_servers(value: str) -> str:
    servers = [server.strip() for server in value.split(",")]
    for server in servers:
        found = _match_server(server)
        if found is None or not is_valid_host(found["host"]) or not 0 < int(found["port"] or 1) <= _MAX_PORT:
            msg = "must be host:port, or several of them separated by commas"
            raise ValueError(msg)
    return ",".join(servers)


def _validate_database_url(value: SecretStr) -> SecretStr:
    if _match_database_url(value.get_secret_value()) is None:
        msg = "must be a URL that starts with postgresql://"
        raise ValueError(msg)
    parse_database_url(value.get_secret_value())
    return value


def _validate_jwt_secret(value: SecretStr) -> SecretStr:
    auth.Authenticator(value.get_secret_value(), None)
    return value


def _validate_jwks_file(value: Path) -> Path:
    auth.Authenticator(None, _read_jwks(value))
    return value


def _validate_jwks_url(value: str) -> str:
    if _match_jwks_url(value) is None or not has_valid_host(value):
        msg = "must be a URL that starts with https:// or http://"
        raise ValueError(msg)
    return value


def _read_jwks(file: Path) -> dict[str, Any]:
    try:
        jwks = json.loads(file.read_bytes())
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise ValueError(msg) from error
    except ValueError as error:
        msg = "is not JSON"
        raise ValueError(msg) from error
    return jwks if isinstance(jwks, dict) else {}


Port = Annotated[int, Field(ge=1, le=_MAX_PORT)]
Servers = Annotated[str, AfterValidator(_validate_servers)]
DatabaseUrl = Annotated[Secret, AfterValidator(_validate_database_url)]
JwtSecret = Annotated[Secret, AfterValidator(_validate_jwt_secret)]
JwksFile = Annotated[Path, AfterValidator(_validate_jwks_file)]
JwksAddress = Annotated[str, AfterValidator(_validate_jwks_url)]
TopicPrefix = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=_MAX_PREFIX_LENGTH)]


class ProcessSettings(KafkaSecurity, BaseSettings):
    """Settings that every process has: Kafka, HTTP, callers' tokens, logs."""

    needs_token_keys: ClassVar[bool] = True
    """Whether the process has routes that require a token."""

    model_config = SettingsConfigDict(
        env_prefix="COHOST_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    kafka_bootstrap_servers: Servers = "127.0.0.1:9092"
    topic_prefix: TopicPrefix = topics.DEFAULT_PREFIX
    partitions: Annotated[int, Field(ge=1, le=_MAX_PARTITIONS)] = topics.DEFAULT_PARTITIONS
    jwt_secret: JwtSecret | None = None
    jwks_file: JwksFile | None = None
    jwks_url: JwksAddress | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    http_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    http_port: Port
    environment: Literal["production", "development"] = "production"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="before")
    @classmethod
    def _drop_blank_optionals(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Treat an optional variable that is set to an empty value as not set."""
        optional = {name for name, field in cls.model_fields.items() if field.default is None}
        return {name: value for name, value in values.items() if not (value == "" and name in optional)}

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        has_keys = any(keys is not None for keys in (self.jwt_secret, self.jwks_file, self.jwks_url))
        if self.needs_token_keys and not has_keys:
            msg = "COHOST_JWT_SECRET: is required, unless COHOST_JWKS_FILE or COHOST_JWKS_URL is set"
            raise ValueError(msg)
        if self.jwks_file is not None and self.jwks_url is not None:
            msg = "COHOST_JWKS_URL: cannot be set together with COHOST_JWKS_FILE"
            raise ValueError(msg)
        if self.is_production:
            for name, secret in self.example_secrets().items():
                if is_example_secret(secret):
                    msg = f"COHOST_{name}: the example's secret is for COHOST_ENVIRONMENT=development"
                    raise ValueError(msg)
            reject_short_secret("jwt_secret", self.jwt_secret)
        self.kafka_options()
        return self

    def example_secrets(self) -> dict[str, str]:
        """Return the secrets that must not be the published examples' in production, by variable."""
        return {"JWT_SECRET": self.jwt_secret.get_secret_value() if self.jwt_secret else ""}

    @property
    def is_production(self) -> bool:
        """Return whether example secrets are rejected and replicas expected."""
        return self.environment == "production"

    def build_authenticator(self) -> auth.Authenticator:
        """Build the authenticator for callers' tokens."""
        secret = self.jwt_secret.get_secret_value() if self.jwt_secret else None
        return auth.Authenticator(
            secret,
            _read_jwks(self.jwks_file) if self.jwks_file else None,
            jwks_url=JwksUrl(self.jwks_url) if self.jwks_url else None,
            issuer=self.jwt_issuer,
            audience=self.jwt_audience,
        )


class ServiceSettings(ProcessSettings):
    """Settings of a process that runs a pipeline; a service adds its own fields."""

    database_url: DatabaseUrl
    replication_factor: Annotated[int, Field(ge=1, le=32_767)] = 1
    create_topics: bool = True
    session_timeout_ms: Annotated[int, Field(ge=1000, le=300_000)] = 10_000
    max_records: Annotated[int, Field(ge=1, le=100_000)] = 4000
    batch_pause_ms: Annotated[int, Field(ge=0, le=10_000)] = 5
    fetch_max_wait_ms: Annotated[int, Field(ge=1, le=10_000)] = 10
    max_lost_facts: Annotated[int, Field(ge=0)] = 5

    def example_secrets(self) -> dict[str, str]:
        """Return the secrets that must not be the published examples' in production, by variable."""
        address = self.database_url.get_secret_value().partition("://")[2]
        database_password = address.rpartition("@")[0].partition(":")[2]
        return {**super().example_secrets(), "DATABASE_URL": database_password}

    def pipeline_config(self, schema: str) -> Config:
        """Return the pipeline's configuration for the service that owns this database schema."""
        return Config(
            bootstrap_servers=self.kafka_bootstrap_servers,
            database_url=self.database_url.get_secret_value(),
            schema=schema,
            security=self.kafka_options(),
            prefix=self.topic_prefix,
            partitions=self.partitions,
            replication_factor=self.replication_factor,
            expects_replicas=self.is_production,
            create_topics=self.create_topics,
            session_timeout_ms=self.session_timeout_ms,
            max_records=self.max_records,
            batch_pause_ms=self.batch_pause_ms,
            fetch_max_wait_ms=self.fetch_max_wait_ms,
            max_lost_facts=self.max_lost_facts,
        )


S = TypeVar("S", bound=ProcessSettings)


def load_settings(kind: type[S]) -> S:
    """Load the settings from the environment.

    If one is missing or wrong, name it in one line on standard error and exit with status 2.
    """
    try:
        return kind()
    except ValidationError as error:
        sys.stderr.write(f"{security.describe_wrong_setting(error)}\n")
        raise SystemExit(EXIT_WRONG_SETTING) from None
