"""The ways of a command to its outcome: by the gateway, by the bare handler, or straight to Kafka."""

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bench.gateway import command_requests
from bench.gateway.http_connections import HttpAnswer, HttpConnections
from bench.workload.open_loop import OutcomeTimes
from bench.workload.simulated_room import ACCEPTED, PlannedCommand
from bench.workload.traffic_producer import TrafficProducer
from cohost import tokens

_TOKEN_SECONDS = 3_600
_CREATED = 201


class CommandPath(Protocol):
    """A way of commands."""

    @property
    def name(self) -> str:
        """Its name in the report."""

    @property
    def finished_at(self) -> Mapping[str, float]:
        """The time of each command's answer, or of its outcome, by `time.monotonic()`."""

    async def send_command(self, command: PlannedCommand) -> asyncio.Future[Any]:
        """Send a command; the returned future is done when it is answered, or confirmed by Kafka."""


class DirectPath:
    """Commands straight to Kafka, and their outcomes as any subscriber reads them: the pipeline's own."""

    def __init__(self, name: str, producer: TrafficProducer, outcomes: OutcomeTimes) -> None:
        self.name = name
        self.finished_at = outcomes.arrived_at
        self._producer = producer

    async def send_command(self, command: PlannedCommand) -> asyncio.Future[Any]:
        """Send a command; the returned future is done when Kafka confirms it."""
        return await self._producer.send_command(command)


class HttpPath(ABC):
    """Commands over HTTP. Those of one room go one after the other, so that their outcomes are as planned."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.finished_at: dict[str, float] = {}
        self.unexpected: list[str] = []
        self.connections = HttpConnections(url)
        self._last_of_room: dict[str, asyncio.Task[None]] = {}

    async def send_command(self, command: PlannedCommand) -> asyncio.Future[Any]:
        """Send a command; the returned future is done when it is answered."""
        previous = self._last_of_room.get(command.room_id)
        task = asyncio.create_task(self._send_after(previous, command))
        self._last_of_room[command.room_id] = task
        return task

    async def _send_after(self, previous: asyncio.Task[None] | None, command: PlannedCommand) -> None:
        if previous is not None:
            await asyncio.wait({previous})
        try:
            answer = await self.connections.send_request(self.build_request(command))
        except OSError as error:
            found = repr(error)
        else:
            found = self.read_answer(command, answer)
        self.finished_at[command.id] = time.monotonic()
        if found != self.expected_answer(command):
            self.unexpected.append(
                f"{self.name}, {command.name} {command.id}: {found}, not {command.expected}"
            )

    @abstractmethod
    def build_request(self, command: PlannedCommand) -> bytes:
        """Return a command's request."""

    @abstractmethod
    def expected_answer(self, command: PlannedCommand) -> str:
        """Return what `read_answer` is expected to find."""

    @abstractmethod
    def read_answer(self, command: PlannedCommand, answer: HttpAnswer) -> str:
        """Return the outcome in an answer."""


class BarePath(HttpPath):
    """Commands by the bare handler, whose answer is 202 once Kafka has confirmed the command."""

    def build_request(self, command: PlannedCommand) -> bytes:
        """Return a command's request."""
        return command_requests.bare_request(command, host=self.connections.host)

    def expected_answer(self, command: PlannedCommand) -> str:  # noqa: ARG002 - the same for all
        """Return the status of what Kafka has."""
        return "202"

    def read_answer(self, command: PlannedCommand, answer: HttpAnswer) -> str:  # noqa: ARG002 - its status says it
        """Return the status."""
        return str(answer.status)


class GatewayPath(HttpPath):
    """Commands by the gateway, whose answer is the outcome.

    Without a key the gateway chooses the ids of commands, and so of invitations.
    """

    def __init__(self, name: str, url: str, secret: str, *, with_key: bool) -> None:
        super().__init__(name, url)
        self._secret = secret
        self._with_key = with_key
        self._tokens: dict[str, str] = {}
        self._command_ids: dict[str, str] = {}

    def sign_tokens(self, users: Sequence[str]) -> None:
        """Sign the tokens of users in advance."""
        self._tokens |= {user: tokens.sign(self._secret, user, ttl=_TOKEN_SECONDS) for user in users}

    def build_request(self, command: PlannedCommand) -> bytes:
        """Return a command's request."""
        planned = str(command.data.get("invitationId"))
        return command_requests.gateway_request(
            command,
            self._command_ids.get(planned, planned),
            self._tokens[command.data["actorId"]],
            host=self.connections.host,
            with_key=self._with_key,
        )

    def expected_answer(self, command: PlannedCommand) -> str:
        """Return the outcome as planned, with the status if it is no refusal."""
        if command.expected != ACCEPTED:
            return command.expected
        return "201" if command.name == "SendInvitation" else "200"

    def read_answer(self, command: PlannedCommand, answer: HttpAnswer) -> str:
        """Return the reason of a refusal, or else the status."""
        if answer.status == _CREATED and not self._with_key:
            self._command_ids[command.id] = json.loads(answer.body)["commandId"]
        if answer.status < 400:  # noqa: PLR2004 - no refusal
            return str(answer.status)
        return str(json.loads(answer.body).get("reason"))
