"""Sections 5 and 7: users on stage report their quality, and what of it is published."""

import asyncio
import json
from datetime import datetime
from typing import Any

import httpx
import pytest

from tests.contract import broadcast_stage
from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import Room, unique_id
from tests.contract.polling import TooLate, retry_when_late, wait_until
from tests.contract.web_client import WebClient, parse_problem

MEBIBYTE = 1024 * 1024


async def post_report(
    web: WebClient, room: Room | str, user: str, content: bytes, **headers: str
) -> httpx.Response:
    return await web.broadcast.post(
        f"/v1/rooms/{room}/stage/quality", content=content, headers={**web.headers(user), **headers}
    )


async def report(web: WebClient, room: Room | str, user: str, quality: str, **more: Any) -> None:
    """Send a report that must be accepted."""
    answer = await post_report(web, room, user, json.dumps({"quality": quality, **more}).encode())
    assert (answer.status_code, answer.json()) == (202, {}), answer.text


async def wait_for_qualities(stage_driver: StageDriver, room: Room, count: int) -> list[dict[str, Any]]:
    """Wait for the events about qualities in a room, check their times, and return the rest of their data."""
    log = stage_driver.client.log

    def found() -> Any:
        records = log.records_of(broadcast_stage.EVENTS, room.id, "ParticipantQualityChanged")
        return records if len(records) >= count else None

    records = await log.wait_until(found, f"{count} events about qualities")
    assert len(records) == count
    for record in records:
        since, at = record.data["since"], record.attribute("time")
        waited = datetime.fromisoformat(at) - datetime.fromisoformat(since)
        assert waited.total_seconds() >= 5
        if waited.total_seconds() >= 10:
            msg = f"a quality was published after {waited}"
            raise TooLate(msg)
    return [{k: v for k, v in record.data.items() if k not in ("roomId", "since")} for record in records]


def changed(user: str, quality: str, round_trip_ms: int | None = None) -> dict[str, Any]:
    return {"userId": user, "quality": quality, "roundTripMs": round_trip_ms}


