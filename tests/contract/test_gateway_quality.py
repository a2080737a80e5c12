"""Section E, quality: reports of quality, their event, and what clients should publish."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.contract.broadcast_stage import EVENTS, SeatedUser, StageDriver
from tests.contract.contract_client import ContractClient, Room, unique_id
from tests.contract.event_stream import open_stream
from tests.contract.gateway_client import GatewayClient
from tests.contract.polling import TooLate, in_time, retry_when_late
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import OPS, WebClient, parse_problem

HOLD_SECONDS = 5.0
SKEW = timedelta(seconds=0.9)
"""The most by which the clocks of this machine and the deployment's may differ."""


async def take_seat(stage_driver: StageDriver) -> SeatedUser:
    """Seat a new user in a new room."""
    return await stage_driver.seat_user(
        await stage_driver.open_room(), await stage_driver.client.create_user()
    )


@pytest.fixture
async def seat(stage_driver: StageDriver) -> SeatedUser:
    return await take_seat(stage_driver)


def path_of(room: Room | str) -> str:
    return f"/v1/rooms/{room}/stage/quality"


async def report(
    gateway: GatewayClient, room: Room, user: str, quality: str, trip: int | None = None
) -> datetime:
    """Report a quality, and return the time of the report."""
    body = {"quality": quality} if trip is None else {"quality": quality, "roundTripMs": trip}
    at = datetime.now(UTC)
    answer = await gateway.post(path_of(room), user, body)
    assert answer.status_code == 202, answer.text
    return at


async def published(stage_driver: StageDriver, room: Room, count: int) -> list[TopicRecord]:
    log = stage_driver.client.log

    def found() -> list[TopicRecord] | None:
        records = log.records_of(EVENTS, room.id, "ParticipantQualityChanged")
        return records if len(records) >= count else None

    return await log.wait_until(found, f"{count} changes of quality")


def seconds_after(record: TopicRecord, at: datetime) -> float:
    return (datetime.fromisoformat(record.timestamp) - at).total_seconds()


@retry_when_late
async def test_a_quality_that_holds_is_published_after_five_seconds(
    gateway: GatewayClient, stage_driver: StageDriver
) -> None:
    seat = await take_seat(stage_driver)
    with in_time(HOLD_SECONDS - 0.5, "the second report"):
        first = await report(gateway, seat.room, seat.user, "poor", 300)
        answered = datetime.now(UTC)
        await asyncio.sleep(1)  # a later report of the same quality, whose number is the last
        await report(gateway, seat.room, seat.user, "poor", 412)
    [record] = await published(stage_driver, seat.room, 1)
    since = datetime.fromisoformat(record.data["since"])
    assert record.data == {
        "roomId": seat.room.id,
        "userId": seat.user,
        "quality": "poor",
        "roundTripMs": 412,
        "since": record.data["since"],
    }
    assert first - SKEW < since < answered + SKEW
    assert record.event["source"] == "/cohost/broadcast"
    assert seconds_after(record, since) >= HOLD_SECONDS - 0.2
    if seconds_after(record, since) >= HOLD_SECONDS + 3:
        msg = f"the quality since {since} was published at {record.timestamp}"
        raise TooLate(msg)


async def test_one_report_holds_until_the_next_one(
    gateway: GatewayClient, stage_driver: StageDriver, seat: SeatedUser
) -> None:
    await report(gateway, seat.room, seat.room.host, "excellent", 0)
    await report(gateway, seat.room, seat.user, "lost")
    records = await published(stage_driver, seat.room, 2)
    found = {
        record.data["userId"]: (record.data["quality"], record.data["roundTripMs"]) for record in records
    }
    assert found == {seat.room.host: ("excellent", 0), seat.user: ("lost", None)}


@retry_when_late
async def test_a_quality_that_does_not_hold_is_not_published(
    gateway: GatewayClient, stage_driver: StageDriver
) -> None:
    """Reports that change more often than every five seconds change nothing; the one that stays does."""
    seat = await take_seat(stage_driver)
    for number in range(7):
        with in_time(HOLD_SECONDS / 2, "a report"):
            await report(gateway, seat.room, seat.user, ("poor", "lost")[number % 2], number)
            await asyncio.sleep(1)  # shorter than a quality must hold
    with in_time(HOLD_SECONDS / 2, "a report"):
        last = await report(gateway, seat.room, seat.user, "good", 60_000)
    [record] = await published(stage_driver, seat.room, 1)
    assert (record.data["quality"], record.data["roundTripMs"]) == ("good", 60_000)
    assert seconds_after(record, last) >= HOLD_SECONDS - 0.2
    with in_time(HOLD_SECONDS - 0.5, "the reports"):
        await report(gateway, seat.room, seat.user, "poor")
        await report(gateway, seat.room, seat.user, "good")
    await report(gateway, seat.room, seat.room.host, "excellent")
    # The host's comes after anything that the user's last two reports could have caused.
    records = await published(stage_driver, seat.room, 2)
    assert [record.data["quality"] for record in records] == ["good", "excellent"]


async def publish_defaults(gateway: GatewayClient, room: Room, user: str, **query: str) -> Any:
    found = await gateway.get_json(f"/v1/rooms/{room}/broadcast-data", user, params=query)
    return found["publishDefaults"]


