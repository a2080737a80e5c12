"""Section 6: muting and unmuting co-hosts."""

import json
from typing import Any, NamedTuple

import pytest

from tests.contract import broadcast_stage, expected_data
from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import BROADCAST_COMMANDS, unique_id
from tests.contract.livekit_participants import LiveKitServerApi, join_room
from tests.contract.polling import wait_until

SOURCES = ["microphone", "camera", "screen_share"]


class RoomWithCoHosts(NamedTuple):
    """A room in which bob and carol have seats."""

    seat: SeatedUser
    carol: str

    @property
    def target(self) -> dict[str, str]:
        return {"userId": self.seat.user, "source": "microphone"}


@pytest.fixture
async def seated_room(stage_driver: StageDriver, people: People) -> RoomWithCoHosts:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.carol)
    return RoomWithCoHosts(await stage_driver.seat_user(room, people.bob), people.carol)


async def publish_mute(
    stage_driver: StageDriver, seat: SeatedUser, name: str = "MuteCoHost", **changes: Any
) -> dict[str, Any]:
    """Write a command of the host that has one event, and return the event's data without nulls."""
    data = {"userId": seat.user, "actorId": seat.room.host, "source": "microphone", **changes}
    _, found = await stage_driver.client.send_accepted(name, seat.room, topic=BROADCAST_COMMANDS, **data)
    assert found.topic == broadcast_stage.EVENTS
    assert found.name == {"MuteCoHost": "CoHostMuted", "UnmuteCoHost": "CoHostUnmuteRequested"}[name]
    return expected_data.without_nulls(found.data)


async def refusal_of(stage_driver: StageDriver, room: Any, name: str, **data: Any) -> str:
    return await stage_driver.client.refusal_reason(name, room, topic=BROADCAST_COMMANDS, **data)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("hard", [None, False, True])
async def test_the_host_mutes(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts, source: str, *, hard: bool | None
) -> None:
    said = await publish_mute(stage_driver, seated_room.seat, source=source, hard=hard)
    room = seated_room.seat.room
    who = {"roomId": room.id, "userId": seated_room.seat.user}
    assert said == {**who, "source": source, "hard": bool(hard), "by": room.host}


async def test_the_host_asks_to_unmute(stage_driver: StageDriver, seated_room: RoomWithCoHosts) -> None:
    said = await publish_mute(stage_driver, seated_room.seat, "UnmuteCoHost")
    said.pop("hard", None)
    room = seated_room.seat.room
    assert said == {"roomId": room.id, **seated_room.target, "by": room.host}


@pytest.mark.parametrize("name", ["MuteCoHost", "UnmuteCoHost"])
async def test_room_seat_and_host_are_checked_in_order(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts, name: str
) -> None:
    room = seated_room.seat.room
    data = {**seated_room.target, "actorId": "mallory"}
    assert await refusal_of(stage_driver, unique_id("room"), name, **data) == "room_not_found"
    assert await refusal_of(stage_driver, room, name, **{**data, "userId": "somebody"}) == "not_co_host"
    assert await refusal_of(stage_driver, room, name, **{**data, "userId": room.host}) == "not_co_host"
    assert await refusal_of(stage_driver, room, name, **data) == "not_room_host"
    assert (
        await refusal_of(stage_driver, room, name, **{**data, "actorId": seated_room.carol})
        == "not_room_host"
    )


async def test_a_co_host_mutes_itself_softly_and_nothing_else(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts
) -> None:
    bob = seated_room.seat.user
    said = await publish_mute(stage_driver, seated_room.seat, actorId=bob)
    assert (said["hard"], said["by"]) == (False, bob)
    own = {**seated_room.target, "actorId": bob}
    assert (
        await refusal_of(stage_driver, seated_room.seat.room, "MuteCoHost", **own, hard=True)
        == "not_room_host"
    )
    assert await refusal_of(stage_driver, seated_room.seat.room, "UnmuteCoHost", **own) == "not_room_host"


async def test_a_closed_room_has_no_co_host_to_mute(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts
) -> None:
    await stage_driver.close_room(seated_room.seat.room)
    await stage_driver.wait_for_no_badge(seated_room.seat.room, seated_room.seat.user)
    data = {**seated_room.target, "actorId": seated_room.seat.room.host}
    assert await refusal_of(stage_driver, seated_room.seat.room, "MuteCoHost", **data) == "not_co_host"


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
    stage_driver: StageDriver, name: str, changes: dict[str, Any]
) -> None:
    data = {"userId": "bob", "actorId": "alice", "source": "camera", **changes}
    assert await refusal_of(stage_driver, unique_id("room"), name, **data) == "invalid_command"


