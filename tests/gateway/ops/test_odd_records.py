"""Texts that no JSON in UTF-8 has, and odd files, leave the answers for ops as they are."""

import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cohost.kafka.connection import KafkaConnection
from cohost_schemas import envelope
from services.gateway.ops.activity.activity_answers import encode_activity, encode_refusals
from services.gateway.ops.activity.log_activity import LogActivity
from services.gateway.ops.state import audit_report

SECONDS = 60
REPORT: dict[str, Any] = {"at": "2026-01-01T12:00:00.000Z", "commands": 1, "outcomes": 1, "events": 1}


def odd_record(topic: str, name: str, **data: Any) -> Any:
    event = envelope.build_cloud_event(name, data, event_id="odd", source="/s", subject="room-1")
    return SimpleNamespace(
        topic=f"cohost.{topic}",
        partition=0,
        offset=0,
        timestamp=time.time_ns() // 1_000_000,
        key=b"room-1",
        value=json.dumps(event).encode(),
        headers=(),
    )


def test_lone_surrogates_do_not_end_the_activity() -> None:
    activity = LogActivity(KafkaConnection("unused:1"))
    failed = odd_record(
        "broadcast.events", "GrantFailed", retryable=False, userId="\ud800", error="livekit_refused"
    )
    activity.add_event(failed, envelope.decode_event(failed.value, ()))
    activity.add_rejection(odd_record("invitations.rejections", "CommandRejected", reason="\ud800"))
    answer = json.loads(encode_activity(activity, time.time()))
    assert [(a["userId"], a["detail"]) for a in answer["alarms"]] == [(None, "livekit_refused")]
    assert answer["refusals"] == [{"reason": "", "count": 1}]
    assert len(json.loads(encode_refusals(activity, None, 200))["items"]) == 1


def test_a_report_is_parsed_once_for_each_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    reads: list[Path] = []
    read_bytes = Path.read_bytes

    def read(file: Path) -> bytes:
        reads.append(file)
        return read_bytes(file)

    monkeypatch.setattr(Path, "read_bytes", read)
    for violations in ([], ["one"]):
        path.write_text(json.dumps({**REPORT, "violations": violations, "unchecked": []}))
        for _ in range(3):
            report = audit_report.read_last_audit(path)
            assert report is not None
            assert list(report.violations) == violations
    assert reads == [path, path]


def test_a_report_that_is_no_file_is_none(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found: list[object] = []
    # To open a pipe waits for its writer, which never comes.
    reader = threading.Thread(target=lambda: found.append(audit_report.read_last_audit(pipe)), daemon=True)
    reader.start()
    reader.join(SECONDS)
    assert found == [None]
    assert audit_report.read_last_audit(tmp_path) is None
    assert audit_report.read_last_audit(tmp_path / "none") is None
