import asyncio
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError

import cohost
from cohost_schemas import topics
from cohost_schemas.events import BadgeChanged, CoHostLeft
from tests.cohost.fake_services import TIMESTAMP, WAIT_SECONDS, FakeServices, co_host_left, reads_prefix

ItemT = TypeVar("ItemT")
ROOMS = [f"room-{number}" for number in range(6)]
ALL_LEFT = {room: ["ann", "ben", "cat"] for room in ROOMS}


async def take_events(stream: AsyncIterator[ItemT], count: int) -> list[ItemT]:
    return [await asyncio.wait_for(anext(stream), WAIT_SECONDS) for _ in range(count)]


async def publish_leaves(service: FakeServices, *users: str, rooms: list[str] = ROOMS) -> None:
    """Write the events of each user leaving every room."""
    for user in users:
        for room in rooms:
            await service.publish_outcome(f"{user} leaves {room}", room, co_host_left(room, user))


def user_ids(events: list[cohost.Event], room: str) -> list[str]:
    found = [event.data for event in events if event.envelope.subject == room]
    return [data.user_id for data in found if isinstance(data, CoHostLeft)]


def badge_states(found: list[cohost.Badge]) -> list[tuple[str, str, str | None]]:
    return [(badge.room_id, badge.user_id, badge.data and badge.data.badge) for badge in found]


async def test_a_stream_starts_at_the_moment_it_is_opened(
    client: cohost.Client, service: FakeServices
) -> None:
    await publish_leaves(service, "early")
    async with client.events() as events:
        await publish_leaves(service, "late")
        assert {event.envelope.causationid for event in await take_events(events, 6)} == {
            f"late leaves {room}" for room in ROOMS
        }


async def test_a_stream_from_the_beginning_keeps_each_rooms_order(
    client: cohost.Client, service: FakeServices
) -> None:
    await publish_leaves(service, "ann", "ben", "cat")
    async with client.events(from_="beginning") as events:
        found = await take_events(events, 18)
    assert {room: user_ids(found, room) for room in ROOMS} == ALL_LEFT


async def test_a_resumed_stream_has_neither_gap_nor_repetition(
    kafka: str, client: cohost.Client, service: FakeServices
) -> None:
    await publish_leaves(service, "ann", "ben")
    async with client.events(from_="beginning") as events:
        found = await take_events(events, 5)
    await publish_leaves(service, "cat")
    while len(found) < 18:
        async with (
            cohost.Client(kafka, prefix=service.prefix) as other,
            other.events(after=str(found[-1].position)) as events,
        ):
            found += await take_events(events, min(7, 18 - len(found)))
    assert {room: user_ids(found, room) for room in ROOMS} == ALL_LEFT


async def test_a_stream_of_one_room_has_no_others(client: cohost.Client, service: FakeServices) -> None:
    await publish_leaves(service, "ann", "ben")
    async with client.events(room_id="room-3", from_="beginning") as events:
        found = await take_events(events, 2)
    assert user_ids(found, "room-3") == ["ann", "ben"]


async def test_a_stream_of_one_service_has_no_event_of_the_other(
    client: cohost.Client, service: FakeServices
) -> None:
    await publish_leaves(service, "ann", rooms=["room"])
    data = {"roomId": "room", "userId": "bob", "invitationId": "i-1", "at": TIMESTAMP}
    await service.publish_outcome("cause", "room", (topics.BROADCAST_EVENTS, "CoHostLost", data))
    async with client.events("broadcast", from_="beginning") as events:
        (found,) = await take_events(events, 1)
    assert (found.topic, found.envelope.type) == ("broadcast.events", "cohost.CoHostLost.v1")


async def test_an_event_of_an_unknown_type_is_given_as_it_is(
    client: cohost.Client, service: FakeServices
) -> None:
    await service.publish_outcome(
        "cause", "room", (topics.INVITATION_EVENTS, "RoomPainted", {"colour": "red"})
    )
    async with client.events(from_="beginning") as events:
        (found,) = await take_events(events, 1)
    assert (found.data, found.envelope.data) == (None, {"colour": "red"})


