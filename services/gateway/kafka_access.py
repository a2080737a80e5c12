"""The gateway's access to Kafka: the project's client, opened again for as long as Kafka is unavailable."""

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
"""How long a client is kept that may not send commands: a broker may not know a new ACL yet."""

log = structlog.get_logger()


class KafkaAccess:
    """Keep a client open until stopped; the client itself reconnects once it is open.

    `on_stop` is called when it is stopped.
    """

    def __init__(
        self, create_client: Callable[[], cohost.Client], on_stop: Callable[[], None] = lambda: None
    ) -> None:
        self._create_client = create_client
        self._on_stop = on_stop
        self._client: cohost.Client | None = None
        self._stopping = asyncio.Event()
        self._is_forbidden = False

    @property
    def is_ready(self) -> bool:
        """Return whether commands can be sent and their outcomes are read."""
        return self._client is not None and self._client.command_error is None

    @property
    def client(self) -> cohost.Client:
        """The open client. Raises `HttpProblem` (503) before Kafka was available for the first time."""
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
            session = asyncio.create_task(self._hold_client())
            await asyncio.wait({session, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not session.done() and not self.is_ready:
                session.cancel()
            try:
                await session
            except asyncio.CancelledError:
                break
            except UNAVAILABLE_ERRORS as error:
                if not backoff.failing:
                    log.warning("Kafka is unavailable", error=repr(error))
                await asyncio.wait({stopping}, timeout=backoff.next_wait())

    async def _hold_client(self) -> None:
        async with self._create_client() as client:
            self._client = client
            try:
                await self._wait_while_usable(client)
            finally:
                self._client = None

    async def _wait_while_usable(self, client: cohost.Client) -> None:
        was_forbidden, self._is_forbidden = self._is_forbidden, client.command_error is not None
        if not self._is_forbidden:
            await self._stopping.wait()
            return
        # Facts can be written until the next client is opened, which asks again for what is forbidden.
        if not was_forbidden:
            log.warning("commands are forbidden", error=repr(client.command_error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), _FORBIDDEN_SECONDS)
