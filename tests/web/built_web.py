"""What is in `web/`, built, and its scripts run with Node.js."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TextIO

import pytest

from stack import Stack
from stack.services import RunningServices

WEB = Path(__file__).parents[2] / "web"
SECONDS = 300

_LOCK = WEB / ".build.lock"
_RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))


async def build_web(stack: Stack) -> None:
    """Build the packages, once in a run of the tests; skip the test where Node.js is missing.

    A second build would take away the files that another test's gateway serves.
    """
    with contextlib.closing(await asyncio.to_thread(_BuildLock.acquire)) as lock:
        if not lock.is_built:
            printed = await run_command(".ci/web", "build", folder=WEB.parent, environment=stack.inherited)
            if "NOT RUN" in printed:
                pytest.skip(printed.strip())
            lock.set_built()


async def run_script(stack: Stack, running: RunningServices, script: Path, **variables: str) -> str:
    """Run a script against a gateway; it must succeed."""
    environment = {
        **stack.inherited,
        "COHOST_GATEWAY_URL": running.gateway_url,
        "COHOST_JWT_SECRET": running.jwt_secret,
        **variables,
    }
    return await run_command("node", os.fspath(script), folder=script.parent, environment=environment)


async def run_command(*command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command, which must succeed, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, output.decode()
    return output.decode()


class _BuildLock:
    """A lock on the built files, in which the run of the tests stands that has built them."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @classmethod
    def acquire(cls) -> Self:
        """Wait for the lock."""
        file = _LOCK.open("a+")
        fcntl.flock(file, fcntl.LOCK_EX)
        return cls(file)

    @property
    def is_built(self) -> bool:
        """Whether this run has built the files."""
        self._file.seek(0)
        return self._file.read() == _RUN

    def set_built(self) -> None:
        """Remember that this run has built the files."""
        self._file.truncate(0)
        self._file.write(_RUN)

    def close(self) -> None:
        """Give the lock back."""
        self._file.close()
