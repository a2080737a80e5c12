"""Fixtures: the built wheel, and an environment that holds the wheel and its dependencies alone."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from stack.services import REPOSITORY

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
_SECONDS = 300


def _run(command: Sequence[str], failure: str) -> None:
    try:
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.CalledProcessError as error:
        pytest.fail(f"{failure}:\n{error.stderr}", pytrace=False)
    except subprocess.TimeoutExpired:
        pytest.fail(f"{failure} within {_SECONDS} seconds", pytrace=False)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the environment's own hatchling."""
    folder = tmp_path_factory.mktemp("dist")
    command = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    _run(command, "the wheel cannot be built")
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel and what the wheel's metadata asks for."""
    folder = tmp_path_factory.mktemp("installed")
    downloads, environment = folder / "downloads", folder / "environment"
    # pip takes no hashes for ranges, so the locked files are fetched first and are then the only source.
    _run(
        (
            *(*_PIP, "download", "--quiet", "--timeout", "15", "--retries", "1", "--no-deps"),
            *("--only-binary=:all:", "--require-hashes", "--requirement", "requirements.txt"),
            *("--dest", str(downloads)),
        ),
        "the packages of requirements.txt cannot be downloaded; is the package index reachable?",
    )
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    source = ("--no-index", "--find-links", str(downloads))
    _run((*_PIP, "--python", str(python), "install", *source, str(wheel)), "the wheel cannot be installed")
    return python
