"""Closing steps of the demo: an invitation expires, another is sent again, a seat ends, and then the room."""

import cohost
from demo.claims import Claim
from demo.context import ABSENT, HOST, ROOM, DemoContext, wait_until
from demo.timeline import NotObserved


async def expire_invitation(context: DemoContext) -> None:
    """Wait until erin's invitation expires."""
    context.timeline.print_step("meanwhile erin's invitation expires")
    await context.timeline.wait_for_event("InvitationExpired", "erin", close_reason="expired")
    context.claims.mark_verified(Claim.EXPIRED, "InvitationExpired")


async def resend_invitation(context: DemoContext) -> None:
    """Send dave's invitation again, which is older than erin's."""
    context.timeline.print_step(f"{HOST} sends dave's invitation again")
    resent = await context.client.resend_invitation(ROOM, context.invitations["dave"], HOST)
    await context.timeline.wait_for_event("InvitationResent", "dave", times_sent=2)
    context.claims.mark_verified(Claim.RESENT, f"InvitationResent, sent {resent.data.times_sent} times")


async def remove_co_host(context: DemoContext) -> None:
    """Remove bob from the stage."""
    context.timeline.print_step(f"{HOST} removes bob from the stage")
    bob = context.participants["bob"]
    await context.client.remove_co_host(ROOM, "bob", HOST)
    await context.timeline.wait_for_event("GrantRevoked", "bob", reason="removed_by_host", mode="in_place")
    await context.timeline.wait_for_event("(badge removed)", "bob")
    await context.wait_until_silent("bob")
    context.timeline.print_success(f"bob's track disappears for {HOST}")
    await wait_until(lambda: bob.is_connected and not bob.may_publish, "bob watches on without permissions")
    context.claims.mark_verified(Claim.REMOVED, "GrantRevoked in_place, he watches on")


async def end_room(context: DemoContext) -> None:
    """End the room, and verify that everybody loses the permissions and the connection."""
    context.timeline.print_step(f"{HOST} ends the show before dave answers")
    await context.publish_room("ended")
    await context.timeline.wait_for_event("StageChanged", status="ended", open=False)
    await context.timeline.wait_for_event("InvitationCancelled", "dave", close_reason="room_ended")
    for name in ("carol", ABSENT):
        await context.timeline.wait_for_event("CoHostLeft", name, reason="room_ended")
        await context.timeline.wait_for_event("GrantRevoked", name, reason="room_ended", mode="room_deleted")
        await context.timeline.wait_for_event("(badge removed)", name)
    await context.timeline.wait_for_event("(badge removed)", HOST)
    people = context.participants.values()
    await wait_until(
        lambda: all(
            not person.is_connected and person.disconnect_reason == "ROOM_DELETED" for person in people
        ),
        "everybody is disconnected because the room is deleted",
    )
    await context.wait_room_deleted()
    context.timeline.print_success("the room is deleted on LiveKit, and everybody is disconnected")
    await _verify_join_is_rejected(context)
    context.claims.mark_verified(Claim.ENDED, "GrantRevoked room_deleted for all, badges gone")


async def _verify_join_is_rejected(context: DemoContext) -> None:
    try:
        await context.fetch_broadcast_data(HOST)
    except cohost.ProblemError as problem:
        if problem.reason == "room_not_open":
            return
        raise
    msg = "the ended room still gives broadcast data"
    raise NotObserved(msg)
