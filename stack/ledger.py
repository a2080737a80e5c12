"""What runs for a stack that stays: written down at once, so that another process can end it."""

import asyncio
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stack import guard, process


@dataclass(frozen=True, slots=True)
class Entry:
    """One process: which it is, where it listens, how to end it, and a digest of what it was told."""

    pid: int
    started: str
    ports: tuple[int, ...]
    stop: int
    patience: float
    digest: str
    log: str

    @property
    def alive(self) -> bool:
        """Whether the very same process still runs."""
        return process.find(self.pid, self.started) is not None

    async def end(self) -> None:
        """End the process in good order; nothing happens where it has ended."""
        found = process.find(self.pid, self.started)
        if found:
            await asyncio.to_thread(guard.end, found, self.stop, self.patience)


class Ledger:
    """The entries of one stack, by name, in a file of its folder."""

    def __init__(self, root: Path) -> None:
        self._path = root / "running.json"

    def get(self, name: str) -> Entry | None:
        """Return an entry; its process may have ended."""
        found = self._read().get(name)
        return Entry(**{**found, "ports": tuple(found["ports"])}) if found else None

    def write(self, name: str, entry: Entry) -> None:
        """Write an entry down, in place of the last of that name."""
        self._replace({**self._read(), name: asdict(entry)})

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}

    def _replace(self, entries: dict[str, Any]) -> None:
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(entries, indent=2))
        os.replace(partial, self._path)  # noqa: PTH105 - atomic, and says so


def entry(running: process.Process, ports: tuple[int, ...], told: object) -> Entry:
    """Describe a process that was just started."""
    program = running.program
    return Entry(
        running.pid,
        running.started,
        ports,
        int(program.stop),
        program.patience,
        digest(told),
        str(program.log),
    )


def digest(told: object) -> str:
    """Return a short name for what a process was told, which is a JSON value."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