@retry_when_late
async def test_a_quality_that_lasts_is_published_and_lowers_the_defaults(
    stage_driver: StageDriver, web: WebClient, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    full = (await stage_driver.get_broadcast_data(room, people.bob))["publishDefaults"]
    await report(web, room, people.bob, "poor", roundTripMs=300)
    await report(web, room, people.bob, "poor", roundTripMs=410.0)
    assert (await stage_driver.get_broadcast_data(room, people.bob))["publishDefaults"] == full
    assert await wait_for_qualities(stage_driver, room, 1) == [changed(people.bob, "poor", 410)]
    low = (await stage_driver.get_broadcast_data(room, people.bob))["publishDefaults"]
    assert low["videoMaxBitrate"] < full["videoMaxBitrate"]
    assert low["videoMaxFramerate"] <= full["videoMaxFramerate"]
    assert (await stage_driver.get_broadcast_data(room, room.host))["publishDefaults"] == full
    await report(web, room, people.bob, "good")
    assert await wait_for_qualities(stage_driver, room, 2) == [
        changed(people.bob, "poor", 410),
        changed(people.bob, "good"),
    ]
    assert (await stage_driver.get_broadcast_data(room, people.bob))["publishDefaults"] == full


@retry_when_late
async def test_a_quality_that_comes_back_in_time_is_not_published(
    stage_driver: StageDriver, web: WebClient, people: People
) -> None:
    room = await stage_driver.open_room("idle")
    await stage_driver.seat_user(room, people.bob)
    await report(web, room, people.bob, "excellent")
    await wait_for_qualities(stage_driver, room, 1)
    for quality in ("poor", "lost", "excellent"):
        await report(web, room, people.bob, quality)
    # The host's first quality is published, while bob's would have been before it.
    await report(web, room, room.host, "good", roundTripMs=0)
    assert await wait_for_qualities(stage_driver, room, 2) == [
        changed(people.bob, "excellent"),
        changed(room.host, "good", 0),
    ]


@retry_when_late
async def test_a_quality_is_forgotten_with_the_seat(
    stage_driver: StageDriver, web: WebClient, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    full = (await stage_driver.get_broadcast_data(room, people.bob))["publishDefaults"]
    await report(web, room, people.bob, "lost")
    await wait_for_qualities(stage_driver, room, 1)
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
    await stage_driver.wait_for_no_badge(room, people.bob)
    await stage_driver.seat_user(room, people.bob)
    assert (await stage_driver.get_broadcast_data(room, people.bob))["publishDefaults"] == full
    await report(web, room, people.bob, "lost")
    assert await wait_for_qualities(stage_driver, room, 2) == [changed(people.bob, "lost")] * 2


async def test_reports_are_refused_in_the_order_of_the_contract(
    stage_driver: StageDriver, web: WebClient, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.invite_user(room, people.bob)
    body = b'{"quality": "good"}'
    for user in ("mallory", people.bob):
        assert parse_problem(await post_report(web, room, user, body)) == (403, "not_on_stage")
    unknown = unique_id("room")
    assert parse_problem(await post_report(web, unknown, "mallory", body)) == (404, "room_not_found")
    assert parse_problem(await post_report(web, "..%20", "mallory", body)) == (422, "invalid_request")
    await stage_driver.close_room(room)
    for user in (room.host, "mallory"):
        assert parse_problem(await post_report(web, room, user, body)) == (409, "room_not_open")
    answer = await web.broadcast.post(f"/v1/rooms/{room}/stage/quality", content=body)
    assert parse_problem(answer) == (401, "unauthorized")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"nonsense",
        b'{"quality": "good"',
        b'{"quality": null}',
        b'{"quality": "Good"}',
        b'{"quality": 1}',
        b'{"quality": ["good"]}',
        b'{"quality": "good", "roundTripMs": -1}',
        b'{"quality": "good", "roundTripMs": 60001}',
        b'{"quality": "good", "roundTripMs": 1.5}',
        b'{"quality": "good", "roundTripMs": "1"}',
        b'{"quality": "good", "roundTripMs": true}',
        b'{"quality": "good", "roundTripMs": NaN}',
        b'{"quality": "good", "round_trip_ms": 1}',
        b'{"quality": "good", "userId": "bob"}',
        b'{"quality": "g\xff\xfe"}',
        b'{"quality": "good\\u0000"}',
    ],
)
async def test_a_body_that_breaks_its_schema_is_refused(
    stage_driver: StageDriver, web: WebClient, body: bytes
) -> None:
    room = await stage_driver.open_room()
    answer = await post_report(web, room, room.host, body)
    assert parse_problem(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        b'{"quality": "lost", "roundTripMs": 60000}',
        b'{"quality": "lost", "roundTripMs": 6e4}',
        b' {"roundTripMs": null, "quality": "lost", "label": null} ',
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "nonsense"])
async def test_a_body_is_json_whatever_its_type_says(
    stage_driver: StageDriver, web: WebClient, body: bytes, content_type: str
) -> None:
    room = await stage_driver.open_room()
    answer = await post_report(web, room, room.host, body, **{"content-type": content_type})
    assert (answer.status_code, answer.json()) == (202, {})


async def test_a_large_body_is_refused(stage_driver: StageDriver, web: WebClient) -> None:
    room = await stage_driver.open_room()
    body = b'{"quality": "good"}'.ljust(MEBIBYTE)
    assert (await post_report(web, room, room.host, body)).status_code == 202
    answer = await post_report(web, room, room.host, body + b" ")
    assert parse_problem(answer) == (413, "too_large")


async def test_the_defaults_are_no_business_of_viewers(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    for user in (people.bob, "viewer"):
        data = await stage_driver.get_broadcast_data(room, user, **{"as": "viewer"})
        assert data["publishDefaults"] is None
    data = await stage_driver.get_broadcast_data(room, room.host)
    assert {name: type(value) for name, value in data["publishDefaults"].items()} == {
        "videoMaxBitrate": int,
        "videoMaxFramerate": int,
        "simulcast": bool,
    }


@retry_when_late
async def test_many_equal_reports_at_once_are_one_event(stage_driver: StageDriver, web: WebClient) -> None:
    room = await stage_driver.open_room()
    await asyncio.gather(*(report(web, room, room.host, "poor") for _ in range(50)))
    assert await wait_for_qualities(stage_driver, room, 1) == [changed(room.host, "poor")]
    await wait_until(lambda: _is_low(stage_driver, room), "lower defaults")


async def _is_low(stage_driver: StageDriver, room: Room) -> bool:
    data = await stage_driver.get_broadcast_data(room, room.host)
    return bool(data["publishDefaults"]["videoMaxBitrate"] < 1_000_000)
