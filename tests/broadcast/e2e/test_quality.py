"""A quality that is not published yet when the service dies is published once by its successor."""

import signal
from typing import Any

from tests.broadcast.e2e.scenario_steps import get_broadcast_data, open_room, wait_for_badge
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until


async def report_quality(
    service: ServiceUnderTest, room_id: str, user_id: str, quality: str, **more: Any
) -> None:
    answer = await service.http_post(
        f"/v1/rooms/{room_id}/stage/quality", user_id, {"quality": quality, **more}
    )
    assert answer.status_code == 202, answer.text


async def max_bitrate(service: ServiceUnderTest, room_id: str, user_id: str) -> int:
    data = (await get_broadcast_data(service, room_id, user_id)).json()
    return int(data["publishDefaults"]["videoMaxBitrate"])


async def test_an_unpublished_quality_survives_a_kill(proxied_service: ServiceUnderTest) -> None:
    service = proxied_service
    name = await open_room(service)
    await service.seat_user(name, "bob")
    await wait_for_badge(service, name, "bob")
    full = await max_bitrate(service, name, "bob")
    await report_quality(service, name, "bob", "poor", roundTripMs=300)
    await report_quality(service, name, "alice", "good")
    await service.stop_process(signal.SIGKILL)
    service.start_process()
    await service.wait_until_ready()
    for user_id, quality, round_trip_ms in (("bob", "poor", 300), ("alice", "good", None)):
        published = await service.wait_for_event("ParticipantQualityChanged", name, user_id)
        assert published.data is not None
        found = {name: published.data[name] for name in ("quality", "roundTripMs")}
        assert found == {"quality": quality, "roundTripMs": round_trip_ms}
    await wait_until(lambda: is_low(service, name, full))
    # The later room's event proves that the sweeper has run again since.
    other = await open_room(service)
    await report_quality(service, other, "alice", "good")
    await service.wait_for_event("ParticipantQualityChanged", other, "alice")
    for user_id in ("bob", "alice"):
        assert service.event_names(name, user_id).count("ParticipantQualityChanged") == 1


async def is_low(service: ServiceUnderTest, room_id: str, full: int) -> bool:
    return await max_bitrate(service, room_id, "bob") < full
