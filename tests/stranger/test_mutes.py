"""Section 6: muting and unmuting co-hosts."""

import json
from typing import Any, NamedTuple

import pytest

from tests.stranger import onstage, snapshots
from tests.stranger.client import BROADCAST, unique
from tests.stranger.conftest import People
from tests.stranger.onstage import Director, Seat
from tests.stranger.participants import LiveKit, joined
from tests.stranger.patience import eventually

SOURCES = ["microphone", "camera", "screen_share"]


class Show(NamedTuple):
    """A room in which bob and carol have seats."""

    seat: Seat
    carol: str

    @property
    def target(self) -> dict[str, str]:
        return {"userId": self.seat.user, "source": "microphone"}


@pytest.fixture
async def show(director: Director, people: People) -> Show:
    room = await director.show()
    await director.seat(room, people.carol)
    return Show(await director.seat(room, people.bob), people.carol)


async def mute(director: Director, seat: Seat, name: str = "MuteCoHost", **changes: Any) -> dict[str, Any]:
    """Publish a command of the host's that has one event, and return its data without nulls."""
    data = {"userId": seat.user, "actorId": seat.room.host, "source": "microphone", **changes}
    _, found = await director.stranger.accepted(name, seat.room, topic=BROADCAST, **data)
    assert found.topic == onstage.EVENTS
    assert found.name == {"MuteCoHost": "CoHostMuted", "UnmuteCoHost": "CoHostUnmuteRequested"}[name]
    return snapshots.without_nulls(found.data)


async def reason(director: Director, room: Any, name: str, **data: Any) -> str:
    return await director.stranger.reason(name, room, topic=BROADCAST, **data)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("hard", [None, False, True])
async def test_the_host_mutes(director: Director, show: Show, source: str, *, hard: bool | None) -> None:
    said = await mute(director, show.seat, source=source, hard=hard)
    room = show.seat.room
    who = {"roomId": room.id, "userId": show.seat.user}
    assert said == {**who, "source": source, "hard": bool(hard), "by": room.host}


async def test_the_host_asks_to_unmute(director: Director, show: Show) -> None:
    said = await mute(director, show.seat, "UnmuteCoHost")
    said.pop("hard", None)
    room = show.seat.room
    assert said == {"roomId": room.id, **show.target, "by": room.host}


@pytest.mark.parametrize("name", ["MuteCoHost", "UnmuteCoHost"])
async def test_room_seat_and_host_are_checked_in_order(director: Director, show: Show, name: str) -> None:
    room = show.seat.room
    data = {**show.target, "actorId": "mallory"}
    assert await reason(director, unique("room"), name, **data) == "room_not_found"
    assert await reason(director, room, name, **{**data, "userId": "somebody"}) == "not_co_host"
    assert await reason(director, room, name, **{**data, "userId": room.host}) == "not_co_host"
    assert await reason(director, room, name, **data) == "not_room_host"
    assert await reason(director, room, name, **{**data, "actorId": show.carol}) == "not_room_host"


async def test_a_co_host_mutes_itself_softly_and_nothing_else(director: Director, show: Show) -> None:
    bob = show.seat.user
    said = await mute(director, show.seat, actorId=bob)
    assert (said["hard"], said["by"]) == (False, bob)
    own = {**show.target, "actorId": bob}
    assert await reason(director, show.seat.room, "MuteCoHost", **own, hard=True) == "not_room_host"
    assert await reason(director, show.seat.room, "UnmuteCoHost", **own) == "not_room_host"


async def test_a_closed_room_has_no_co_host_to_mute(director: Director, show: Show) -> None:
    await director.close(show.seat.room)
    await director.no_badge(show.seat.room, show.seat.user)
    data = {**show.target, "actorId": show.seat.room.host}
    assert await reason(director, show.seat.room, "MuteCoHost", **data) == "not_co_host"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("MuteCoHost", {"source": "screen_share_audio"}),
        ("MuteCoHost", {"source": "Microphone"}),
        ("MuteCoHost", {"source": None}),
        ("MuteCoHost", {"hard": "true"}),
        ("MuteCoHost", {"hard": 1}),
        ("MuteCoHost", {"userId": None}),
        ("MuteCoHost", {"actorId": "no id!"}),
        ("MuteCoHost", {"hots": 1}),
        ("UnmuteCoHost", {"hard": True}),
        ("UnmuteCoHost", {"source": ""}),
    ],
)
async def test_data_that_breaks_its_schema_is_refused(
    director: Director, name: str, changes: dict[str, Any]
) -> None:
    data = {"userId": "bob", "actorId": "alice", "source": "camera", **changes}
    assert await reason(director, unique("room"), name, **data) == "invalid_command"


