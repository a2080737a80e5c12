"""The parts that all requests for commands have: caller, key, wait and body."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request

from cohost_schemas.types import CommandData, Id
from services.gateway.commands.runner import Submission
from services.gateway.http import message_bodies, preferences
from services.gateway.trace import carry_trace
from services.runtime.http import bodies
from services.runtime.http.auth import caller_of
from services.runtime.http.problems import HttpProblem

IdempotencyKey = Annotated[
    Id | None,
    Header(
        alias="Idempotency-Key",
        description="The command's id. The same request with the same key has the same answer.",
    ),
]
Preferences = Annotated[
    list[str] | None,
    Header(
        alias="Prefer",
        description="`wait=N`: wait up to N seconds for the outcome (0-30, default 5). "
        "`respond-async`: do not wait.",
    ),
]


@dataclass(frozen=True, slots=True)
class CommandRequest:
    """A request for a command; `fields` are those of its body, `wait` is in seconds."""

    fields: dict[str, Any]
    actor_id: str
    key: str | None
    wait: int
    authorization: str

    def submit(self, model: type[CommandData], **ids: str) -> Submission:
        """Return the command with these ids of the path. Raises `HttpProblem` (422)."""
        data = message_bodies.build_command(model, {**ids, "actorId": self.actor_id}, self.fields)
        return Submission(data, self.key, self.wait, self.authorization)


async def _read_request(
    request: Request,
    key: IdempotencyKey = None,
    prefer: Preferences = None,
) -> CommandRequest:
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise HttpProblem(422, "invalid_request", "Idempotency-Key: It is there more than once.")
    carry_trace(request)
    fields = await bodies.read_fields(request)
    authorization = request.headers["authorization"]
    wait = preferences.parse_wait(prefer or ())
    return CommandRequest(fields, caller_of(request).user_id, key, wait, authorization)


RequestedCommand = Annotated[CommandRequest, Depends(_read_request)]
