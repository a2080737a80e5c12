"""State file of a background stack: which processes it has, and how to end them."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from stack.processes import reaper


@dataclass(frozen=True, slots=True)
class ProcessEntry:
    """A process, how to end it, and a digest of its configuration; `identity` is psutil's hash of it."""

    pid: int
    identity: int
    ports: tuple[int, ...]
    stop: int
    patience: float
    digest: str

    @property
    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return self._find_process() is not None

    async def terminate(self) -> None:
        """End the process if it still runs, and wait for its end."""
        if found := self._find_process():
            await asyncio.to_thread(reaper.stop_all, [found], self.stop, self.patience)

    def _find_process(self) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return process if hash(process) == self.identity and reaper.is_alive(process) else None
        return None


class StateFile:
    """The state file of a stack, an entry per name: written at once, so that another process can end them."""

    def __init__(self, root: Path) -> None:
        self._path = root / "running.json"
        self._ports_path = root / "ports.json"

    def read_entry(self, name: str) -> ProcessEntry | None:
        """Return an entry; its process may have ended."""
        found = self._read_all().get(name)
        return ProcessEntry(**{**found, "ports": tuple(found["ports"])}) if found else None

    def write_entry(self, name: str, entry: ProcessEntry) -> None:
        """Write an entry and replace an older one of that name."""
        self._write_all({**self._read_all(), name: asdict(entry)})

    def remove_entry(self, name: str) -> None:
        """Remove an entry, if there is one."""
        self._write_all({other: entry for other, entry in self._read_all().items() if other != name})

    def read_ports(self, name: str) -> tuple[int, ...]:
        """Return the ports that were chosen for a name, whether it was started or not, empty without any."""
        found = json.loads(self._ports_path.read_text()) if self._ports_path.exists() else {}
        return tuple(found.get(name, ()))

    def write_ports(self, chosen: Mapping[str, tuple[int, ...]]) -> None:
        """Write the ports that were chosen for all names."""
        self._ports_path.write_text(json.dumps(chosen))

    def _write_all(self, entries: Mapping[str, Any]) -> None:
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(entries, indent=2))
        partial.replace(self._path)

    def _read_all(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}
