"""HTTP routes of invitations and seats (contract, section 5); overdue invitations read as expired."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Query

from cohost_schemas import timestamps
from cohost_schemas.answers import (
    CoHosts,
    Diagnosis,
    DiagnosisStep,
    InvitationDetails,
    RoomHosts,
    RoomSummary,
)
from cohost_schemas.types import Id, RoomFilter
from messaging.database import Connection
from services.invitations.domain import diagnosis, state
from services.invitations.domain.state import Policy
from services.invitations.http import diagnosis_queries, queries, room_queries
from services.invitations.http.queries import ListedInvitation, ListQuery, PageKey
from services.invitations.http.room_queries import ListedRoom, RoomKey, RoomQuery
from services.runtime.diagnosis import complete_steps
from services.runtime.http import auth, db, pagination, path_params, problems
from services.runtime.http.auth import Caller
from services.runtime.http.problems import HttpProblem

StatusFilter = Literal["any", "pending", "accepted", "rejected", "cancelled", "expired"]
RoomPage = pagination.ListPage[RoomSummary]
InvitationPage = pagination.ListPage[InvitationDetails]


def create_invitations_router(pool: asyncpg.Pool, policy: Policy) -> APIRouter:
    """Create the router with the service's routes."""
    routes = APIRouter(tags=["invitations"])
    _add_room_list(routes, pool)
    _add_room_routes(routes, pool)
    _add_host_list(routes, pool)
    _add_invitation_routes(routes, pool)
    _add_diagnosis(routes, pool, policy)
    return routes


def _add_room_list(routes: APIRouter, pool: asyncpg.Pool) -> None:
    @routes.get("/v1/rooms", responses=problems.problem_responses(403, 422))
    async def list_rooms(
        caller: auth.AuthenticatedCaller,
        page: pagination.RequestedPage,
        status: RoomFilter = "open",
        host_id: Annotated[Id | None, Query(alias="hostId")] = None,
    ) -> RoomPage:
        """List rooms, newest fact first. Allowed for ops."""
        _require_access(caller)
        after = None if page.cursor is None else pagination.decode_cursor(page.cursor, RoomKey)
        # One more than requested shows whether there is a next page.
        query = RoomQuery(status, host_id, after or room_queries.BEFORE_NEWEST, page.limit + 1)
        async with db.connection_for_request(pool) as connection:
            found = await room_queries.fetch_rooms(connection, query)
            shown = found[: page.limit]
            return RoomPage(
                items=await room_queries.summarize_rooms(connection, shown),
                next_cursor=pagination.encode_cursor(*shown[-1].key) if len(found) > len(shown) else None,
            )


def _add_room_routes(routes: APIRouter, pool: asyncpg.Pool) -> None:
    @routes.get("/v1/rooms/{roomId}", responses=problems.problem_responses(404, 422))
    async def get_room(room_id: path_params.RoomId, caller: auth.AuthenticatedCaller) -> RoomSummary:
        """Return a room; its pending invitations are counted for its host and ops only."""
        async with db.connection_for_request(pool) as connection:
            found = await room_queries.fetch_room(connection, room_id)
            if found is None:
                raise _room_not_found()
            [room] = await room_queries.summarize_rooms(connection, [found])
        may_see_pending = caller.is_ops or caller.user_id == room.host_id
        return room if may_see_pending else room.model_copy(update={"pending": None})

    @routes.get("/v1/rooms/{roomId}/invitations", responses=problems.problem_responses(403, 404, 422))
    async def list_room_invitations(
        room_id: path_params.RoomId,
        caller: auth.AuthenticatedCaller,
        page: pagination.RequestedPage,
        status: StatusFilter = "any",
    ) -> InvitationPage:
        """List the invitations sent in a room. Allowed for the room's host and ops."""
        query = _list_query(page, status)
        async with db.connection_for_request(pool) as connection:
            found = await queries.fetch_room(connection, room_id)
            if found is None:
                raise _room_not_found()
            host_id, incarnation = found
            _require_access(caller, host_id)
            found_invitations = await queries.fetch_room_invitations(connection, room_id, incarnation, query)
            return await _list_page(connection, found_invitations, query)

    @routes.get("/v1/rooms/{roomId}/co-hosts", responses=problems.problem_responses(404, 422))
    async def list_co_hosts(room_id: path_params.RoomId) -> CoHosts:
        """List the co-hosts of a room. Allowed for anyone with a token."""
        async with db.connection_for_request(pool) as connection:
            if await queries.fetch_room(connection, room_id) is None:
                raise _room_not_found()
            return await queries.fetch_co_hosts(connection, room_id)


