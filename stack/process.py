"""Child processes: started, polled until they answer, and ended, at the latest with this process."""

import asyncio
import functools
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil  # type: ignore[import-untyped]

from stack import guard

T = TypeVar("T")

PAUSE = 0.05
LINES = 20


class StartError(Exception):
    """A program did not start; `log` holds the last lines of its log."""

    def __init__(self, name: str, what: str, log: str = "") -> None:
        self.log = log
        super().__init__(f"{name} {what}" + (f"; its last lines:\n{log}" if log else ""))


@dataclass(frozen=True, slots=True)
class Program:
    """A command, its uid and gid, and how to end it: by `stop_signal`, then by SIGKILL."""

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    stop: int = signal.SIGTERM
    patience: float = 10.0
    user: tuple[int, int] | None = None


class Process:
    """A started program; unless it is detached it ends when this process does, even by SIGKILL."""

    def __init__(self, program: Program, child: "subprocess.Popen[bytes]") -> None:
        self.program = program
        self.pid = child.pid
        self._child = child
        self._process = psutil.Process(child.pid)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def log(self) -> str:
        """Return the last lines of its log."""
        lines = self.program.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LINES:])

    def kill(self) -> None:
        """Kill it and its children, and wait for their end."""
        guard.kill(guard.family(self._process))
        self._child.wait()

    def pause(self) -> None:
        """Send SIGSTOP to it and its children, parent first."""
        guard.send(guard.family(self._process), signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT to it and its children."""
        guard.send(guard.family(self._process), signal.SIGCONT)

    async def ended(self) -> int:
        """Wait for its end; return the exit status, or minus the number of the signal that killed it."""
        return await asyncio.to_thread(self._child.wait)

    async def stop(self) -> None:
        """End it and wait for its end."""
        await asyncio.to_thread(guard.end, [self._process], self.program.stop, self.program.patience)
        await self.ended()

    async def answers(self, ask: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
        """Poll until `is_ready` returns true. Raises `StartError` if the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not await ask():
            if not self.alive:
                raise StartError(self.program.name, "ended while it was starting", self.log())
            if time.monotonic() > deadline:
                raise StartError(self.program.name, f"did not answer within {seconds:.0f} s", self.log())
            await asyncio.sleep(PAUSE)


def start(program: Program) -> Process:
    """Start a program in a session of its own. Raises `StartError` if it cannot be run."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    user, group = program.user or (None, None)
    try:
        with program.log.open("ab") as log:
            child = subprocess.Popen(  # noqa: S603 - the command is this package's own
                program.command,
                cwd=program.folder,
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if user is None else (),
            )
    except OSError as error:
        raise StartError(program.name, f"cannot be run: {error}") from error
    _tell(f"pid {child.pid}")
    return Process(program, child)


async def run(program: Program) -> None:
    """Run a program to its end. Raises `StartError` unless its exit status is 0."""
    process = start(program)
    try:
        status = await process.ended()
    finally:
        await process.stop()
    if status:
        raise StartError(program.name, f"ended with status {status}", process.log())


def remove_at_death(path: Path) -> None:
    """Have a temporary file or folder removed when this process ends, even by SIGKILL."""
    _tell(f"remove {path}")


def detach() -> None:
    """Let all processes that were started so far outlive this one."""
    _tell("detach")
    _guard().wait()
    _guard.cache_clear()


@functools.cache
def _guard() -> "subprocess.Popen[bytes]":
    command = (sys.executable, "-P", guard.__file__)
    return subprocess.Popen(  # noqa: S603 - this package's own file
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _tell(line: str) -> None:
    order = _guard().stdin
    assert order is not None  # noqa: S101 - it is a pipe
    with suppress(BrokenPipeError):
        order.write(f"{line}\n".encode())
        order.flush()


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Run all concurrently and return their results; the first error cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as errors_found:
        raise errors_found.exceptions[0] from None
    return [task.result() for task in tasks]
