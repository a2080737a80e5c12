"""The activity of the log as the JSON of the answers about it."""

from typing import Any

from pydantic_core import to_json

from cohost_schemas import timestamps
from services.gateway.ops.activity.log_activity import REASON_PREFIX, LogActivity, reason_of
from services.gateway.ops.activity.samples import INTERVAL_COUNT, INTERVAL_SECONDS
from services.gateway.ops.log_records import encode_answer, encode_record

_COUNTED = ("accepted", "rejected", "deadLetters", "events")


def encode_activity(activity: LogActivity, now: float) -> bytes:
    """Return the JSON of an `Activity`."""
    intervals = activity.samples.intervals(now)
    samples = [{"at": _time(at), **{name: counts[name] for name in _COUNTED}} for at, counts in intervals]
    first_ms = 1000 * (now - INTERVAL_COUNT * INTERVAL_SECONDS)
    return encode_answer(
        {
            "alarms": [
                to_json(raised.alarm, by_alias=True)
                for raised in activity.alarms.newest_first()
                if raised.timestamp >= first_ms
            ],
            "newest": [encode_record(activity.connection, r) for r in activity.newest.newest_first()],
        },
        since=None if activity.since is None else _time(activity.since),
        commandsPerSecond=activity.samples.command_rate(now),
        samples=samples,
        refusals=_count_reasons(intervals),
        unreadable=activity.unreadable,
    )


def encode_refusals(activity: LogActivity, reason: str | None, limit: int) -> bytes:
    """Return the JSON of `Refusals`: the newest, of one reason if it is given."""
    records = [r for r in activity.refusals.newest_first() if reason in (None, reason_of(r))]
    items = [encode_record(activity.connection, record) for record in records[:limit]]
    return encode_answer({"items": items}, unreadable=activity.unreadable)


def _count_reasons(intervals: list[tuple[int, Any]]) -> list[dict[str, Any]]:
    totals: dict[str, int] = {}
    for _, counts in intervals:
        for name, count in counts.items():
            if name.startswith(REASON_PREFIX):
                reason = name.removeprefix(REASON_PREFIX)
                totals[reason] = totals.get(reason, 0) + count
    ordered = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
    return [{"reason": reason, "count": count} for reason, count in ordered]


def _time(seconds: float) -> str:
    return timestamps.from_ms(int(seconds * 1000))
