"""Prometheus metrics of invitations and seats: counted by the invitations service, or from its events."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cohost_schemas import timestamps
from cohost_schemas.events import (
    CoHostLeft,
    InvitationAccepted,
    InvitationCancelled,
    InvitationDeclined,
    InvitationExpired,
    InvitationSent,
)
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import CloseReason, LeaveReason, Message

_ANSWER_SECONDS = (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)
_ACCEPTED = "accepted"
_ANSWERS = (_ACCEPTED, "declined")
_ENDINGS = (InvitationAccepted, InvitationDeclined, InvitationCancelled, InvitationExpired)


class InvitationMetrics:
    """The collectors of invitations and seats. No label names a room or a user.

    An invitation's `outcome` is `accepted` or its `closeReason`.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        sent = Counter("cohost_invitations_sent", "Invitations sent.", registry=registry)
        ended = Counter(
            "cohost_invitations_ended", "Invitations that ended, by outcome.", ["outcome"], registry=registry
        )
        answer_seconds = Histogram(
            "cohost_invitation_answer_seconds",
            "Seconds from an invitation's sending to its answer.",
            ["outcome"],
            registry=registry,
            buckets=_ANSWER_SECONDS,
        )
        seats_ended = Counter("cohost_seats_ended", "Seats that ended.", ["reason"], registry=registry)
        self.pending = Gauge("cohost_invitations_pending", "Pending invitations.", registry=registry)
        self.seats = Gauge("cohost_seats", "Seats of co-hosts.", registry=registry)
        # The children are made here: their series start at zero, and finding one costs as much as counting.
        self._ended = {outcome: ended.labels(outcome) for outcome in (_ACCEPTED, *get_args(CloseReason))}
        self._answer_seconds = {outcome: answer_seconds.labels(outcome) for outcome in _ANSWERS}
        self._seats_ended = {reason: seats_ended.labels(reason) for reason in get_args(LeaveReason)}
        # By exact type: `isinstance` with a pydantic model takes as long as the rest.
        self._series_functions: Mapping[type[Message], Callable[[Any], Counter]] = {
            InvitationSent: lambda _: sent,
            **dict.fromkeys(_ENDINGS, lambda invitation: self._ended[_outcome_of(invitation)]),
            CoHostLeft: lambda left: self._seats_ended[left.reason],
        }

    def count_events(self, events: Iterable[Message]) -> None:
        """Count committed events of the invitations service."""
        # Series are increased once for all events: each time takes a lock.
        increments = Tally[Counter]()
        for event in events:
            find_series = self._series_functions.get(type(event))
            if find_series is not None:
                increments[find_series(event)] += 1
            if type(event) is InvitationAccepted or type(event) is InvitationDeclined:
                self._observe_answer(event)
        for series, number in increments.items():
            series.inc(number)

    def _observe_answer(self, invitation: Invitation) -> None:
        if invitation.responded_at is not None:
            seconds = seconds_between(invitation.sent_at, invitation.responded_at)
            self._answer_seconds[_outcome_of(invitation)].observe(seconds)


def _outcome_of(invitation: Invitation) -> str:
    return invitation.close_reason or _ACCEPTED


def seconds_between(begin: str, end: str) -> float:
    """Return the seconds between two timestamps, 0 if the clocks that gave them disagree on the order."""
    return max(0, timestamps.to_ms(end) - timestamps.to_ms(begin)) / 1000