async def test_publishers_are_told_to_send_less_while_quality_is_poor(
    gateway: GatewayClient, stage_driver: StageDriver, seat: SeatedUser
) -> None:
    usual = await publish_defaults(gateway, seat.room, seat.user)
    assert set(usual) == {"videoMaxBitrate", "videoMaxFramerate", "simulcast"}
    assert (type(usual["videoMaxBitrate"]), type(usual["videoMaxFramerate"]), type(usual["simulcast"])) == (
        int,
        int,
        bool,
    )
    assert usual["videoMaxBitrate"] >= 100_000  # bit/s
    assert await publish_defaults(gateway, seat.room, seat.room.host) == usual
    for user in ("viewer", seat.user, seat.room.host):
        assert await publish_defaults(gateway, seat.room, user, **{"as": "viewer"}) is None
    for number, quality in enumerate(("poor", "lost", "good", "lost", "excellent"), 1):
        await report(gateway, seat.room, seat.user, quality)
        if number == 1:
            assert await publish_defaults(gateway, seat.room, seat.user) == usual  # not published yet
        await published(stage_driver, seat.room, number)
        found = await publish_defaults(gateway, seat.room, seat.user)
        if quality in ("poor", "lost"):
            assert found["videoMaxBitrate"] < usual["videoMaxBitrate"]
            assert found["videoMaxFramerate"] <= usual["videoMaxFramerate"]
        else:
            assert found == usual
        assert await publish_defaults(gateway, seat.room, seat.room.host) == usual


async def test_a_report_is_refused_for_each_reason_in_order(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver, seat: SeatedUser
) -> None:
    body, closed = {"quality": "good"}, await stage_driver.create_closed_room()
    for room, user, refusal in (
        (unique_id("room"), "mallory", (404, "room_not_found")),
        (closed, closed.host, (409, "room_not_open")),
        (closed, "mallory", (409, "room_not_open")),
        (seat.room, "mallory", (403, "not_on_stage")),
    ):
        assert parse_problem(await gateway.post(path_of(room), user, body)) == refusal
    ops = await gateway.post(path_of(seat.room), "ops", body, scope=OPS)
    assert parse_problem(ops) == (403, "not_on_stage")
    assert parse_problem(await gateway.post(path_of(seat.room), None, body)) == (401, "unauthorized")
    invited = await client.create_user()
    await stage_driver.invite_user(seat.room, invited)
    assert parse_problem(await gateway.post(path_of(seat.room), invited, body)) == (403, "not_on_stage")
    await client.send_accepted("LeaveStage", seat.room, actorId=seat.user)
    await stage_driver.wait_for_no_badge(seat.room, seat.user)
    assert parse_problem(await gateway.post(path_of(seat.room), seat.user, body)) == (403, "not_on_stage")


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"quality": None}, {"quality": "bad"}, {"quality": "Good"}, {"quality": 1}, []),
        *({"quality": "good", "roundTripMs": bad} for bad in (-1, 60_001, "30", True, 1.5, [1], 10**300)),
        {"quality": "good", "userId": "bob"},
    ],
)
async def test_an_invalid_report_is_refused(gateway: GatewayClient, seat: SeatedUser, body: Any) -> None:
    answer = await gateway.post(path_of(seat.room), seat.user, body)
    assert parse_problem(answer) == (422, "invalid_request")


async def test_numbers_and_nulls_are_as_everywhere(gateway: GatewayClient, seat: SeatedUser) -> None:
    for body in ({"quality": "good", "roundTripMs": 30.0}, {"quality": "good", "roundTripMs": None}):
        assert (await gateway.post(path_of(seat.room), seat.user, body)).status_code == 202


async def test_broadcast_serves_it_itself(
    web: WebClient, stage_driver: StageDriver, seat: SeatedUser
) -> None:
    headers = web.headers(seat.user)
    answer: httpx.Response = await web.broadcast.post(
        path_of(seat.room), headers=headers, json={"quality": "lost"}
    )
    assert answer.status_code == 202
    [record] = await published(stage_driver, seat.room, 1)
    assert record.data["quality"] == "lost"
    refused = await web.broadcast.post(path_of(unique_id("room")), headers=headers, json={"quality": "lost"})
    assert parse_problem(refused) == (404, "room_not_found")


async def test_host_ops_and_the_user_see_it_on_streams(gateway: GatewayClient, seat: SeatedUser) -> None:
    path = f"/v1/rooms/{seat.room}/stream"
    async with (
        open_stream(gateway, path, seat.room.host) as host,
        open_stream(gateway, path, "stranger") as stranger,
        open_stream(gateway, f"/v1/users/{seat.user}/stream", seat.user) as of_user,
        open_stream(gateway, f"/v1/users/{seat.room.host}/stream", seat.room.host) as of_host,
    ):
        await report(gateway, seat.room, seat.user, "poor")
        for stream in (host, of_user):
            [event] = await stream.wait_for("ParticipantQualityChanged")
            assert event.data["data"]["userId"] == seat.user
        assert "ParticipantQualityChanged" not in [*stranger.names(), *of_host.names()]
