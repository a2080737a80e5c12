"""Expected values by sections 4 and 7 of the contract, to be compared as a whole."""

from typing import Any

from tests.contract.contract_client import Room, WrittenRecord

SOURCES = ["camera", "microphone", "screen_share", "screen_share_audio"]
VIEWER = {"canPublish": False, "canPublishData": False, "canSubscribe": True, "canPublishSources": []}


def publisher_permissions(*without: str) -> dict[str, Any]:
    """Return a host's or co-host's permissions without the given sources."""
    left = [source for source in SOURCES if source not in without]
    return {
        "canPublish": bool(left),
        "canPublishData": True,
        "canSubscribe": True,
        "canPublishSources": left,
    }


def pending(
    sent: WrittenRecord, room: Room, user: str, seconds: int = 86_400, **changes: Any
) -> dict[str, Any]:
    """Return the invitation created by a `SendInvitation`."""
    return {
        "invitationId": sent.id,
        "roomId": room.id,
        "userId": user,
        "invitedBy": room.host,
        "status": "pending",
        "sentAt": sent.timestamp,
        "expiresAt": sent.timestamp_after(seconds),
        "respondedAt": None,
        "updatedAt": sent.timestamp,
        "closeReason": None,
        "message": None,
        "previousInvitationId": None,
        "label": None,
        "timesSent": 1,
        "resentAt": None,
        "seenAt": None,
        **changes,
    }


def accepted(invitation: dict[str, Any], by: WrittenRecord) -> dict[str, Any]:
    return {**invitation, "status": "accepted", "respondedAt": by.timestamp, "updatedAt": by.timestamp}


def declined(invitation: dict[str, Any], by: WrittenRecord) -> dict[str, Any]:
    answered = accepted(invitation, by)
    return {**answered, "status": "rejected", "closeReason": "declined"}


def cancelled(invitation: dict[str, Any], at: str, reason: str = "cancelled_by_host") -> dict[str, Any]:
    return {**invitation, "status": "cancelled", "updatedAt": at, "closeReason": reason}


def expired(invitation: dict[str, Any]) -> dict[str, Any]:
    at = invitation["expiresAt"]
    return {**invitation, "status": "expired", "updatedAt": at, "closeReason": "expired"}


def over_http(invitation: dict[str, Any], **names: str) -> dict[str, Any]:
    """Return an invitation as HTTP shows it: with the names, which the tests' facts do not have."""
    return {**invitation, "roomTitle": None, "inviterName": None, "userName": None, **names}


def left(invitation: dict[str, Any], at: str, reason: str, **more: Any) -> dict[str, Any]:
    """Return the data of a `CoHostLeft`, without nulls."""
    names = ("roomId", "userId", "invitationId")
    return {**{name: invitation[name] for name in names}, "reason": reason, "leftAt": at, **more}


def stage(room: Room, status: str = "live", **changes: Any) -> dict[str, Any]:
    """Return the data of a `StageChanged`."""
    is_open = status in {"idle", "live", "waitingReconnect"}
    said = {"roomId": room.id, "hostId": room.host, "status": status, "open": is_open, "maxCoHosts": 5}
    return {**said, **changes}


def without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
