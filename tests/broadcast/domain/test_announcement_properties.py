"""Properties of the events about host connections and media, for any sequence of records."""

from itertools import cycle
from typing import Any

from hypothesis import given, settings

from cohost_schemas import events
from services.broadcast.domain import connections
from services.broadcast.domain.state import Media, Stage
from tests.broadcast.domain.test_properties import RecordGenerator, scripts_of_steps

HOST_EVENTS = (events.HostConnected, events.HostDisconnected, events.HostReconnected)


@given(scripts_of_steps)
@settings(max_examples=300, deadline=None)
def test_a_hosts_events_start_over_with_each_opening_and_host(steps: Any) -> None:
    generator = RecordGenerator()
    host: tuple[bool, str] | None = None
    announced: list[str] = []
    for step in steps:
        for record in generator.records(step):
            generator.script(record)
            stage = generator.script.stage
            if stage is None:
                continue
            if host != (stage.room.is_open, stage.room.host_id):
                host, announced = (stage.room.is_open, stage.room.host_id), []
            new = [event for event in generator.script.take_new_events() if isinstance(event, HOST_EVENTS)]
            assert all((True, event.user_id) == host for event in new)
            announced += [type(event).__name__ for event in new]
            assert announced == _alternating(len(announced))
            assert not stage.room.is_open or (len(announced) % 2 == 1) == _is_host_connected(stage, announced)


def _alternating(count: int) -> list[str]:
    rest = cycle(["HostDisconnected", "HostReconnected"])
    return ["HostConnected", *(next(rest) for _ in range(count - 1))] if count else []


def _is_host_connected(stage: Stage, announced: list[str]) -> bool:
    """Return whether the host should be announced as connected, now that these events are published."""
    presence = stage.member_or_empty(stage.room.host_id).presence
    if presence.is_connected and (stage.room.is_deletion_pending or presence.absent_since_snapshot):
        return len(announced) % 2 == 1
    return presence.is_connected


@given(scripts_of_steps)
@settings(max_examples=300, deadline=None)
def test_the_last_media_event_of_a_seat_is_true(steps: Any) -> None:
    generator = RecordGenerator()
    announced: dict[str, Media] = {}
    for step in steps:
        for record in generator.records(step):
            generator.script(record)
            for event in generator.script.take_new_events():
                if isinstance(event, events.CoHostMediaChanged):
                    media = Media(event.published, event.muted)
                    assert announced.get(event.invitation_id, Media()) != media
                    announced[event.invitation_id] = media
            stage = generator.script.stage
            if stage is None or not stage.room.is_open:
                continue
            for member in stage.sorted_members:
                if member.seat is not None and stage.badge_of(member.user_id) == "coHost":
                    media = connections.media_of(member.presence.tracks)
                    assert announced.get(member.seat.invitation_id, Media()) == media
