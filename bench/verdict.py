"""Check of granted seats against LiveKit's permissions and the published events."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord
from pydantic_core import from_json

from bench import outcomes
from bench.livekit import Key, State
from bench.place import Run
from bench.seats import Seat
from cohost_schemas import envelope, topics

CO_HOST = frozenset(
    {
        *("can_publish", "can_publish_data", "can_subscribe"),
        *("CAMERA", "MICROPHONE", "SCREEN_SHARE", "SCREEN_SHARE_AUDIO"),
    }
)

_TOLD = ("GrantProvisioned", "CoHostConnected")
"""Expected events of each seat; the second because permissions granted in place imply a connection."""


async def told(run: Run) -> list[tuple[str, str]]:
    """Return name and invitation id of every event that broadcast published."""
    return [_told(record) async for record in outcomes.records(run, (topics.BROADCAST_EVENTS,))]


def wrong(seats: Sequence[Seat], events: Iterable[tuple[str, str]], state: State) -> list[str]:
    """Return a line for each missing or unexpected permission or event."""
    expected = Counter((name, seat.id) for seat in seats for name in _TOLD)
    found = Counter(events)
    rights = {key: frozenset(holder.permission) for key, holder in state.holders.items()}
    return [
        *([f"{state.overlaps} calls of a key while it had another"] if state.overlaps else []),
        *(f"{name} of {id_}: {found[name, id_]}, not 1" for name, id_ in expected if found[name, id_] != 1),
        *(f"{name} of {id_ or 'nobody'}" for name, id_ in found.keys() - expected.keys()),
        *_rights({seat.key for seat in seats}, rights),
    ]


def _rights(seated: set[Key], rights: Mapping[Key, frozenset[str]]) -> Iterator[str]:
    for key in seated | rights.keys():
        should = CO_HOST if key in seated else frozenset()
        if rights.get(key, frozenset()) != should:
            yield f"{key} may {sorted(rights.get(key, ()))}, not {sorted(should)}"


def _told(record: ConsumerRecord) -> tuple[str, str]:
    event: Mapping[str, Any] = from_json(record.value)
    return envelope.model_name(event["type"]), event["data"].get("invitationId", "")
