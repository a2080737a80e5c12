"""HTTP routes of invitations and seats (contract, section 5); overdue invitations read as expired."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

from collections.abc import Sequence
from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Query

from schemas import timestamps
from schemas.answers import CoHosts
from schemas.invitation import Invitation
from schemas.types import Id
from services.hosting import auth, pages, paths, problems, reading
from services.hosting.auth import Caller
from services.hosting.problems import Problem
from services.invitations import state
from services.invitations.store import reads
from services.invitations.store.reads import Listed, Place, Wanted

Status = Literal["any", "pending", "accepted", "rejected", "cancelled", "expired"]
Invitations = pages.Listing[Invitation]


def router(pool: asyncpg.Pool) -> APIRouter:
    """Create the router with the service's routes."""
    routes = APIRouter(tags=["invitations"])
    _add_rooms(routes, pool)
    _add_invitations(routes, pool)
    return routes


def _add_rooms(routes: APIRouter, pool: asyncpg.Pool) -> None:
    @routes.get("/v1/rooms/{roomId}/invitations", responses=problems.responses(403, 404, 422))
    async def of_room(
        room_id: paths.RoomId, caller: auth.Identified, page: pages.Requested, status: Status = "any"
    ) -> Invitations:
        """List the invitations sent in a room. Allowed for the room's host and ops."""
        wanted = _wanted(page, status)
        async with reading.lent(pool) as connection:
            found = await reads.room(connection, room_id)
            if found is None:
                raise _no_room()
            host_id, life = found
            _allow(caller, host_id)
            return _listing(await reads.of_room(connection, room_id, life, wanted), wanted)

    @routes.get("/v1/rooms/{roomId}/co-hosts", responses=problems.responses(404, 422))
    async def co_hosts(room_id: paths.RoomId) -> CoHosts:
        """List the co-hosts of a room. Allowed for anyone with a token."""
        async with reading.lent(pool) as connection:
            if await reads.room(connection, room_id) is None:
                raise _no_room()
            return await reads.co_hosts(connection, room_id)


def _add_invitations(routes: APIRouter, pool: asyncpg.Pool) -> None:
    @routes.get("/v1/users/{userId}/invitations", responses=problems.responses(403, 422))
    async def of_user(
        user_id: paths.UserId,
        caller: auth.Identified,
        page: pages.Requested,
        status: Status = "pending",
        room_id: Annotated[Id | None, Query(alias="roomId")] = None,
    ) -> Invitations:
        """List a user's invitations. Allowed for that user and ops."""
        _allow(caller, user_id)
        wanted = _wanted(page, status)
        async with reading.lent(pool) as connection:
            return _listing(await reads.of_user(connection, user_id, room_id, wanted), wanted)

    @routes.get("/v1/invitations/{invitationId}", responses=problems.responses(403, 404, 422))
    async def one(invitation_id: paths.InvitationId, caller: auth.Identified) -> Invitation:
        """Return an invitation. Allowed for the room's host, the inviter, the invitee and ops."""
        async with reading.lent(pool) as connection:
            found = await reads.invitation(connection, invitation_id)
        if found is None:
            raise Problem(404, "invitation_not_found", "There is no such invitation.")
        invitation, host_id = found
        _allow(caller, host_id, invitation.invited_by, invitation.user_id)
        return state.as_of(invitation, timestamps.current_timestamp())


def _wanted(page: pages.Page, status: Status) -> Wanted:
    beyond = reads.TOP if page.cursor is None else pages.decode(page.cursor, Place)
    # One more than requested shows whether there is a next page.
    return Wanted(status, timestamps.current_timestamp(), beyond, page.limit + 1)


def _listing(found: Sequence[Listed], wanted: Wanted) -> Invitations:
    shown = found[: wanted.limit - 1]
    return Invitations(
        items=[state.as_of(entry.invitation, wanted.at) for entry in shown],
        next_cursor=pages.encode(*shown[-1].place) if len(found) > len(shown) else None,
    )


def _allow(caller: Caller, *user_ids: str | None) -> None:
    if not (caller.ops or caller.user_id in user_ids):
        raise Problem(403, "forbidden", "You may not read this.")


def _no_room() -> Problem:
    return Problem(404, "room_not_found", "There is no such room.")
