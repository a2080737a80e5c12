"""Routes about dead letters, for ops."""
# ruff: noqa: FAST003 - ruff does not see aliases of path parameters

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from cohost_schemas.ops.dead_letters import (
    DeadLetter,
    DeadLetterDetails,
    LetterReason,
    RedriveManyRequest,
    RedriveRequest,
    RedriveResult,
    RedriveResults,
    Verdict,
)
from cohost_schemas.ops.state import ServiceName
from services.gateway.ops.dead_letters.letter_list import LetterList, PageQuestion
from services.gateway.ops.dead_letters.redriver import Redriver
from services.runtime.http import auth, bodies, problems
from services.runtime.http.auth import AuthenticatedCaller
from services.runtime.http.pagination import ListPage
from services.runtime.http.problems import HttpProblem, ProblemDetails

# Longer than in other lists: it has an offset of each partition that has dead letters.
_MAX_CURSOR_LENGTH = 16_384

LetterId = Annotated[
    str, Path(alias="id", max_length=64, description="`<service>:<partition>:<offset>` of the dead letter.")
]
Cursor = Annotated[
    str | None, Query(max_length=_MAX_CURSOR_LENGTH, description="`nextCursor` of the previous page.")
]


class RedriveProblem(ProblemDetails):
    """A redrive that wrote nothing, with the members of its result."""

    id: str
    written: bool = Field(description="Always false.")
    verdict: Verdict
    explanation: str | None = None
    topic: str | None = None
    partition: int | None = None
    command_id: str | None = Field(default=None, serialization_alias="commandId")
    causation_id: str | None = Field(default=None, serialization_alias="causationId")
    warning: str | None = None


def create_dead_letter_router(letters: LetterList, redriver: Redriver) -> APIRouter:
    """Create the router with the dead letters of both services."""
    routes = APIRouter(
        tags=["ops"],
        dependencies=[Depends(auth.require_ops)],
        responses=problems.problem_responses(403, 422, 503),
    )
    _add_reads(routes, letters)
    _add_redrives(routes, redriver)
    return routes


def _add_reads(routes: APIRouter, letters: LetterList) -> None:
    @routes.get("/v1/ops/dead-letters")
    async def list_dead_letters(
        service: ServiceName | None = None,
        reason: LetterReason | None = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Cursor = None,
    ) -> ListPage[DeadLetter]:
        """List the dead letters of both services, newest first. Allowed for ops.

        A page may have fewer items than `limit`, and even none, although `nextCursor` is not null.
        """
        return await letters.read_page(PageQuestion(service, reason, limit, cursor))

    @routes.get("/v1/ops/dead-letters/{id}", responses=problems.problem_responses(404))
    async def get_dead_letter(letter_id: LetterId) -> DeadLetterDetails:
        """Return a dead letter with its value and headers, and why exactly it is one. Allowed for ops."""
        return await letters.read_details(letter_id)


def _add_redrives(routes: APIRouter, redriver: Redriver) -> None:
    @routes.post(
        "/v1/ops/dead-letters/redrive",
        openapi_extra=bodies.body_schema(RedriveManyRequest),
        responses=problems.problem_responses(400, 413),
    )
    async def redrive_many(request: Request, caller: AuthenticatedCaller) -> RedriveResults:
        """Write the records of dead letters to where they belong, as they are. Allowed for ops."""
        wanted = await bodies.read_model(request, RedriveManyRequest)
        return await redriver.redrive_many(wanted, caller.user_id)

    @routes.post(
        "/v1/ops/dead-letters/{id}/redrive",
        openapi_extra=bodies.body_schema(RedriveRequest),
        responses={
            **problems.problem_responses(400, 404, 413),
            **problems.problem_responses(409, model=RedriveProblem),
        },
    )
    async def redrive(request: Request, letter_id: LetterId, caller: AuthenticatedCaller) -> RedriveResult:
        """Write the record of a dead letter, as it is or mended, to where it belongs. Allowed for ops.

        A command has one outcome however often it is redriven; a fact becomes the newest of its key.
        """
        wanted = await bodies.read_model(request, RedriveRequest)
        result = await redriver.redrive(letter_id, wanted, caller.user_id)
        if result.verdict != "ok" and not wanted.dry_run:
            raise _refused(result)
        return result


def _refused(result: RedriveResult) -> HttpProblem:
    members: dict[str, Any] = result.model_dump(by_alias=True)
    reason = "still_broken" if result.verdict != "not_redrivable" else "not_redrivable"
    return HttpProblem(409, reason, result.explanation, members=members)
