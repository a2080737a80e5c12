"""The secrets of one stack, made once and kept with its data."""

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs the callers' tokens, and what LiveKit and broadcast share."""

    jwt_secret: str
    livekit_key: str
    livekit_secret: str


def new() -> Keys:
    """Make secrets that nobody has seen."""
    return Keys(secrets.token_urlsafe(32), f"local{secrets.token_hex(4)}", secrets.token_urlsafe(32))


def find(root: Path) -> Keys | None:
    """Read the secrets of the stack in that folder, where there are any."""
    path = root / "keys.json"
    return Keys(**json.loads(path.read_text())) if path.exists() else None


def load(root: Path) -> Keys:
    """Read the secrets of the stack in that folder, or make them."""
    found = find(root)
    if found is not None:
        return found
    path, keys = root / "keys.json", new()
    path.touch(mode=0o600)
    path.write_text(json.dumps(asdict(keys)))
    return keys
