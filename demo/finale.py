"""Closing steps of the demo: an expired invitation, a removed co-host, and the end of the room."""

import cohost
from demo.claims import Claim
from demo.show import ABSENT, HOST, ROOM, Show, until
from demo.timeline import Missing


async def expired(show: Show) -> None:
    """Wait until erin's invitation expires."""
    show.timeline.say("meanwhile erin's invitation expires")
    await show.timeline.saw("InvitationExpired", "erin", close_reason="expired")
    show.claims.kept(Claim.EXPIRED, "InvitationExpired")


async def removed(show: Show) -> None:
    """Remove bob from the stage."""
    show.timeline.say(f"{HOST} removes bob from the stage")
    bob = show.people["bob"]
    await show.client.remove_co_host(ROOM, "bob", HOST)
    await show.timeline.saw("GrantRevoked", "bob", reason="removed_by_host", mode="in_place")
    await show.timeline.saw("(badge removed)", "bob")
    await show.falls_silent("bob")
    show.timeline.right(f"bob's track disappears for {HOST}")
    await until(lambda: bob.connected and not bob.may_publish, "bob watches on without permissions")
    show.claims.kept(Claim.REMOVED, "GrantRevoked in_place, he watches on")


async def ending(show: Show) -> None:
    """End the room, and verify that everybody loses the permissions and the connection."""
    show.timeline.say(f"{HOST} invites dave again, and ends the show before he answers")
    await show.invite("dave")
    await show.room("ended")
    await show.timeline.saw("StageChanged", status="ended", open=False)
    await show.timeline.saw("InvitationCancelled", "dave", close_reason="room_ended")
    for name in ("carol", ABSENT):
        await show.timeline.saw("CoHostLeft", name, reason="room_ended")
        await show.timeline.saw("GrantRevoked", name, reason="room_ended", mode="room_deleted")
        await show.timeline.saw("(badge removed)", name)
    await show.timeline.saw("(badge removed)", HOST)
    people = show.people.values()
    await until(
        lambda: all(not person.connected and person.dismissed == "ROOM_DELETED" for person in people),
        "everybody is disconnected because the room is deleted",
    )
    await show.room_gone()
    show.timeline.right("the room is deleted on LiveKit, and everybody is disconnected")
    await _refused_to_return(show)
    show.claims.kept(Claim.ENDED, "GrantRevoked room_deleted for all, badges gone")


async def _refused_to_return(show: Show) -> None:
    try:
        await show.data(HOST)
    except cohost.ProblemError as problem:
        if problem.reason == "room_not_open":
            return
        raise
    msg = "the ended room still gives broadcast data"
    raise Missing(msg)
