"""Where a part is to be: its folder, its ports and its secrets."""

from dataclasses import dataclass
from pathlib import Path

from stack.keys import Keys
from stack.settings import Settings


@dataclass(frozen=True, slots=True)
class Place:
    """One folder for every part; what is not to be kept goes when its starter is killed.

    `wanted` are the ports to take where they are free, `webhooks` the URLs that LiveKit reports to;
    `measuring` prefers a broker that is fast in the long run to one that starts quickly.
    """

    root: Path
    settings: Settings
    keys: Keys
    keep: bool
    webhooks: tuple[str, ...] = ()
    wanted: tuple[int, ...] = ()
    measuring: bool = False

    @property
    def temporary(self) -> Path | None:
        """The folder, where it is not to be kept."""
        return None if self.keep else self.root
