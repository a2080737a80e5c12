"""Stack in the background: it outlives its starter until it is taken down."""

import asyncio
import hashlib
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from stack import cache, guard, parts, ports, process, services, settings
from stack.parts import Name, Part
from stack.settings import Place

PORTS = {**parts.PORTS, **services.PORTS}
# A component that is busy, or was stopped for a moment, gets this time to answer.
SECONDS = 10
# The files and folders of a stack. Everything else in its folder belongs to the user and is never removed.
OWN = (
    *("kafka", "postgres", "livekit", "services", "keys.json", "local_data", "postgres.log"),
    *("env", "env.partial", "running.json", "running.partial"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A process, how to end it, and a digest of its configuration; `identity` is psutil's hash of it."""

    pid: int
    identity: int
    ports: tuple[int, ...]
    stop: int
    patience: float
    digest: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self._find() is not None

    async def end(self) -> None:
        """End the process if it still runs, and wait for its end."""
        if found := self._find():
            await asyncio.to_thread(guard.end, [found], self.stop, self.patience)

    def _find(self) -> psutil.Process | None:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return process if hash(process) == self.identity and guard.alive(process) else None
        return None


class Ledger:
    """The state file of a stack, an entry per name: written at once, so that another process can end them."""

    def __init__(self, root: Path) -> None:
        self._path = root / "running.json"

    def get(self, name: str) -> Entry | None:
        """Return an entry; its process may have ended."""
        found = self._read().get(name)
        return Entry(**{**found, "ports": tuple(found["ports"])}) if found else None

    def write(self, name: str, entry: Entry) -> None:
        """Write an entry and replace an older one of that name."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({**self._read(), name: asdict(entry)}, indent=2))
        partial.replace(self._path)

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}


@dataclass(frozen=True, slots=True)
class Line:
    """State (up, elsewhere, not answering, down), address and pid of a component or service."""

    name: str
    state: str
    address: str = ""
    pid: int | None = None


class Kept:
    """The background stack in a folder; each method may be called in another process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._settings = settings.load()
        self._ledger = Ledger(root)
        self._new: list[process.Process] = []

    async def up(self, *, with_services: bool = True) -> None:
        """Start everything that does not run. Raises `StartError` after ending what this call started."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with cache.locked(self._root / "lock"):
            try:
                await self._up(with_services=with_services)
            except BaseException:
                await asyncio.gather(*(running.stop() for running in self._new))
                raise
            await asyncio.to_thread(process.detach)

    async def down(self, *, wipe: bool = False) -> None:
        """End everything, services first; with `wipe`, remove the data too."""
        if not self._root.exists():
            return
        async with cache.locked(self._root / "lock"):
            for names in (services.PORTS, parts.PORTS):
                entries = map(self._ledger.get, names)
                await asyncio.gather(*(entry.end() for entry in entries if entry))
            for name in OWN if wipe else ("env",):
                await asyncio.to_thread(guard.remove, self._root / name)

    async def status(self) -> list[Line]:
        """Return a line per component and service."""
        return await asyncio.gather(*map(self._line, PORTS))

    async def _up(self, *, with_services: bool) -> None:
        numbers = {name: self._ports(name) for name in PORTS}
        webhook = services.webhook(*numbers["broadcast"])
        own = " ".join(name for name in ("kafka", "postgres") if not self._settings.elsewhere(name))
        data = self._root / "local_data"
        if own and data.exists() and data.read_text() != own:
            whose = "the data of Kafka and Postgres"
            how = f"in {self._root} do not belong together; `python -m stack wipe` removes them"
            raise process.StartError(whose, how)
        kafka, url, livekit = await process.together(
            *(self._part_up(name, numbers[name], webhook) for name in parts.NAMES)
        )
        if own:
            data.write_text(own)
        keys = settings.load_keys(self._root)
        given = {name: value for name, value in self._settings.given.items() if name != "COHOST_HTTP_PORT"}
        variables = {**services.variables(kafka, url, livekit, keys), **given}
        copies = [self._copy(name, numbers[name], variables) for name in services.PORTS]
        if with_services:
            await process.together(*(self._run(copy, variables) for copy in copies))
        urls = {f"COHOST_{copy.name.upper()}_URL": copy.address for copy in copies}
        write_env(self._root, {**variables, **urls})

    def _ports(self, name: str) -> tuple[int, ...]:
        entry = self._ledger.get(name)
        wanted = entry.ports if entry else PORTS[name]
        return wanted if entry and entry.alive else ports.choose_all(wanted, len(wanted))

    async def _part_up(self, name: Name, numbers: tuple[int, ...], webhook: str) -> str:
        if address := self._settings.elsewhere(name):
            await parts.check(name, self._settings)
            return address
        part = self._part(name, numbers, webhook)
        await self._run(part, webhook if name == "livekit" else "")
        return part.address

    def _part(self, name: str, numbers: tuple[int, ...], webhook: str = "") -> Part:
        place = Place(self._root, self._settings, settings.load_keys(self._root), webhook)
        return parts.KINDS[name](place, numbers)

    def _copy(self, name: str, numbers: tuple[int, ...], variables: Mapping[str, str]) -> services.Copy:
        log = self._root / "services" / f"{name}.log"
        return services.Copy(name, numbers, {**self._settings.inherited, **variables}, log)

    async def _run(self, part: Part, told: object) -> None:
        """Start a component unless it answers and was started with the same configuration."""
        entry = self._ledger.get(part.name)
        if entry and entry.alive and entry.digest == digest(told) and await soon(part):
            return
        if entry:
            await entry.end()
        await parts.launch(part, partial(self._started, part, told))

    def _started(self, part: Part, told: object, running: process.Process) -> None:
        program, identity = running.program, hash(psutil.Process(running.pid))
        ending = int(program.stop), program.patience
        self._ledger.write(part.name, Entry(running.pid, identity, part.ports, *ending, digest(told)))
        self._new.append(running)

    async def _line(self, name: str) -> Line:
        if address := self._settings.elsewhere(name):
            found = await parts.reachable(address)
            return Line(name, "elsewhere" if found else "not answering", address.rpartition("@")[2])
        entry = self._ledger.get(name)
        if not entry or not entry.alive:
            return Line(name, "down")
        part = self._copy(name, entry.ports, {}) if name in services.PORTS else self._part(name, entry.ports)
        state = "up" if await part.answers() else "not answering"
        return Line(name, state, part.address.rpartition("@")[2], entry.pid)


async def soon(asked: Part) -> bool:
    """Return whether a running component answers within `ANSWER_SECONDS`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            while not await asked.answers():
                await asyncio.sleep(process.PAUSE)
            return True
    return False


def write_env(root: Path, variables: Mapping[str, str]) -> Path:
    """Write the variables as `export` lines to `env` in the folder, readable by its owner alone."""
    path, temporary = root / "env", root / "env.partial"
    temporary.touch(mode=0o600)
    every = {**dict(sorted(variables.items())), settings.MARKER: str(root)}
    temporary.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in every.items()))
    temporary.replace(path)
    return path


def digest(told: object) -> str:
    """Return a digest of a JSON value."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
