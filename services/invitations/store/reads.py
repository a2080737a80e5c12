"""What is read over HTTP. Lists go newest first; a status is meant as it reads at the moment given."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import asyncpg
from pydantic import Field

from messaging.database import Connection
from schemas.answers import CoHost, CoHosts
from schemas.invitation import Invitation
from services.hosting.pages import Moment, Number
from services.invitations.store import rows


class Place(NamedTuple):
    """Where an invitation stands: a room's are in the order of its log, a user's go by time first."""

    sent_at: Moment
    position: Number
    lane: Annotated[int, Field(ge=0, lt=2**31)]


class Listed(NamedTuple):
    """An invitation and its place."""

    invitation: Invitation
    place: Place


class Wanted(NamedTuple):
    """Which part of a list: of a status as at a moment (or `any`), beyond a place, so many at most."""

    status: str
    at: str
    beyond: Place
    limit: int


TOP = Place("9999-12-31T23:59:59.999Z", 2**63 - 1, 2**31 - 1)
"""The place before the newest."""


async def room(connection: Connection, room_id: str) -> tuple[str, int] | None:
    """Return a room's host and present life, or None where there is no such room, or no more."""
    row = await connection.fetchrow(
        "SELECT host_id, life FROM rooms WHERE room_id = $1 AND NOT forgotten", room_id
    )
    return None if row is None else (row["host_id"], row["life"])


async def invitation(connection: Connection, invitation_id: str) -> tuple[Invitation, str | None] | None:
    """Return an invitation and its room's host, who is None once the room's life is over."""
    row = await connection.fetchrow(
        """
        SELECT i.*, rooms.host_id
        FROM invitations AS i
        LEFT JOIN rooms ON rooms.room_id = i.room_id AND rooms.life = i.life
        WHERE i.invitation_id = $1
        """,
        invitation_id,
    )
    return None if row is None else (rows.invitation(row), row["host_id"])


async def of_room(connection: Connection, room_id: str, life: int, wanted: Wanted) -> list[Listed]:
    """Return invitations of a room's life, in the order of its log."""
    if wanted.status == "pending":
        return await _pending_of_room(connection, room_id, wanted)
    found = await connection.fetch(
        """
        SELECT i.* FROM invitations AS i
        WHERE i.room_id = $1 AND i.life = $2 AND $3 IN ('any', reads_as(i.status, i.expires_at, $4))
            AND i.position < $5
        ORDER BY i.position DESC LIMIT $6
        """,
        room_id,
        life,
        wanted.status,
        wanted.at,
        wanted.beyond.position,
        wanted.limit,
    )
    return _listed(found)


async def _pending_of_room(connection: Connection, room_id: str, wanted: Wanted) -> list[Listed]:
    found = await connection.fetch(
        """
        SELECT i.* FROM pending JOIN invitations AS i USING (invitation_id)
        WHERE pending.room_id = $1 AND pending.expires_at > $2 AND i.position < $3
        ORDER BY i.position DESC LIMIT $4
        """,
        room_id,
        wanted.at,
        wanted.beyond.position,
        wanted.limit,
    )
    return _listed(found)


async def of_user(connection: Connection, user_id: str, room_id: str | None, wanted: Wanted) -> list[Listed]:
    """Return a user's invitations, of one room or of all, of rooms that are gone too."""
    if wanted.status == "pending":
        return await _pending_of_user(connection, user_id, room_id, wanted)
    found = await connection.fetch(
        """
        SELECT i.* FROM invitations AS i
        WHERE i.user_id = $1 AND i.room_id = coalesce($2, i.room_id)
            AND $3 IN ('any', reads_as(i.status, i.expires_at, $4))
            AND (i.sent_at, i.position, i.lane) < ($5, $6, $7)
        ORDER BY i.sent_at DESC, i.position DESC, i.lane DESC LIMIT $8
        """,
        user_id,
        room_id,
        wanted.status,
        wanted.at,
        *wanted.beyond,
        wanted.limit,
    )
    return _listed(found)


async def _pending_of_user(
    connection: Connection, user_id: str, room_id: str | None, wanted: Wanted
) -> list[Listed]:
    found = await connection.fetch(
        """
        SELECT i.* FROM pending JOIN invitations AS i USING (invitation_id)
        WHERE pending.user_id = $1 AND pending.room_id = coalesce($2, pending.room_id)
            AND pending.expires_at > $3 AND (i.sent_at, i.position, i.lane) < ($4, $5, $6)
        ORDER BY i.sent_at DESC, i.position DESC, i.lane DESC LIMIT $7
        """,
        user_id,
        room_id,
        wanted.at,
        *wanted.beyond,
        wanted.limit,
    )
    return _listed(found)


async def co_hosts(connection: Connection, room_id: str) -> CoHosts:
    """Return who has a seat in a room."""
    found = await connection.fetch(
        """
        SELECT user_id, invitation_id, since FROM seats
        WHERE room_id = $1 ORDER BY since DESC, position DESC
        """,
        room_id,
    )
    return CoHosts(items=tuple(CoHost(**row) for row in found))


def _listed(found: Sequence[asyncpg.Record]) -> list[Listed]:
    return [
        Listed(rows.invitation(row), Place(row["sent_at"], row["position"], row["lane"])) for row in found
    ]
