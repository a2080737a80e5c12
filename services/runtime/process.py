"""Process lifecycle of a service: start, run, stop gracefully within ten seconds, exit status."""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg
import structlog
import uvicorn
from fastapi import FastAPI

from cohost.kafka import patches, security
from messaging.errors import IncompatibleDeployment, is_transient
from messaging.pipeline import Pipeline
from services.runtime import logs
from services.runtime.settings import EXIT_WRONG_SETTING, ServiceSettings, variable_name

EXIT_REFUSED = 3

_DRAIN_SECONDS = 8
_CLOSE_SECONDS = 0.5
_SHUTDOWN_SECONDS = 9.7
_CHECK_SECONDS = 2
_POLL_SECONDS = 0.1
_REFUSED_ERRORS = (
    IncompatibleDeployment,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)

log = structlog.get_logger()

S = TypeVar("S", bound=ServiceSettings)


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a service.

    `background` tasks run beside the pipeline and are cancelled after it has stopped; an error in one ends
    the process. `closers` are called last, in order.
    """

    name: str
    pipeline: Pipeline
    http: FastAPI
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()
    closers: tuple[Callable[[], Awaitable[object]], ...] = ()


class WrongSetting(Exception):
    """A setting failed when it was first used; the text is one line that names the variable."""


def run_service(settings: S, build: Callable[[S], Awaitable[Service]]) -> int:
    """Run the service that `build` returns until a signal stops it, and return the exit status.

    0: stopped gracefully. 1: a bug. 2: a wrong setting. 3: a database or Kafka that it must not use.
    """
    logs.configure_logging(settings.log_level)
    patches.apply_patches()
    try:
        asyncio.run(_run_until_stopped(settings, build))
    except WrongSetting as wrong:
        return _print_error(wrong, EXIT_WRONG_SETTING)
    except _REFUSED_ERRORS as refused:
        return _print_error(_name_variable(refused), EXIT_REFUSED)
    except Exception:
        log.exception("stopped by an error")
        return 1
    log.info("stopped")
    return 0


def _print_error(error: object, status: int) -> int:
    sys.stderr.write(" ".join(str(error).split()) + "\n")
    return status


def _name_variable(refused: Exception) -> str:
    """Return the error's text, with the variable by which an operator may correct it."""
    setting = refused.setting if isinstance(refused, IncompatibleDeployment) else None
    return str(refused) if setting is None else f"{refused} ({variable_name(setting)})"


async def _run_until_stopped(settings: S, build: Callable[[S], Awaitable[Service]]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    with _listen(settings) as listener:
        await _check_database(settings.database_url.get_secret_value())
        await _check_kafka_credentials(settings)
        service = await build(settings)
        _tune_gc()
        try:
            await _Runner(service, stopping).run(listener)
        finally:
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


@contextlib.contextmanager
def _listen(settings: ServiceSettings) -> Iterator[socket.socket]:
    host, port = settings.http_host, settings.http_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid host name"
        msg = f"COHOST_HTTP_HOST: {reason}"
        raise WrongSetting(msg) from error
    # Without the protocol number asyncio leaves Nagle's algorithm on: 40 ms per response.
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            wrong = "HOST" if error.errno == errno.EADDRNOTAVAIL else "PORT"
            msg = f"COHOST_HTTP_{wrong}: cannot listen on {host}:{port}: {error.strerror}"
            raise WrongSetting(msg) from error
        yield listener


async def _check_database(url: str) -> None:
    """Fail at once if the database URL or login is wrong. The pipeline waits for a database that is down."""
    try:
        connection = await asyncpg.connect(url, timeout=_CHECK_SECONDS)
    except (ValueError, OverflowError) as error:
        # The text of errors other than asyncpg's own may show part of the URL, and so of the password.
        own = isinstance(error, asyncpg.InterfaceError)
        msg = f"COHOST_DATABASE_URL: {error if own else 'not a valid Postgres URL'}"
        raise WrongSetting(msg) from error
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        msg = f"COHOST_DATABASE_URL: {error}"
        raise WrongSetting(msg) from error
    except asyncpg.PostgresError as error:
        if not is_transient(error):
            raise IncompatibleDeployment(str(error)) from error
    except Exception as error:
        if not is_transient(error):
            raise
    else:
        connection.terminate()


async def _check_kafka_credentials(settings: ServiceSettings) -> None:
    """Fail at once if Kafka rejects the credentials."""
    if settings.kafka_security_protocol == "PLAINTEXT":
        return
    try:
        await security.check_kafka_access(
            settings.kafka_bootstrap_servers, settings.kafka_options(), _CHECK_SECONDS
        )
    except ValueError as error:
        raise WrongSetting(str(error)) from error


class _Server(uvicorn.Server):
    """A server that leaves signal handling to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Runner:
    """Run a service's tasks; the first one that fails stops all."""

    def __init__(self, service: Service, stopping: asyncio.Event) -> None:
        self._service = service
        self._stopping = stopping
        self._tasks: list[asyncio.Task[None]] = []
        self._server = _Server(
            uvicorn.Config(
                service.http,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=3,
            )
        )

    async def run(self, listener: socket.socket) -> None:
        """Run until stopping is set; raise the error of the task that failed."""
        service = self._service
        main_tasks = [self._spawn(self._server.serve([listener])), self._spawn(service.pipeline.run())]
        ready_task = self._spawn(self._log_when_ready())
        for work in service.background:
            self._spawn(work())
        await self._stopping.wait()
        failed = any(task.done() for task in self._tasks if task is not ready_task)
        asyncio.get_running_loop().call_later(_SHUTDOWN_SECONDS, _abort, int(failed))
        self._server.should_exit = True
        service.pipeline.stop()
        # Stop background tasks last: releasing lanes may wait for effects that they run.
        await asyncio.wait(main_tasks, timeout=_DRAIN_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)
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
            self._stopping.set()

    async def _log_when_ready(self) -> None:
        while not self._service.pipeline.is_ready:
            await asyncio.sleep(_POLL_SECONDS)
        log.info("ready", service=self._service.name)


def _abort(status: int) -> None:
    # The next owner recovers from the log, as after a crash.
    log.warning("shutdown timed out: exiting without draining")
    os._exit(status)
