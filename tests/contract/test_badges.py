"""Section 7: badges of hosts and co-hosts."""

import re

import pytest

from tests.contract.broadcast_stage import StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import OPEN_STATUSES
from tests.contract.topic_log import TopicRecord

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def assert_valid_badge(record: TopicRecord) -> None:
    """Assert the properties of every badge."""
    said = record.event
    assert (said["type"], said["source"]) == ("cohost.BadgeChanged.v1", "/cohost/broadcast")
    assert MOMENT.fullmatch(said["data"]["since"])
    assert int(said["sequence"]) == int(record.headers_by_name["sequence"] or b"")


@pytest.mark.parametrize("status", OPEN_STATUSES)
async def test_the_host_wears_a_badge_while_the_room_is_open(stage_driver: StageDriver, status: str) -> None:
    room = await stage_driver.open_room(status)
    worn = await stage_driver.wait_for_badge(room, room.host)
    assert_valid_badge(worn)
    assert worn.event["subject"] == room.id
    assert worn.partition == stage_driver.client.partition_for(room.id)
    since = worn.data["since"]
    data = {name: value for name, value in worn.data.items() if value is not None}
    assert data == {"roomId": room.id, "userId": room.host, "badge": "host", "since": since}
    [stage] = await stage_driver.client.wait_for_outcome(room.fact.id)
    assert worn.event["causationid"] == stage.event["id"]
    await stage_driver.close_room(room)
    gone = await stage_driver.wait_for_no_badge(room, room.host)
    assert re.fullmatch(rb"[1-9][0-9]*", gone.headers_by_name["sequence"] or b"")


async def test_a_co_host_wears_a_badge_from_seat_to_its_end(
    stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    seat = await stage_driver.seat_user(room, people.bob)
    worn = await stage_driver.wait_for_badge(room, people.bob)
    assert_valid_badge(worn)
    since = worn.data["since"]
    assert worn.data == {**seat.ids, "badge": "coHost", "since": since}
    assert (await stage_driver.stage_items(room))[people.bob]["since"] == since
    await stage_driver.client.send_accepted("LeaveStage", room, actorId=people.bob)
    gone = await stage_driver.wait_for_no_badge(room, people.bob)
    assert gone.partition == worn.partition
    assert len(stage_driver.badge_records(room, people.bob)) == 2


async def test_invited_users_wear_no_badge(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.invite_user(room, people.bob)
    await stage_driver.seat_user(room, people.carol)
    assert stage_driver.badge_records(room, people.bob) == []


async def test_a_badges_since_does_not_change(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room("idle")
    await stage_driver.seat_user(room, people.bob)
    host, bob = (
        await stage_driver.wait_for_badge(room, room.host),
        await stage_driver.wait_for_badge(room, people.bob),
    )
    for status in ("live", "waitingReconnect", "live"):
        fact = await stage_driver.client.publish_room(room.id, hostId=room.host, status=status, maxCoHosts=9)
        await stage_driver.client.wait_for_outcome(fact.id)
    await stage_driver.seat_user(room, people.carol)
    for before, user in ((host, room.host), (bob, people.bob)):
        assert {found.data["since"] for found in stage_driver.badge_records(room, user)} == {
            before.data["since"]
        }


async def test_a_new_host_takes_the_badge_over(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    await stage_driver.client.publish_room(room.id, hostId=people.bob, status="live")
    await stage_driver.wait_for_no_badge(room, room.host)
    worn = stage_driver.badge_records(room, people.bob)
    await stage_driver.client.log.wait_until(lambda: worn[-1].value and worn[-1].data["badge"] == "host")
    assert worn[-1].data.get("invitationId") is None
    assert None not in [found.value for found in worn]


async def test_a_reopened_room_gives_its_host_a_new_badge(stage_driver: StageDriver) -> None:
    room = await stage_driver.create_closed_room()
    await stage_driver.client.publish_room(room.id, hostId=room.host, status="live")
    await stage_driver.wait_for_badge(room, room.host)
    assert [found.value is not None for found in stage_driver.badge_records(room, room.host)] == [
        True,
        False,
        True,
    ]


async def test_closing_removes_every_badge(stage_driver: StageDriver, people: People) -> None:
    room = await stage_driver.open_room()
    await stage_driver.seat_user(room, people.bob)
    await stage_driver.client.delete_room(room)
    await stage_driver.wait_for_no_badge(room, people.bob)
    await stage_driver.wait_for_no_badge(room, room.host)
