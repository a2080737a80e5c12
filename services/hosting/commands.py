"""What became of a command, read from the service's memory of outcomes."""

from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from messaging import outcomes
from schemas import envelope
from services.hosting import auth, problems, reading
from services.hosting.problems import Problem


class CommandOutcome(BaseModel):
    """What became of a command; `events` are wire types."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)

    command_id: str
    command_type: str
    outcome: Literal["accepted", "rejected"]
    decided_at: str
    room_id: str | None
    invitation_id: str | None
    events: tuple[str, ...]
    reason: str | None
    message: str | None


def router(pool: asyncpg.Pool) -> APIRouter:
    """Return the route that the two services share."""
    routes = APIRouter(tags=["commands"])

    # `path`, because a refused command's id may be any text, slashes included.
    @routes.get("/v1/commands/{commandId:path}", responses=problems.responses(403, 404))
    async def command(
        command_id: Annotated[str, Path(alias="commandId")], caller: auth.Identified
    ) -> CommandOutcome:
        """Return what became of a command, to its actor and ops; 404 while it is undecided."""
        found = await _find(pool, command_id)
        if found is None:
            raise Problem(404, "command_not_found", "There is no outcome of a command with this id.")
        if not (caller.ops or found.actor_id == caller.user_id):
            raise Problem(403, "forbidden", "The command is somebody else's.")
        return CommandOutcome.model_validate(found)

    return routes


async def _find(pool: asyncpg.Pool, command_id: str) -> outcomes.Outcome | None:
    if not 0 < len(command_id) <= envelope.MAX_ID or "\x00" in command_id:
        return None
    async with reading.lent(pool) as connection:
        return await outcomes.find(connection, command_id)
