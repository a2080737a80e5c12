"""Write a batch's changes, inside the batch's transaction."""

from collections.abc import Mapping, Sequence

from cohost_schemas.events import CoHostLeft
from cohost_schemas.invitation import Invitation
from messaging.database import Connection
from messaging.processor import DuplicateCommands
from services.invitations.domain.state import Seat
from services.invitations.store import rows as columns
from services.invitations.store.changes import (
    BatchChanges,
    HostChange,
    RoomUpdate,
    SentInvitation,
    UserUpdate,
)


async def save_changes(connection: Connection, changes: BatchChanges) -> None:
    """Write final states, one statement per kind.

    Raises `DuplicateCommands` if the id of a sent invitation is stored already.
    """
    # Close before insert: a room and user have at most one row in `pending`.
    if changes.closed:
        await _close_invitations(connection, list(changes.closed.values()))
    if changes.sent:
        await _insert_invitations(connection, sorted(changes.sent.items()))
    if changes.renewed:
        await _renew_invitations(connection, list(changes.renewed.values()))
    if changes.ended_seats:
        await _end_seats(connection, list(changes.ended_seats.values()))
    if changes.seats:
        await _save_seats(connection, changes.seats)
    if changes.rooms:
        await _save_rooms(connection, changes.rooms)
    if changes.host_changes:
        await _insert_host_changes(connection, changes.host_changes)
    if changes.users:
        await _save_users(connection, changes.users)


async def find_stored_ids(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Return the ids under which an invitation is stored."""
    rows = await connection.fetch(
        """
        SELECT invitation_id
        FROM unnest($1::text[]) AS wanted (invitation_id) JOIN invitations USING (invitation_id)
        """,
        ids,
    )
    return [row["invitation_id"] for row in rows]


async def _close_invitations(connection: Connection, invitations: Sequence[Invitation]) -> None:
    """Update invitations that were pending before the batch, and delete their `pending` rows."""
    rows = [
        (i.invitation_id, i.room_id, i.user_id, i.status, i.responded_at, i.updated_at, i.close_reason)
        for i in invitations
    ]
    await connection.execute(
        """
        WITH closed AS (
            SELECT * FROM unnest(
                $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]
            ) AS closed (invitation_id, room_id, user_id, status, responded_at, updated_at, close_reason)
        ), answered AS (
            DELETE FROM pending USING closed
            WHERE pending.room_id = closed.room_id AND pending.user_id = closed.user_id
        )
        UPDATE invitations AS i
        SET status = closed.status, responded_at = closed.responded_at, updated_at = closed.updated_at,
            close_reason = closed.close_reason
        FROM closed WHERE i.invitation_id = closed.invitation_id
        """,
        *zip(*rows, strict=True),
    )


async def _insert_invitations(connection: Connection, sent: Sequence[tuple[str, SentInvitation]]) -> None:
    """Insert new invitations in their final state, except what `_renew_invitations` writes.

    Raises `DuplicateCommands` for ids that are stored.
    """
    rows = [_invitation_row(invitation_id, entry) for invitation_id, entry in sent]
    status = await connection.execute(
        """
        WITH new AS (
            SELECT * FROM unnest(
                $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::int[],
                $15::bigint[], $16::bigint[], $17::text[]
            ) AS new (
                invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, responded_at,
                updated_at, close_reason, message, previous_invitation_id, label, lane, incarnation, position,
                correlation
            )
        ), added AS (
            INSERT INTO pending (room_id, user_id, lane, invitation_id, expires_at, correlation)
            SELECT room_id, user_id, lane, invitation_id, expires_at, correlation::jsonb
            FROM new WHERE status = 'pending'
        )
        INSERT INTO invitations (
            invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, responded_at,
            updated_at, close_reason, message, previous_invitation_id, label, lane, incarnation, position
        )
        SELECT
            invitation_id, room_id, user_id, invited_by, status, sent_at, expires_at, responded_at,
            updated_at, close_reason, message, previous_invitation_id, label, lane, incarnation, position
        FROM new ON CONFLICT DO NOTHING
        """,
        *zip(*rows, strict=True),
    )
    if status != f"INSERT 0 {len(sent)}":
        raise DuplicateCommands(await _duplicate_ids(connection, sent))


def _invitation_row(invitation_id: str, entry: SentInvitation) -> tuple[object, ...]:
    i = entry.invitation
    return (
        *(invitation_id, i.room_id, i.user_id, i.invited_by, i.status, i.sent_at, i.expires_at),
        *(i.responded_at, i.updated_at, i.close_reason, i.message, i.previous_invitation_id, i.label),
        *(entry.lane, entry.incarnation, entry.position),
        columns.correlation_to_column(entry.correlation),
    )


async def _renew_invitations(connection: Connection, invitations: Sequence[Invitation]) -> None:
    """Update what sending again and seeing change; an invitation may have been closed since."""
    rows = [
        (i.invitation_id, i.room_id, i.user_id, i.expires_at, i.times_sent, i.resent_at, i.seen_at)
        for i in invitations
    ]
    await connection.execute(
        """
        WITH renewed AS (
            SELECT * FROM unnest(
                $1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[]
            ) AS renewed (invitation_id, room_id, user_id, expires_at, times_sent, resent_at, seen_at)
        ), rescheduled AS (
            UPDATE pending SET expires_at = renewed.expires_at FROM renewed
            WHERE pending.room_id = renewed.room_id AND pending.user_id = renewed.user_id
                AND pending.invitation_id = renewed.invitation_id AND pending.expires_at <> renewed.expires_at
        )
        UPDATE invitations AS i
        SET expires_at = renewed.expires_at, times_sent = renewed.times_sent, resent_at = renewed.resent_at,
            seen_at = renewed.seen_at
        FROM renewed WHERE i.invitation_id = renewed.invitation_id
        """,
        *zip(*rows, strict=True),
    )


async def _duplicate_ids(connection: Connection, sent: Sequence[tuple[str, SentInvitation]]) -> list[str]:
    """Return the ids that are stored under another command's lane and offset."""
    rows = await connection.fetch(
        """
        SELECT invitation_id
        FROM unnest($1::text[], $2::int[], $3::bigint[]) AS new (invitation_id, lane, position)
        JOIN invitations AS i USING (invitation_id)
        WHERE (i.lane, i.position) <> (new.lane, new.position)
        """,
        [invitation_id for invitation_id, _ in sent],
        [entry.lane for _, entry in sent],
        [entry.position for _, entry in sent],
    )
    return [row["invitation_id"] for row in rows]


