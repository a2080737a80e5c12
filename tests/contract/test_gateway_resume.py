"""Section E, live streams: `Last-Event-ID` resumes without gap or repetition, on each copy."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete

from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import ContractClient, Room, open_contract_client
from tests.contract.deployment import Deployment
from tests.contract.event_stream import EventStream, names_room, open_stream, published_events
from tests.contract.gateway_client import GatewayClient
from tests.contract.polling import wait_until
from tests.contract.service_processes import run_gateway, run_services
from tests.contract.web_client import WebClient, parse_problem

RECONNECTIONS = 60


@pytest.fixture
async def room(stage_driver: StageDriver) -> Room:
    return await stage_driver.open_room()


async def invite_and_cancel(client: ContractClient, room: Room, user: str) -> list[str]:
    """Send and cancel an invitation, and return the ids of both events."""
    put, sent = await client.send_accepted("SendInvitation", room, userId=user, actorId=room.host)
    _, done = await client.send_accepted("CancelInvitation", room, invitationId=put.id, actorId=room.host)
    return [sent.event["id"], done.event["id"]]


def event_ids(stream: EventStream) -> list[str]:
    return [event.data["id"] for event in stream.news]


async def test_a_stream_resumes_behind_each_of_its_positions(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    user, path = await client.create_user(), f"/v1/rooms/{room}/stream"
    async with open_stream(gateway, path, room.host) as stream:
        ids = [found for _ in range(3) for found in await invite_and_cancel(client, room, user)]
        await stream.wait_for(count=len(ids))
        assert event_ids(stream) == ids
    for copy in (gateway, second_gateway):
        for number, event in enumerate(stream.events):
            async with open_stream(copy, path, room.host, after=event.id) as resumed:
                if ids[number:]:
                    await resumed.wait_for(count=len(ids) - number)
                assert event_ids(resumed) == ids[number:]


async def test_a_resumed_streams_ready_is_a_position_too(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, room: Room
) -> None:
    """A reader that is cut off right after `ready`, again and again, misses nothing."""
    user, path = await client.create_user(), f"/v1/rooms/{room}/stream"
    async with open_stream(gateway, path, room.host) as stream:
        position = stream.ready.id
    ids = await invite_and_cancel(client, room, user)
    for copy in (gateway, second_gateway, gateway):
        async with open_stream(copy, path, room.host, after=position) as resumed:
            position = resumed.ready.id
    async with open_stream(gateway, path, room.host, after=position) as resumed:
        await resumed.wait_for(count=2)
        assert event_ids(resumed) == ids


async def test_a_users_stream_resumes_too(
    gateway: GatewayClient, second_gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    user, rooms = await client.create_user(), [await stage_driver.open_room() for _ in range(3)]
    path = f"/v1/users/{user}/stream"
    async with open_stream(gateway, path, user) as stream:
        first = await invite_and_cancel(client, rooms[0], user)
        await stream.wait_for(count=2)
    rest = [found for room in rooms[1:] for found in await invite_and_cancel(client, room, user)]
    async with open_stream(second_gateway, path, user, after=stream.position) as resumed:
        await resumed.wait_for(count=len(rest))
        assert sorted(event_ids(resumed)) == sorted(rest)
        last = await invite_and_cancel(client, rooms[0], user)
        await resumed.wait_for(count=len(rest) + 2)
        assert event_ids(resumed)[-2:] == last
    assert event_ids(stream) == first


async def test_badges_that_changed_again_come_once_as_they_are_last(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver, room: Room
) -> None:
    users = await asyncio.gather(*(client.create_user() for _ in range(2)))
    path = f"/v1/rooms/{room}/stream"
    async with open_stream(gateway, path, "anyone") as stream:
        position = stream.ready.id
    for user, seats in zip(users, (2, 1), strict=True):
        for number in range(seats):
            await stage_driver.seat_user(room, user)
            if number == 0:
                await client.send_accepted("LeaveStage", room, actorId=user)
                await stage_driver.wait_for_no_badge(room, user)
    async with open_stream(gateway, path, "anyone", after=position) as resumed:
        await resumed.wait_for("CoHostLeft", count=2)
        await resumed.wait_for("BadgeChanged", "BadgeRemoved", count=2)
        worn = await stage_driver.wait_for_badge(room, users[0])
        badges = [(event.name, event.data) for event in resumed.news if event.topic == "badges"]
        gone = {"roomId": room.id, "userId": users[1]}
        assert badges == [("BadgeChanged", worn.event), ("BadgeRemoved", gone)]


@pytest.mark.parametrize("kind", ["rooms", "users"])
async def test_a_position_of_nothing_or_of_another_stream_is_invalid(
    gateway: GatewayClient, client: ContractClient, room: Room, kind: str
) -> None:
    other = await client.create_room(host=room.host)
    streams = {"rooms": f"/v1/rooms/{room}/stream", "users": f"/v1/users/{room.host}/stream"}
    path = streams[kind]
    foreign = []
    for there in (
        f"/v1/rooms/{other}/stream",
        f"/v1/users/{other.id}/stream",
        streams["users" if kind == "rooms" else "rooms"],
    ):
        async with open_stream(
            gateway, there, other.id if other.id in there and "users" in there else room.host
        ) as stream:
            foreign.append(stream.ready.id)
    async with open_stream(gateway, path, room.host) as stream:
        own = stream.ready.id
    for bad in (*foreign, "0", "nonsense", "🎤".encode(), "-1", f"{own}x", own * 2, "a" * 5000):
        answer = await gateway.get(path, room.host, last_event_id=bad)
        assert parse_problem(answer) == (422, "invalid_request"), bad


async def test_an_empty_position_is_none(gateway: GatewayClient, client: ContractClient, room: Room) -> None:
    user = await client.create_user()
    await invite_and_cancel(client, room, user)
    async with open_stream(gateway, f"/v1/rooms/{room}/stream", room.host, after="") as stream:
        ids = await invite_and_cancel(client, room, user)
        await stream.wait_for(count=2)
        assert event_ids(stream) == ids


async def test_a_position_gives_no_right(gateway: GatewayClient, client: ContractClient, room: Room) -> None:
    """A stranger who resumes at the host's position sees what strangers see."""
    path = f"/v1/rooms/{room}/stream"
    async with open_stream(gateway, path, room.host) as stream:
        position = stream.ready.id
    await invite_and_cancel(client, room, await client.create_user())
    await client.change_room(room, maxCoHosts=7)
    async with open_stream(gateway, path, "stranger", after=position) as resumed:
        await resumed.wait_for("StageChanged")
        assert resumed.names() == ["StageChanged"]
    answer = await gateway.get(f"/v1/users/{room.host}/stream", "mallory", last_event_id=position)
    assert answer.status_code == 403


