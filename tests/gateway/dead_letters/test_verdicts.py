"""A dry run's verdict is what the service does with the record."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from cohost.audit.parsing import InputParser
from cohost.audit.topology import SERVICES
from cohost_schemas.partitions import partition_of_bytes
from messaging.batch.encoder import RecordEncoder
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.lanes.lane import Lane
from services.broadcast.topology import TOPOLOGY as BROADCAST
from services.gateway.ops.dead_letters.letter import parse_letter
from services.gateway.ops.dead_letters.record_check import RecordChecker
from services.invitations.topology import TOPOLOGY as INVITATIONS
from tests.gateway.dead_letters.letter_harness import LetterHarness
from tests.gateway.e2e.command_harness import PARTITIONS, unique

PREFIX = "cohost."
CHECKER = RecordChecker(PREFIX, PARTITIONS)
SERVICE_PARSERS = {
    entry.topic.full_name(PREFIX): RecordParser(topology.inputs, PREFIX, PARTITIONS)
    for topology in (INVITATIONS, BROADCAST)
    for entry in topology.inputs
}
AUDIT_PARSERS = {
    entry.topic.full_name(PREFIX): InputParser(entry, PARTITIONS)
    for service in SERVICES
    for entry in service.inputs
}
WRITTEN_TOPICS = ("rooms", "users", "invitations.commands", "broadcast.commands")

ids = st.sampled_from(["room-1", "room-2", '"room-1"', "a b", ".", "", "x" * 65, "x" * 300, "r\x00"])
fields = {
    "actorId": st.just("alice") | ids,
    "hostId": st.just("alice") | ids,
    "status": st.sampled_from(["live", "opne", "active", None]),
    "maxCoHosts": st.sampled_from([3, 3.0, 101, "3", None]),
    "source": st.sampled_from(["microphone", "ear"]),
    "blockedUserIds": st.lists(ids, max_size=2),
    "odd": st.just(1),
}
own_ids = st.just("room-1") | ids
data = st.fixed_dictionaries({"roomId": own_ids, "userId": own_ids}, optional=fields)
types = st.sampled_from(
    ["RoomChanged", "UserChanged", "SendInvitation", "LeaveStage", "MuteCoHost", "InvitationSent", "Odd"]
)
attributes = st.fixed_dictionaries(
    {
        "specversion": st.sampled_from(["1.0", "1.0", "1.0", "0.3"]),
        "id": st.sampled_from(["id-1", "id-1", "a b", "", "x" * 65, "i\x00", 5]),
        "source": st.sampled_from(["/s", "/s", ""]),
        "type": types.map("cohost.{}.v1".format),
        "subject": st.just("room-1") | ids | st.none(),
    },
    optional={
        "data": data | st.sampled_from([None, [], "x"]),
        "data_base64": st.sampled_from(["e30=", "!", None]),
    },
)
values = (
    attributes.map(lambda event: json.dumps(event).encode())
    | st.binary(max_size=8)
    | st.sampled_from([None, b"[]", b"{}", b"NaN", b'"\xff"', b"[" * 5000])
)
keys = st.just(b"room-1") | st.none() | ids.map(str.encode) | st.just(b"\xff")
binary = st.fixed_dictionaries(
    {
        "ce_specversion": st.just("1.0"),
        "ce_type": types.map("cohost.{}.v1".format),
        "ce_source": st.just("/s"),
    },
    optional={"ce_id": ids, "ce_subject": ids},
).map(lambda found: [(name, value.encode()) for name, value in found.items()])
headers = st.just([]) | st.just([("content-type", b"application/cloudevents+json")]) | binary
topics = st.sampled_from([PREFIX + topic for topic in WRITTEN_TOPICS])


def consumer_record(
    topic: str, partition: int, key: bytes | None, value: bytes | None, own: Any
) -> ConsumerRecord:
    sizes = (len(key or b""), len(value or b""))
    return ConsumerRecord(topic, partition, 7, 1_767_268_800_123, 1, key, value, None, *sizes, tuple(own))


def reason_of(parsed: ParsedRecord) -> str:
    return parsed.dead_letter_reason or parsed.rejection_reason or "ok"


@given(topics, st.integers(0, PARTITIONS - 1), keys, values, headers, keys, values)
def test_a_verdict_is_that_of_the_service_and_of_the_audit(  # noqa: PLR0913, PLR0917 - a record, and what is mended
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    own: Any,
    mended_key: bytes | None,
    mended_value: bytes | None,
) -> None:
    record = consumer_record(topic, partition, key, value, own)
    parsed = SERVICE_PARSERS[topic].parse_record(record)
    if parsed.dead_letter_reason is None:
        return
    topology = BROADCAST if "broadcast" in topic else INVITATIONS
    encoded = RecordEncoder(topology, PREFIX, "cluster").encode_dead_letter(Lane(partition, 1), parsed)
    lying = consumer_record(PREFIX + encoded.topic, partition, encoded.key, encoded.value, encoded.headers)
    letter = parse_letter(lying, topology.name)  # type: ignore[arg-type]
    assert letter is not None
    assert (letter.key, letter.value, list(letter.headers)) == (key, value, list(own))
    explanation = CHECKER.explain_letter(letter)
    assert ": must " in explanation or ": it is" in explanation, explanation
    checked = CHECKER.check_record(letter, mended_key, mended_value)
    written = consumer_record(topic, checked.partition, mended_key, mended_value, checked.headers)
    assert checked.verdict == reason_of(SERVICE_PARSERS[topic].parse_record(written))
    assert (checked.explanation is None) == (checked.verdict == "ok")
    by_audit = AUDIT_PARSERS[topic].parse_record(written).dead_letter_reason
    if not checked.is_command or checked.verdict == "not_a_cloud_event":
        assert checked.verdict == (by_audit or "ok")
    if checked.verdict == "ok":
        assert mended_key is not None
        assert checked.partition == partition_of_bytes(mended_key, PARTITIONS)


@pytest.mark.parametrize("key", [b"room-1", b"k" * 8192])
def test_a_truncated_letter_is_shown_and_cannot_be_redriven(key: bytes) -> None:
    value = b"odd" * 3000
    parsed = SERVICE_PARSERS["cohost.rooms"].parse_record(consumer_record("cohost.rooms", 1, key, value, ()))
    encoder = RecordEncoder(INVITATIONS, PREFIX, "cluster", dead_letter_bytes=4096 + 2048)
    encoded = encoder.encode_dead_letter(Lane(1, 1), parsed)
    lying = consumer_record(PREFIX + encoded.topic, 1, encoded.key, encoded.value, encoded.headers)
    letter = parse_letter(lying, "invitations")
    assert letter is not None
    summary = letter.summary()
    assert (summary.bytes, summary.is_truncated) == (9000, True)
    assert summary.key == (None if len(key) > 64 else "room-1")
    assert CHECKER.find_obstacle(letter) == "Its value of 9000 bytes was too large to be kept."
    assert CHECKER.explain_letter(letter) == "value: is not in the dead letter; it had 9000 bytes"


@dataclass
class Candidate:
    """A mended record, and the verdict of its dry run."""

    topic: str
    key: str
    value: bytes
    event_id: str
    verdict: str = ""
    place: tuple[str, int, int] = ("", 0, 0)


def candidates() -> list[Candidate]:
    """Return records of every kind of fault, each with a room or user and an id of its own."""
    changes: list[dict[str, Any]] = [
        {},
        {"specversion": "0.3"},
        {"source": ""},
        {"type": "cohost.Odd.v1"},
        {"subject": "other"},
        {"subject": None},
        {"data": None},
        {"data": {"roomId": "KEY", "userId": "KEY"}},
        {"data": {"roomId": "other", "userId": "other", "hostId": "a", "actorId": "a", "status": "live"}},
        {"data_base64": base64.b64encode(b"{}").decode()},
        {"data": None, "data_base64": "!"},
        {"time": 5, "odd": {}},
    ]
    bodies: dict[str, tuple[str, Any]] = {
        "rooms": ("RoomChanged", {"roomId": "KEY", "hostId": "alice", "status": "live", "maxCoHosts": 2.0}),
        "users": ("UserChanged", {"userId": "KEY", "status": "active"}),
        "invitations.commands": ("SendInvitation", {"roomId": "KEY", "userId": "bob", "actorId": "alice"}),
        "broadcast.commands": (
            "MuteCoHost",
            {"roomId": "KEY", "userId": "bob", "actorId": "alice", "source": "camera"},
        ),
    }
    found = []
    for topic, (name, body) in bodies.items():
        for change in changes:
            key, event_id = unique("key"), unique("event")
            event = {"specversion": "1.0", "id": event_id, "source": "/t", "type": f"cohost.{name}.v1"}
            text = json.dumps({**event, "subject": "KEY", "data": body, **change})
            found.append(Candidate(topic, key, text.replace("KEY", key).encode(), event_id))
            other_key, other_id = unique("key"), unique("event")
            cut = text.replace("KEY", other_key).replace(event_id, other_id).encode()[:-1]
            found.append(Candidate(topic, other_key, cut, other_id))
    return found


async def test_services_do_what_a_dry_run_predicts(letters: LetterHarness) -> None:
    """Judge records by a dry run, then write them past the gateway to where it says that they belong."""
    broken = {
        topic: await letters.find_letter(await letters.write(topic, "key", b"odd"))
        for topic in WRITTEN_TOPICS
    }
    all_candidates = candidates()
    for candidate in all_candidates:
        answer = await letters.redrive(
            broken[candidate.topic], dryRun=True, key=candidate.key, text=candidate.value.decode()
        )
        assert answer.status_code == 200, answer.text
        candidate.verdict = answer.json()["verdict"]
        put = await letters.write(
            candidate.topic, candidate.key, candidate.value, number=answer.json()["partition"]
        )
        candidate.place = put[:3]
    assert {candidate.verdict for candidate in all_candidates} >= {
        "ok", "not_a_cloud_event", "unknown_fact", "invalid_fact", "unknown_command", "invalid_command",
    }  # fmt: skip
    # What each lane has read last is read: so is everything before it.
    for topic in WRITTEN_TOPICS:
        for number in range(PARTITIONS):
            await letters.find_letter(await letters.write(topic, "last", b"odd", number=number))
    reasons = {
        (item["topic"], item["partition"], item["offset"]): item["reason"]
        for item in await letters.list_all(limit=200)
    }
    rejected = {}
    for service in ("invitations", "broadcast"):
        for record in await letters.read_records(f"{service}.rejections"):
            rejection = json.loads(record.value)["data"]
            rejected[rejection["commandId"]] = rejection["reason"]
    found = {}
    for candidate in all_candidates:
        refused = reasons.get(candidate.place) or rejected.get(candidate.event_id, "ok")
        is_decided = refused in {"room_not_found", "not_co_host"}
        found[candidate.value] = "ok" if is_decided else refused
    assert found == {candidate.value: candidate.verdict for candidate in all_candidates}
