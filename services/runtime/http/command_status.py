"""The outcome of a command, read from the service's outcomes."""

from typing import Annotated

import asyncpg
from fastapi import APIRouter, Path

from cohost_schemas import envelope
from cohost_schemas.answers import CommandOutcome
from messaging import outcomes
from services.runtime.http import auth, db, problems
from services.runtime.http.problems import HttpProblem


def create_status_router(pool: asyncpg.Pool) -> APIRouter:
    """Create the router with the route that both services share."""
    routes = APIRouter(tags=["commands"])

    # `path`, because the id of a rejected command may be any text, slashes included.
    @routes.get("/v1/commands/{commandId:path}", responses=problems.problem_responses(403, 404))
    async def get_command_status(
        command_id: Annotated[str, Path(alias="commandId")], caller: auth.Identified
    ) -> CommandOutcome:
        """Return the outcome of a command; 404 while it is undecided. Allowed for its actor and ops."""
        found = await _find_outcome(pool, command_id)
        if found is None:
            raise HttpProblem(404, "command_not_found", "No outcome is known for this command id.")
        outcome, actor_id = found
        if not (caller.is_ops or actor_id == caller.user_id):
            raise HttpProblem(403, "forbidden", "Only the command's actor and ops may read its outcome.")
        return outcome

    return routes


async def _find_outcome(pool: asyncpg.Pool, command_id: str) -> tuple[CommandOutcome, str | None] | None:
    if not 0 < len(command_id) <= envelope.MAX_ID_LENGTH or "\x00" in command_id:
        return None
    async with db.connection_for_request(pool) as connection:
        return await outcomes.find_outcome(connection, command_id)
