"""The deployment under test: only the addresses and settings that `.stack/env` contains."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Deployment:
    """Addresses, secrets and settings of one running deployment."""

    bootstrap_servers: str
    prefix: str
    partitions: int
    invitations_url: str
    broadcast_url: str
    livekit_url: str
    public_livekit_url: str
    livekit_api_key: str
    livekit_api_secret: str
    jwt_secret: str
    grace_seconds: int
    variables: Mapping[str, str]
    gateway_url: str = ""


def read_deployment(environment: Mapping[str, str]) -> Deployment:
    """Return the deployment described by the contract's environment variables."""
    return Deployment(
        bootstrap_servers=environment["COHOST_KAFKA_BOOTSTRAP_SERVERS"],
        prefix=environment.get("COHOST_TOPIC_PREFIX", "cohost."),
        partitions=int(environment.get("COHOST_PARTITIONS", "12")),
        invitations_url=environment["COHOST_INVITATIONS_URL"],
        broadcast_url=environment["COHOST_BROADCAST_URL"],
        livekit_url=environment["COHOST_LIVEKIT_URL"],
        public_livekit_url=environment.get("COHOST_LIVEKIT_PUBLIC_URL", environment["COHOST_LIVEKIT_URL"]),
        livekit_api_key=environment["COHOST_LIVEKIT_API_KEY"],
        livekit_api_secret=environment["COHOST_LIVEKIT_API_SECRET"],
        jwt_secret=environment["COHOST_JWT_SECRET"],
        grace_seconds=int(environment.get("COHOST_RECONNECT_GRACE_SECONDS", "60")),
        variables={name: value for name, value in environment.items() if name.startswith("COHOST_")},
        gateway_url=environment.get("COHOST_GATEWAY_URL", ""),
    )
