"""What broadcast counts while it decides, and what the exporter reads from the topics: the same numbers."""

from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from cohost_schemas import events
from cohost_schemas.types import Message
from ops.exporter.stage_history import StageHistory
from services.broadcast.batch_changes import BatchChanges
from services.broadcast.domain.state import SeatTimeouts
from services.runtime.business.stage_metrics import StageMetrics
from tests.broadcast.domain.stage_builder import (
    StageScript,
    co_host_left,
    co_host_participant,
    invitation_accepted,
    media_changed,
    mute_command,
    participant_joined,
    stage_changed,
    time_at,
    track_published,
    track_unpublished,
)
from tests.broadcast.domain.test_properties import RecordGenerator, scripts_of_steps

STATES = ("connected", "in_grace", "hard_muted")
STEPS = ("granted", "connected", "publishing")


@dataclass
class CountedScript(StageScript):
    """A script that counts as the processor does; `inputs` and `outputs` are the events of both topics."""

    changes: BatchChanges = field(default_factory=BatchChanges)
    inputs: list[tuple[Message, str]] = field(default_factory=list)
    outputs: list[tuple[Message, str]] = field(default_factory=list)

    def decide_record(self, record: Any, record_id: str | None = None) -> Any:
        now = time_at(self.second + 1)
        if isinstance(record, events.InvitationAccepted):
            record = record.model_copy(update={"responded_at": now})
        elif isinstance(record, events.CoHostLeft):
            record = record.model_copy(update={"left_at": now})
        before, number = self.stage, len(self.events)
        decided = super().decide_record(record, record_id)
        if isinstance(record, events.INVITATIONS):
            self.inputs.append((record, now))
        self.outputs += [(event, now) for event in self.events[number:]]
        if self.stage is not None and self.stage is not before:
            self.changes.add_events(before, self.stage, self.events[number:])
            self.changes.add_difference(before, self.stage)
        return decided

    def counted(self) -> dict[str, Any]:
        """Return the numbers of the service."""
        steps = {
            step: sorted(seconds for name, seconds in self.changes.seat_steps if name == step)
            for step in STEPS
        }
        seats = len(self.stage.seated_members) if self.stage is not None else 0
        return {
            **steps,
            **{f"{state} now": self.changes.co_host_changes[0, state] for state in STATES},
            "seats": seats,
        }


@dataclass
class ObservedSteps:
    """A history's numbers, and each step that it observed."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    observed: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.history = StageHistory(self.registry)
        self.history._stage_metrics.observe_step = lambda *step: self.observed.append(step)  # type: ignore[method-assign] # noqa: SLF001 - histograms keep no single values

    def counted(self) -> dict[str, Any]:
        steps = {step: sorted(seconds for name, seconds in self.observed if name == step) for step in STEPS}
        values = {state: self.registry.get_sample_value(f"cohost_co_hosts_{state}") for state in STATES}
        return {
            **steps,
            **{f"{state} now": value for state, value in values.items()},
            "seats": self.registry.get_sample_value("cohost_seats"),
        }


def read_topics(script: CountedScript, turns: list[bool]) -> ObservedSteps:
    """Read both topics, each in order; a turn that is true takes the next event of broadcast's."""
    read, inputs, outputs = ObservedSteps(), list(script.inputs), list(script.outputs)
    for from_broadcast in turns:
        if source := outputs if from_broadcast else inputs:
            read.history.add_event(*source.pop(0))
    for event, time in (*inputs, *outputs):
        read.history.add_event(event, time)
    return read


@given(scripts_of_steps, st.lists(st.booleans(), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_order_of_the_two_topics_gives_the_services_numbers(steps: Any, turns: list[bool]) -> None:
    script = CountedScript(SeatTimeouts(grace_seconds=5, no_show_seconds=5))
    generator = RecordGenerator(script)
    generator.run_steps(steps)
    generator.apply_desired_state()
    assert read_topics(script, turns).counted() == script.counted()


def test_nothing_is_kept_of_seats_that_have_ended() -> None:
    script = CountedScript()
    for number in range(3):
        script(stage_changed(), invitation_accepted("bob", f"invitation-{number}"), mute_command(hard=True))
        script.apply_grant()
        script(co_host_left("bob", f"invitation-{number}"))
        script.apply_grant()
    history = read_topics(script, []).history
    assert (history._seats, history._present, history._hard_mutes) == ({}, {}, {})  # noqa: SLF001 - memory is bounded by them


def test_a_hard_mute_counts_for_the_seat_of_its_time() -> None:
    script = CountedScript()
    script(stage_changed(), invitation_accepted("bob", "first"), mute_command(hard=True))
    script(co_host_left("bob", "first"), invitation_accepted("bob", "second"))
    script.apply_grant()
    assert read_topics(script, []).counted()["hard_muted now"] == 0
    script(mute_command(hard=True))
    assert read_topics(script, []).counted()["hard_muted now"] == 1


def test_events_of_seats_from_before_the_log_change_no_number_of_seats() -> None:
    registry = CollectorRegistry()
    history = StageHistory(registry)
    for event in (media_changed(3, ("camera",)), co_host_left()):
        history.add_event(event, time_at(3))
    values = [registry.get_sample_value(name) for name in ("cohost_seats", "cohost_invitations_pending")]
    assert values == [0, 0]
    ended = registry.get_sample_value("cohost_seats_ended_total", {"reason": "left"})
    assert ended == 1


def test_a_seat_that_published_under_an_earlier_version_reaches_no_step_again() -> None:
    script = CountedScript()
    script(stage_changed(), invitation_accepted()).apply_grant()
    script(participant_joined(co_host_participant()), track_published())
    assert len(script.counted()["publishing"]) == 1
    assert script.stage is not None
    bob = script.member_of()
    assert bob.seat is not None
    script.stage = script.stage.with_members(replace(bob, seat=replace(bob.seat, has_published=False)))
    script(track_unpublished(), track_published())
    assert len(script.counted()["publishing"]) == 1


def test_a_step_before_the_acceptance_by_another_clock_took_no_time() -> None:
    registry = CollectorRegistry()
    history = StageHistory(registry)
    accepted = invitation_accepted().model_copy(update={"responded_at": time_at(9)})
    history.add_event(accepted, time_at(9))
    history.add_event(media_changed(8, ("camera",)), time_at(8))
    assert registry.get_sample_value("cohost_seat_step_seconds_sum", {"step": "publishing"}) == 0


def test_every_series_starts_at_zero() -> None:
    registry = CollectorRegistry()
    StageMetrics(registry)
    assert {
        sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if "_created" not in sample.name
    } == {0}
