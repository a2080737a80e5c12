"""The three parts, made and started alike; one that runs elsewhere is only asked whether it answers."""

from collections.abc import Callable
from typing import Literal, TypeAlias, cast

from stack import kafka, livekit, ports, postgres, process
from stack.errors import StartError
from stack.place import Place
from stack.settings import Settings

Name: TypeAlias = Literal["kafka", "postgres", "livekit"]
Part: TypeAlias = kafka.Kafka | postgres.Postgres | livekit.LiveKit
NAMES: tuple[Name, ...] = ("kafka", "postgres", "livekit")
DEFAULTS: dict[Name, tuple[int, ...]] = {
    "kafka": (kafka.PORT, kafka.PORT + 1),
    "postgres": (postgres.PORT,),
    "livekit": livekit.PORTS,
}
VARIABLES: dict[Name, str] = {
    "kafka": "COHOST_KAFKA_BOOTSTRAP_SERVERS",
    "postgres": "COHOST_DATABASE_URL",
    "livekit": "COHOST_LIVEKIT_URL",
}
ATTEMPTS = 3


def create(name: Name, place: Place) -> Part:
    """Make a part in its folder, on the wanted ports where they are free."""
    return at(name, place, ports.choose_all(place.wanted, len(DEFAULTS[name])))


def at(name: Name, place: Place, numbers: tuple[int, ...]) -> Part:
    """Make a part on exactly these ports."""
    match name:
        case "kafka":
            return kafka.Kafka(place, *numbers)
        case "postgres":
            return postgres.create(place, *numbers)
        case "livekit":
            return livekit.LiveKit(place, *numbers)


async def start(
    make: Callable[[], Part], started: Callable[[Part, process.Process], None] | None = None
) -> tuple[Part, process.Process]:
    """Make a part and start it, on other ports if its own were snatched meanwhile.

    `started` hears of every process at once.
    """
    for attempt in range(1, ATTEMPTS + 1):
        part = make()
        try:
            return part, await launch(part, started)
        except StartError as error:
            ports.give_back(*part.ports)
            if attempt == ATTEMPTS or "in use" not in error.log.lower():
                raise
    raise AssertionError(ATTEMPTS)


async def launch(
    part: Part, started: Callable[[Part, process.Process], None] | None = None
) -> process.Process:
    """Start a part and wait until it answers; one that does not is ended."""
    running = await process.start(await part.program())
    if started:
        started(part, running)
    try:
        await running.answers(part.answers)
        if isinstance(part, postgres.Postgres):
            await part.prepare()
    except BaseException:
        await running.stop()
        raise
    return running


def elsewhere(name: Name, environment: Settings) -> str | None:
    """Return the address of a part that the environment says runs elsewhere."""
    return environment.given.get(VARIABLES[name])


async def check(name: Name, environment: Settings) -> None:
    """Ask a part that runs elsewhere, and raise `StartError` unless it answers."""
    address = cast("str", elsewhere(name, environment))
    if not await _answers(name, address, environment):
        raise StartError(name, f"does not answer where {VARIABLES[name]} says it is")


async def _answers(name: Name, address: str, environment: Settings) -> bool:
    match name:
        case "kafka":
            # With a login only the services' own clients can ask; they will say what is wrong.
            if environment.given.get("COHOST_KAFKA_SECURITY_PROTOCOL", "PLAINTEXT") != "PLAINTEXT":
                return await ports.accepts(address)
            return await kafka.cluster(address) is not None
        case "postgres":
            return await postgres.reachable(address)
        case "livekit":
            words = [environment.given.get(f"COHOST_LIVEKIT_API_{word}", "") for word in ("KEY", "SECRET")]
            return await livekit.reachable(address, *words)