async def test_muting_twice_is_accepted(director: Director, show: Show) -> None:
    first, second = await mute(director, show.seat, hard=True), await mute(director, show.seat, hard=True)
    assert first == second


async def test_a_repeated_mute_has_no_second_outcome(director: Director, show: Show) -> None:
    stranger, room = director.stranger, show.seat.room
    data = {**show.target, "actorId": room.host}
    put, found = await stranger.accepted("MuteCoHost", room, topic=BROADCAST, **data)
    await stranger.send("UnmuteCoHost", room, topic=BROADCAST, id=put.id, **data)
    await stranger.settled(room, BROADCAST)
    assert await stranger.outcome(put.id) == [found]


async def test_hard_mutes_take_sources_until_they_are_lifted(
    director: Director, livekit: LiveKit, show: Show
) -> None:
    seat = show.seat
    room, bob = seat.room, seat.user
    async with joined(await director.data(room, bob)) as participant:
        covered: list[str] = []
        for source in SOURCES:
            await mute(director, seat, source=source, hard=True)
            covered += [source, "screen_share_audio"] if source == "screen_share" else [source]
            permissions = snapshots.publisher(*covered)
            await livekit.come_to_have(room.id, bob, permissions)
            assert (await director.data(room, bob))["permissions"] == permissions
        assert not participant.can_publish
        assert sorted((await director.items(room))[bob]["hardMuted"]) == sorted(SOURCES)
        await mute(director, seat, "UnmuteCoHost", source="camera")
        permissions = snapshots.publisher("microphone", "screen_share", "screen_share_audio")
        await livekit.come_to_have(room.id, bob, permissions)
        assert sorted((await director.items(room))[bob]["hardMuted"]) == ["microphone", "screen_share"]
    assert len(director.said(seat, "GrantProvisioned")) == 1


async def test_a_hard_mute_ends_with_the_seat(director: Director, show: Show) -> None:
    room, bob = show.seat.room, show.seat.user
    await mute(director, show.seat, hard=True)
    await director.stranger.accepted("LeaveStage", room, actorId=bob)
    await director.no_badge(room, bob)
    await director.seat(room, bob)
    assert (await director.data(room, bob))["permissions"] == snapshots.publisher()


async def test_a_soft_mute_is_done_once_and_its_owner_may_unmute(
    director: Director, livekit: LiveKit, show: Show
) -> None:
    room, bob = show.seat.room, show.seat.user

    async def muted() -> dict[str, bool]:
        found = await livekit.participant(room.id, bob)
        assert found is not None
        return {track["name"]: track.get("muted", False) for track in found["tracks"]}

    async def microphone_alone() -> bool:
        return await muted() == {"microphone": True, "camera": False}

    async def none() -> bool:
        return await muted() == {"microphone": False, "camera": False}

    async with joined(await director.data(room, bob)) as participant:
        publication = await participant.publish("microphone")
        await participant.publish("camera")
        # LiveKit acknowledges a track before there is any, and until its media comes it cannot be muted.
        await eventually(none, "LiveKit to have both tracks")
        await mute(director, show.seat)
        await eventually(microphone_alone, "bob's microphone to be muted")
        assert (await director.data(room, bob))["permissions"] == snapshots.publisher()
        publication.track.unmute()
        await eventually(none, "bob's microphone to be on again")


async def test_a_request_to_unmute_arrives_as_a_data_message(director: Director, show: Show) -> None:
    room, bob = show.seat.room, show.seat.user
    async with (
        joined(await director.data(room, bob)) as participant,
        joined(await director.data(room, show.carol)) as carol,
    ):
        await director.events(show.seat, "CoHostConnected")
        await mute(director, show.seat, "UnmuteCoHost", source="camera")
        await eventually(lambda: participant.messages, "the message")
        [message] = participant.messages
        assert message.topic == "cohost"
        assert b"camera" in message.data
        assert isinstance(json.loads(message.data), dict)
        assert carol.messages == []