async def test_random_disconnections_lose_and_repeat_nothing(
    gateway: GatewayClient,
    second_gateway: GatewayClient,
    client: ContractClient,
    room: Room,
) -> None:
    """Read a busy room in pieces, from both copies in turn: together they are the log."""
    users = await asyncio.gather(*(client.create_user() for _ in range(3)))
    begin, stop = len(client.log.records), asyncio.Event()
    path = f"/v1/rooms/{room}/stream"

    async def keep_busy(user: str) -> None:
        while not stop.is_set():
            await invite_and_cancel(client, room, user)

    pieces = EventStream.__new__(EventStream)
    pieces.events = []
    async with open_stream(gateway, path, room.host) as stream:
        position = stream.ready.id
        pieces.events.append(stream.ready)
    busy = [asyncio.create_task(keep_busy(user)) for user in users]
    for number in range(RECONNECTIONS):
        copy = (gateway, second_gateway)[number % 2]
        async with open_stream(copy, path, room.host, after=position) as stream:
            await stream.wait_for(count=1 + secrets.randbelow(8))
            pieces.events += stream.news
            position = stream.position
    stop.set()
    await asyncio.gather(*busy)
    records = [record for record in client.log.records[begin:] if names_room(record, room.id)]
    expected = published_events(records)
    missing = sum(map(len, expected.values())) - len(pieces.news)
    async with open_stream(second_gateway, path, room.host, after=position) as stream:
        await stream.wait_for(count=missing)
        pieces.events += stream.news
    assert pieces.by_topic() == expected