async def _end_seats(connection: Connection, ended: Sequence[CoHostLeft]) -> None:
    """Delete seats, some of which the batch gave, and store with their invitations how they ended."""
    rows = [(left.room_id, left.user_id, left.invitation_id, left.left_at, left.reason) for left in ended]
    await connection.execute(
        """
        WITH ended AS (
            SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
                AS ended (room_id, user_id, invitation_id, left_at, reason)
        ), vacated AS (
            DELETE FROM seats USING ended
            WHERE seats.room_id = ended.room_id AND seats.user_id = ended.user_id
        )
        UPDATE invitations AS i SET left_at = ended.left_at, leave_reason = ended.reason
        FROM ended WHERE i.invitation_id = ended.invitation_id
        """,
        *zip(*rows, strict=True),
    )


async def _save_seats(connection: Connection, seats: Mapping[tuple[str, str], tuple[int, Seat]]) -> None:
    rows = [
        (*key, lane, seat.position, seat.invitation_id, seat.since) for key, (lane, seat) in seats.items()
    ]
    await connection.execute(
        """
        INSERT INTO seats (room_id, user_id, lane, position, invitation_id, since)
        SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[])
        ON CONFLICT (room_id, user_id) DO UPDATE SET
            position = excluded.position, invitation_id = excluded.invitation_id, since = excluded.since
        """,
        *zip(*rows, strict=True),
    )


async def _save_rooms(connection: Connection, rooms: Mapping[str, RoomUpdate]) -> None:
    rows = [
        (room_id, lane, *room, changed_at, title)
        for room_id, (lane, room, changed_at, title) in rooms.items()
    ]
    await connection.execute(
        """
        INSERT INTO rooms (
            room_id, lane, host_id, status, max_co_hosts, incarnation, deleted, position, changed_at, title
        )
        SELECT * FROM unnest(
            $1::text[], $2::int[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::boolean[],
            $8::bigint[], $9::text[], $10::text[]
        )
        ON CONFLICT (room_id) DO UPDATE SET
            host_id = excluded.host_id, status = excluded.status, max_co_hosts = excluded.max_co_hosts,
            incarnation = excluded.incarnation, deleted = excluded.deleted, position = excluded.position,
            changed_at = excluded.changed_at, title = excluded.title
        """,
        *zip(*rows, strict=True),
    )


async def _insert_host_changes(connection: Connection, host_changes: Sequence[HostChange]) -> None:
    await connection.copy_records_to_table(
        "room_hosts",
        columns=("room_id", "sequence", "since", "host_id"),
        records=[(change.room_id, change.sequence, change.since, change.host_id) for change in host_changes],
    )


async def _save_users(connection: Connection, users: Mapping[str, UserUpdate]) -> None:
    """Replace users; ids contain no space, so a space separates the blocked ids."""
    rows = [
        (
            *(user_id, lane, position, user.status, user.can_receive_invitations),
            *(" ".join(user.blocked_user_ids), display_name),
        )
        for user_id, (lane, position, user, display_name) in users.items()
    ]
    await connection.execute(
        """
        INSERT INTO users (
            user_id, lane, position, status, can_receive_invitations, blocked_user_ids, display_name
        )
        SELECT user_id, lane, position, status, can_receive, string_to_array(blocked, ' '), display_name
        FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::boolean[], $6::text[], $7::text[])
            AS updated (user_id, lane, position, status, can_receive, blocked, display_name)
        ON CONFLICT (user_id) DO UPDATE SET
            lane = excluded.lane, position = excluded.position, status = excluded.status,
            can_receive_invitations = excluded.can_receive_invitations,
            blocked_user_ids = excluded.blocked_user_ids, display_name = excluded.display_name,
            changed_at = now()
        """,
        *zip(*rows, strict=True),
    )
