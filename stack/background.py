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

from stack import cache, components, ports, services, settings
from stack.components import Component, ComponentName
from stack.processes import process, reaper
from stack.settings import ComponentContext

ALL_PORTS = {**components.COMPONENT_PORTS, **services.PROCESS_PORTS}
# A component that is busy, or was stopped for a moment, gets this time to answer.
ANSWER_SECONDS = 10
# The files and folders of a stack. Everything else in its folder belongs to the user and is never removed.
OWN_PATHS = (
    *("kafka", "postgres", "livekit", "services", "keys.json", "local_data", "postgres.log"),
    *("env", "env.partial", "running.json", "running.partial"),
)


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

    def read_entry(self, name: str) -> ProcessEntry | None:
        """Return an entry; its process may have ended."""
        found = self._read_all().get(name)
        return ProcessEntry(**{**found, "ports": tuple(found["ports"])}) if found else None

    def write_entry(self, name: str, entry: ProcessEntry) -> None:
        """Write an entry and replace an older one of that name."""
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps({**self._read_all(), name: asdict(entry)}, indent=2))
        partial.replace(self._path)

    def _read_all(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text())) if self._path.exists() else {}


@dataclass(frozen=True, slots=True)
class StatusLine:
    """State (up, elsewhere, not answering, down), address and pid of a component or service."""

    name: str
    state: str
    address: str = ""
    pid: int | None = None


class BackgroundStack:
    """The background stack in a folder; each method may be called in another process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._settings = settings.load_settings()
        self._state_file = StateFile(root)
        self._new_processes: list[process.Process] = []

    async def up(self, *, with_services: bool = True) -> None:
        """Start everything that does not run. Raises `StartError` after ending what this call started."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with cache.hold_lock(self._root / "lock"):
            try:
                await self._start_all(with_services=with_services)
            except BaseException:
                await asyncio.gather(*(running.stop() for running in self._new_processes))
                raise
            await asyncio.to_thread(process.detach_processes)

    async def down(self, *, wipe: bool = False) -> None:
        """End everything, the gateway first, then the services; with `wipe`, remove the data too."""
        if not self._root.exists():
            return
        async with cache.hold_lock(self._root / "lock"):
            for names in ((services.GATEWAY,), services.SERVICE_PORTS, components.COMPONENT_PORTS):
                entries = map(self._state_file.read_entry, names)
                await asyncio.gather(*(entry.terminate() for entry in entries if entry))
            for name in OWN_PATHS if wipe else ("env",):
                await asyncio.to_thread(reaper.remove_path, self._root / name)

    async def status(self) -> list[StatusLine]:
        """Return a line per component and service."""
        return await asyncio.gather(*map(self._status_line, ALL_PORTS))

    async def _start_all(self, *, with_services: bool) -> None:
        numbers = {name: self._choose_ports(name) for name in ALL_PORTS}
        webhook = services.webhook_url(*numbers["broadcast"])
        own = " ".join(name for name in ("kafka", "postgres") if not self._settings.external_address(name))
        data = self._root / "local_data"
        if own and data.exists() and data.read_text() != own:
            whose = "the data of Kafka and Postgres"
            how = f"in {self._root} do not belong together; `python -m stack wipe` removes them"
            raise process.StartError(whose, how)
        kafka, url, livekit = await process.run_concurrently(
            *(self._ensure_component(name, numbers[name], webhook) for name in components.COMPONENT_NAMES)
        )
        if own:
            data.write_text(own)
        keys = settings.load_secrets(self._root)
        given = {
            name: value for name, value in self._settings.overrides.items() if name != "COHOST_HTTP_PORT"
        }
        variables = {**services.service_variables(kafka, url, livekit, keys), **given}
        copies = [self._service(name, numbers[name], variables) for name in services.SERVICE_PORTS]
        callers = {**variables, **services.url_variables(*(copy.address for copy in copies))}
        gateway = self._service(services.GATEWAY, numbers[services.GATEWAY], callers)
        if with_services:
            await process.run_concurrently(*(self._ensure_running(copy, variables) for copy in copies))
            await self._ensure_running(gateway, callers)
        write_env_file(self._root, {**callers, "COHOST_GATEWAY_URL": gateway.address})

    def _choose_ports(self, name: str) -> tuple[int, ...]:
        entry = self._state_file.read_entry(name)
        wanted = entry.ports if entry else ALL_PORTS[name]
        return wanted if entry and entry.is_alive else ports.reserve_ports(wanted, len(wanted))

    async def _ensure_component(self, name: ComponentName, numbers: tuple[int, ...], webhook: str) -> str:
        if address := self._settings.external_address(name):
            await components.require_reachable(name, self._settings)
            return address
        part = self._component(name, numbers, webhook)
        await self._ensure_running(part, webhook if name == "livekit" else "")
        return part.address

    def _component(self, name: str, numbers: tuple[int, ...], webhook: str = "") -> Component:
        place = ComponentContext(self._root, self._settings, settings.load_secrets(self._root), webhook)
        return components.CLASSES[name](place, numbers)

    def _service(
        self, name: str, numbers: tuple[int, ...], variables: Mapping[str, str]
    ) -> services.ServiceProcess:
        log = self._root / "services" / f"{name}.log"
        return services.ServiceProcess(name, numbers, {**self._settings.inherited, **variables}, log)

    async def _ensure_running(self, component: Component, config: object) -> None:
        """Start a component unless it answers and was started with the same configuration."""
        entry = self._state_file.read_entry(component.name)
        if (
            entry
            and entry.is_alive
            and entry.digest == config_digest(config)
            and await is_ready_soon(component)
        ):
            return
        if entry:
            await entry.terminate()
        await components.launch_component(component, partial(self._record_started, component, config))

    def _record_started(self, component: Component, config: object, running: process.Process) -> None:
        program, identity = running.program, hash(psutil.Process(running.pid))
        ending = int(program.stop_signal), program.stop_timeout
        self._state_file.write_entry(
            component.name,
            ProcessEntry(running.pid, identity, component.ports, *ending, config_digest(config)),
        )
        self._new_processes.append(running)

    async def _status_line(self, name: str) -> StatusLine:
        if address := self._settings.external_address(name):
            found = await components.is_reachable(address)
            return StatusLine(name, "elsewhere" if found else "not answering", address.rpartition("@")[2])
        entry = self._state_file.read_entry(name)
        if not entry or not entry.is_alive:
            return StatusLine(name, "down")
        part = (
            self._service(name, entry.ports, {})
            if name in services.PROCESS_PORTS
            else self._component(name, entry.ports)
        )
        state = "up" if await part.is_ready() else "not answering"
        return StatusLine(name, state, part.address.rpartition("@")[2], entry.pid)


async def is_ready_soon(component: Component) -> bool:
    """Return whether a running component answers within `ANSWER_SECONDS`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            while not await component.is_ready():
                await asyncio.sleep(process.POLL_SECONDS)
            return True
    return False


def write_env_file(root: Path, variables: Mapping[str, str]) -> Path:
    """Write the variables as `export` lines to `env` in the folder, readable by its owner alone."""
    path, temporary = root / "env", root / "env.partial"
    temporary.touch(mode=0o600)
    every = {**dict(sorted(variables.items())), settings.STACK_VARIABLE: str(root)}
    temporary.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in every.items()))
    temporary.replace(path)
    return path


def config_digest(config: object) -> str:
    """Return a digest of a JSON value."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
