"""Processes that are started, watched while they come up, and ended."""

import asyncio
import json
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

from stack import errors, guard

T = TypeVar("T")

PAUSE = 0.05
BOOT = Path("/proc/sys/kernel/random/boot_id")
GUARD = (sys.executable, "-P", guard.__file__)


@dataclass(frozen=True, slots=True)
class User:
    """Whom root starts a process as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how to end it: `stop` is asked for first, and after `patience` seconds it is killed.

    `remove` names what shall not outlive a starter that was killed, and `within` a folder that then goes as
    well, once it is empty.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    environment: Mapping[str, str]
    stop: int = signal.SIGTERM
    patience: float = 10.0
    user: User | None = None
    remove: tuple[Path, ...] = ()
    within: Path | None = None

    def order(self) -> dict[str, object]:
        """Return the program as the guard reads it."""
        return {
            "command": list(self.command),
            "folder": str(self.folder),
            "environment": dict(self.environment),
            "stop": int(self.stop),
            "patience": self.patience,
            "user": self.user.uid if self.user else None,
            "group": self.user.gid if self.user else None,
            "remove": [str(path) for path in self.remove],
            "within": str(self.within) if self.within else None,
        }


class Process:
    """A program that was started; unless it is set free it ends when its starter does."""

    def __init__(self, program: Program, starter: "subprocess.Popen[bytes]", pid: int) -> None:
        self.program = program
        self.pid = pid
        self._starter = starter
        self._process = psutil.Process(pid)
        self.started = _moment(self._process)
        """When it started; with the pid it names the process for good."""

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return guard.alive(self._process)

    def log(self) -> str:
        """Return the last lines that it wrote."""
        return errors.tail(self.program.log)

    def kill(self) -> None:
        """Kill it and its children, and wait until they are gone."""
        guard.kill(self._process)

    def pause(self) -> None:
        """Stop it and its children as with SIGSTOP, parent first."""
        guard.send(guard.family(self._process), signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        guard.send(guard.family(self._process), signal.SIGCONT)

    async def ended(self) -> int:
        """Wait for its end and return the exit status, 128 and the signal's number where it was killed."""
        return await asyncio.to_thread(self._starter.wait)

    async def stop(self) -> None:
        """End it in good order and wait for that."""
        await asyncio.to_thread(self._stop)

    async def set_free(self) -> None:
        """Let it outlive its starter."""
        await asyncio.to_thread(self._part, guard.FREE)

    def _stop(self) -> None:
        self._part(guard.FAREWELL)
        if self.alive:
            # It was set free, or its guard was killed.
            guard.end(self._process, self.program.stop, self.program.patience)

    def _part(self, word: str) -> None:
        assert self._starter.stdin is not None  # noqa: S101 - it is a pipe
        if not self._starter.stdin.closed:
            with suppress(BrokenPipeError), self._starter.stdin as order:
                order.write(f"{word}\n".encode())
        self._starter.wait()

    async def answers(self, ask: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
        """Ask until it answers, and raise `StartError` as soon as it has ended or the time is over."""
        deadline = time.monotonic() + seconds
        while not await ask():
            if not self.alive:
                raise errors.StartError(self.program.name, "ended while it was starting", self.log())
            if time.monotonic() > deadline:
                raise errors.StartError(
                    self.program.name, f"did not answer within {seconds:.0f} s", self.log()
                )
            await asyncio.sleep(PAUSE)


async def start(program: Program) -> Process:
    """Start a program."""
    program.log.parent.mkdir(parents=True, exist_ok=True)
    starting = asyncio.ensure_future(asyncio.to_thread(_start, program))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # The thread goes on: what it starts would be nobody's.
        await (await starting).stop()
        raise


async def run(program: Program) -> None:
    """Run a program to its end and raise `StartError` unless that was a good one."""
    process = await start(program)
    try:
        status = await process.ended()
    finally:
        await process.stop()
    if status:
        raise errors.StartError(program.name, f"ended with status {status}", process.log())


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Do all at once; the first error ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as errors_found:
        raise errors_found.exceptions[0] from None
    return [task.result() for task in tasks]


def find(pid: int, started: str) -> psutil.Process | None:
    """Return the process of that pid if it is still the one that started then."""
    try:
        process = psutil.Process(pid)
        same = _moment(process) == started
    except psutil.NoSuchProcess:
        return None
    return process if same and guard.alive(process) else None


def _moment(process: psutil.Process) -> str:
    """Name the moment of a process' start, whatever the clock is set to later."""
    boot = BOOT.read_text().strip() if BOOT.exists() else ""
    # psutil adds when the system booted, which moves with the clock.
    return f"{boot} {process.create_time() - psutil.boot_time():.2f}"


def _start(program: Program) -> Process:
    with program.log.open("ab") as log:
        starter = subprocess.Popen(  # noqa: S603 - this package's own file
            GUARD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert starter.stdin is not None  # noqa: S101 - both are pipes
    assert starter.stdout is not None  # noqa: S101
    starter.stdin.write(json.dumps(program.order()).encode() + b"\n")
    starter.stdin.flush()
    with starter.stdout as output:
        line = output.readline()
    return _process(program, starter, line.decode().strip())


def _process(program: Program, starter: "subprocess.Popen[bytes]", pid: str) -> Process:
    try:
        return Process(program, starter, int(pid))
    except (ValueError, psutil.NoSuchProcess) as error:
        starter.wait()
        raise errors.StartError(program.name, "ended at once", errors.tail(program.log)) from error
