"""The audit and the services agree on which facts are dead letters, and why."""

import base64
import json
from typing import Any

import pytest
from aiokafka import ConsumerRecord

from cohost.audit.parsing import InputParser
from cohost.audit.topology import SERVICES
from cohost_schemas.partitions import partition_of
from messaging.inputs.parsing import RecordParser
from services.invitations.topology import TOPOLOGY

COUNT = 3
FACT = {"roomId": "room-1", "hostId": "alice", "status": "live"}
SERVICE = RecordParser(TOPOLOGY.inputs, "cohost.", COUNT)
AUDIT = InputParser(SERVICES[0].inputs[0], COUNT)


def room_record(value: bytes | None, key: str = "room-1") -> ConsumerRecord:
    return ConsumerRecord(
        topic="cohost.rooms",
        partition=partition_of(key, COUNT),
        offset=7,
        timestamp=1,
        timestamp_type=1,
        key=key.encode(),
        value=value,
        checksum=None,
        serialized_key_size=0,
        serialized_value_size=0,
        headers=(),
    )


def fact_bytes(**changes: Any) -> bytes:
    fact = {"specversion": "1.0", "id": "f-1", "source": "/s", "type": "cohost.RoomChanged.v1"}
    return json.dumps({**fact, "subject": "room-1", "data": FACT, **changes}).encode()


def in_base64(data: Any) -> str:
    return base64.b64encode(json.dumps(data).encode()).decode()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (room_record(fact_bytes()), None),
        (room_record(fact_bytes(data=None, data_base64=in_base64(FACT))), None),
        (room_record(fact_bytes(data_base64=in_base64(FACT))), "invalid_fact"),
        (room_record(fact_bytes(data=None, data_base64="e30")), "invalid_fact"),
        (room_record(fact_bytes(data=None, data_base64=5)), "invalid_fact"),
        (room_record(fact_bytes(data={**FACT, "maxCoHosts": 3.0})), None),
        (room_record(fact_bytes(data={**FACT, "maxCoHosts": 3.5})), "invalid_fact"),
        (room_record(fact_bytes(data={**FACT, "hostId": ".."})), "invalid_fact"),
        (room_record(fact_bytes(data={**FACT, "roomId": "."}, subject="."), "."), "invalid_fact"),
        (room_record(None, "."), None),
        (room_record(None, ".."), None),
        (room_record(None, "no id!"), "invalid_fact"),
    ],
)
def test_the_audit_agrees_with_the_service(record: ConsumerRecord, reason: str | None) -> None:
    assert SERVICE.parse_record(record).dead_letter_reason == reason
    assert AUDIT.parse_record(record).dead_letter_reason == reason
