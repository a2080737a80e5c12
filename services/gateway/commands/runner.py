"""Run a command for a caller: publish it, and wait for its outcome or find that of the key's first use."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import structlog

from cohost import ids
from cohost.commands.open_command import OpenCommand
from cohost.commands.routes import route_of
from cohost.errors import Rejected
from cohost.events import Accepted
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.producer import ClientClosed
from cohost_schemas import commands, timestamps
from cohost_schemas.answers import CommandOutcome, InvitationDetails
from cohost_schemas.types import CommandData
from services.gateway.commands.earlier_use import EarlierUse, EarlierUses, is_for_broadcast
from services.gateway.commands.identity import identity_of, identity_of_outcome, identity_of_records
from services.gateway.commands.metrics import CommandMetrics
from services.gateway.commands.recent_keys import RecentKeys
from services.gateway.kafka_access import KafkaAccess
from services.gateway.trace import PublicationTracer, current_trace
from services.runtime import log_ids
from services.runtime.http.problems import HttpProblem

_CONFIRM_SECONDS = 5.0
_RECALL_SECONDS = 10.0
_SEARCH_SECONDS = 3.0
_SHORTEST_SEARCH_SECONDS = 0.5
"""How long an outcome is searched for while the service that could tell when it was decided is away."""
_POLL_SECONDS = 0.3
"""The pause between questions about a key that another command of this copy has used and nobody decided."""
_MAX_SEARCHES = 8
_PUBLISHING_MS = 60_000
"""The time after a decision during which its record may not be in the log yet."""

_UNAVAILABLE = (*UNAVAILABLE_ERRORS, ClientClosed)

log = structlog.get_logger()

CommandResult = Accepted[Any] | Rejected | Literal["pending", "reused", "unavailable"]
"""The outcome; or none yet; or the key is another command's; or Kafka or a service is away."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a caller asks for. `key` is None without an idempotency key.

    `wait` is in seconds from the request's arrival; with 0 the answer to a new command is that it is pending.
    `authorization` is the caller's own, with which the services are asked.
    """

    data: CommandData
    key: str | None
    wait: float
    authorization: str
    arrived_at: float = field(default_factory=time.monotonic, compare=False)

    @property
    def seconds_left(self) -> float:
        """The rest of the wait, negative once it is over."""
        return self.arrived_at + self.wait - time.monotonic()


class CommandRunner:
    """Run commands with the client that `kafka` holds open."""

    def __init__(
        self,
        kafka: KafkaAccess,
        earlier_uses: EarlierUses,
        metrics: CommandMetrics,
        tracer: PublicationTracer | None = None,
    ) -> None:
        self._kafka = kafka
        self._earlier_uses = earlier_uses
        self._metrics = metrics
        self._tracer = tracer or PublicationTracer()
        self._recent_keys = RecentKeys()
        self._searches = asyncio.Semaphore(_MAX_SEARCHES)

    async def run(self, submission: Submission) -> tuple[str, CommandResult]:
        """Return the command's id and its result, within bounded time."""
        started_at = time.perf_counter()
        command_id = submission.key or ids.uuid7()
        with log_ids.bound_ids(
            room_id=submission.data.room_id,
            command_id=command_id,
            traceparent=current_trace().get("traceparent"),
        ):
            try:
                with self._kafka.client.open_command(submission.data, command_id) as command:
                    result = await self._run_open(command, submission)
            except (HttpProblem, *_UNAVAILABLE) as error:
                log.warning("command not confirmed", error=repr(error))
                result = "unavailable"
        self._metrics.observe(submission.data, result, time.perf_counter() - started_at)
        return command_id, result

    async def _run_open(self, command: OpenCommand, submission: Submission) -> CommandResult:
        if submission.key is None:
            return await self._submit(command, submission)
        submit = partial(self._submit, command, submission)
        keyed = _KeyedCommand(
            command, submission, submit, self._earlier_uses, self._recent_keys, self._searches
        )
        return await keyed.run()

    async def _submit(self, command: OpenCommand, submission: Submission) -> CommandResult:
        """Publish the command, and wait for its outcome."""
        topic = route_of(command.data).commands
        try:
            with self._tracer.trace_publication(topic, command.command_id):
                async with asyncio.timeout(max(submission.seconds_left, _CONFIRM_SECONDS)):
                    await command.publish()
        except TimeoutError:
            return command.outcome or "unavailable"
        if submission.wait == 0:
            # Also where the outcome was faster than Kafka's confirmation: the answer is not left to chance.
            return "pending"
        await command.wait(submission.seconds_left)
        return command.outcome or "pending"


