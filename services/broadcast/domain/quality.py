"""Fold users' reports about their own connections into a stage, and publish a quality that lasts."""

from dataclasses import replace

from cohost_schemas.events import ParticipantQualityChanged
from cohost_schemas.signals import QualityDue, QualityReported
from services.broadcast.domain.decision import Decision, Origin
from services.broadcast.domain.state import Member, Quality, Stage, UnpublishedQuality


def apply_report(stage: Stage, report: QualityReported, origin: Origin) -> Decision:
    """Record a report; what was due before it is published first, though its `QualityDue` may be late."""
    if not stage.room.is_open or stage.badge_of(report.user_id) is None:
        return Decision(stage)
    decision = _publish_if_due(stage, stage.member_or_empty(report.user_id), origin)
    member = decision.stage.member_or_empty(report.user_id)
    quality = _with_report(member.quality, report, origin)
    if quality == member.quality:
        return decision
    return decision._replace(stage=decision.stage.with_members(replace(member, quality=quality)))


def publish_due_quality(stage: Stage, signal: QualityDue, origin: Origin) -> Decision:
    """Publish the reported quality, if the deadline has not changed since the signal was written."""
    member = stage.member_or_empty(signal.user_id)
    if member.quality_due_at != signal.due_at:
        return Decision(stage)
    return _publish_if_due(stage, member, origin)


def _with_report(before: Quality, report: QualityReported, origin: Origin) -> Quality:
    if report.quality == before.published:
        return replace(before, unpublished=None)
    last = before.unpublished
    since = last.since if last is not None and last.quality == report.quality else origin.at
    return replace(before, unpublished=UnpublishedQuality(report.quality, report.round_trip_ms, since))


def _publish_if_due(stage: Stage, member: Member, origin: Origin) -> Decision:
    unpublished = member.quality.unpublished
    # The clock of the worker that wrote the record may be ahead of the one that timestamped it.
    if unpublished is None or origin.at < unpublished.due_at:
        return Decision(stage)
    changed = ParticipantQualityChanged(
        room_id=stage.room.room_id,
        user_id=member.user_id,
        quality=unpublished.quality,
        round_trip_ms=unpublished.round_trip_ms,
        since=unpublished.since,
    )
    published = replace(member, quality=Quality(unpublished.quality, unpublished.since))
    return Decision(stage.with_members(published), (changed,))