async def test_badges_begin_with_the_current_ones(client: cohost.Client, service: FakeServices) -> None:
    await service.publish_badge("room", "alice", "host")
    await service.publish_badge("room", "bob", "coHost")
    await service.publish_badge("room", "carol", "coHost")
    await service.publish_badge("room", "bob", None)
    async with client.badges() as stream:
        worn = await take_events(stream, 2)
        await service.publish_badge("room", "carol", None)
        changed = await take_events(stream, 1)
    assert badge_states(worn) == [("room", "alice", "host"), ("room", "carol", "coHost")]
    assert worn[0].data == BadgeChanged(room_id="room", user_id="alice", badge="host", since=TIMESTAMP)
    assert badge_states(changed) == [("room", "carol", None)]


async def test_badges_begin_despite_a_transient_kafka_error(
    client: cohost.Client, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.publish_badge("room", "alice", "host")
    getmany, failures = AIOKafkaConsumer.getmany, iter([KafkaConnectionError(), TimeoutError()])

    async def failing(consumer: AIOKafkaConsumer, *of: Any, **more: Any) -> Any:
        if reads_prefix(consumer, service.prefix) and (failure := next(failures, None)) is not None:
            raise failure
        return await getmany(consumer, *of, **more)

    async with client.badges() as stream:
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", failing)
        assert badge_states(await take_events(stream, 1)) == [("room", "alice", "host")]


async def test_closing_the_client_ends_badges_that_have_not_begun(
    kafka: str, service: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.publish_badge("room", "alice", "host")
    asked = asyncio.Event()
    getmany = AIOKafkaConsumer.getmany

    async def nothing(consumer: AIOKafkaConsumer, *of: Any, **more: Any) -> Any:
        if not reads_prefix(consumer, service.prefix):
            return await getmany(consumer, *of, **more)
        asked.set()
        await asyncio.sleep(0)
        return {}

    async with cohost.Client(kafka, prefix=service.prefix) as client, client.badges() as stream:
        monkeypatch.setattr(AIOKafkaConsumer, "getmany", nothing)
        first = asyncio.ensure_future(anext(stream))
        await asyncio.wait_for(asked.wait(), WAIT_SECONDS)
        await client.__aexit__(None, None, None)
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(first, WAIT_SECONDS)


async def test_badges_resume_with_changes_alone(client: cohost.Client, service: FakeServices) -> None:
    await service.publish_badge("room", "alice", "host")
    await service.publish_badge("other", "alice", "host")
    async with client.badges(room_id="room") as stream:
        (last,) = await take_events(stream, 1)
    await service.publish_badge("room", "bob", "coHost")
    await service.publish_badge("other", "bob", "coHost")
    await service.publish_badge("room", "bob", None)
    async with client.badges(room_id="room", after=str(last.position)) as stream:
        found = await take_events(stream, 2)
    assert badge_states(found) == [("room", "bob", "coHost"), ("room", "bob", None)]


async def test_without_current_badges_changes_come_at_once(
    client: cohost.Client, service: FakeServices
) -> None:
    async with client.badges() as stream:
        await service.publish_badge("room", "alice", "host")
        assert badge_states(await take_events(stream, 1)) == [("room", "alice", "host")]


async def test_a_position_outside_the_log_is_refused(client: cohost.Client) -> None:
    position = cohost.Position({("invitations.events", 0): 1_000})
    with pytest.raises(cohost.PositionLost):
        await take_events(client.events(after=position), 1)


async def test_closing_the_client_ends_its_streams(kafka: str, service: FakeServices) -> None:
    async with cohost.Client(kafka, prefix=service.prefix) as client:
        begun, waiting, late = client.events(), client.events(), client.badges()
        async with begun, waiting:
            await publish_leaves(service, "ann", rooms=["room"])
            assert len(await take_events(begun, 1)) == 1
            assert len(await take_events(waiting, 1)) == 1
            asked = asyncio.ensure_future(anext(waiting))
            await client.__aexit__(None, None, None)
            for ended in (anext(begun), asked, anext(late)):
                with pytest.raises(StopAsyncIteration):
                    await asyncio.wait_for(ended, WAIT_SECONDS)
