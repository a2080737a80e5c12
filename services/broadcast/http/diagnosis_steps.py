"""Diagnose why a user of a room is not on air: broadcast's steps, from the grant to the quality."""

from typing import Literal, NamedTuple

from cohost_schemas.answers import DiagnosisStep
from cohost_schemas.signals import Participant
from cohost_schemas.types import StepName
from services.broadcast.domain import permissions
from services.broadcast.domain.state import Presence, Stage

LiveKitProblem = Literal["livekit_refused", "livekit_unavailable"]

STEPS: tuple[StepName, ...] = ("granted", "connected", "publishing", "quality")
_WAITING_ADVICE: dict[StepName, str] = {
    "granted": "LiveKit has not confirmed the permissions yet; look again in a few seconds.",
    "connected": "The user has to get broadcast data and connect to LiveKit.",
    "publishing": "The user has to publish the microphone or the camera.",
}
_ADVICE = {
    "room_not_found": "Broadcast has read nothing about this room yet; look at invitations and at Kafka.",
    "room_not_open": "Wait until the platform opens the room.",
    "not_on_stage": "The user needs a seat first.",
    "grant_failed": "LiveKit does not take the permissions; see GrantFailed and the log of broadcast.",
    "livekit_refused": "LiveKit refuses the key of broadcast: correct COHOST_LIVEKIT_API_KEY and its secret.",
    "livekit_unavailable": "LiveKit does not answer broadcast: check that it runs and can be reached.",
    "no_show": "The user did not connect in time, and the seat is about to end; invite the user again.",
    "connection_lost": "The user did not come back in time, and the seat is about to end; invite again.",
    "webhook_lost": "A webhook of LiveKit is missing: check its URL; the next comparison makes up for it.",
    "connecting": "The user reached LiveKit, but no media connection is up yet; check firewalls and TURN.",
    "disconnected": "The user has to connect again, before the grace is over.",
    "hard_muted": "The host has muted every source; the host has to lift a mute.",
    "poor": "The user should move closer to the router or turn off the camera.",
    "lost": "The connection of the user is about to break; the user should change the network.",
}


class LiveKitView(NamedTuple):
    """What LiveKit answered about a user: the participant, if there is one, or why there is no answer."""

    participant: Participant | None = None
    problem: LiveKitProblem | None = None


def needs_livekit(stage: Stage, user_id: str) -> bool:
    """Return whether the stage alone does not explain why the user is not on air."""
    member = stage.member_or_empty(user_id)
    if not stage.room.is_open or stage.badge_of(user_id) is None or member.is_release_pending:
        return False
    return not (_is_granted(stage, user_id) and member.presence.is_connected and member.presence.tracks)


def diagnose(stage: Stage | None, user_id: str, view: LiveKitView) -> tuple[DiagnosisStep, ...]:
    """Return broadcast's steps for a user, each as if those before it were `ok`.

    `view` matters where `needs_livekit`. Without a stage broadcast knows nothing.
    """
    if stage is None:
        return tuple(_step(step, "unknown", "room_not_found") for step in STEPS)
    if not stage.room.is_open:
        return tuple(_step(step, "waiting", "room_not_open") for step in STEPS)
    if stage.badge_of(user_id) is None:
        return tuple(_step(step, "waiting", "not_on_stage") for step in STEPS)
    return (
        _check_granted(stage, user_id, view),
        _check_connected(stage, user_id, view),
        _check_publishing(stage, user_id, view),
        _check_quality(stage, user_id),
    )


def _check_granted(stage: Stage, user_id: str, view: LiveKitView) -> DiagnosisStep:
    member = stage.member_or_empty(user_id)
    if _is_granted(stage, user_id):
        at = member.seat.provisioned_at if member.seat is not None else stage.room.host_since
        return DiagnosisStep(step="granted", state="ok", at=at)
    if member.failing or view.problem is not None:
        return _step("granted", "failed", view.problem or "grant_failed")
    return _waiting("granted")


def _check_connected(stage: Stage, user_id: str, view: LiveKitView) -> DiagnosisStep:
    member = stage.member_or_empty(user_id)
    presence = member.presence
    if member.seat is not None and member.seat.release is not None:
        return _step("connected", "failed", member.seat.release.reason, presence.since)
    if presence.is_connected:
        return DiagnosisStep(step="connected", state="ok", at=presence.since)
    return _explain_absence(presence, view)


def _explain_absence(presence: Presence, view: LiveKitView) -> DiagnosisStep:
    if view.problem == "livekit_refused":
        return _step("connected", "failed", view.problem)
    if view.problem is not None:
        return _step("connected", "unknown", view.problem)
    if view.participant is not None and view.participant.sid not in presence.ended_sids:
        return _step("connected", "waiting", "webhook_lost" if view.participant.connected else "connecting")
    if presence.state == "disconnected":
        return _step("connected", "waiting", "disconnected", presence.since)
    return _waiting("connected")


def _check_publishing(stage: Stage, user_id: str, view: LiveKitView) -> DiagnosisStep:
    if stage.member_or_empty(user_id).presence.tracks:
        return DiagnosisStep(step="publishing", state="ok")
    if not permissions.desired_for(stage, user_id).can_publish:
        return _step("publishing", "waiting", "hard_muted")
    if view.participant is not None and view.participant.tracks:
        return _step("publishing", "waiting", "webhook_lost")
    return _waiting("publishing")


def _check_quality(stage: Stage, user_id: str) -> DiagnosisStep:
    quality = stage.member_or_empty(user_id).quality
    if quality.published is None or not quality.is_bad:
        return DiagnosisStep(step="quality", state="ok", at=quality.published_since)
    return _step("quality", "failed", quality.published, quality.published_since)


def _is_granted(stage: Stage, user_id: str) -> bool:
    """Return whether the rights of the user's badge are granted; a host needs no grant."""
    seat = stage.member_or_empty(user_id).seat
    return stage.badge_of(user_id) == "host" or (seat is not None and seat.provisioned)


def _waiting(step: StepName) -> DiagnosisStep:
    """Return a step for which nobody has acted yet, and nothing is wrong."""
    return DiagnosisStep(step=step, state="waiting", advice=_WAITING_ADVICE[step])


def _step(
    step: StepName, state: Literal["failed", "waiting", "unknown"], detail: str, at: str | None = None
) -> DiagnosisStep:
    return DiagnosisStep(step=step, state=state, at=at, detail=detail, advice=_ADVICE[detail])
