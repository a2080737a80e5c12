"""Queries of the HTTP routes. Lists are sorted newest first; a status filter means the status at `at`."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import asyncpg
from pydantic import Field

from cohost_schemas.answers import CoHost, CoHosts, InvitationDetails
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import build_message
from messaging.database import Connection
from services.invitations.store import rows
from services.runtime.http.pagination import BigInt, CalendarTimestamp


class PageKey(NamedTuple):
    """An invitation's sort key: a room's list uses `position` alone, a user's list all three fields."""

    sent_at: CalendarTimestamp
    position: BigInt
    lane: Annotated[int, Field(ge=0, lt=2**31)]


class ListedInvitation(NamedTuple):
    """An invitation and its sort key."""

    invitation: Invitation
    key: PageKey


class ListQuery(NamedTuple):
    """One page of a list: at most `limit` invitations with this status (or `any`) at `at`, after a key."""

    status: str
    at: str
    after: PageKey
    limit: int


BEFORE_NEWEST = PageKey("9999-12-31T23:59:59.999Z", 2**63 - 1, 2**31 - 1)
"""The key that sorts before the newest invitation."""


async def add_names(connection: Connection, invitations: Sequence[Invitation]) -> list[InvitationDetails]:
    """Return the invitations with their rooms' titles and their users' names, as they are now."""
    titles = await connection.fetch(
        "SELECT room_id, title FROM unnest($1::text[]) AS wanted (room_id) JOIN rooms USING (room_id)",
        list({invitation.room_id for invitation in invitations}),
    )
    names = await connection.fetch(
        "SELECT user_id, display_name FROM unnest($1::text[]) AS wanted (user_id) JOIN users USING (user_id)",
        list({user for each in invitations for user in (each.invited_by, each.user_id)}),
    )
    title_of, name_of = dict(map(tuple, titles)), dict(map(tuple, names))
    return [
        build_message(
            InvitationDetails,
            {
                **vars(invitation),
                "room_title": title_of.get(invitation.room_id),
                "inviter_name": name_of.get(invitation.invited_by),
                "user_name": name_of.get(invitation.user_id),
            },
        )
        for invitation in invitations
    ]


async def fetch_room(connection: Connection, room_id: str) -> tuple[str, int] | None:
    """Return a room's host id and current incarnation, or None if it is unknown or deleted."""
    row = await connection.fetchrow(
        "SELECT host_id, incarnation FROM rooms WHERE room_id = $1 AND NOT deleted", room_id
    )
    return None if row is None else (row["host_id"], row["incarnation"])


async def fetch_invitation(
    connection: Connection, invitation_id: str
) -> tuple[Invitation, str | None] | None:
    """Return an invitation and its room's host id, which is None after that incarnation of the room."""
    row = await connection.fetchrow(
        """
        SELECT i.*, rooms.host_id
        FROM invitations AS i
        LEFT JOIN rooms ON rooms.room_id = i.room_id AND rooms.incarnation = i.incarnation
        WHERE i.invitation_id = $1
        """,
        invitation_id,
    )
    return None if row is None else (rows.invitation_from_row(row), row["host_id"])


async def fetch_room_invitations(
    connection: Connection, room_id: str, incarnation: int, query: ListQuery
) -> list[ListedInvitation]:
    """Return invitations of one incarnation of a room, newest first."""
    if query.status == "pending":
        return await _fetch_pending_of_room(connection, room_id, query)
    found = await connection.fetch(
        """
        SELECT i.* FROM invitations AS i
        WHERE i.room_id = $1 AND i.incarnation = $2 AND $3 IN ('any', status_at(i.status, i.expires_at, $4))
            AND i.position < $5
        ORDER BY i.position DESC LIMIT $6
        """,
        room_id,
        incarnation,
        query.status,
        query.at,
        query.after.position,
        query.limit,
    )
    return _listed_invitations(found)


async def _fetch_pending_of_room(
    connection: Connection, room_id: str, query: ListQuery
) -> list[ListedInvitation]:
    found = await connection.fetch(
        """
        SELECT i.* FROM pending JOIN invitations AS i USING (invitation_id)
        WHERE pending.room_id = $1 AND pending.expires_at > $2 AND i.position < $3
        ORDER BY i.position DESC LIMIT $4
        """,
        room_id,
        query.at,
        query.after.position,
        query.limit,
    )
    return _listed_invitations(found)


async def fetch_user_invitations(
    connection: Connection, user_id: str, room_id: str | None, query: ListQuery
) -> list[ListedInvitation]:
    """Return a user's invitations in one room or in all, deleted rooms included, newest first."""
    if query.status == "pending":
        return await _fetch_pending_of_user(connection, user_id, room_id, query)
    found = await connection.fetch(
        """
        SELECT i.* FROM invitations AS i
        WHERE i.user_id = $1 AND i.room_id = coalesce($2, i.room_id)
            AND $3 IN ('any', status_at(i.status, i.expires_at, $4))
            AND (i.sent_at, i.position, i.lane) < ($5, $6, $7)
        ORDER BY i.sent_at DESC, i.position DESC, i.lane DESC LIMIT $8
        """,
        user_id,
        room_id,
        query.status,
        query.at,
        *query.after,
        query.limit,
    )
    return _listed_invitations(found)


async def _fetch_pending_of_user(
    connection: Connection, user_id: str, room_id: str | None, query: ListQuery
) -> list[ListedInvitation]:
    found = await connection.fetch(
        """
        SELECT i.* FROM pending JOIN invitations AS i USING (invitation_id)
        WHERE pending.user_id = $1 AND pending.room_id = coalesce($2, pending.room_id)
            AND pending.expires_at > $3 AND (i.sent_at, i.position, i.lane) < ($4, $5, $6)
        ORDER BY i.sent_at DESC, i.position DESC, i.lane DESC LIMIT $7
        """,
        user_id,
        room_id,
        query.at,
        *query.after,
        query.limit,
    )
    return _listed_invitations(found)


async def fetch_co_hosts(connection: Connection, room_id: str) -> CoHosts:
    """Return the co-hosts of a room, in their order."""
    found = await connection.fetch(
        """
        SELECT seats.user_id, seats.invitation_id, seats.since, i.label
        FROM seats JOIN invitations AS i USING (invitation_id)
        WHERE seats.room_id = $1 ORDER BY seats.position
        """,
        room_id,
    )
    return CoHosts(items=tuple(CoHost(**row, order=order) for order, row in enumerate(found, 1)))


def _listed_invitations(found: Sequence[asyncpg.Record]) -> list[ListedInvitation]:
    return [
        ListedInvitation(rows.invitation_from_row(row), PageKey(row["sent_at"], row["position"], row["lane"]))
        for row in found
    ]