def _add_host_list(routes: APIRouter, pool: asyncpg.Pool) -> None:
    @routes.get("/v1/rooms/{roomId}/hosts", responses=problems.problem_responses(404, 422))
    async def list_hosts(room_id: path_params.RoomId) -> RoomHosts:
        """List the last 1 000 hosts of a room, oldest first. Allowed for anyone with a token."""
        async with db.connection_for_request(pool) as connection:
            if await queries.fetch_room(connection, room_id) is None:
                raise _room_not_found()
            return await room_queries.fetch_hosts(connection, room_id)


def _add_invitation_routes(routes: APIRouter, pool: asyncpg.Pool) -> None:
    @routes.get("/v1/users/{userId}/invitations", responses=problems.problem_responses(403, 422))
    async def list_user_invitations(
        user_id: path_params.UserId,
        caller: auth.AuthenticatedCaller,
        page: pagination.RequestedPage,
        status: StatusFilter = "pending",
        room_id: Annotated[Id | None, Query(alias="roomId")] = None,
    ) -> InvitationPage:
        """List a user's invitations. Allowed for that user and ops."""
        _require_access(caller, user_id)
        query = _list_query(page, status)
        async with db.connection_for_request(pool) as connection:
            found = await queries.fetch_user_invitations(connection, user_id, room_id, query)
            return await _list_page(connection, found, query)

    @routes.get("/v1/invitations/{invitationId}", responses=problems.problem_responses(403, 404, 422))
    async def get_invitation(
        invitation_id: path_params.InvitationId, caller: auth.AuthenticatedCaller
    ) -> InvitationDetails:
        """Return an invitation. Allowed for the room's host, the inviter, the invitee and ops."""
        async with db.connection_for_request(pool) as connection:
            found = await queries.fetch_invitation(connection, invitation_id)
            if found is None:
                raise HttpProblem(404, "invitation_not_found", "There is no such invitation.")
            invitation, host_id = found
            _require_access(caller, host_id, invitation.invited_by, invitation.user_id)
            current = state.invitation_as_of(invitation, timestamps.current_timestamp())
            [answer] = await queries.add_names(connection, [current])
            return answer


def _add_diagnosis(routes: APIRouter, pool: asyncpg.Pool, policy: Policy) -> None:
    @routes.get(
        "/v1/rooms/{roomId}/users/{userId}/diagnosis", responses=problems.problem_responses(403, 404, 422)
    )
    async def diagnose(
        room_id: path_params.RoomId, user_id: path_params.UserId, caller: auth.AuthenticatedCaller
    ) -> Diagnosis:
        """Return the steps up to the seat. Allowed for that user, the room's host and ops."""
        async with (
            db.connection_for_request(pool) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            found = await room_queries.fetch_room(connection, room_id)
            if found is None:
                if not (caller.is_ops or caller.user_id == user_id):
                    raise _room_not_found()
                steps: Iterable[DiagnosisStep] = diagnosis.diagnose_unknown_room()
            else:
                _require_access(caller, user_id, found.room.host_id)
                steps = await _diagnose_in_room(connection, found, user_id, caller, policy)
        return Diagnosis(room_id=room_id, user_id=user_id, steps=complete_steps(diagnosis.STEPS, steps))


async def _diagnose_in_room(
    connection: Connection, listed: ListedRoom, user_id: str, caller: Caller, policy: Policy
) -> Iterable[DiagnosisStep]:
    room = listed.room
    if user_id == room.host_id:
        return diagnosis.diagnose_host(room)
    view = await diagnosis_queries.fetch_user_in_room(connection, listed.room_id, room, user_id)
    shows_cause = caller.is_ops or caller.user_id == user_id
    return diagnosis.diagnose_user(view, policy, shows_cause=shows_cause)


def _list_query(page: pagination.PageParams, status: StatusFilter) -> ListQuery:
    after = queries.BEFORE_NEWEST if page.cursor is None else pagination.decode_cursor(page.cursor, PageKey)
    # One more than requested shows whether there is a next page.
    return ListQuery(status, timestamps.current_timestamp(), after, page.limit + 1)


async def _list_page(
    connection: Connection, found: Sequence[ListedInvitation], query: ListQuery
) -> InvitationPage:
    shown = found[: query.limit - 1]
    current = [state.invitation_as_of(entry.invitation, query.at) for entry in shown]
    return InvitationPage(
        items=await queries.add_names(connection, current),
        next_cursor=pagination.encode_cursor(*shown[-1].key) if len(found) > len(shown) else None,
    )


def _require_access(caller: Caller, *user_ids: str | None) -> None:
    if not (caller.is_ops or caller.user_id in user_ids):
        raise HttpProblem(403, "forbidden", "You may not read this.")


def _room_not_found() -> HttpProblem:
    return HttpProblem(404, "room_not_found", "There is no such room.")
