"""The gateway's access to Kafka: the project's client, opened again until it may send commands."""

import asyncio
import contextlib
from collections.abc import Callable

import structlog

import cohost
from cohost.kafka.backoff import Backoff
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from services.runtime.http.problems import HttpProblem

_FIRST_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0
_FORBIDDEN_SECONDS = 5.0
"""The time after which a forbidden client is replaced: brokers load a new ACL with a delay."""

log = structlog.get_logger()


class KafkaAccess:
    """Keep a client open until stopped. It reconnects by itself, and is replaced if it may send no commands.

    `on_stop` is called when it is stopped.
    """

    def __init__(
        self, create_client: Callable[[], cohost.Client], on_stop: Callable[[], None] = lambda: None
    ) -> None:
        self._create_client = create_client
        self._on_stop = on_stop
        self._client: cohost.Client | None = None
        self._stopping = asyncio.Event()
        self._is_opened = False
        self._is_forbidden = False

    @property
    def is_ready(self) -> bool:
        """Return whether commands can be sent and their outcomes are read."""
        return self._client is not None and self._client.command_error is None

    @property
    def client(self) -> cohost.Client:
        """The open client. Raises `HttpProblem` (503) while there is none."""
        if self._client is None:
            raise HttpProblem(503, "unavailable", "Kafka is unavailable; try again.")
        return self._client

    def stop(self) -> None:
        """Make `run` close the client and return."""
        self._stopping.set()
        self._on_stop()

    async def run(self) -> None:
        """Keep the client open until stopped."""
        backoff = Backoff(_FIRST_RETRY_SECONDS, _MAX_RETRY_SECONDS)
        stopping = asyncio.create_task(self._stopping.wait())
        while not stopping.done():
            self._is_opened = False
            session = asyncio.create_task(self._hold_client())
            await asyncio.wait({session, stopping}, return_when=asyncio.FIRST_COMPLETED)
            # An open client ends by itself, and still answers those who wait while it closes.
            if not session.done() and not self._is_opened:
                session.cancel()
            try:
                await session
            except asyncio.CancelledError:
                break
            except UNAVAILABLE_ERRORS as error:
                if not backoff.failing:
                    log.warning("Kafka is unavailable", error=repr(error))
                await asyncio.wait({stopping}, timeout=backoff.next_wait())
            else:
                backoff.reset()

    async def _hold_client(self) -> None:
        async with self._create_client() as client:
            self._client = client
            self._is_opened = True
            try:
                await self._wait_while_usable(client)
            finally:
                self._client = None

    async def _wait_while_usable(self, client: cohost.Client) -> None:
        if client.command_error is None:
            await self._stopping.wait()
            return
        # Facts can be written until it is closed. The next client asks again for what is forbidden.
        if not self._is_forbidden:
            log.warning("commands are forbidden", error=repr(client.command_error))
        self._is_forbidden = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), _FORBIDDEN_SECONDS)
