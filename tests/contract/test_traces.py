"""Section 1: correlation and trace are passed on across both services."""

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import INVITATION_COMMANDS, cloud_event

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def seat_with_trace(stage_driver: StageDriver, people: People) -> tuple[SeatedUser, str]:
    """Seat bob by a command with a correlation id and a trace."""
    room = await stage_driver.open_room()
    invitation = await stage_driver.invite_user(room, people.bob)
    data = {"roomId": room.id, "invitationId": invitation, "actorId": people.bob}
    trace = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "correlationid": "show 7"}
    put = await stage_driver.client.publish_event(
        INVITATION_COMMANDS, cloud_event("AcceptInvitation", room.id, data, **trace)
    )
    [accepted] = await stage_driver.client.wait_for_outcome(put.id)
    return SeatedUser(room, people.bob, invitation, put), accepted.event["id"]


async def test_the_badge_is_caused_by_the_acceptance(stage_driver: StageDriver, people: People) -> None:
    seat, accepted = await seat_with_trace(stage_driver, people)
    worn = (await stage_driver.wait_for_badge(seat.room, seat.user)).event
    assert (worn["causationid"], worn["correlationid"]) == (accepted, "show 7")
    assert worn["traceparent"].split("-")[1] == TRACE


async def test_a_grant_confirmed_by_livekit_is_caused_by_a_signal(
    stage_driver: StageDriver, people: People
) -> None:
    seat, _ = await seat_with_trace(stage_driver, people)
    granted = (await stage_driver.wait_for_provisioned(seat)).event
    signals = stage_driver.client.log.by_id[granted["causationid"]]
    [signal] = await stage_driver.client.log.wait_until(lambda: signals, "the signal")
    assert signal.topic == "broadcast.signals"
    assert granted["correlationid"] == signal.event.get("correlationid", signal.event["id"])
