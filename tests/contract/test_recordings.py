"""Section 7: recordings that LiveKit reports as finished."""

from typing import Any

import pytest

from tests.contract.broadcast_stage import EVENTS, StageDriver
from tests.contract.contract_client import new_id, unique_id
from tests.contract.livekit_participants import LiveKitServerApi


def egress_ended(room: str, egress_id: str, **info: Any) -> dict[str, Any]:
    """Return a webhook about an egress, as LiveKit encodes it."""
    found = {"egressId": egress_id, "roomName": room, "status": "EGRESS_COMPLETE", **info}
    return {"event": "egress_ended", "id": new_id(), "createdAt": "1767272400", "egressInfo": found}


async def finished_recordings(stage_driver: StageDriver, room: str, count: int) -> list[dict[str, Any]]:
    """Return the room's recordings once this number is published and every earlier report is decided."""
    log = stage_driver.client.log
    await log.wait_until(
        lambda: len(log.records_of(EVENTS, room, "RecordingFinished")) >= count, f"{count} recordings"
    )
    return [record.data for record in log.records_of(EVENTS, room, "RecordingFinished")]


@pytest.mark.parametrize(
    ("livekit_status", "status"),
    [
        ("EGRESS_COMPLETE", "complete"),
        ("EGRESS_LIMIT_REACHED", "complete"),
        ("EGRESS_FAILED", "failed"),
        ("EGRESS_ABORTED", "aborted"),
    ],
)
async def test_a_recording_is_published(
    stage_driver: StageDriver, livekit: LiveKitServerApi, livekit_status: str, status: str
) -> None:
    room, egress_id = await stage_driver.open_room(), unique_id("EG")
    files = [{"filename": "a.mp4", "location": "s3://bucket/a.mp4"}, {"location": "s3://bucket/b.mp4"}]
    times = {"startedAt": "1767268800123456789", "endedAt": "1767272400999999999"}
    webhook = egress_ended(room.id, egress_id, status=livekit_status, fileResults=files, **times)
    assert await livekit.send_webhook(webhook) == 200
    assert await finished_recordings(stage_driver, room.id, 1) == [
        {
            "roomId": room.id,
            "egressId": egress_id,
            "status": status,
            "files": ["s3://bucket/a.mp4", "s3://bucket/b.mp4"],
            "startedAt": "2026-01-01T12:00:00.123Z",
            "endedAt": "2026-01-01T13:00:00.999Z",
        }
    ]


async def test_a_recording_is_published_once_also_after_the_rooms_closing(
    stage_driver: StageDriver, livekit: LiveKitServerApi
) -> None:
    room = await stage_driver.open_room()
    first, second, last = (unique_id("EG") for _ in range(3))
    for egress_id in (first, first):
        await livekit.send_webhook(egress_ended(room.id, egress_id))
    await stage_driver.close_room(room)
    for egress_id in (first, second, second, last):
        await livekit.send_webhook(egress_ended(room.id, egress_id))
    found = await finished_recordings(stage_driver, room.id, 3)
    assert [data["egressId"] for data in found] == [first, second, last]
    assert all((data["files"], data["startedAt"], data["endedAt"]) == ([], None, None) for data in found)


async def test_a_recording_of_an_unknown_room_is_ignored(
    stage_driver: StageDriver, livekit: LiveKitServerApi
) -> None:
    unknown = unique_id("room")
    assert await livekit.send_webhook(egress_ended(unknown, unique_id("EG"))) == 200
    assert await livekit.send_webhook(egress_ended("no room of ours!", unique_id("EG"))) == 200
    room = await stage_driver.open_room()
    await livekit.send_webhook(egress_ended(room.id, unique_id("EG")))
    await finished_recordings(stage_driver, room.id, 1)
    assert stage_driver.client.log.records_of(EVENTS, unknown) == []
