"""Stack for the duration of a block."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import asyncpg

from stack import components, ports, services, settings
from stack.components import Component, ComponentName
from stack.processes import process, reaper
from stack.servers import prometheus
from stack.servers.livekit import LiveKit
from stack.servers.prometheus import Prometheus
from stack.services import ServiceProcess
from stack.settings import ComponentContext, StackSecrets


class Stack:
    """Kafka, Postgres and LiveKit, or some of them, for the duration of an `async with` block.

    The data are in the folder `root` and are kept; without one they are in a temporary folder. The processes
    end with the block, and also if this process is killed. A component that runs elsewhere by the environment
    is used there, except with `isolated`. LiveKit reports to `livekit_webhook`, by default to the broadcast
    service of `run_services`. `inherited` is the environment without the COHOST_ variables.
    """

    def __init__(
        self,
        root: Path | None = None,
        components: Iterable[ComponentName] = components.COMPONENT_NAMES,
        livekit_webhook: str | None = None,
        *,
        isolated: bool = False,
    ) -> None:
        self._initial_components = tuple(components)
        self._settings = settings.load_settings(isolated=isolated)
        self.inherited = self._settings.inherited
        self._given_root = root
        self._broadcast_port = ports.reserve_port()
        self._webhook_url = livekit_webhook or services.webhook_url(self._broadcast_port)
        self._components: dict[ComponentName, Component] = {}
        self._processes: dict[ComponentName, process.Process] = {}

    async def __aenter__(self) -> Self:
        self.root = self._given_root or Path(tempfile.mkdtemp(prefix="cohost-"))
        if self._given_root is None:
            # The data of Postgres may be a link.
            process.remove_at_exit(self.root / "postgres")
            process.remove_at_exit(self.root)
        self.root.mkdir(parents=True, exist_ok=True)
        self._secrets = settings.load_secrets(self.root)
        self.jwt_secret = self._secrets.jwt_secret
        given = self._settings.overrides
        self.livekit_api_key = given.get("COHOST_LIVEKIT_API_KEY", self._secrets.livekit_key)
        self.livekit_api_secret = given.get("COHOST_LIVEKIT_API_SECRET", self._secrets.livekit_secret)
        try:
            await process.run_concurrently(*map(self.start, self._initial_components))
        except BaseException:
            await self._stop_all()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop_all()

    @property
    def kafka_bootstrap_servers(self) -> str:
        """Kafka's bootstrap servers."""
        return self._address("kafka")

    @property
    def database_url(self) -> str:
        """The superuser's URL of the database `cohost`."""
        return self._address("postgres")

    @property
    def livekit_url(self) -> str:
        """LiveKit's URL, which starts with `ws://` for a local one."""
        return self._address("livekit")

    @property
    def livekit_metrics_address(self) -> str:
        """Host and port of the metrics of the LiveKit that this stack started."""
        livekit = self._components["livekit"]
        assert isinstance(livekit, LiveKit)  # noqa: S101 - it is the class of that name
        return livekit.metrics_address

    async def start(self, name: ComponentName) -> None:
        """Start a component unless it runs. Raises `StartError`."""
        if self._settings.external_address(name):
            await components.require_reachable(name, self._settings)
        elif name not in self._processes:
            place = ComponentContext(self.root, self._settings, self._secrets, self._webhook_url)
            count = len(components.COMPONENT_PORTS[name])
            self._components[name], self._processes[name] = await components.start_component(
                lambda: components.CLASSES[name](place, ports.reserve_ports((), count))
            )

    async def restart(self, name: ComponentName) -> None:
        """Stop a component and start it again, on the same ports and with its data."""
        await self.process_of(name).stop()
        self._processes[name] = await components.launch_component(self._components[name])

    def process_of(self, name: ComponentName) -> process.Process:
        """Return the process of a component. Raises `LookupError` unless this stack started it."""
        if name not in self._processes:
            message = f"{name} was not started by this stack"
            raise LookupError(message)
        return self._processes[name]

    async def create_database(self, name: str) -> str:
        """Create an empty database and return its URL."""
        connection = await asyncpg.connect(self.database_url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}"')
        finally:
            await connection.close()
        return urlsplit(self.database_url)._replace(path=f"/{name}").geturl()

    async def create_service_database(self, name: str) -> str:
        """Create a database in which both services have their schemas, and a role with no other rights.

        Return the role's URL.
        """
        owner = await asyncpg.connect(await self.create_database(name))
        password = secrets.token_urlsafe(24)
        try:
            await owner.execute(f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{password}'")
            for schema in services.SERVICE_PORTS:
                await owner.execute(f'CREATE SCHEMA "{schema}" AUTHORIZATION "{name}"')
        finally:
            await owner.close()
        url = urlsplit(self.database_url)
        server = url.netloc.rpartition("@")[2]
        return url._replace(netloc=f"{name}:{password}@{server}", path=f"/{name}").geturl()

    @asynccontextmanager
    async def run_services(
        self, prefix: str, extra_env: Mapping[str, str] | None = None, *, with_gateway: bool = False
    ) -> AsyncIterator[services.RunningServices]:
        """Run both services, with this topic prefix and a new database, and a gateway if one is asked for.

        Raises `StartError`.
        """
        await self.start("livekit")
        url = await self.create_service_database(f"services_{secrets.token_hex(6)}")
        keys = StackSecrets(self.jwt_secret, self.livekit_api_key, self.livekit_api_secret)
        shared = services.service_variables(self.kafka_bootstrap_servers, url, self.livekit_url, keys, prefix)
        environment = {**self.inherited, **shared, **(extra_env or {})}
        async with AsyncExitStack() as ending:

            async def launch_service(name: str, port: int, urls: Mapping[str, str]) -> str:
                log = self.root / "services" / f"{name}-{port}.log"
                copy = ServiceProcess(name, (port,), {**environment, **urls}, log)
                ending.push_async_callback((await components.launch_component(copy)).stop)
                return copy.address

            own_ports = ports.reserve_ports((), 2)
            ending.callback(ports.release_ports, *own_ports)
            invitations, broadcast = await process.run_concurrently(
                launch_service("invitations", own_ports[0], {}),
                launch_service("broadcast", self._broadcast_port, {}),
            )
            urls = services.url_variables(invitations, broadcast)
            gateway = await launch_service(services.GATEWAY, own_ports[1], urls) if with_gateway else ""
            yield services.RunningServices(
                invitations, broadcast, self.jwt_secret, prefix, environment, gateway
            )

    @asynccontextmanager
    async def run_prometheus(
        self, targets: Mapping[str, Sequence[str]], configuration: Path = prometheus.CONFIGURATION
    ) -> AsyncIterator[str]:
        """Run a Prometheus that scrapes these addresses by job, and give its URL. Raises `StartError`."""
        place = ComponentContext(self.root, self._settings, self._secrets)
        server, running = await components.start_component(
            lambda: Prometheus(place, ports.reserve_ports((), 1), targets, configuration)
        )
        try:
            yield server.address
        finally:
            await running.stop()
            ports.release_ports(*server.ports)

    def _address(self, name: ComponentName) -> str:
        return self._settings.external_address(name) or self._components[name].address

    async def _stop_all(self) -> None:
        await asyncio.gather(*(running.stop() for running in self._processes.values()))
        ports.release_ports(
            self._broadcast_port, *(port for part in self._components.values() for port in part.ports)
        )
        if self._given_root is None:
            for path in (self.root / "postgres", self.root):
                await asyncio.to_thread(reaper.remove_path, path)
