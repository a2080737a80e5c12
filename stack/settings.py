"""Configuration of a stack: the environment, the secrets, and the context of its components."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

VARIABLE_PREFIX = "COHOST_"
# `up` writes this variable to `.stack/env`, so that a shell which has read the file does not make its own
# stack an external one.
STACK_VARIABLE = "COHOST_STACK"
ADDRESS_VARIABLES = {
    "kafka": "COHOST_KAFKA_BOOTSTRAP_SERVERS",
    "postgres": "COHOST_DATABASE_URL",
    "livekit": "COHOST_LIVEKIT_URL",
}

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment: `overrides` are the COHOST_ variables, `inherited` all others."""

    overrides: Mapping[str, str]
    inherited: Mapping[str, str]

    @property
    def cache_folder(self) -> Path:
        """The folder of fetched and built artifacts."""
        return Path(self.inherited.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cohost"

    def external_address(self, name: str) -> str | None:
        """Return the address of a component that runs elsewhere, or None."""
        return self.overrides.get(ADDRESS_VARIABLES.get(name, ""))


def load_settings(*, isolated: bool = False) -> Settings:
    """Read the environment; with `isolated`, without the COHOST_ variables."""
    overrides = {
        name: value for name, value in os.environ.items() if name.startswith(VARIABLE_PREFIX) and value
    }
    return Settings(
        overrides={} if isolated or STACK_VARIABLE in overrides else overrides,
        inherited={name: value for name, value in os.environ.items() if not name.startswith(VARIABLE_PREFIX)},
    )


def bypass_proxies(url: str) -> None:
    """Remove the environment's proxies from this process if the URL is on this machine.

    LiveKit's client uses them for every URL: it does not read `NO_PROXY`.
    """
    if urlsplit(url).hostname in _LOOPBACK_HOSTS:
        for name in _PROXY_VARIABLES:
            os.environ.pop(name, None)


@dataclass(frozen=True, slots=True)
class StackSecrets:
    """Secrets of a stack: one signs the callers' tokens, LiveKit and broadcast share the others."""

    jwt_secret: str
    livekit_key: str
    livekit_secret: str


def generate_secrets() -> StackSecrets:
    """Return new random secrets."""
    return StackSecrets(secrets.token_urlsafe(32), f"local{secrets.token_hex(4)}", secrets.token_urlsafe(32))


def load_secrets(root: Path) -> StackSecrets:
    """Return the secrets stored in the folder of a stack, or create them there."""
    path = root / "keys.json"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(generate_secrets())))
    return StackSecrets(**json.loads(path.read_text()))


@dataclass(frozen=True, slots=True)
class ComponentContext:
    """Context of the components of a stack; `webhook_url` is for LiveKit's webhooks."""

    root: Path
    settings: Settings
    secrets: StackSecrets
    webhook_url: str = ""
