"""Steps of the demo, in their order."""

import asyncio
import contextlib

from livekit import api
from livekit.rtc.participant import PublishTrackError

import cohost
from cohost.http_reader import HttpReader
from demo import closing_steps
from demo.claims import Claim
from demo.context import ABSENT, HOST, LABELS, PITCHES, ROOM, VIEWERS, DemoContext, Step, wait_until
from demo.timeline import NotObserved

_EXPIRY_SECONDS = 10
_STAGE_SOURCES = [
    api.TrackSource.CAMERA,
    api.TrackSource.MICROPHONE,
    api.TrackSource.SCREEN_SHARE,
    api.TrackSource.SCREEN_SHARE_AUDIO,
]


async def open_room(context: DemoContext) -> None:
    """Open the room, go live, and connect host and viewers."""
    context.timeline.print_step(f"{HOST} opens a room and goes live")
    await context.publish_users()
    await context.publish_room("idle")
    await context.wait_until_read(_is_room_idle, "the room is idle")
    await context.follow_room()
    await context.publish_room("live")
    await context.timeline.wait_for_event("StageChanged", status="live", open=True)
    await context.wait_until_read(_has_host_badge, f"{HOST} has the host's badge")
    context.claims.mark_verified(Claim.OPENED, "idle is read, then StageChanged live")
    context.timeline.print_step(f"{HOST} connects as host; {', '.join(VIEWERS)} come to watch")
    await context.join_room(HOST)
    await asyncio.gather(*(context.join_room(name, as_viewer=True) for name in VIEWERS))
    rights = {
        name: person.may_publish for name, person in context.participants.items() if person.is_connected
    }
    if rights != {HOST: True, **dict.fromkeys(VIEWERS, False)}:
        msg = f"wrong permissions to publish: {rights}"
        raise NotObserved(msg)
    await context.timeline.wait_for_event("HostConnected", HOST)
    context.claims.mark_verified(Claim.CONNECTED, f"{len(rights)} participants, the host alone may publish")


async def _is_room_idle(reads: HttpReader) -> bool:
    room = await reads.room(ROOM)
    return room.status == "idle" and room.open


async def _has_host_badge(reads: HttpReader) -> bool:
    return [member.badge for member in (await reads.stage(ROOM)).items] == ["host"]


async def invite_dave_and_erin(context: DemoContext) -> None:
    """Invite dave and erin, who do not answer."""
    context.timeline.print_step(
        f"{HOST} invites dave, and erin, who has {_EXPIRY_SECONDS} s; both will not answer"
    )
    await context.invite_user("dave")
    await context.invite_user("erin", _EXPIRY_SECONDS)


async def promote_bob(context: DemoContext) -> None:
    """Promote bob in place and verify that the host hears his tone."""
    context.timeline.print_step(f"{HOST} invites bob, who sees it and accepts")
    milliseconds = await context.promote_user("bob")
    context.timeline.print_success(f"bob's client may publish {milliseconds:.0f} ms after his command")
    seen = await context.timeline.wait_for_event("InvitationSeen", "bob", label=LABELS["bob"])
    context.claims.mark_verified(Claim.SEEN, f"InvitationSeen, as {getattr(seen, 'label', None)}")
    await context.timeline.wait_for_event("BadgeChanged", "bob", badge="coHost")
    await wait_until(lambda: context.participants["bob"].badge == "coHost", "bob wears the badge on LiveKit")
    context.claims.mark_verified(Claim.PROMOTED, f"{milliseconds:.0f} ms from command to permission")
    context.timeline.print_step(f"bob plays a tone of {PITCHES['bob']} Hz")
    await context.play_until_heard("bob")
    context.timeline.print_success(f"{HOST} hears {PITCHES['bob']} Hz from bob")
    await context.timeline.wait_for_event("CoHostMediaChanged", "bob", published=("microphone",), muted=())
    context.claims.mark_verified(Claim.HEARD, f"{PITCHES['bob']} Hz in the frames she receives")


async def reject_second_accept(context: DemoContext) -> None:
    """Accept bob's invitation again, which is rejected with a reason."""
    context.timeline.print_step("bob accepts once more")
    try:
        await context.accept_invitation("bob")
    except cohost.Rejected as rejected:
        context.timeline.print_rejection(rejected)
        context.timeline.print_success(f'"{rejected.message}"')
        if rejected.reason == "invitation_not_pending" and rejected.current is not None:
            context.claims.mark_verified(Claim.REFUSED, f"{rejected.reason}: it is {rejected.current.status}")


async def decline_and_reinvite(context: DemoContext) -> None:
    """Decline carol's invitation and invite her again."""
    context.timeline.print_step(f"{HOST} invites carol, who declines and is invited again")
    before = await context.invite_user("carol")
    await context.client.decline_invitation(ROOM, before, "carol")
    await context.timeline.wait_for_event("InvitationDeclined", "carol", close_reason="declined")
    await context.invite_user("carol")
    await context.timeline.wait_for_event("InvitationSent", "carol", previous_invitation_id=before)
    context.claims.mark_verified(Claim.DECLINED, "InvitationDeclined, InvitationSent names it")