@asynccontextmanager
async def gateway_of(there: Deployment, path: str = "/readyz") -> AsyncIterator[GatewayClient]:
    """Run a gateway of another deployment, and yield a client of it."""
    async with (
        run_gateway(there, path) as running,
        WebClient(running) as web,
        GatewayClient(web, running.gateway_url) as gateway,
    ):
        yield gateway


async def test_a_position_that_the_log_does_not_have_is_gone(
    deployment: Deployment, database_url: str, prefix: str
) -> None:
    own = {"COHOST_DATABASE_URL": database_url, "COHOST_TOPIC_PREFIX": prefix, "COHOST_PARTITIONS": "1"}
    async with run_services(deployment, "invitations", "broadcast", **own) as there:
        async with open_contract_client(there) as client, gateway_of(there) as gateway:
            room, user = await StageDriver(client, gateway.web).open_room(), await client.create_user()
            paths = {f"/v1/rooms/{room}/stream": room.host, f"/v1/users/{user}/stream": user}
            old, kept = {}, {}
            for path, caller in paths.items():
                async with open_stream(gateway, path, caller) as stream:
                    await invite_and_cancel(client, room, user)
                    await stream.wait_for("InvitationCancelled")
                    old[path], kept[path] = stream.ready.id, stream.position
            for path, caller in paths.items():
                async with open_stream(gateway, path, caller) as stream:
                    kept[path] = stream.ready.id
            last = client.log.records_of("invitations.events", room.id)[-1]
            await forget_events(there, last.offset + 1)
            await assert_gone(gateway, paths, old)
            await assert_resumes(gateway, client, room, user, paths, kept)
        async with gateway_of(there) as another:
            await assert_gone(another, paths, old)
    # The log is shorter than the position: as after a restore of an older copy.
    await recreate_events(there)
    async with gateway_of(there, "/healthz") as gateway:
        await wait_until(lambda: has_streams(gateway, user), "a gateway that has found the log's end")
        await assert_gone(gateway, {path: caller for path, caller in paths.items() if "users" in path}, kept)


async def has_streams(gateway: GatewayClient, user: str) -> bool:
    return (await gateway.send("HEAD", f"/v1/users/{user}/stream", user)).status_code == 200


async def assert_gone(gateway: GatewayClient, paths: dict[str, str], positions: dict[str, str]) -> None:
    for path, caller in paths.items():
        answer = await gateway.get(path, caller, last_event_id=positions[path])
        assert parse_problem(answer) == (410, "position_gone"), path


async def assert_resumes(  # noqa: PLR0913, PLR0917 - a case has no fewer parts
    gateway: GatewayClient,
    client: ContractClient,
    room: Room,
    user: str,
    paths: dict[str, str],
    positions: dict[str, str],
) -> None:
    """Assert that streams resume exactly behind what the log no longer has."""
    ids = await invite_and_cancel(client, room, user)
    for path, caller in paths.items():
        async with open_stream(gateway, path, caller, after=positions[path]) as resumed:
            await resumed.wait_for(count=2)
            assert event_ids(resumed) == ids


@asynccontextmanager
async def kafka_admin(there: Deployment) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=there.bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def forget_events(there: Deployment, offset: int) -> None:
    """Delete the invitations' events before an offset, as a topic's retention does."""
    async with kafka_admin(there) as admin:
        topic = TopicPartition(f"{there.prefix}invitations.events", 0)
        await admin.delete_records({topic: RecordsToDelete(before_offset=offset)})


async def recreate_events(there: Deployment) -> None:
    """Delete the topic of the invitations' events and create an empty one."""
    name = f"{there.prefix}invitations.events"
    async with kafka_admin(there) as admin:
        await admin.delete_topics([name])

        async def is_created() -> bool:
            answer: Any = await admin.create_topics([NewTopic(name, 1, 1)])
            return bool(answer.topic_errors[0][1] == 0)

        await wait_until(is_created, "the new topic")
