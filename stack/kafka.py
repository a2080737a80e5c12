"""One Kafka broker in KRaft mode, run from the artifacts that Maven fetches."""

import asyncio
import dataclasses
import shutil
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stack import artifacts, ports, process, toolchain
from stack.errors import StartError
from stack.place import Place

PORT = 9092
HEAP = ("-Xmx1g", "-XX:+UseSerialGC")
# Spends a third of the processor time on coming up, and is slower in the long run.
QUICK = ("-XX:TieredStopAtLevel=1",)

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
"""


@dataclass(frozen=True, slots=True)
class Kafka:
    """A broker on two ports, its data in a folder of its own.

    `more` are lines of configuration that stand against the stack's own, `users` the SCRAM credentials that
    the data folder is formatted with, as Kafka's tool takes them.
    """

    place: Place
    port: int
    controller: int
    more: str = field(default="", kw_only=True)
    users: tuple[str, ...] = field(default=(), kw_only=True)

    name = "kafka"

    @property
    def folder(self) -> Path:
        """Where configuration, data and log lie."""
        return self.place.root / self.name

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return f"{ports.ADDRESS}:{self.port}"

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that it takes."""
        return (self.port, self.controller)

    async def program(self) -> process.Program:
        """Fetch Kafka where it is missing, format the data folder once, and return what to run."""
        jars = await artifacts.jars(self.place.settings)
        self._configure()
        if not self._cluster.exists():
            await self._format(jars)
        classes = await artifacts.classes(self.place.settings, lambda folder: self._record(jars, folder))
        options = (*HEAP, *(() if self.place.measuring else QUICK))
        if classes.exists():
            options = (*options, f"-XX:SharedArchiveFile={classes}")
        return self._java(jars, options, ("kafka.Kafka", str(self._config)))

    async def answers(self) -> bool:
        """Ask for the cluster's metadata; another broker on the port is none of ours."""
        return await cluster(self.address) == self._cluster.read_text()

    @property
    def _config(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _cluster(self) -> Path:
        return self.folder / "cluster"

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        data = _property(self._data)
        lines = CONFIG.format(port=self.port, controller=self.controller, data=data)
        # Of a name that comes twice the last value counts.
        self._config.write_text(lines + self.more)

    async def _format(self, jars: Path) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        identifier = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A leading dash would be read as an option.
        identifier = identifier.replace("-", "0", 1) if identifier.startswith("-") else identifier
        arguments = ("kafka.tools.StorageTool", "format", "-t", identifier, "-c", str(self._config))
        users = tuple(word for user in self.users for word in ("--add-scram", user))
        await process.run(self._java(jars, QUICK, (*arguments, *users)))
        self._cluster.write_text(identifier)

    async def _record(self, jars: Path, folder: Path) -> None:
        """Run a broker once for the archive of its classes, with which every other starts in a third."""
        ports_once = ports.choose_all((), 2)
        broker = Kafka(dataclasses.replace(self.place, root=folder, keep=False), *ports_once)
        broker._configure()
        await broker._format(jars)
        options = (*HEAP, f"-XX:ArchiveClassesAtExit={folder / artifacts.CLASSES}")
        once = broker._java(jars, options, ("kafka.Kafka", str(broker._config)))
        running = await process.start(dataclasses.replace(once, patience=60))
        try:
            await running.answers(broker.answers, 120)
        finally:
            await running.stop()
            ports.give_back(*ports_once)
            await asyncio.to_thread(shutil.rmtree, broker.folder, ignore_errors=True)

    def _java(self, jars: Path, options: tuple[str, ...], arguments: tuple[str, ...]) -> process.Program:
        # Without a configuration of its own log4j shows errors alone, on the console.
        level = "-Dorg.apache.logging.log4j.level=WARN"
        command = (str(toolchain.java()), *options, level, "-cp", f"{jars}/*", *arguments)
        return process.Program(
            name="Kafka",
            command=command,
            folder=self.folder,
            log=self.folder / "log",
            # In the plain C locale Java finds no file whose name has other letters than ASCII's.
            environment={**self.place.settings.inherited, "LC_ALL": "C.UTF-8"},
            patience=15,
            remove=() if self.place.keep else (self.folder,),
            within=self.place.temporary,
        )


def _property(folder: Path) -> str:
    """Return a path as a properties file has it, whose letters are Latin-1; Kafka parts paths at commas."""
    text = str(folder)
    if "," in text:
        raise StartError(Kafka.name, f"takes no folder with a comma in its name: {text}")
    units = text.encode("utf-16-be")
    numbers = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
    return "".join(chr(number) if _plain(number) else f"\\u{number:04x}" for number in numbers)


def _plain(number: int) -> bool:
    return ord(" ") < number < ord("\x7f") and chr(number) != "\\"


async def cluster(bootstrap_servers: str) -> str | None:
    """Return the id of the cluster, or nothing where none is ready."""
    # aiokafka logs every refused connection as an error, so it is asked only once something listens.
    if not await ports.accepts(bootstrap_servers):
        return None
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=5000)
    try:
        await client.start()
        answer = await client.describe_cluster()
        # A broker that is not registered yet answers too, and knows of no broker.
        return str(answer["cluster_id"]) if answer["brokers"] else None
    except (KafkaError, OSError):
        return None
    finally:
        await client.close()
