"""Keys that meet at several copies, and outcomes of which no service tells whose they are."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import CollectorRegistry

from cohost.errors import Rejected
from cohost.events import Accepted, Event, Position
from cohost_schemas import commands, events, timestamps
from cohost_schemas.answers import CommandOutcome
from cohost_schemas.envelope import Envelope
from cohost_schemas.types import CommandData
from services.gateway.commands.earlier_use import EarlierUse, EarlierUses
from services.gateway.commands.metrics import CommandMetrics
from services.gateway.commands.runner import CommandResult, CommandRunner, Submission
from services.gateway.kafka_access import KafkaAccess

AT = timestamps.from_ms(0)
CANCELLATION = commands.CancelInvitation(room_id="room", invitation_id="i", actor_id="alice")
SENDING = commands.SendInvitation(room_id="room", user_id="bob", actor_id="alice")
REFUSAL = Rejected("key", "invitation_not_pending", "It is not pending.")


@dataclass
class FakeCommand:
    """An open command whose outcome is there as soon as it is published; the log may not be readable."""

    data: CommandData
    result: Accepted[Any] | Rejected | None
    log_error: Exception | None = None
    command_id: str = "key"
    outcome: Accepted[Any] | Rejected | None = None
    has_rival: bool = False
    published: int = 0

    async def publish(self) -> None:
        self.published += 1
        self.outcome = self.result

    async def wait(self, _: float) -> None:
        pass

    async def search_log(self, **_: Any) -> Any:
        if self.log_error is not None:
            raise self.log_error
        return self.result


@dataclass
class FakeUses:
    """What the services tell about a key, one answer after the other; the last one stays."""

    answers: list[EarlierUse]
    asked: list[CommandData] = field(default_factory=list)

    async def find(self, data: CommandData, *_: str) -> tuple[EarlierUse, EarlierUse]:
        return await self.find_own(data), "unknown"

    async def find_own(self, data: CommandData, *_: str) -> EarlierUse:
        self.asked.append(data)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    async def find_invitation(self, *_: str) -> EarlierUse:
        return "unknown"


def outcome_of(data: CommandData) -> CommandOutcome:
    name = f"cohost.{type(data).__name__}.v1"
    ids = {"room_id": "room", "invitation_id": "i", "actor_id": "alice"}
    return CommandOutcome(
        command_id="key",
        command_type=name,
        outcome="rejected",
        decided_at=AT,
        events=(),
        reason=REFUSAL.reason,
        **ids,
    )


class Runner:
    """A runner, and the commands that it opened."""

    def __init__(
        self,
        result: Accepted[Any] | Rejected | None,
        *answers: EarlierUse,
        log_error: Exception | None = None,
    ) -> None:
        self.result = result
        self.log_error = log_error
        self.opened: list[FakeCommand] = []
        kafka = SimpleNamespace(client=SimpleNamespace(open_command=self._open_command))
        self._runner = CommandRunner(
            cast("KafkaAccess", kafka),
            cast("EarlierUses", FakeUses(list(answers))),
            CommandMetrics(CollectorRegistry()),
        )

    @contextlib.contextmanager
    def _open_command(self, data: CommandData, _: str) -> Iterator[FakeCommand]:
        self.opened.append(FakeCommand(data, self.result, self.log_error))
        yield self.opened[-1]

    async def run(self, data: CommandData, wait: float) -> CommandResult:
        _, result = await self._runner.run(Submission(data, "key", wait, "Bearer x"))
        return result


@pytest.mark.parametrize(
    ("first", "expected"), [(CANCELLATION, REFUSAL), (SENDING, "reused")], ids=["own", "another's"]
)
async def test_a_claimed_key_may_be_decided_for_a_command_of_another_copy(
    first: CommandData, expected: CommandResult
) -> None:
    runner = Runner(REFUSAL, "unknown", "unknown", "unknown", outcome_of(first))
    assert await runner.run(SENDING, wait=0) == "pending"
    assert await runner.run(CANCELLATION, wait=30) == expected
    assert [command.published for command in runner.opened] == [1, 0]


async def test_a_claimed_key_is_reused_while_nobody_decides() -> None:
    runner = Runner(None, "unknown")
    await runner.run(SENDING, wait=0)
    assert await runner.run(CANCELLATION, wait=0.1) == "reused"
    assert await runner.run(SENDING, wait=0.1) == "pending"


async def test_an_old_refusal_is_not_answered_without_its_record_while_kafka_is_away() -> None:
    runner = Runner(REFUSAL, outcome_of(CANCELLATION), log_error=KafkaConnectionError())
    assert await runner.run(CANCELLATION, wait=5) == "unavailable"
    runner.log_error = None
    assert await runner.run(CANCELLATION, wait=5) == REFUSAL


@pytest.mark.parametrize("log_error", [None, TimeoutError()], ids=repr)
async def test_an_old_refusal_that_the_log_does_not_show_is_answered_as_its_service_has_it(
    log_error: Exception | None,
) -> None:
    answer = await Runner(None, outcome_of(CANCELLATION), log_error=log_error).run(CANCELLATION, wait=5)
    assert isinstance(answer, Rejected)
    assert (answer.reason, answer.envelope) == (REFUSAL.reason, None)


async def test_a_confirmed_command_is_pending_while_its_service_cannot_be_asked() -> None:
    times: dict[str, Any] = dict.fromkeys(("sent_at", "expires_at", "updated_at"), AT)
    cancelled = events.InvitationCancelled(
        invitation_id="i",
        room_id="room",
        user_id="bob",
        invited_by="alice",
        status="cancelled",
        close_reason="cancelled_by_host",
        **times,
    )
    envelope = Envelope("e", "/cohost/invitations", "cohost.InvitationCancelled.v1", None)
    event = Event(envelope, cancelled, "invitations.events", 0, 0, 0, Position({}))
    # The event does not name who cancelled, and the token may have expired since the request came.
    assert (
        await Runner(Accepted("key", (event,)), "unknown", "unavailable").run(CANCELLATION, wait=5)
        == "pending"
    )
