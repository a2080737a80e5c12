"""The trouble that a member has on a stage, as a number by which ops sort stages."""

from services.broadcast.domain.state.member import Member

FAILING_GRANT = 1000
"""The trouble of a member whose rights LiveKit refuses or failed to take; the other kinds are below it."""

NOT_THERE = 100
POOR_QUALITY = 10
OUT_OF_SYNC = 1


def trouble_of(member: Member) -> int:
    """Return the member's trouble: each kind adds a digit of its own, by which queries tell them apart."""
    return (
        FAILING_GRANT * member.failing
        + NOT_THERE * _is_missing(member)
        + POOR_QUALITY * (member.quality.is_bad and member.presence.is_connected)
        + OUT_OF_SYNC * member.is_out_of_sync
    )


def _is_missing(member: Member) -> bool:
    """Return whether a co-host whose seat is kept is in grace, or has never connected."""
    has_never_connected = (
        member.seat is not None and member.seat.release is None and member.presence.state == "never"
    )
    return has_never_connected or "in_grace" in member.co_host_states