async def test_muting_twice_is_accepted(stage_driver: StageDriver, seated_room: RoomWithCoHosts) -> None:
    first, second = (
        await publish_mute(stage_driver, seated_room.seat, hard=True),
        await publish_mute(stage_driver, seated_room.seat, hard=True),
    )
    assert first == second


async def test_a_repeated_mute_has_no_second_outcome(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts
) -> None:
    client, room = stage_driver.client, seated_room.seat.room
    data = {**seated_room.target, "actorId": room.host}
    put, found = await client.send_accepted("MuteCoHost", room, topic=BROADCAST_COMMANDS, **data)
    await client.send_command("UnmuteCoHost", room, topic=BROADCAST_COMMANDS, id=put.id, **data)
    await client.wait_until_decided(room, BROADCAST_COMMANDS)
    assert await client.wait_for_outcome(put.id) == [found]


async def test_hard_mutes_take_sources_until_they_are_lifted(
    stage_driver: StageDriver, livekit: LiveKitServerApi, seated_room: RoomWithCoHosts
) -> None:
    seat = seated_room.seat
    room, bob = seat.room, seat.user
    async with join_room(await stage_driver.get_broadcast_data(room, bob)) as participant:
        covered: list[str] = []
        for source in SOURCES:
            await publish_mute(stage_driver, seat, source=source, hard=True)
            covered += [source, "screen_share_audio"] if source == "screen_share" else [source]
            permissions = expected_data.publisher_permissions(*covered)
            await livekit.wait_for_permissions(room.id, bob, permissions)
            assert (await stage_driver.get_broadcast_data(room, bob))["permissions"] == permissions
        await wait_until(lambda: not participant.can_publish, "bob's client to know it")
        assert sorted((await stage_driver.stage_items(room))[bob]["hardMuted"]) == sorted(SOURCES)
        await publish_mute(stage_driver, seat, "UnmuteCoHost", source="camera")
        permissions = expected_data.publisher_permissions("microphone", "screen_share", "screen_share_audio")
        await livekit.wait_for_permissions(room.id, bob, permissions)
        assert sorted((await stage_driver.stage_items(room))[bob]["hardMuted"]) == [
            "microphone",
            "screen_share",
        ]
    assert len(await stage_driver.wait_for_events(seat, "GrantProvisioned")) == 1


async def test_a_hard_mute_ends_with_the_seat(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts
) -> None:
    room, bob = seated_room.seat.room, seated_room.seat.user
    await publish_mute(stage_driver, seated_room.seat, hard=True)
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=bob)
    await stage_driver.wait_for_no_badge(room, bob)
    await stage_driver.seat_user(room, bob)
    assert (await stage_driver.get_broadcast_data(room, bob))[
        "permissions"
    ] == expected_data.publisher_permissions()


async def test_a_soft_mute_is_done_once_and_its_owner_may_unmute(
    stage_driver: StageDriver, livekit: LiveKitServerApi, seated_room: RoomWithCoHosts
) -> None:
    room, bob = seated_room.seat.room, seated_room.seat.user

    async def muted() -> dict[str, bool]:
        found = await livekit.find_participant(room.id, bob)
        assert found is not None
        return {track["name"]: track.get("muted", False) for track in found["tracks"]}

    async def microphone_alone() -> bool:
        return await muted() == {"microphone": True, "camera": False}

    async def none() -> bool:
        return await muted() == {"microphone": False, "camera": False}

    async with join_room(await stage_driver.get_broadcast_data(room, bob)) as participant:
        publication = await participant.publish_track("microphone")
        await participant.publish_track("camera")
        # LiveKit acknowledges a track before it exists, and can mute it only once its media arrives.
        await wait_until(none, "LiveKit to have both tracks")
        await publish_mute(stage_driver, seated_room.seat)
        await wait_until(microphone_alone, "bob's microphone to be muted")
        assert (await stage_driver.get_broadcast_data(room, bob))[
            "permissions"
        ] == expected_data.publisher_permissions()
        publication.track.unmute()
        await wait_until(none, "bob's microphone to be on again")


async def test_a_request_to_unmute_arrives_as_a_data_message(
    stage_driver: StageDriver, seated_room: RoomWithCoHosts
) -> None:
    room, bob = seated_room.seat.room, seated_room.seat.user
    async with (
        join_room(await stage_driver.get_broadcast_data(room, bob)) as participant,
        join_room(await stage_driver.get_broadcast_data(room, seated_room.carol)) as carol,
    ):
        await stage_driver.wait_for_events(seated_room.seat, "CoHostConnected")
        await publish_mute(stage_driver, seated_room.seat, "UnmuteCoHost", source="camera")
        await wait_until(lambda: participant.messages, "the message")
        [message] = participant.messages
        assert message.topic == "cohost"
        assert b"camera" in message.data
        assert isinstance(json.loads(message.data), dict)
        assert carol.messages == []
