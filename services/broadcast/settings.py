"""Broadcast's settings, from the environment alone."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode

from cohost.kafka.security import Login, refuse_outer_whitespace
from services.broadcast.domain.state import SeatTimeouts
from services.runtime import settings
from services.runtime.settings import has_valid_host, is_example_secret, reject_short_secret


def _check_host(url: str) -> str:
    if not has_valid_host(url):
        msg = "it must be a URL with a valid host name and port, such as ws://localhost:7880"
        raise ValueError(msg)
    return url


LiveKitUrl = Annotated[
    str, Field(pattern=r"^(ws|wss|http|https)://[^\s/]+(/\S*)?$"), AfterValidator(_check_host)
]
DurationSeconds = Annotated[int, Field(ge=0, le=86_400)]
# LiveKit must not end an empty room before the grace of a disconnected co-host is over.
_DEPARTURE_MARGIN_SECONDS = 60


def _check_api_secret(secret: SecretStr) -> SecretStr:
    try:
        return refuse_outer_whitespace(secret)
    except ValueError as error:
        msg = f"{error}, and neither must COHOST_LIVEKIT_API_KEY"
        raise ValueError(msg) from error


ApiKey = Annotated[Login, Field(min_length=1)]
ApiSecret = Annotated[SecretStr, Field(min_length=1), AfterValidator(_check_api_secret)]


def _split_kinds(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(word.strip() for word in value.split(",") if word.strip()))


LiveKitKinds = Annotated[
    tuple[Literal["egress", "ingress", "agent", "sip", "connector", "bridge"], ...],
    NoDecode,
    BeforeValidator(_split_kinds),
]
"""Kinds of LiveKit participants that are no people."""


class BroadcastSettings(settings.ServiceSettings):
    """Broadcast's settings (contract, section 8)."""

    http_port: settings.Port = 8082
    livekit_url: LiveKitUrl
    livekit_public_url: LiveKitUrl | None = None
    livekit_api_key: ApiKey
    livekit_api_secret: ApiSecret
    livekit_timeout_seconds: Annotated[float, Field(ge=0.1, le=5)] = 4.0
    reconnect_grace_seconds: DurationSeconds = 60
    no_show_seconds: DurationSeconds = 0
    comparison_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 30.0
    livekit_kinds: LiveKitKinds = ("egress", "ingress", "agent")

    @model_validator(mode="after")
    def _check_livekit_secret(self) -> Self:
        if not self.is_production:
            return self
        if is_example_secret(self.livekit_api_secret.get_secret_value()):
            msg = "COHOST_LIVEKIT_API_SECRET: the example's secret is for COHOST_ENVIRONMENT=development"
            raise ValueError(msg)
        reject_short_secret("livekit_api_secret", self.livekit_api_secret)
        if self.livekit_api_secret == self.jwt_secret:
            msg = "COHOST_LIVEKIT_API_SECRET: must differ from COHOST_JWT_SECRET in production"
            raise ValueError(msg)
        return self

    @property
    def server_url(self) -> str:
        """Return the LiveKit URL that clients connect to."""
        return self.livekit_public_url or self.livekit_url

    @property
    def departure_seconds(self) -> int:
        """Return the seconds that LiveKit keeps a room after its last participant left."""
        return self.reconnect_grace_seconds + _DEPARTURE_MARGIN_SECONDS

    @property
    def seat_timeouts(self) -> SeatTimeouts:
        """Return the times that seats are kept for co-hosts who are not connected."""
        return SeatTimeouts(grace_seconds=self.reconnect_grace_seconds, no_show_seconds=self.no_show_seconds)
