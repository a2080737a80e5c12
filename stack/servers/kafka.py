"""Local Kafka: one broker in KRaft mode, run from the jars that Maven fetches."""

import hashlib
import json
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stack import cache, ports, toolchain
from stack.processes import process
from stack.settings import ComponentContext, Settings

VERSION = "4.3.0"
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
POM = Path(__file__).with_name("pom.xml")
# C1 alone: C2 takes a third of the CPU time of a start, and pays off only in the long run.
JVM_OPTIONS = ("-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
# Without a configuration of its own log4j shows errors alone, on the console.
LOG_OPTION = "-Dorg.apache.logging.log4j.level=WARN"
PROPERTIES = """\
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
    """A broker on two ports: for clients, and for its controller.

    `extra_config` are lines of configuration that override the stack's own, `scram_users` the SCRAM
    credentials to format the data folder with, in the syntax of Kafka's storage tool. Brokers of one cluster
    have the same `cluster_id`; by default each broker is a cluster of its own.
    """

    context: ComponentContext
    ports: tuple[int, ...]
    extra_config: str = field(default="", kw_only=True)
    scram_users: tuple[str, ...] = field(default=(), kw_only=True)
    cluster_id: str | None = field(default=None, kw_only=True)

    name = "kafka"

    @property
    def address(self) -> str:
        """The bootstrap servers."""
        return f"{ports.ADDRESS}:{self.ports[0]}"

    async def prepare_program(self) -> process.Program:
        """Fetch Kafka if it is missing, format the data folder once, and return the program to run."""
        jars = await _obtain_jars(self.context.settings)
        config = self._write_config()
        if not self._cluster_id_file.exists():
            shutil.rmtree(self._folder / "data", ignore_errors=True)
            identifier = self.cluster_id or new_cluster_id()
            arguments = ("kafka.tools.StorageTool", "format", "-t", identifier, "-c", config)
            users = (word for user in self.scram_users for word in ("--add-scram", user))
            await process.run_program(self._java_program(jars, *arguments, *users))
            self._cluster_id_file.write_text(identifier)
        return self._java_program(jars, _class_archive_option(self.context.settings), "kafka.Kafka", config)

    async def is_ready(self) -> bool:
        """Return whether this very broker, and not another one on its port, returns its metadata."""
        # aiokafka logs every refused connection as an error, so it connects only once something listens.
        if not await ports.accepts_connection(self.address):
            return False
        client = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=5000)
        try:
            await client.start()
            answer = await client.describe_cluster()
            # A broker that is not registered yet answers too, with no brokers in its answer.
            return bool(answer["brokers"] and answer["cluster_id"] == self._cluster_id_file.read_text())
        except (KafkaError, OSError):
            return False
        finally:
            await client.close()

    @property
    def _folder(self) -> Path:
        return self.context.root / self.name

    @property
    def _cluster_id_file(self) -> Path:
        return self._folder / "cluster"

    def _write_config(self) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        data, path = str(self._folder / "data"), self._folder / "server.properties"
        if "," in data:
            raise process.StartError(self.name, f"cannot use a folder with a comma in its name: {data}")
        # A properties file is Latin-1 and has JSON's escapes.
        lines = PROPERTIES.format(port=self.ports[0], controller=self.ports[1], data=json.dumps(data)[1:-1])
        # The last value of a repeated name counts.
        path.write_text(lines + self.extra_config)
        return str(path)

    def _java_program(self, jars: Path, *words: str) -> process.Program:
        return process.Program(
            name="Kafka",
            command=(str(toolchain.find_java()), "-cp", f"{jars}/*", LOG_OPTION, *JVM_OPTIONS, *words),
            folder=self._folder,
            log=self._folder / "log",
            # In the plain C locale Java finds no file with non-ASCII letters in its name.
            environment={**self.context.settings.inherited, "LC_ALL": "C.UTF-8"},
            stop_timeout=15,
        )


def new_cluster_id() -> str:
    """Return a random cluster id: 16 bytes in base64, as Kafka demands."""
    # A leading dash would be read as an option.
    return f"k{secrets.token_urlsafe(16)[1:]}"


async def _obtain_jars(settings: Settings) -> Path:
    """Return the folder of Kafka's jars, which Maven fetches if it is missing."""

    async def fetch(target: Path) -> None:
        goal = (f"{MAVEN_PLUGIN}:copy-dependencies", f"-DoutputDirectory={target}")
        command = (str(toolchain.find_maven()), "--batch-mode", "--quiet", f"--file={POM}", *goal)
        environment = {"JAVA_HOME": str(toolchain.find_java().resolve().parents[1]), **settings.inherited}
        await process.run_program(process.Program("Maven", command, target, target / "log", environment))

    return await cache.build_once(
        settings.cache_folder, f"kafka-{VERSION}", f"fetching Kafka {VERSION} (once)", fetch
    )


def _class_archive_option(settings: Settings) -> str:
    """Return the JVM option that loads the archive of Kafka's classes, for quicker starts, or records it.

    It is recorded at a broker's end, for one Java and one path of the jars.
    """
    identity = f"{settings.cache_folder} {toolchain.java_version(toolchain.find_java())}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    for archive in settings.cache_folder.glob(f"kafka-{VERSION}-{digest}-*.jsa"):
        return f"-XX:SharedArchiveFile={archive}"
    # Java ignores an incomplete archive, but two brokers that end at once must not write the same one.
    new_archive = settings.cache_folder / f"kafka-{VERSION}-{digest}-{secrets.token_hex(4)}.jsa"
    return f"-XX:ArchiveClassesAtExit={new_archive}"
