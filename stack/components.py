"""Components of a stack: Kafka, Postgres and LiveKit, started here or running elsewhere; and Prometheus."""

from collections.abc import Callable
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from stack import ports
from stack.processes.process import Process, StartError
from stack.processes.process import start_program as start_process
from stack.servers.kafka import Kafka
from stack.servers.livekit import LiveKit
from stack.servers.postgres import Postgres
from stack.servers.prometheus import Prometheus
from stack.services import ServiceProcess
from stack.settings import ADDRESS_VARIABLES, Settings

ComponentName: TypeAlias = Literal["kafka", "postgres", "livekit"]
ServerComponent: TypeAlias = Kafka | Postgres | LiveKit
Component: TypeAlias = ServerComponent | ServiceProcess | Prometheus
COMPONENT_NAMES: tuple[ComponentName, ...] = ("kafka", "postgres", "livekit")
COMPONENT_PORTS = {"kafka": (9092, 9093), "postgres": (5432,), "livekit": (7880, 7881, 7882, 6789)}
OBSERVER_PORTS = {"prometheus": (9090,)}
CLASSES: dict[str, type[ServerComponent]] = {"kafka": Kafka, "postgres": Postgres, "livekit": LiveKit}
SCHEME_PORTS = {"postgres": 5432, "postgresql": 5432, "http": 80, "ws": 80, "https": 443, "wss": 443}


async def start_component(create: Callable[[], Component], attempts: int = 3) -> tuple[Component, Process]:
    """Start a component; retry with new ports if another process took one. Raises `StartError`."""
    component = create()
    try:
        return component, await launch_component(component)
    except StartError as error:
        ports.release_ports(*component.ports)
        if attempts == 1 or "in use" not in error.log.lower():
            raise
    return await start_component(create, attempts - 1)


async def launch_component(
    component: Component, on_started: Callable[[Process], None] = lambda _: None
) -> Process:
    """Start a component, call `on_started`, and wait until it answers, or end it and raise `StartError`."""
    process = start_process(await component.prepare_program())
    on_started(process)
    try:
        await process.wait_until_ready(component.is_ready)
    except BaseException:
        await process.stop()
        raise
    return process


async def require_reachable(name: ComponentName, settings: Settings) -> None:
    """Raise `StartError` unless a component that runs elsewhere accepts connections."""
    if not await is_reachable(settings.overrides[ADDRESS_VARIABLES[name]]):
        raise StartError(name, f"does not answer where {ADDRESS_VARIABLES[name]} says it is")


async def is_reachable(address: str) -> bool:
    """Return whether a server at this URL, or one of these bootstrap servers, accepts a connection."""
    url = urlsplit(address)
    hosts = url.netloc.rpartition("@")[2] if url.netloc else address
    return await ports.accepts_connection(
        hosts if ":" in hosts else f"{hosts}:{SCHEME_PORTS.get(url.scheme, 0)}"
    )
