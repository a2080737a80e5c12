"""Derive badge changes from two stages of a room."""

from typing import NamedTuple

from cohost_schemas.events import BadgeChanged
from cohost_schemas.types import Badge
from services.broadcast.domain.state import Stage


class _WornBadge(NamedTuple):
    badge: Badge
    since: str
    invitation_id: str | None = None


def badge_changes(before: Stage | None, after: Stage) -> list[tuple[str, BadgeChanged | None]]:
    """Return each user whose badge differs with their new badge, or None for a badge that is gone."""
    if before is not None and before.members is after.members and _same_host(before, after):
        return []
    worn_before = _worn_badges(before) if before is not None else {}
    worn_after = _worn_badges(after)
    gone = [user_id for user_id in worn_before if user_id not in worn_after]
    new = [(user_id, badge) for user_id, badge in worn_after.items() if worn_before.get(user_id) != badge]
    room_id = after.room.room_id
    return [
        *((user_id, None) for user_id in gone),
        *((user_id, _badge_changed(room_id, user_id, badge)) for user_id, badge in new),
    ]


def _same_host(before: Stage, after: Stage) -> bool:
    one, other = before.room, after.room
    return (one.is_open, one.host_id, one.host_since) == (other.is_open, other.host_id, other.host_since)


def _worn_badges(stage: Stage) -> dict[str, _WornBadge]:
    room = stage.room
    worn = {
        member.user_id: _WornBadge("coHost", member.seat.since, member.seat.invitation_id)
        for member in stage.sorted_members
        if member.seat is not None
    }
    if room.is_open:
        worn[room.host_id] = _WornBadge("host", room.host_since)
    return worn


def _badge_changed(room_id: str, user_id: str, worn: _WornBadge) -> BadgeChanged:
    return BadgeChanged(
        room_id=room_id,
        user_id=user_id,
        badge=worn.badge,
        invitation_id=worn.invitation_id,
        since=worn.since,
    )
