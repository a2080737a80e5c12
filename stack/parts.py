"""Components of a stack: Kafka, Postgres and LiveKit, started here or running elsewhere."""

from collections.abc import Callable
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from stack import ports
from stack.kafka import Kafka
from stack.livekit import LiveKit
from stack.postgres import Postgres
from stack.process import Process, StartError
from stack.process import start as start_process
from stack.services import Copy
from stack.settings import ADDRESSES, Settings

Name: TypeAlias = Literal["kafka", "postgres", "livekit"]
Server: TypeAlias = Kafka | Postgres | LiveKit
Part: TypeAlias = Server | Copy
NAMES: tuple[Name, ...] = ("kafka", "postgres", "livekit")
PORTS = {"kafka": (9092, 9093), "postgres": (5432,), "livekit": (7880, 7881, 7882)}
KINDS: dict[str, type[Server]] = {"kafka": Kafka, "postgres": Postgres, "livekit": LiveKit}
SCHEMES = {"postgres": 5432, "postgresql": 5432, "http": 80, "ws": 80, "https": 443, "wss": 443}


async def start(make: Callable[[], Part], attempts: int = 3) -> tuple[Part, Process]:
    """Start a component; retry with new ports if another process took one. Raises `StartError`."""
    part = make()
    try:
        return part, await launch(part)
    except StartError as error:
        ports.give_back(*part.ports)
        if attempts == 1 or "in use" not in error.log.lower():
            raise
    return await start(make, attempts - 1)


async def launch(part: Part, started: Callable[[Process], None] = lambda _: None) -> Process:
    """Start a component, call `on_started`, and wait until it answers, or end it and raise `StartError`."""
    running = start_process(await part.program())
    started(running)
    try:
        await running.answers(part.answers)
    except BaseException:
        await running.stop()
        raise
    return running


async def check(name: Name, environment: Settings) -> None:
    """Raise `StartError` unless a component that runs elsewhere accepts connections."""
    if not await reachable(environment.given[ADDRESSES[name]]):
        raise StartError(name, f"does not answer where {ADDRESSES[name]} says it is")


async def reachable(address: str) -> bool:
    """Return whether a server at this URL, or one of these bootstrap servers, accepts a connection."""
    found = urlsplit(address)
    hosts = found.netloc.rpartition("@")[2] if found.netloc else address
    return await ports.accepts(hosts if ":" in hosts else f"{hosts}:{SCHEMES.get(found.scheme, 0)}")