async def cancel_invitation(context: DemoContext) -> None:
    """Cancel mallory's invitation."""
    context.timeline.print_step(f"{HOST} invites mallory and cancels the invitation")
    await context.client.cancel_invitation(ROOM, await context.invite_user("mallory"), HOST)
    await context.timeline.wait_for_event("InvitationCancelled", "mallory", close_reason="cancelled_by_host")
    context.claims.mark_verified(Claim.CANCELLED, "InvitationCancelled, cancelled_by_host")


async def accept_while_absent(context: DemoContext) -> None:
    """Accept frank's invitation before he is connected; he joins afterwards."""
    context.timeline.print_step(f"{HOST} invites {ABSENT}, who is not there; he accepts, then joins")
    await context.invite_user(ABSENT)
    await context.accept_invitation(ABSENT)
    await context.timeline.wait_for_event("GrantProvisioned", ABSENT, mode="on_join")
    await context.timeline.wait_for_event("BadgeChanged", ABSENT, badge="coHost")
    data = await context.join_room(ABSENT)
    await context.timeline.wait_for_event("CoHostConnected", ABSENT)
    await context.play_until_heard(ABSENT)
    context.timeline.print_success(f"{ABSENT} joined as {data.role}; {HOST} hears {PITCHES[ABSENT]} Hz")
    context.claims.mark_verified(Claim.ABSENT, f"GrantProvisioned on_join, {data.role}, heard")


async def reconnect_in_time(context: DemoContext) -> None:
    """Accept carol's invitation, disconnect her, and reconnect within the grace period."""
    context.timeline.print_step("carol accepts after all, and loses her connection")
    carol = context.participants["carol"]
    await context.accept_invitation("carol")
    await wait_until(lambda: carol.may_publish, "carol may publish")
    await context.play_until_heard("carol")
    await carol.disconnect()
    await context.timeline.wait_for_event("CoHostDisconnected", "carol")
    context.timeline.print_step("carol comes back with new broadcast data")
    await context.join_room("carol")
    await context.timeline.wait_for_event("CoHostReconnected", "carol")
    await context.play_until_heard("carol")
    context.timeline.print_success(f"{HOST} hears {PITCHES['carol']} Hz from carol again")
    context.claims.mark_verified(Claim.RETURNED, "CoHostDisconnected, CoHostReconnected, heard")


async def arrange_stage(context: DemoContext) -> None:
    """Put carol and bob first in the speaking order."""
    context.timeline.print_step(f"{HOST} lets carol speak first, and then bob")
    await context.client.arrange_stage(ROOM, HOST, ["carol", "bob"])
    await context.timeline.wait_for_event("StageArranged", user_ids=("carol", "bob", ABSENT))
    shown = [(co_host.order, co_host.user_id, co_host.label) for co_host in await context.fetch_co_hosts()]
    if shown == [(order, name, LABELS[name]) for order, name in enumerate(("carol", "bob", ABSENT), 1)]:
        context.claims.mark_verified(
            Claim.ARRANGED, ", ".join(f"{order} {label}" for order, _, label in shown)
        )


async def mute_carol(context: DemoContext) -> None:
    """Mute carol hard."""
    context.timeline.print_step(f"{HOST} mutes carol's microphone hard")
    await context.client.mute_co_host(ROOM, "carol", HOST, "microphone", hard=True)
    await context.timeline.wait_for_event("CoHostMuted", "carol", hard=True)
    await context.wait_until_silent("carol")
    context.timeline.print_success(f"carol's track disappears for {HOST}")
    sources = (await context.fetch_broadcast_data("carol")).permissions.can_publish_sources
    if "microphone" not in sources:
        context.claims.mark_verified(Claim.MUTED, "CoHostMuted, track gone, source taken")


async def remove_intruder(context: DemoContext) -> None:
    """Grant mallory permissions with LiveKit's key, outside of Co-Host."""
    context.timeline.print_step("mallory is promoted with LiveKit's key, outside of Co-Host")
    permission = api.ParticipantPermission(
        can_subscribe=True, can_publish=True, can_publish_data=True, can_publish_sources=_STAGE_SOURCES
    )
    mallory = context.participants["mallory"]
    async with context.open_livekit_api() as livekit:
        await livekit.room.update_participant(
            api.UpdateParticipantRequest(room=ROOM, identity="mallory", permission=permission)
        )
    await wait_until(lambda: mallory.may_publish, "mallory may publish")
    # She may be removed at any moment from now on: before she plays, or before anybody subscribes.
    with contextlib.suppress(PublishTrackError, TimeoutError):
        await mallory.publish_tone()
    seen = await context.timeline.wait_for_event("IntruderRemoved", "mallory")
    await wait_until(lambda: not mallory.may_publish, "mallory may not publish any more")
    await context.wait_until_silent("mallory")
    context.timeline.print_success("mallory watches without permissions again")
    track = (
        "her track gone"
        if "mallory" in context.participants[HOST].ever_subscribed_to
        else "before anybody had her track"
    )
    context.claims.mark_verified(Claim.INTRUDER, f"IntruderRemoved, {getattr(seen, 'action', '')}, {track}")


STEPS: tuple[Step, ...] = (
    open_room,
    invite_dave_and_erin,
    promote_bob,
    reject_second_accept,
    decline_and_reinvite,
    cancel_invitation,
    accept_while_absent,
    reconnect_in_time,
    arrange_stage,
    mute_carol,
    remove_intruder,
    closing_steps.expire_invitation,
    closing_steps.resend_invitation,
    closing_steps.remove_co_host,
    closing_steps.end_room,
)
