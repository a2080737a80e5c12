"""Kafka's jars, which Maven fetches, and the archive of the classes that a broker loads."""

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from stack import cache, process, toolchain
from stack.settings import Settings

VERSION = "4.3.0"
POM = Path(__file__).with_name("pom.xml")
CLASSES = "classes.jsa"


async def jars(settings: Settings) -> Path:
    """Return the folder of the jars, fetched where it is missing."""

    async def fetch(target: Path) -> None:
        await process.run(_maven(settings, target))

    doing = f"fetching Kafka {VERSION} (once)"
    return await cache.obtain(settings.cache, f"kafka-{VERSION}", doing, fetch)


async def classes(settings: Settings, record: Callable[[Path], Awaitable[None]]) -> Path:
    """Return the archive of a broker's classes for this Java; one that cannot make any leaves none."""
    identity = f"{settings.cache} {toolchain.version(toolchain.java())}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12]
    doing = "recording Kafka's classes, for quicker starts (once)"
    return await cache.obtain(settings.cache, f"kafka-{VERSION}-classes-{digest}", doing, record) / CLASSES


def _maven(settings: Settings, target: Path) -> process.Program:
    words = (
        str(toolchain.maven()),
        "--batch-mode",
        "--quiet",
        f"--file={POM}",
        "dependency:copy-dependencies",
        f"-DoutputDirectory={target}",
    )
    home = str(toolchain.java().resolve().parents[1])
    environment = {"JAVA_HOME": home, **settings.inherited}
    return process.Program("Maven", words, target, target / "log", environment)
