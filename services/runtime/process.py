"""A service's process, run by FastStream: start, run, stop within ten seconds, exit status."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import jwt
import structlog
import uvloop
from fastapi import FastAPI
from faststream import FastStream
from faststream.annotations import FastStream as RunningApp

from cohost.kafka import patches
from messaging.errors import IncompatibleDeployment
from services.runtime import logs, startup_checks
from services.runtime.http.server import BoundedServer
from services.runtime.settings import EXIT_WRONG_SETTING, ProcessSettings, variable_name
from services.runtime.startup_checks import WrongSetting

EXIT_REFUSED = 3

_DRAIN_SECONDS = 8
_CLOSE_SECONDS = 0.5
# FastStream's loop notices a signal up to 0.1 s late, and ten seconds are promised.
_SHUTDOWN_SECONDS = 9.5
_POLL_SECONDS = 0.1
_REFUSED_ERRORS = (
    IncompatibleDeployment,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)

log = structlog.get_logger()


class MainTask(Protocol):
    """What a process is for, beside HTTP: the pipeline, or the gateway's access to Kafka."""

    @property
    def is_ready(self) -> bool:
        """Return whether it works."""

    async def run(self) -> None:
        """Run until stopped."""

    def stop(self) -> None:
        """Make `run` return, in bounded time."""


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a process.

    `background` tasks run beside the main task and are cancelled after it has stopped; an error in one ends
    the process. `closers` are called last, in order. `max_connections` bounds those of HTTP.
    """

    name: str
    main: MainTask
    http: FastAPI
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()
    closers: tuple[Callable[[], Awaitable[object]], ...] = ()
    max_connections: int | None = None


def run_app(create: Callable[[], FastStream]) -> None:
    """Run an application until a signal stops it, as `faststream run` does.

    Exit statuses: 0 for a graceful stop, 1 for a bug, 2 for a wrong setting, 3 for a database or Kafka that
    the service must not use.
    """
    uvloop.run(create().run())


class Lifecycle:
    """The hooks by which FastStream's application runs a service: `lifespan`, and `stop` on shutdown."""

    def __init__(self, settings: ProcessSettings, build: Callable[[], Awaitable[Service]]) -> None:
        self._settings = settings
        self._build = build
        self._runner: _Runner | None = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: RunningApp) -> AsyncIterator[None]:
        """Check the settings, build the service, run its tasks during the block, and close it."""
        _prepare_process(self._settings)
        with _exit_on_error():
            with startup_checks.listen(self._settings) as listener:
                await startup_checks.check_connections(self._settings)
                service = await self._build()
                try:
                    await startup_checks.fetch_keys(service.http.state.authenticator)
                    _tune_gc()
                    self._runner = _Runner(service, app.exit)
                    self._runner.start(listener)
                    yield
                finally:
                    await self.stop()
                    await _close_service(service)
            self._runner.raise_failure()
        log.info("stopped")

    async def stop(self) -> None:
        """Release the lanes and end every task. FastStream's broker must stop after this."""
        if self._runner is not None:
            await self._runner.stop()


def _prepare_process(settings: ProcessSettings) -> None:
    """Apply process-wide settings here, so that importing a module has no side effects."""
    logs.configure_logging(settings.log_level)
    patches.apply_patches()
    # In development a secret may be short; PyJWT would warn about it at every request.
    warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)


@contextlib.contextmanager
def _exit_on_error() -> Iterator[None]:
    """Print an error in one line and exit with its status; log a bug with its traceback."""
    try:
        yield
    except WrongSetting as wrong:
        _exit_with_line(str(wrong), EXIT_WRONG_SETTING)
    except _REFUSED_ERRORS as refused:
        _exit_with_line(_name_variable(refused), EXIT_REFUSED)
    except Exception:
        log.exception("stopped by an error")
        raise SystemExit(1) from None


def _exit_with_line(text: str, status: int) -> None:
    sys.stderr.write(" ".join(text.split()) + "\n")
    raise SystemExit(status) from None


def _name_variable(refused: Exception) -> str:
    """Return the error's text, with the environment variable that may have to change."""
    setting = refused.setting if isinstance(refused, IncompatibleDeployment) else None
    return str(refused) if setting is None else f"{refused} ({variable_name(setting)})"


async def _close_service(service: Service) -> None:
    for close in service.closers:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await close()


def _tune_gc() -> None:
    """Collect cyclic garbage rarely, and never scan objects that live as long as the process.

    By default a collection starts after every 700 new objects, which took a third of a drain's decision time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class _Runner:
    """Run a service's tasks; the first one that fails makes the application exit."""

    def __init__(self, service: Service, exit_app: Callable[[], None]) -> None:
        self._service = service
        self._exit_app = exit_app
        self._main_tasks: list[asyncio.Task[None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._server = BoundedServer(service.http, service.max_connections)

    def start(self, listener: socket.socket) -> None:
        """Start every task."""
        service = self._service
        self._main_tasks = [
            self._spawn(self._server.serve([listener])),
            self._spawn(service.main.run()),
        ]
        self._ready_task = self._spawn(self._log_when_ready())
        for work in service.background:
            self._spawn(work())

    async def stop(self) -> None:
        """End every task, in bounded time."""
        if self._stopping:
            return
        self._stopping = True
        failed = any(task.done() for task in self._tasks if task is not self._ready_task)
        asyncio.get_running_loop().call_later(_SHUTDOWN_SECONDS, _abort, int(failed))
        self._server.should_exit = True
        self._service.main.stop()
        # Stop background tasks last: releasing lanes may wait for effects that they run.
        await asyncio.wait(self._main_tasks, timeout=_DRAIN_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)

    def raise_failure(self) -> None:
        """Raise the error of the task that failed, if one did."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._on_task_done)
        self._tasks.append(task)
        return task

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._exit_app()

    async def _log_when_ready(self) -> None:
        while not self._service.main.is_ready:
            await asyncio.sleep(_POLL_SECONDS)
        log.info("ready", service=self._service.name)


def _abort(status: int) -> None:
    # The next owner recovers from the log, as after a crash.
    log.warning("shutdown timed out: exiting without draining")
    os._exit(status)
