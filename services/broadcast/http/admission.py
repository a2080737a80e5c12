"""Tell a proxy in front of LiveKit whether a token may be used to connect (contract, section 5)."""

from urllib.parse import parse_qsl

import asyncpg
from fastapi import APIRouter, Request, Response

from cohost_schemas.types import is_stored_id
from services.broadcast import store
from services.broadcast.domain import permissions
from services.broadcast.domain.state import Stage
from services.broadcast.http import join
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.livekit.join_tokens import JoinGrant
from services.runtime.http import db

_TOKEN_PARAMETER = "access_token"  # noqa: S105 - a name
_BEARER = "bearer "


def create_admission_router(pool: asyncpg.Pool, livekit: LiveKitClient) -> APIRouter:
    """Return the route that a proxy asks before it lets a client connect to LiveKit."""
    routes = APIRouter(tags=["livekit"])

    @routes.get("/livekit/admit", response_class=Response, responses={403: {"description": "Refused."}})
    async def admit(request: Request) -> Response:
        """Return 200 if a LiveKit token grants no more than its identity has now, else 403.

        The token is the query parameter `access_token`, else the bearer token, else that parameter in the
        query of the header `X-Original-URI`.
        """
        token = _find_token(request)
        grant = livekit.read_join_token(token) if token is not None else None
        admitted = grant is not None and await _is_admitted(pool, livekit, grant)
        return Response(status_code=200 if admitted else 403, headers={"Cache-Control": "no-store"})

    return routes


def _find_token(request: Request) -> str | None:
    in_query = _token_in_query(request.url.query)
    if in_query is not None:
        return in_query
    authorization = request.headers.get("authorization", "")
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    # Not `urlsplit`, which raises for some of what clients may request.
    return _token_in_query(request.headers.get("x-original-uri", "").partition("?")[2])


def _token_in_query(query: str) -> str | None:
    """Return the first token in a query, as LiveKit does; None if there is none or it is empty."""
    parameters = parse_qsl(query, keep_blank_values=True)
    return next((value for name, value in parameters if name == _TOKEN_PARAMETER), None) or None


async def _is_admitted(pool: asyncpg.Pool, livekit: LiveKitClient, grant: JoinGrant) -> bool:
    if not is_stored_id(grant.room_id):
        return False
    async with db.connection_for_request(pool) as connection:
        stage = (await store.load_stages(connection, [grant.room_id])).get(grant.room_id)
    if stage is None or not stage.room.is_open:
        return False
    return not livekit.is_person(grant.kind) or _grants_no_more(stage, grant)


def _grants_no_more(stage: Stage, grant: JoinGrant) -> bool:
    badge = stage.badge_of(grant.identity)
    if badge is None and stage.room.status not in join.LIVE_STATUSES:
        return False
    allowed = permissions.desired_for(stage, grant.identity)
    return (
        permissions.is_within(grant.permissions, allowed)
        and grant.badge in ("", badge)
        and not grant.has_more
    )
