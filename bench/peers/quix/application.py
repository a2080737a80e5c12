"""Process of the Quix Streams peer: exactly-once processing, a commit each 100 ms, state in RocksDB.

Started by the Python of its own environment as `python -m bench.peers.quix.application '{"prefix": …}'`. A
command is parsed, decided and encoded by the pipeline's own code; the stage of its room is state that Quix
keeps by the record's key, with a changelog topic. Rooms and users are there from the start, as for the plain
handler. State is by key alone, so the sequences of the outputs are in memory: a restart begins them again.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from quixstreams import Application, State, message_context  # type: ignore[import-not-found]
from quixstreams.models import Serializer  # type: ignore[import-not-found]

from bench.workload import traffic
from cohost.audit.topology import LogRecord
from cohost_schemas import topics
from cohost_schemas.invitation import Invitation
from cohost_schemas.types import build_message
from messaging.batch.encoder import RecordEncoder
from messaging.batch.record_decider import RecordDecider, RecordDecisions
from messaging.inputs.parsing import ParsedRecord, RecordParser
from messaging.lanes.lane import Lane
from messaging.outbox.store import EncodedRecord
from messaging.processor import InputRecord
from services.invitations.domain.stage import Stage
from services.invitations.domain.state import Policy, Room, Seat, User
from services.invitations.prefetch import user_to_check
from services.invitations.processor import InvitationsProcessor
from services.invitations.stage_cache import StageCache
from services.invitations.topology import TOPOLOGY

_COMMIT_SECONDS = 0.1


class QuixDecider:
    """Decides a command with the state of its room."""

    def __init__(self, prefix: str, made: traffic.Traffic) -> None:
        self._commands = topics.INVITATION_COMMANDS.full_name(prefix)
        self._parser = RecordParser(TOPOLOGY.inputs, prefix, topics.DEFAULT_PARTITIONS)
        self._encoder = RecordEncoder(TOPOLOGY, prefix, "quix")
        self._lanes = [Lane(number, epoch=1) for number in range(topics.DEFAULT_PARTITIONS)]
        self._rooms = {
            fact.room_id: Room(fact.host_id, fact.status, fact.max_co_hosts, 0, deleted=False, position=0)
            for fact in made.room_facts()
        }
        self._users = {fact.user_id: User(fact.status) for fact in made.user_facts()}

    def decide(
        self, value: bytes, key: bytes, timestamp: int, headers: Any, state: State
    ) -> list[EncodedRecord]:
        """Return what a command's record publishes; nothing if the room has had a command of this id."""
        at = message_context()
        record = LogRecord(self._commands, at.partition, at.offset, timestamp, key, value, headers or ())
        parsed = self._parser.parse_record(record)
        if state.exists(f"command:{parsed.id}"):
            return []
        state.set(f"command:{parsed.id}", timestamp)
        return self._decide_parsed(self._lanes[at.partition], parsed, state)

    def _decide_parsed(self, lane: Lane, parsed: ParsedRecord, state: State) -> list[EncodedRecord]:
        memory, incoming = StageCache(), parsed.input_record
        stage = Stage(lane.number) if incoming is None else self._load_stage(incoming, memory, state)
        processor = InvitationsProcessor(Policy(), memory)
        decisions = RecordDecisions(processor.new_changes())
        found = set(stage.recently_closed.current)
        written = RecordDecider(processor, self._encoder).decide_record(lane, parsed, decisions)
        if incoming is not None and not decisions.rejected_commands:
            _save_stage(stage, found, state)
        return written

    def _load_stage(self, incoming: InputRecord, memory: StageCache, state: State) -> Stage:
        stored = state.get("stage") or {"pending": [], "seats": {}, "last": {}}
        stage = Stage(incoming.lane, self._rooms.get(incoming.key))
        memory.add_stage(incoming.key, stage)
        for fields in stored["pending"]:
            stage.add_pending(build_message(Invitation, fields))
        stage.seats = {user_id: Seat(*seat) for user_id, seat in stored["seats"].items()}
        stage.last_invitation_of.current = stored["last"]
        invitation_id = getattr(incoming.data, "invitation_id", None)
        if invitation_id is not None and (fields := state.get(f"closed:{invitation_id}")) is not None:
            stage.recently_closed.current[invitation_id] = build_message(Invitation, fields)
        user_id = user_to_check(incoming.data)
        if user_id in self._users:
            memory.put_users({user_id: frozenset()}, {user_id: (self._users[user_id], 0)}, 0)
        return stage


def _save_stage(stage: Stage, found: set[str], state: State) -> None:
    state.set(
        "stage",
        {
            "pending": [vars(invitation) for invitation in stage.pending_by_id.values()],
            "seats": {user_id: list(seat) for user_id, seat in stage.seats.items()},
            "last": stage.last_invitation_of.current,
        },
    )
    for invitation_id, invitation in stage.recently_closed.current.items():
        if invitation_id not in found:
            state.set(f"closed:{invitation_id}", vars(invitation))


class _ValueSerializer(Serializer):  # type: ignore[misc]
    """Takes the value of an encoded record as it is."""

    def __call__(self, value: EncodedRecord, ctx: object) -> bytes | None:  # noqa: ARG002 - Quix' interface
        return value.value


def run_application(options: Mapping[str, Any]) -> None:
    """Process commands until the process is ended."""
    prefix = options["prefix"]
    app = Application(
        options["bootstrap_servers"],
        consumer_group=f"{prefix}quix",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=_COMMIT_SECONDS,
        state_dir=options["state_folder"],
        consumer_extra_config={"isolation.level": "read_committed"},
        producer_extra_config={"linger.ms": 5, "batch.size": 256 * 1024},
        consumer_poll_timeout=0.05,
        loglevel="WARNING",
    )
    outputs = {
        topic.suffix: app.topic(topic.full_name(prefix), value_serializer=_ValueSerializer())
        for topic in TOPOLOGY.outputs
    }
    decider = QuixDecider(prefix, traffic.generate_traffic(options["rooms"], options["seed"]))
    commands = app.topic(topics.INVITATION_COMMANDS.full_name(prefix), value_deserializer="bytes")
    published = app.dataframe(commands).apply(decider.decide, stateful=True, expand=True, metadata=True)
    published = published.set_headers(lambda record, *_: list(record.headers))
    published.to_topic(lambda record, *_: outputs[record.topic])
    app.run()


if __name__ == "__main__":
    run_application(json.loads(sys.argv[1]))
