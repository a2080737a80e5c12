"""Configuration of a stack: the environment, the secrets, and the context of its components."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

PREFIX = "COHOST_"
# `up` writes this variable to `.stack/env`, so that a shell which has read the file does not make its own
# stack an external one.
MARKER = "COHOST_STACK"
ADDRESSES = {
    "kafka": "COHOST_KAFKA_BOOTSTRAP_SERVERS",
    "postgres": "COHOST_DATABASE_URL",
    "livekit": "COHOST_LIVEKIT_URL",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The environment: `overrides` are the COHOST_ variables, `inherited` all others."""

    given: Mapping[str, str]
    inherited: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """The folder of fetched and built artifacts."""
        return Path(self.inherited.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "cohost"

    def elsewhere(self, name: str) -> str | None:
        """Return the address of a component that runs elsewhere, or None."""
        return self.given.get(ADDRESSES.get(name, ""))


def load(*, alone: bool = False) -> Settings:
    """Read the environment; with `isolated`, without the COHOST_ variables."""
    set_here = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and value}
    return Settings(
        given={} if alone or MARKER in set_here else set_here,
        inherited={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets of a stack: one signs the callers' tokens, LiveKit and broadcast share the others."""

    jwt_secret: str
    livekit_key: str
    livekit_secret: str


def new_keys() -> Keys:
    """Return new random secrets."""
    return Keys(secrets.token_urlsafe(32), f"local{secrets.token_hex(4)}", secrets.token_urlsafe(32))


def load_keys(root: Path) -> Keys:
    """Return the secrets stored in the folder of a stack, or create them there."""
    path = root / "keys.json"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(new_keys())))
    return Keys(**json.loads(path.read_text()))


@dataclass(frozen=True, slots=True)
class Place:
    """Context of the components of a stack; `webhook_url` is for LiveKit's webhooks."""

    root: Path
    settings: Settings
    keys: Keys
    webhook: str = ""
