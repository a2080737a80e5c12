"""Steps of the demo, in their order."""

import asyncio
import contextlib

from livekit import api
from livekit.rtc.participant import PublishTrackError

import cohost
from demo import finale
from demo.claims import Claim
from demo.show import ABSENT, HOST, PITCHES, ROOM, VIEWERS, Scene, Show, until
from demo.timeline import Missing

_EXPIRY_SECONDS = 10
_STAGE_SOURCES = [
    api.TrackSource.CAMERA,
    api.TrackSource.MICROPHONE,
    api.TrackSource.SCREEN_SHARE,
    api.TrackSource.SCREEN_SHARE_AUDIO,
]


async def opening(show: Show) -> None:
    """Open the room, go live, and connect host and viewers."""
    show.timeline.say(f"{HOST} opens a room and goes live")
    await show.tell()
    await show.room("idle")
    await show.timeline.saw("StageChanged", status="idle", open=True)
    await show.room("live")
    await show.timeline.saw("StageChanged", status="live", open=True)
    await show.timeline.saw("BadgeChanged", HOST, badge="host")
    show.claims.kept(Claim.OPENED, "StageChanged idle, StageChanged live")
    show.timeline.say(f"{HOST} connects as host; {', '.join(VIEWERS)} come to watch")
    await show.join(HOST)
    await asyncio.gather(*(show.join(name, as_viewer=True) for name in VIEWERS))
    rights = {name: person.may_publish for name, person in show.people.items() if person.connected}
    if rights != {HOST: True, **dict.fromkeys(VIEWERS, False)}:
        msg = f"wrong permissions to publish: {rights}"
        raise Missing(msg)
    show.claims.kept(Claim.CONNECTED, f"{len(rights)} participants, the host alone may publish")


async def short_invitation(show: Show) -> None:
    """Invite erin, who does not answer."""
    show.timeline.say(f"{HOST} invites erin, who has {_EXPIRY_SECONDS} s and will not answer")
    await show.invite("erin", _EXPIRY_SECONDS)


async def first(show: Show) -> None:
    """Promote bob in place and verify that the host hears his tone."""
    show.timeline.say(f"{HOST} invites bob, who accepts")
    milliseconds = await show.promote("bob")
    show.timeline.right(f"bob's client may publish {milliseconds:.0f} ms after his command")
    await show.timeline.saw("BadgeChanged", "bob", badge="coHost")
    await until(lambda: show.people["bob"].badge == "coHost", "bob wears the badge on LiveKit")
    show.claims.kept(Claim.PROMOTED, f"{milliseconds:.0f} ms from command to permission")
    show.timeline.say(f"bob plays a tone of {PITCHES['bob']} Hz")
    await show.plays("bob")
    show.timeline.right(f"{HOST} hears {PITCHES['bob']} Hz from bob")
    show.claims.kept(Claim.HEARD, f"{PITCHES['bob']} Hz in the frames she receives")


async def second_accept(show: Show) -> None:
    """Accept bob's invitation again, which is rejected with a reason."""
    show.timeline.say("bob accepts once more")
    try:
        await show.accept("bob")
    except cohost.Rejected as rejected:
        show.timeline.refused(rejected)
        show.timeline.right(f'"{rejected.message}"')
        if rejected.reason == "invitation_not_pending" and rejected.current is not None:
            show.claims.kept(Claim.REFUSED, f"{rejected.reason}: it is {rejected.current.status}")


async def declined(show: Show) -> None:
    """Decline carol's invitation and invite her again."""
    show.timeline.say(f"{HOST} invites carol, who declines and is invited again")
    before = await show.invite("carol")
    await show.client.decline_invitation(ROOM, before, "carol")
    await show.timeline.saw("InvitationDeclined", "carol", close_reason="declined")
    await show.invite("carol")
    await show.timeline.saw("InvitationSent", "carol", previous_invitation_id=before)
    show.claims.kept(Claim.DECLINED, "InvitationDeclined, InvitationSent names it")


