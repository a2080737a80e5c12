"""Answers to commands, and how OpenAPI describes them."""

import math
import time
from http import HTTPStatus
from typing import Any, Literal

from fastapi.responses import JSONResponse, Response
from pydantic import Field
from pydantic_core import to_json

from cohost.errors import Rejected
from cohost.events import Accepted
from cohost_schemas import commands, timestamps
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import CommandData, Message, Timestamp
from services.gateway.commands.runner import CommandResult
from services.gateway.http import message_bodies
from services.runtime.http import problems
from services.runtime.http.problems import HttpProblem, ProblemDetails

RETRY_SECONDS = 2
"""The pause that an answer suggests while Kafka or a service is unavailable."""

_STATUSES = {"not_room_host": 403, "not_invitee": 403, "invalid_command": 422, "invalid_target": 422}


class AcceptedCommand(Message):
    """A command that took effect; `events` are CloudEvents as on the topic, its own event last."""

    command_id: str
    outcome: Literal["accepted"]
    events: list[dict[str, Any]]


class UndecidedCommand(Message):
    """A command whose outcome is not known yet."""

    command_id: str
    outcome: Literal["pending"]


class CommandProblem(ProblemDetails):
    """A command that was refused, or not confirmed; `current` and `retryAt` are as in the rejection."""

    message: str | None = Field(default=None, description="A sentence for people, of a refused command.")
    command_id: str | None = Field(default=None, serialization_alias="commandId")
    current: Invitation | None = None
    retry_at: Timestamp | None = Field(default=None, serialization_alias="retryAt")


def answer_result(data: CommandData, command_id: str, result: CommandResult) -> Response:
    """Return the answer to a command. Raises `HttpProblem` unless it was accepted or is pending."""
    if isinstance(result, Accepted):
        return _answer_accepted(data, result)
    if isinstance(result, Rejected):
        raise _refused(command_id, result)
    if result == "pending":
        body = {"commandId": command_id, "outcome": "pending"}
        return JSONResponse(body, HTTPStatus.ACCEPTED, {"Location": f"/v1/commands/{command_id}"})
    if result == "reused":
        raise HttpProblem(
            422, "idempotency_key_reused", "The idempotency key is that of another command; use a new one."
        )
    raise HttpProblem(
        503,
        "unavailable",
        "Kafka has not confirmed the command; repeat it with commandId as its Idempotency-Key.",
        members={"commandId": command_id},
        retry_after=RETRY_SECONDS,
    )


def document_command(model: type[CommandData], *ids: str, status: int = 200) -> dict[str, Any]:
    """Return the arguments of a command's route; `ids` are the fields that the path has."""
    location = {"Location": _document_header("string", "The command's outcome.")}
    retry = {"Retry-After": _document_header("integer", "Seconds after which to try again.")}
    answers: dict[int | str, dict[str, Any]] = {
        202: {"model": UndecidedCommand, "description": "There is no outcome yet.", "headers": location},
        **problems.problem_responses(403, 404, 409, 422, 503, model=CommandProblem),
        **problems.problem_responses(400, 413, 429),
    }
    for code in (409, 429, 503):
        answers[code]["headers"] = retry
    if status == HTTPStatus.CREATED:
        answers[status] = {"headers": {"Location": _document_header("string", "The invitation.")}}
    inputs = {field.alias for field in model.model_fields.values()} - {*ids, "actorId"}
    body = message_bodies.document_body(model, (*ids, "actorId"))
    return {
        "status_code": status,
        "response_model": AcceptedCommand,
        "responses": answers,
        "openapi_extra": {"requestBody": body} if inputs else None,
    }


def _answer_accepted(data: CommandData, accepted: Accepted[Any]) -> Response:
    # The records' bytes as they are on the topic, not encoded again.
    events = b",".join(event.value for event in accepted.events)
    body = b'{"commandId":%s,"outcome":"accepted","events":[%s]}' % (to_json(accepted.command_id), events)
    if not isinstance(data, commands.SendInvitation):
        return Response(body, media_type="application/json")
    headers = {"Location": f"/v1/invitations/{accepted.command_id}"}
    return Response(body, HTTPStatus.CREATED, headers, media_type="application/json")


def _refused(command_id: str, rejected: Rejected) -> HttpProblem:
    record = rejected.envelope.data if rejected.envelope is not None else {}
    members = {"message": rejected.message, "commandId": command_id, "current": record.get("current")}
    retry_after = None
    if rejected.retry_at is not None:
        members["retryAt"] = rejected.retry_at
        retry_after = max(1, math.ceil(timestamps.to_ms(rejected.retry_at) / 1000 - time.time()))
    status = _status_of(rejected.reason)
    return HttpProblem(status, rejected.reason, rejected.message, members=members, retry_after=retry_after)


def _status_of(reason: str) -> int:
    return 404 if reason.endswith("_not_found") else _STATUSES.get(reason, 409)


def _document_header(kind: str, description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}}
