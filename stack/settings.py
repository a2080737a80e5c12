"""What the environment says: where to keep things, and which parts run elsewhere."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "COHOST_"
# In the file that `up` writes, so that a shell which has read it does not make its own stack an outside one.
MARKER = "COHOST_STACK"


@dataclass(frozen=True, slots=True)
class Settings:
    """`given` are the COHOST_ variables that someone set, `inherited` is the rest of the environment."""

    given: Mapping[str, str]
    inherited: Mapping[str, str]

    @property
    def cache(self) -> Path:
        """Where what is fetched or built once is kept."""
        base = self.inherited.get("XDG_CACHE_HOME") or "~/.cache"
        return Path(base).expanduser() / "cohost"


def load(*, alone: bool = False) -> Settings:
    """Read the environment; `alone` leaves out what is given."""
    set_here = {name: value for name, value in os.environ.items() if name.startswith(PREFIX) and value}
    return Settings(
        given={} if alone or MARKER in set_here else set_here,
        inherited={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
    )
