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

from stack.processes import reaper

T = TypeVar("T")

POLL_SECONDS = 0.05
LOG_TAIL_LINES = 20


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
    stop_signal: int = signal.SIGTERM
    stop_timeout: float = 10.0
    user: tuple[int, int] | None = None


class Process:
    """A started program; unless it is detached it ends when this process does, even by SIGKILL."""

    def __init__(self, program: Program, child: "subprocess.Popen[bytes]") -> None:
        self.program = program
        self.pid = child.pid
        self._child = child
        self._process = psutil.Process(child.pid)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def log_tail(self) -> str:
        """Return the last lines of its log."""
        lines = self.program.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def kill(self) -> None:
        """Kill it and its children, and wait for their end."""
        reaper.kill_processes(reaper.process_tree(self._process))
        self._child.wait()

    def pause(self) -> None:
        """Send SIGSTOP to it and its children, parent first."""
        reaper.send_signal(reaper.process_tree(self._process), signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT to it and its children."""
        reaper.send_signal(reaper.process_tree(self._process), signal.SIGCONT)

    async def wait_for_exit(self) -> int:
        """Wait for its end; return the exit status, or minus the number of the signal that killed it."""
        return await asyncio.to_thread(self._child.wait)

    async def stop(self) -> None:
        """End it and wait for its end."""
        await asyncio.to_thread(
            reaper.stop_all, [self._process], self.program.stop_signal, self.program.stop_timeout
        )
        await self.wait_for_exit()

    async def wait_until_ready(self, is_ready: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
        """Poll until `is_ready` returns true. Raises `StartError` if the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while not await is_ready():
            if not self.is_alive:
                raise StartError(self.program.name, "ended while it was starting", self.log_tail())
            if time.monotonic() > deadline:
                raise StartError(self.program.name, f"did not answer within {seconds:.0f} s", self.log_tail())
            await asyncio.sleep(POLL_SECONDS)


def start_program(program: Program) -> Process:
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
    _tell_reaper(f"pid {child.pid}")
    return Process(program, child)


async def run_program(program: Program) -> None:
    """Run a program to its end. Raises `StartError` unless its exit status is 0."""
    process = start_program(program)
    try:
        status = await process.wait_for_exit()
    finally:
        await process.stop()
    if status:
        raise StartError(program.name, f"ended with status {status}", process.log_tail())


def remove_at_exit(path: Path) -> None:
    """Have a temporary file or folder removed when this process ends, even by SIGKILL."""
    _tell_reaper(f"remove {path}")


def detach_processes() -> None:
    """Let all processes that were started so far outlive this one."""
    _tell_reaper("detach")
    _start_reaper().wait()
    _start_reaper.cache_clear()


@functools.cache
def _start_reaper() -> "subprocess.Popen[bytes]":
    command = (sys.executable, "-P", reaper.__file__)
    return subprocess.Popen(  # noqa: S603 - this package's own file
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _tell_reaper(line: str) -> None:
    stdin = _start_reaper().stdin
    assert stdin is not None  # noqa: S101 - it is a pipe
    with suppress(BrokenPipeError):
        stdin.write(f"{line}\n".encode())
        stdin.flush()


async def run_concurrently(*coroutines: Coroutine[Any, Any, T]) -> list[T]:
    """Run all concurrently and return their results; the first error cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in coroutines]
    except BaseExceptionGroup as errors_found:
        raise errors_found.exceptions[0] from None
    return [task.result() for task in tasks]
