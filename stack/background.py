"""Stack in the background: it outlives its starter until it is taken down."""

import asyncio
import hashlib
import json
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from stack import cache, components, ports, services, settings
from stack.components import Component, ComponentName
from stack.processes import process, reaper
from stack.servers.livekit import LiveKit
from stack.servers.prometheus import Prometheus
from stack.settings import ComponentContext
from stack.state_file import ProcessEntry, StateFile

ALL_PORTS = {**components.COMPONENT_PORTS, **services.PROCESS_PORTS, **components.OBSERVER_PORTS}
# A component that is busy, or was stopped for a moment, gets this time to answer.
ANSWER_SECONDS = 10
# The files and folders of a stack. Everything else in its folder belongs to the user and is never removed.
OWN_PATHS = (
    *("kafka", "postgres", "livekit", "prometheus", "services", "keys.json", "local_data", "postgres.log"),
    *("env", "env.partial", "running.json", "running.partial", "ports.json"),
)


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

    async def up(self, *, with_services: bool = True, with_prometheus: bool = False) -> None:
        """Start everything that does not run. Raises `StartError` after ending what this call started.

        A Prometheus that runs goes on, with the targets of now.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with cache.hold_lock(self._root / "lock"):
            try:
                await self._start_all(with_services=with_services, with_prometheus=with_prometheus)
            except BaseException:
                await asyncio.gather(*(running.stop() for running in self._new_processes))
                raise
            await asyncio.to_thread(process.detach_processes)

    async def down(self, *, wipe: bool = False) -> None:
        """End everything, the gateway first, then the services; with `wipe`, remove the data too."""
        if not self._root.exists():
            return
        async with cache.hold_lock(self._root / "lock"):
            callers = (*components.OBSERVER_PORTS, services.GATEWAY)
            for names in (callers, services.SERVICE_PORTS, components.COMPONENT_PORTS):
                entries = map(self._state_file.read_entry, names)
                await asyncio.gather(*(entry.terminate() for entry in entries if entry))
            for name in components.OBSERVER_PORTS:
                self._state_file.remove_entry(name)
            for name in OWN_PATHS if wipe else ("env",):
                await asyncio.to_thread(reaper.remove_path, self._root / name)

    async def status(self) -> list[StatusLine]:
        """Return a line per component and service, and for Prometheus if it was started."""
        observers = (name for name in components.OBSERVER_PORTS if self._state_file.read_entry(name))
        names = (*components.COMPONENT_PORTS, *services.PROCESS_PORTS, *observers)
        return await asyncio.gather(*map(self._status_line, names))

    async def _start_all(self, *, with_services: bool, with_prometheus: bool) -> None:
        numbers = self._choose_ports()
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
        tools = {"COHOST_GATEWAY_URL": gateway.address}
        if with_prometheus or self._state_file.read_entry(Prometheus.name):
            prometheus = self._prometheus(numbers, [*copies, gateway])
            await self._ensure_running(prometheus, prometheus.config_files)
            tools["COHOST_PROMETHEUS_URL"] = prometheus.address
        write_env_file(self._root, {**callers, **tools})

    def _choose_ports(self) -> dict[str, tuple[int, ...]]:
        """Return the ports of each name: those of the last start, unless another program has them.

        A running component knows those of others, and is started anew when they change.
        """
        chosen = {name: self._choose_ports_of(name) for name in ALL_PORTS}
        self._state_file.write_ports(chosen)
        return chosen

    def _choose_ports_of(self, name: str) -> tuple[int, ...]:
        entry = self._state_file.read_entry(name)
        wanted = self._state_file.read_ports(name) or (entry.ports if entry else ())
        # A stack of an earlier version may have had another number of ports.
        if len(wanted) != len(ALL_PORTS[name]):
            return ports.reserve_ports(ALL_PORTS[name], len(ALL_PORTS[name]))
        is_own = entry is not None and entry.is_alive and entry.ports == wanted
        return wanted if is_own else ports.reserve_ports(wanted, len(wanted))

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

    def _prometheus(
        self, numbers: Mapping[str, tuple[int, ...]], copies: Sequence[services.ServiceProcess]
    ) -> Prometheus:
        targets = {copy.name: [copy.metrics_address] for copy in copies}
        context = ComponentContext(self._root, self._settings, settings.load_secrets(self._root))
        if not self._settings.external_address(LiveKit.name):
            targets[LiveKit.name] = [LiveKit(context, numbers[LiveKit.name]).metrics_address]
        return Prometheus(context, numbers[Prometheus.name], targets)

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
        part = self._running_component(name, entry.ports)
        state = "up" if await part.is_ready() else "not answering"
        return StatusLine(name, state, part.address.rpartition("@")[2], entry.pid)

    def _running_component(self, name: str, numbers: tuple[int, ...]) -> Component:
        if name == Prometheus.name:
            return self._prometheus({**ALL_PORTS, name: numbers}, ())
        if name in services.PROCESS_PORTS:
            return self._service(name, numbers, {})
        return self._component(name, numbers)


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