async def cancelled(show: Show) -> None:
    """Cancel dave's invitation."""
    show.timeline.say(f"{HOST} invites dave and cancels the invitation")
    await show.client.cancel_invitation(ROOM, await show.invite("dave"), HOST)
    await show.timeline.saw("InvitationCancelled", "dave", close_reason="cancelled_by_host")
    show.claims.kept(Claim.CANCELLED, "InvitationCancelled, cancelled_by_host")


async def absent(show: Show) -> None:
    """Accept frank's invitation before he is connected; he joins afterwards."""
    show.timeline.say(f"{HOST} invites {ABSENT}, who is not there; he accepts, then joins")
    await show.invite(ABSENT)
    await show.accept(ABSENT)
    await show.timeline.saw("GrantProvisioned", ABSENT, mode="on_join")
    await show.timeline.saw("BadgeChanged", ABSENT, badge="coHost")
    data = await show.join(ABSENT)
    await show.timeline.saw("CoHostConnected", ABSENT)
    await show.plays(ABSENT)
    show.timeline.right(f"{ABSENT} joined as {data.role}; {HOST} hears {PITCHES[ABSENT]} Hz")
    show.claims.kept(Claim.ABSENT, f"GrantProvisioned on_join, {data.role}, heard")


async def returning(show: Show) -> None:
    """Accept carol's invitation, disconnect her, and reconnect within the grace period."""
    show.timeline.say("carol accepts after all, and loses her connection")
    carol = show.people["carol"]
    await show.accept("carol")
    await until(lambda: carol.may_publish, "carol may publish")
    await show.plays("carol")
    await carol.leave()
    await show.timeline.saw("CoHostDisconnected", "carol")
    show.timeline.say("carol comes back with new broadcast data")
    await show.join("carol")
    await show.timeline.saw("CoHostReconnected", "carol")
    await show.plays("carol")
    show.timeline.right(f"{HOST} hears {PITCHES['carol']} Hz from carol again")
    show.claims.kept(Claim.RETURNED, "CoHostDisconnected, CoHostReconnected, heard")


async def muted(show: Show) -> None:
    """Mute carol hard."""
    show.timeline.say(f"{HOST} mutes carol's microphone hard")
    await show.client.mute_co_host(ROOM, "carol", HOST, "microphone", hard=True)
    await show.timeline.saw("CoHostMuted", "carol", hard=True)
    await show.falls_silent("carol")
    show.timeline.right(f"carol's track disappears for {HOST}")
    sources = (await show.data("carol")).permissions.can_publish_sources
    if "microphone" not in sources:
        show.claims.kept(Claim.MUTED, "CoHostMuted, track gone, source taken")


async def intruder(show: Show) -> None:
    """Grant mallory permissions with LiveKit's key, outside of Co-Host."""
    show.timeline.say("mallory is promoted with LiveKit's key, outside of Co-Host")
    permission = api.ParticipantPermission(
        can_subscribe=True, can_publish=True, can_publish_data=True, can_publish_sources=_STAGE_SOURCES
    )
    mallory = show.people["mallory"]
    async with show.livekit() as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=ROOM, identity="mallory", permission=permission)
        )
    await until(lambda: mallory.may_publish, "mallory may publish")
    # She may be removed at any moment from now on: before she plays, or before anybody subscribes.
    with contextlib.suppress(PublishTrackError, TimeoutError):
        await mallory.play()
    seen = await show.timeline.saw("IntruderRemoved", "mallory")
    await until(lambda: not mallory.may_publish, "mallory may not publish any more")
    await show.falls_silent("mallory")
    show.timeline.right("mallory watches without permissions again")
    track = "her track gone" if "mallory" in show.people[HOST].has_seen else "before anybody had her track"
    show.claims.kept(Claim.INTRUDER, f"IntruderRemoved, {getattr(seen, 'action', '')}, {track}")


ALL: tuple[Scene, ...] = (
    opening,
    short_invitation,
    first,
    second_accept,
    declined,
    cancelled,
    absent,
    returning,
    muted,
    intruder,
    finale.expired,
    finale.removed,
    finale.ending,
)
