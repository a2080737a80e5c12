"""Find the events that are a command's outcome, so that each accepted command counts once."""

from cohost_schemas import envelope
from cohost_schemas.envelope import Envelope

_OF_FACTS = "StageChanged"
# Seats and invitations with these reasons were ended by a fact about the room.
_REASONS_OF_FACTS = ("room_ended", "became_host")
_OUTCOMES_OF_BROADCAST = frozenset({"CoHostMuted", "CoHostUnmuteRequested"})


class InvitationOutcomes:
    """Finds the first event of each accepted command on `invitations.events`.

    The events of one cause lie side by side in their partition. What a fact about a room causes begins with a
    `StageChanged`, or is the rest of closings of which there were too many for one batch.
    """

    def __init__(self) -> None:
        self._last_causes: dict[int, str | None] = {}

    def is_first_of_command(self, partition: int, event: Envelope) -> bool:
        """Return whether this event, the partition's next one, is the first of a command's outcome."""
        is_first = self._last_causes.get(partition) != event.causationid
        self._last_causes[partition] = event.causationid
        return is_first and not _is_of_fact(event)


def is_outcome_of_broadcast(event: Envelope) -> bool:
    """Return whether an event on `broadcast.events` is the outcome of a command, which has no other."""
    return envelope.model_name(event.type) in _OUTCOMES_OF_BROADCAST


def _is_of_fact(event: Envelope) -> bool:
    if envelope.model_name(event.type) == _OF_FACTS:
        return True
    data = event.data
    return isinstance(data, dict) and (
        data.get("reason") in _REASONS_OF_FACTS or data.get("closeReason") in _REASONS_OF_FACTS
    )
