"""Logs and their files: a line for each record, exact, and as readable as its bytes allow."""

import base64
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

PREFIX = "cohost."
PARTITIONS = 3
FOLDER = Path(__file__).parent

_LONG = 20_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Headers = Sequence[tuple[str, bytes | None]]


class Input(NamedTuple):
    """A record as fetched; `batch` numbers the fetch that it came with, `timestamp` is the broker's."""

    batch: int
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Published(NamedTuple):
    """A record as it goes to the broker."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def path(service: str, part: str) -> Path:
    """Return where a service's `inputs`, `records` or `outcomes` are kept."""
    return FOLDER / f"{service}.{part}.jsonl"


def read(service: str, part: str) -> list[str]:
    """Return the lines of a file."""
    return path(service, part).read_text(encoding="utf-8").splitlines()


def write(service: str, part: str, lines: Iterable[str]) -> None:
    """Replace a file."""
    path(service, part).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def published_line(record: Published) -> str:
    """Return a published record as a line; two records are equal where their lines are."""
    return _line(record._asdict())


def input_line(entry: Input, *, copied: bool) -> str:
    """Return an input as a line; one that is `copied` from another service's records leaves them out."""
    fields = entry._asdict()
    fields["timestamp"] = moment(entry.timestamp)
    if copied:
        for name in ("key", "value", "headers"):
            del fields[name]
    return _line(fields)


def outcome_line(row: dict[str, Any]) -> str:
    """Return an outcome as a line."""
    return json.dumps(row)


def inputs(service: str) -> list[Input]:
    """Return a service's log; what it has of the other service's events is in that one's records."""
    logs = golden_events() if service == "broadcast" else {}
    found = []
    for line in read(service, "inputs"):
        fields = json.loads(line)
        fields["timestamp"] = milliseconds(fields["timestamp"])
        place = (fields["partition"], fields["offset"])
        if "value" in fields:
            fields |= {name: _bytes(fields[name]) for name in ("key", "value")}
            fields["headers"] = _headers(fields["headers"])
        else:
            fields |= {name: getattr(logs[place], name) for name in ("key", "value", "headers")}
        found.append(Input(**fields))
    return found


def golden_events() -> dict[tuple[int, int], Published]:
    """Return the golden events of invitations by partition and offset."""
    found: dict[tuple[int, int], Published] = {}
    for line in read("invitations", "records"):
        fields = json.loads(line)
        if fields["topic"] == f"{PREFIX}invitations.events":
            fields |= {name: _bytes(fields[name]) for name in ("key", "value")}
            fields["headers"] = _headers(fields["headers"])
            record = Published(**fields)
            offset = sum(partition == record.partition for partition, _ in found)
            found[record.partition, offset] = record
    return found


def moment(milliseconds_: int) -> str:
    """Return milliseconds since the epoch as the wire has them."""
    return (_EPOCH + timedelta(milliseconds=milliseconds_)).isoformat(timespec="milliseconds")[:-6] + "Z"


def milliseconds(moment_: str) -> int:
    """Return a moment as milliseconds since the epoch."""
    return (datetime.fromisoformat(moment_) - _EPOCH) // timedelta(milliseconds=1)


def compact(value: Any) -> bytes:
    """Return JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _line(fields: dict[str, Any]) -> str:
    shown = dict(fields)
    for name in ("key", "value"):
        if name in shown:
            shown[name] = _shown(shown[name])
    if "headers" in shown:
        shown["headers"] = [[name, _shown(value)] for name, value in shown["headers"]]
    return json.dumps(shown)


def _shown(raw: bytes | None) -> Any:
    """Return bytes as the plainest JSON from which exactly they can be had back."""
    if raw is None:
        return None
    if len(raw) > _LONG and raw == raw[:1] * len(raw):
        return {"repeated": [raw[:1].decode(), len(raw)]}
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode()}
    try:
        parsed = json.loads(text)
        if isinstance(parsed, dict) and compact(parsed) == raw:
            return {"json": parsed}
    except ValueError:
        pass
    return text


def _bytes(shown: Any) -> bytes | None:
    if shown is None or isinstance(shown, str):
        return None if shown is None else shown.encode()
    if "json" in shown:
        return compact(shown["json"])
    if "repeated" in shown:
        text, count = shown["repeated"]
        return bytes(text.encode() * count)
    return base64.b64decode(shown["base64"])


def _headers(shown: Any) -> list[tuple[str, bytes | None]]:
    return [(name, _bytes(value)) for name, value in shown]
