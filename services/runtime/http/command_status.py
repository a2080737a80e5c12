"""The outcome of a command, read from the service's `outcomes` table."""

from typing import Annotated

import asyncpg
from fastapi import APIRouter, Path

from cohost_schemas import envelope
from cohost_schemas.answers import CommandOutcome, DetailedOutcome
from cohost_schemas.rejections import REJECTION_MESSAGES
from messaging.database import Connection
from services.runtime.http import auth, db, problems
from services.runtime.http.problems import HttpProblem


def create_status_router(pool: asyncpg.Pool) -> APIRouter:
    """Create the router with the route that both services share."""
    routes = APIRouter(tags=["commands"])

    # `path`, because the id of a rejected command may be any text, slashes included.
    @routes.get("/v1/commands/{commandId:path}", responses=problems.problem_responses(403, 404))
    async def get_command_status(
        command_id: Annotated[str, Path(alias="commandId")], caller: auth.AuthenticatedCaller
    ) -> DetailedOutcome | CommandOutcome:
        """Return the outcome of a command; 404 while it is undecided. Allowed for its actor and ops.

        Ops also get the cause of `user_not_eligible` as `detail`.
        """
        outcome = await _find_outcome(pool, command_id)
        if outcome is None:
            raise HttpProblem(404, "command_not_found", "No outcome is known for this command id.")
        if caller.is_ops:
            return outcome
        if outcome.actor_id != caller.user_id:
            raise HttpProblem(403, "forbidden", "Only the command's actor and ops may read its outcome.")
        return CommandOutcome(**outcome.model_dump(exclude={"detail"}))

    return routes


async def _find_outcome(pool: asyncpg.Pool, command_id: str) -> DetailedOutcome | None:
    if not 0 < len(command_id) <= envelope.MAX_ID_LENGTH or "\x00" in command_id:
        return None
    async with db.connection_for_request(pool) as connection:
        return await _load_outcome(connection, command_id)


async def _load_outcome(connection: Connection, command_id: str) -> DetailedOutcome | None:
    """Return a command's outcome, or None if it is undecided or its outcome was deleted."""
    row = await connection.fetchrow(
        """
        SELECT type, to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS decided_at,
               room_id, invitation_id, actor_id, events, reason, message, detail
        FROM outcomes WHERE id = $1
        """,
        command_id,
    )
    if row is None:
        return None
    events = row["events"]
    reason = row["reason"]
    return DetailedOutcome(
        command_id=command_id,
        command_type=row["type"],
        outcome="accepted" if reason is None else "rejected",
        decided_at=row["decided_at"],
        room_id=row["room_id"],
        invitation_id=row["invitation_id"],
        actor_id=row["actor_id"],
        events=tuple(envelope.wire_type(name) for name in events.split(",")) if events else (),
        reason=reason,
        message=row["message"] or (None if reason is None else REJECTION_MESSAGES[reason]),
        detail=row["detail"],
    )
