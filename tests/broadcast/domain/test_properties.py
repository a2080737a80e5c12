"""Properties of the deciders for any sequence of records."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cohost_schemas import events, signals, timestamps
from cohost_schemas.types import Message
from services.broadcast.domain.state import Member, Room, SeatTimeouts, Stage
from tests.broadcast.domain.stage_builder import (
    HOST,
    ROOM,
    START_MS,
    StageScript,
    co_host_left,
    co_host_participant,
    grant_applied,
    invitation_accepted,
    mute_command,
    participant,
    participant_joined,
    participant_left,
    room_compared,
    stage_changed,
    time_at,
    track_published,
    unmute_command,
)

USERS = ("alice", "bob", "carol")
SIDS = ("PA_1", "PA_2")

_users = st.sampled_from(USERS)
_step = st.one_of(
    st.tuples(st.just("stage"), st.sampled_from(["live", "idle", "ended"]), st.sampled_from(USERS[:2])),
    st.tuples(st.just("seat"), _users),
    st.tuples(st.just("leave"), _users),
    st.tuples(st.just("seen"), _users),
    st.tuples(st.just("applied"), _users, st.sampled_from(["in_place", "absent", "removed", "clean"])),
    st.tuples(st.just("older"), _users),
    st.tuples(st.just("failed"), _users, st.booleans()),
    st.tuples(st.just("deleted")),
    st.tuples(st.just("joined"), _users, st.sampled_from(SIDS), st.booleans()),
    st.tuples(st.just("gone"), _users, st.sampled_from(SIDS)),
    st.tuples(st.just("published"), _users, st.sampled_from(SIDS)),
    st.tuples(st.just("mute"), st.booleans()),
    st.tuples(st.just("unmute")),
    st.tuples(st.just("compared"), _users, st.sampled_from(SIDS), st.booleans()),
    st.tuples(st.just("deadline"), _users),
    st.tuples(st.just("finished")),
)
scripts_of_steps = st.lists(_step, max_size=40)


@dataclass
class RecordGenerator:
    """Turns steps into records that invitations and LiveKit could have written."""

    script: StageScript = field(
        default_factory=lambda: StageScript(SeatTimeouts(grace_seconds=5, no_show_seconds=5))
    )
    seats: dict[str, str] = field(default_factory=dict)
    ended_seats: list[str] = field(default_factory=list)
    open: bool = False
    count: int = 0

    def records(self, step: tuple[Any, ...]) -> Sequence[Message]:
        records: Sequence[Message] = getattr(self, f"_{step[0]}")(*step[1:])
        return records

    def run_steps(self, steps: Sequence[tuple[Any, ...]]) -> "RecordGenerator":
        for step in steps:
            self.script(*self.records(step))
        return self

    def apply_desired_state(self) -> None:
        """Report every desired state as applied."""
        if self.script.stage is None:
            return
        if self.script.stage.room.deletion_version is not None:
            self.script.delete_livekit_room()
        for user_id in list(self.script.stage.members):
            if self.script.stage.room.is_open and not self.script.member_of(user_id).has_rights_in_sync:
                self.script.apply_grant(user_id)

    def _leaving(self, user_id: str, reason: Any) -> Message:
        invitation_id = self.seats.pop(user_id)
        if reason != "became_host":
            self.ended_seats.append(invitation_id)
        return co_host_left(user_id, invitation_id, reason)

    def _stage(self, status: str, host: str) -> Sequence[Message]:
        records: list[Message] = [stage_changed(status, host)]
        self.open = status != "ended"
        if not self.open:
            records += [self._leaving(user_id, "room_ended") for user_id in list(self.seats)]
        elif host in self.seats:
            records.append(self._leaving(host, "became_host"))
        return records

    def _seat(self, user_id: str) -> Sequence[Message]:
        stage = self.script.stage
        if not self.open or user_id in self.seats or stage is None or stage.room.host_id == user_id:
            return ()
        self.count += 1
        self.seats[user_id] = f"invitation-{self.count}"
        return (invitation_accepted(user_id, self.seats[user_id]),)

    def _leave(self, user_id: str) -> Sequence[Message]:
        return (self._leaving(user_id, "left"),) if user_id in self.seats else ()

    def _applied(self, user_id: str, mode: Any) -> Sequence[Message]:
        if self.script.stage is None:
            return ()
        member = self.script.member_of(user_id)
        # The mode clean is reported only for suspects, and removed only for users without a badge.
        if mode == "clean" and not member.suspect:
            return ()
        return (grant_applied(member.desired_version, user_id, mode),)

    def _seen(self, user_id: str) -> Sequence[Message]:
        if self.script.stage is None:
            return ()
        version = self.script.member_of(user_id).desired_version
        return (signals.IntruderSeen(room_id=ROOM, user_id=user_id, version=version),)

    def _older(self, user_id: str) -> Sequence[Message]:
        return (
            (grant_applied(self.script.member_of(user_id).desired_version - 1, user_id),)
            if self.script.stage
            else ()
        )

    def _failed(self, user_id: str, retryable: Any) -> Sequence[Message]:
        if self.script.stage is None:
            return ()
        return (
            signals.GrantCallFailed(
                room_id=ROOM,
                user_id=user_id,
                version=self.script.member_of(user_id).desired_version,
                error="no",
                attempts=1,
                retryable=retryable,
            ),
        )

    def _deleted(self) -> Sequence[Message]:
        if self.script.stage is None or self.script.stage.room.deletion_version is None:
            return ()
        return (signals.RoomDeleted(room_id=ROOM, version=self.script.stage.room.deletion_version),)

    def _joined(self, user_id: str, sid: str, rights: Any) -> Sequence[Message]:
        return (
            participant_joined(co_host_participant(user_id, sid) if rights else participant(user_id, sid)),
        )

    def _gone(self, user_id: str, sid: str) -> Sequence[Message]:
        return (participant_left(user_id, sid),)

    def _published(self, user_id: str, sid: str) -> Sequence[Message]:
        return (track_published(user_id, sid),)

    def _mute(self, hard: Any) -> Sequence[Message]:
        return (mute_command(self._host(), hard=hard),)

    def _unmute(self) -> Sequence[Message]:
        return (unmute_command(self._host()),)

    def _compared(self, user_id: str, sid: str, there: Any) -> Sequence[Message]:
        self.count += 1
        return (
            room_compared(
                *([co_host_participant(user_id, sid)] if there else []), look_id=f"look-{self.count}"
            ),
        )

    def _deadline(self, user_id: str) -> Sequence[Message]:
        member = self.script.member_of(user_id) if self.script.stage else None
        if member is None or member.seat is None or member.seat_deadline is None:
            return ()
        due = (timestamps.to_ms(member.seat_deadline) - START_MS) // 1000
        self.script.second = max(self.script.second, due)
        return (
            signals.DeadlineReached(
                room_id=ROOM,
                user_id=user_id,
                invitation_id=member.seat.invitation_id,
                kind="grace" if member.presence.grace_ends_at else "no_show",
                due_at=member.seat_deadline,
                command_id="command",
            ),
        )

    def _finished(self) -> Sequence[Message]:
        return (signals.RoomFinished(room_id=ROOM, room_sid="RM_1"),)

    def _host(self) -> str:
        return self.script.stage.room.host_id if self.script.stage else HOST


@given(scripts_of_steps)
@settings(max_examples=300, deadline=None)
def test_every_ended_seat_is_revoked_once(steps: Any) -> None:
    generator = RecordGenerator().run_steps(steps)
    counted = Counter(
        event.invitation_id for event in generator.script.events if isinstance(event, events.GrantRevoked)
    )
    assert max(counted.values(), default=0) <= 1
    generator.apply_desired_state()
    published = generator.script.events
    revoked = sorted(event.invitation_id for event in published if isinstance(event, events.GrantRevoked))
    provisioned = Counter(
        event.invitation_id for event in published if isinstance(event, events.GrantProvisioned)
    )
    assert revoked == sorted(generator.ended_seats)
    assert max(provisioned.values(), default=0) <= 1


@given(scripts_of_steps)
@settings(max_examples=300, deadline=None)
def test_a_signal_written_twice_takes_effect_once(steps: Any) -> None:
    generator = RecordGenerator()
    for step in steps:
        for record in generator.records(step):
            generator.script(record)
            event_count = len(generator.script.events)
            if isinstance(record, signals.ALL):
                generator.script(record)
            assert generator.script.events[event_count:] == []


@given(st.lists(st.tuples(_step, st.integers(1, 20)), max_size=40))
@settings(max_examples=300, deadline=None)
def test_a_webhook_repeated_by_another_copy_has_no_effect(
    steps: Any,
) -> None:
    generator = RecordGenerator()
    decided: list[tuple[Message, str]] = []
    for step, back in steps:
        for record in generator.records(step):
            before = generator.script.stage
            record_id = f"EV_{len(decided)}"
            generator.script.decide_record(record, record_id)
            if isinstance(record, signals.WebhookReport) and generator.script.stage != before:
                decided.append((record, record_id))
        if back <= len(decided):
            there = generator.script.stage, len(generator.script.events)
            generator.script.decide_record(*decided[-back])
            assert (generator.script.stage, len(generator.script.events)) == there


@given(scripts_of_steps)
@settings(max_examples=200, deadline=None)
def test_a_stage_reloaded_from_its_documents_behaves_the_same(steps: Any) -> None:
    kept, stored = RecordGenerator(), RecordGenerator()
    for step in steps:
        kept.script(*kept.records(step))
        stored.script(*stored.records(step))
        stored.script.stage = _reloaded(stored.script.stage)
    assert stored.script == kept.script


@given(scripts_of_steps)
@settings(max_examples=200, deadline=None)
def test_the_host_and_seated_users_wear_badges(steps: Any) -> None:
    generator = RecordGenerator().run_steps(steps)
    worn = {user_id: badge for user_id, badge in generator.script.badge_changes if badge is not None}
    for user_id, badge in generator.script.badge_changes:
        if badge is None:
            worn.pop(user_id, None)
        else:
            worn[user_id] = badge
    expected = dict.fromkeys(generator.seats, "coHost")
    if generator.open and generator.script.stage is not None:
        expected[generator.script.stage.room.host_id] = "host"
    assert worn == expected


def _reloaded(stage: Stage | None) -> Stage | None:
    if stage is None:
        return None
    rooms, members = TypeAdapter(Room), TypeAdapter(Member)
    read = [members.validate_json(members.dump_json(member)) for member in stage.members.values()]
    room = rooms.validate_json(rooms.dump_json(stage.room))
    return Stage(room, {member.user_id: member for member in read})


def test_a_document_of_an_earlier_version_is_read() -> None:
    room = (
        '{"room_id": "room", "lane": 0, "host_id": "alice", "host_since": "", "status": "live", "open": true,'
        ' "version": 3, "deletion": null, "endings": [], "room_sid": "RM_1", "finished": []}'
    )
    member = '{"user_id": "bob", "presence": {"state": "disconnected", "sid": null, "left_sid": "PA_1"}}'
    assert TypeAdapter(Room).validate_json(room).recent_webhook_ids == ()
    assert TypeAdapter(Member).validate_json(member).presence.ended_sids == ()


def test_times_order_as_text() -> None:
    assert time_at(9) < time_at(10) < time_at(100)