class _KeyedCommand:
    """A command whose key may have been used before. It is open: what is decided from here on arrives."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a command with a key needs
        self,
        command: OpenCommand,
        submission: Submission,
        submit: Callable[[], Awaitable[CommandResult]],
        earlier_uses: EarlierUses,
        recent_keys: RecentKeys,
        searches: asyncio.Semaphore,
    ) -> None:
        self._command = command
        self._submission = submission
        self._submit = submit
        self._identity = identity_of(command.data)
        self._earlier_uses = earlier_uses
        self._recent_keys = recent_keys
        self._searches = searches

    async def run(self) -> CommandResult:
        """Return the outcome of the key's first use if it was the same command; publish it if it has none."""
        own, other = await self._earlier_uses.find(*self._question)
        result = await self._judge(own, other)
        if result is not None:
            return result
        if own == "unavailable":
            seconds = max(self._submission.seconds_left, _SHORTEST_SEARCH_SECONDS)
            await self._search(min(seconds, _SEARCH_SECONDS))
        if self._command.outcome is None:
            if not self._recent_keys.claim(self._command.command_id, self._identity):
                return await self._await_first()
            result = await self._submit()
            if result == "pending":
                return await self._find_sending() if own == "unknown" else result
            if self._command.outcome is None:
                return result
        return await self._verify()

    @property
    def _question(self) -> tuple[CommandData, str, str]:
        return self._command.data, self._command.command_id, self._submission.authorization

    async def _judge(self, own: EarlierUse, other: EarlierUse) -> CommandResult | None:
        """Return the result if the key is known to be used, else None."""
        if isinstance(own, CommandOutcome):
            return "reused" if self._yields(own, other) else await self._recall(own)
        return "reused" if own == "foreign" or _is_used(other) else None

    async def _await_first(self) -> CommandResult:
        """Return the key's result once it is decided, for this command if another copy published it first."""
        while self._submission.seconds_left > 0:
            await asyncio.sleep(min(self._submission.seconds_left, _POLL_SECONDS))
            result = await self._judge(*await self._earlier_uses.find(*self._question))
            if result is not None:
                return result
        return "reused"

    async def _recall(self, first: CommandOutcome) -> CommandResult:
        """Return the outcome of the key's first use, as it is in the log."""
        if not self._identity.is_same(identity_of_outcome(first)):
            return "reused"
        outcome = self._command.outcome
        if outcome is not None and _is_whole(outcome, first):
            return outcome
        found = await self._search(_RECALL_SECONDS, first.decided_at)
        if (found is None or found == "unavailable") and _is_recent(first.decided_at):
            # Decided, and not published yet.
            await self._command.wait(_CONFIRM_SECONDS)
            found = self._command.outcome or found
        if found is None and first.reason is not None and not _is_recent(first.decided_at):
            # Rejections leave the log, outcomes may be remembered for longer.
            return Rejected(first.command_id, first.reason, first.message or "")
        return found or "unavailable"

    async def _find_sending(self) -> CommandResult:
        """Return the outcome of a sending that no service remembers, but whose invitation is stored."""
        data = self._command.data
        if not isinstance(data, commands.SendInvitation):
            return "pending"
        _, key, authorization = self._question
        invitation = await self._earlier_uses.find_invitation(key, authorization)
        if not isinstance(invitation, InvitationDetails):
            return "reused" if invitation == "foreign" else "pending"
        if _is_recent(invitation.sent_at):
            # This command's own: what no service remembers is days old.
            return "pending"
        if (invitation.room_id, invitation.invited_by) != (data.room_id, data.actor_id):
            return "reused"
        found = await self._search(_RECALL_SECONDS, invitation.sent_at)
        return "pending" if found is None or found == "unavailable" else found

    async def _verify(self) -> CommandResult:
        """Return the outcome that has arrived if it is this command's: another one may have been faster."""
        outcome = self._command.outcome
        if outcome is None:
            return "unavailable"
        if self._command.has_rival:
            return "reused"
        first = identity_of_records(outcome)
        if first is None or (first.actor_id is None and self._identity.is_same(first)):
            own = await self._earlier_uses.find_own(*self._question)
            if not isinstance(own, CommandOutcome):
                # It is in the log, but perhaps not this command's: the service, or the token, is gone since.
                return "reused" if own == "foreign" else "pending"
            first = identity_of_outcome(own)
        return outcome if self._identity.is_same(first) else "reused"

    def _yields(self, own: EarlierUse, other: EarlierUse) -> bool:
        """Return whether the key is that of a command of the other service, where both have decided one.

        It is that of the one that was decided first; of two at the same time, that of invitations.
        """
        is_late = is_for_broadcast(self._command.data)
        if isinstance(own, CommandOutcome) and isinstance(other, CommandOutcome):
            return (own.decided_at, is_late) > (other.decided_at, not is_late)
        return other == "foreign" and is_late

    async def _search(
        self, seconds: float, decided_at: str | None = None
    ) -> Accepted[Any] | Rejected | Literal["unavailable"] | None:
        """Return the log's outcome, None if it has none or takes too long, `unavailable` without Kafka."""
        try:
            async with asyncio.timeout(seconds), self._searches:
                return await self._command.search_log(decided_at=decided_at)
        except TimeoutError:
            return None
        except _UNAVAILABLE:
            return "unavailable"


def _is_used(earlier_use: EarlierUse) -> bool:
    return earlier_use == "foreign" or isinstance(earlier_use, CommandOutcome)


def _is_whole(outcome: Accepted[Any] | Rejected, first: CommandOutcome) -> bool:
    """Return whether no event is missing, as one could that came before the command was opened."""
    if isinstance(outcome, Rejected):
        return first.reason is not None
    return tuple(event.envelope.type for event in outcome.events) == first.events


def _is_recent(decided_at: str) -> bool:
    return time.time_ns() // 1_000_000 - timestamps.to_ms(decided_at) < _PUBLISHING_MS
