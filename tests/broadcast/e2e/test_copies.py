"""Two copies of broadcast share the work: every effect happens once."""

from collections.abc import Callable

from tests.broadcast.e2e.scenario_steps import LiveKitClients, open_room, seat_and_connect
from tests.broadcast.e2e.second_copy import start_second_copy
from tests.broadcast.e2e.service_under_test import PublishedRecord, ServiceUnderTest

SETTINGS = {"COHOST_RECONNECT_GRACE_SECONDS": "2", "COHOST_NO_SHOW_SECONDS": "5"}


async def test_a_deadline_expires_once_with_two_copies(
    proxied_service: ServiceUnderTest, clients: LiveKitClients
) -> None:
    service = proxied_service
    async with start_second_copy(service):
        # No-shows count only in live rooms, so that however long it takes all to connect, they are none.
        names = [await open_room(service, "idle") for _ in range(4)]
        seats = [await seat_and_connect(service, clients, name) for name in names]
        absent = [await service.seat_user(name, "carol") for name in names]
        for name in names:
            await service.publish_stage(name, "live")
        for _, bob in seats:
            await bob.disconnect()
        for name in names:
            await service.wait_for_event("CoHostLost", name, "bob")
        for seat in (*(seat for seat, _ in seats), *absent):
            await service.wait_for_records(is_release_of(seat))
        releases = [record for record in service.published if record.name == "ReleaseSeat"]
        reasons = {record.data["invitationId"]: record.data["reason"] for record in releases if record.data}
        assert reasons == {
            **dict.fromkeys((seat for seat, _ in seats), "connection_lost"),
            **dict.fromkeys(absent, "no_show"),
        }
        assert len({record.envelope["id"] for record in releases}) == len(reasons)
        assert all(service.event_names(name).count("CoHostLost") == 1 for name in names)


def is_release_of(seat: str) -> Callable[[PublishedRecord], bool]:
    return lambda record: (
        record.name == "ReleaseSeat" and record.data is not None and record.data["invitationId"] == seat
    )
