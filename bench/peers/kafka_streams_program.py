"""The Kafka Streams peer: built once by Maven, and run with a bounded heap."""

import hashlib
import shutil
from pathlib import Path

from bench.environment import BenchRun
from bench.peers.peer import PeerTraffic, PrepareProgram
from stack import cache, settings, toolchain
from stack.processes import process
from stack.processes.process import Program
from stack.servers.kafka import LOG_OPTION, MAVEN_PLUGIN

PROJECT = Path(__file__).with_name("kafka_streams")
MAIN_CLASS = "cohost.peer.InvitationsTopology"
# The serial collector needs the least processor time on few processors. C2 stays on: it pays off here.
JVM_OPTIONS = ("-Xmx1g", "-XX:+UseSerialGC")
LOG_OPTIONS = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", LOG_OPTION)


async def build_jars() -> Path:
    """Return the folder with the peer's jar and those it needs; Maven builds it if its source changed."""
    found = settings.load_settings(isolated=True)

    async def build(target: Path) -> None:
        project = target / "project"
        shutil.copytree(PROJECT, project)
        goals = ("package", f"{MAVEN_PLUGIN}:copy-dependencies", f"-DoutputDirectory={target}")
        command = (str(toolchain.find_maven()), "--batch-mode", "--quiet", *goals)
        environment = {"JAVA_HOME": str(toolchain.find_java().resolve().parents[1]), **found.inherited}
        await process.run_program(Program("Maven", command, project, target / "log", environment))
        for jar in (project / "target").glob("*.jar"):
            jar.rename(target / jar.name)
        shutil.rmtree(project)

    name = f"kafka-streams-peer-{source_digest()}"
    return await cache.build_once(found.cache_folder, name, "building the Kafka Streams peer (once)", build)


def source_digest() -> str:
    """Return a digest of everything that the jars are built from."""
    digest = hashlib.sha256()
    for path in sorted(PROJECT.rglob("*")):
        if path.suffix in {".java", ".xml"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def prepare_streams(commit_ms: int) -> PrepareProgram:
    """Return what prepares the application with a commit interval."""

    async def prepare(run: BenchRun, _: PeerTraffic) -> Program:
        jars, folder = await build_jars(), run.stack.root / f"{run.prefix}state"
        arguments = (run.bootstrap_servers, run.prefix, str(commit_ms), str(folder))
        return Program(
            name="Kafka Streams",
            command=(
                str(toolchain.find_java()),
                *JVM_OPTIONS,
                *LOG_OPTIONS,
                *("-cp", f"{jars}/*", MAIN_CLASS, *arguments),
            ),
            folder=run.stack.root,
            log=run.stack.root / f"{run.prefix}streams.log",
            environment={**run.stack.inherited, "LC_ALL": "C.UTF-8"},
        )

    return prepare
