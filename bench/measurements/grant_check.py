"""Check of granted seats against LiveKit's permissions and the published events."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord
from pydantic_core import from_json

from bench import outcomes
from bench.environment import BenchRun
from bench.fake_livekit.process import FakeLiveKitState, ParticipantKey
from bench.workload.seat_plan import PlannedSeat
from cohost_schemas import envelope, topics

CO_HOST_PERMISSIONS = frozenset(
    {
        *("can_publish", "can_publish_data", "can_subscribe"),
        *("CAMERA", "MICROPHONE", "SCREEN_SHARE", "SCREEN_SHARE_AUDIO"),
    }
)

_EXPECTED_EVENTS = ("GrantProvisioned", "CoHostConnected")
"""Expected events of each seat; the second because permissions granted in place imply a connection."""


async def read_broadcast_events(run: BenchRun) -> list[tuple[str, str]]:
    """Return name and invitation id of every event that broadcast published."""
    return [_parse_event(record) async for record in outcomes.read_records(run, (topics.BROADCAST_EVENTS,))]


def find_grant_errors(
    seats: Sequence[PlannedSeat], events: Iterable[tuple[str, str]], state: FakeLiveKitState
) -> list[str]:
    """Return a line for each missing or unexpected permission or event."""
    expected = Counter((name, seat.id) for seat in seats for name in _EXPECTED_EVENTS)
    found = Counter(events)
    rights = {key: frozenset(holder.permissions) for key, holder in state.participants.items()}
    return [
        *([f"{state.overlaps} calls of a key while it had another"] if state.overlaps else []),
        *(f"{name} of {id_}: {found[name, id_]}, not 1" for name, id_ in expected if found[name, id_] != 1),
        *(f"{name} of {id_ or 'nobody'}" for name, id_ in found.keys() - expected.keys()),
        *_permission_errors({seat.participant_key for seat in seats}, rights),
    ]


def _permission_errors(
    seated: set[ParticipantKey], rights: Mapping[ParticipantKey, frozenset[str]]
) -> Iterator[str]:
    for key in seated | rights.keys():
        should = CO_HOST_PERMISSIONS if key in seated else frozenset()
        if rights.get(key, frozenset()) != should:
            yield f"{key} may {sorted(rights.get(key, ()))}, not {sorted(should)}"


def _parse_event(record: ConsumerRecord) -> tuple[str, str]:
    event: Mapping[str, Any] = from_json(record.value)
    return envelope.model_name(event["type"]), event["data"].get("invitationId", "")
