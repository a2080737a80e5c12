"""Sections 6 and 7: what co-hosts publish and what of it is muted, also behind a hard mute."""

from typing import Any

import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.contract_client import BROADCAST_COMMANDS
from tests.contract.livekit_participants import LiveKitServerApi, join_room
from tests.contract.polling import in_time, retry_when_late, wait_until

DISGUISE_SECONDS = 5.0


@pytest.fixture
async def seat(stage_driver: StageDriver, people: People) -> SeatedUser:
    return await stage_driver.seat_user(await stage_driver.open_room(), people.bob)


async def wait_for_media(stage_driver: StageDriver, seat: SeatedUser, *media: tuple[Any, Any]) -> None:
    """Wait until exactly these are the published and muted sources of the seat's events."""
    log = stage_driver.client.log

    def found() -> bool:
        return len(stage_driver.events_so_far(seat, "CoHostMediaChanged")) >= len(media)

    await log.wait_until(found, f"{len(media)} changes of media")
    records = stage_driver.events_so_far(seat, "CoHostMediaChanged")
    assert [(record.data["published"], record.data["muted"]) for record in records] == list(media)
    for record in records:
        assert set(record.data) == {*seat.ids, "published", "muted", "at"}


async def mute(stage_driver: StageDriver, seat: SeatedUser, source: str, *, hard: bool) -> None:
    data = {"userId": seat.user, "actorId": seat.room.host, "source": source, "hard": hard}
    await stage_driver.client.send_accepted("MuteCoHost", seat.room, topic=BROADCAST_COMMANDS, **data)


async def test_media_follows_tracks_and_mutes(
    stage_driver: StageDriver, livekit: LiveKitServerApi, seat: SeatedUser
) -> None:
    microphone, both = (["microphone"], []), ["camera", "microphone"]
    async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as bob:
        voice = await bob.publish_track()
        await wait_for_media(stage_driver, seat, microphone)
        await bob.publish_track("camera")
        await wait_for_media(stage_driver, seat, microphone, (both, []))
        assert (await stage_driver.stage_items(seat.room))[seat.user]["published"] == both
        await mute(stage_driver, seat, "microphone", hard=False)
        await wait_until(lambda: is_muted(livekit, seat, voice.sid), "bob's microphone to be muted")
        await wait_for_media(stage_driver, seat, microphone, (both, []), (both, ["microphone"]))
        await bob.room.local_participant.unpublish_track(voice.sid)
        so_far = (microphone, (both, []), (both, ["microphone"]), (["camera"], []))
        await wait_for_media(stage_driver, seat, *so_far)
    await wait_for_media(stage_driver, seat, *so_far, ([], []))
    assert (await stage_driver.stage_items(seat.room))[seat.user]["published"] == []


async def test_a_source_is_muted_when_all_its_tracks_are(
    stage_driver: StageDriver, livekit: LiveKitServerApi, seat: SeatedUser
) -> None:
    audible, muted = (["microphone"], []), (["microphone"], ["microphone"])
    async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as bob:
        first = await bob.publish_track()
        await wait_for_media(stage_driver, seat, audible)
        await mute(stage_driver, seat, "microphone", hard=False)
        await wait_for_media(stage_driver, seat, audible, muted)
        second = await bob.publish_track()
        await wait_for_media(stage_driver, seat, audible, muted, audible)
        await bob.room.local_participant.unpublish_track(second.sid)
        await wait_for_media(stage_driver, seat, audible, muted, audible, muted)
        assert await is_muted(livekit, seat, first.sid)


async def test_a_second_device_begins_with_nothing_published(
    stage_driver: StageDriver, seat: SeatedUser
) -> None:
    camera: tuple[Any, Any] = (["camera"], [])
    async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as first:
        await first.publish_track("camera")
        await wait_for_media(stage_driver, seat, camera)
        async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as second:
            await wait_for_media(stage_driver, seat, camera, ([], []))
            await second.publish_track("screen_share")
            await wait_for_media(stage_driver, seat, camera, ([], []), (["screen_share"], []))


async def test_a_hard_mute_unpublishes_its_source(stage_driver: StageDriver, seat: SeatedUser) -> None:
    async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as bob:
        await bob.publish_track()
        await wait_for_media(stage_driver, seat, (["microphone"], []))
        await mute(stage_driver, seat, "microphone", hard=True)
        await wait_for_media(stage_driver, seat, (["microphone"], []), ([], []))


@pytest.mark.parametrize(
    "disguise",
    [
        ("microphone", "camera", "audio"),
        ("microphone", "screen_share", "audio"),
        ("microphone", "screen_share_audio", "audio"),
        ("camera", "microphone", "video"),
        ("camera", "screen_share_audio", "video"),
    ],
)
@pytest.mark.parametrize("is_published_first", [True, False])
@retry_when_late
async def test_a_hard_mute_binds_what_is_behind_a_source(
    stage_driver: StageDriver,
    livekit: LiveKitServerApi,
    people: People,
    disguise: tuple[str, str, str],
    *,
    is_published_first: bool,
) -> None:
    hard_muted, source, kind = disguise
    seat = await stage_driver.seat_user(await stage_driver.open_room(), people.bob)
    async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as bob:
        await stage_driver.wait_for_events(seat, "CoHostConnected")
        if is_published_first:
            published = await bob.publish_track(source, kind)
            await wait_for_media(stage_driver, seat, ([source], []))
            await mute(stage_driver, seat, hard_muted, hard=True)
        else:
            await mute(stage_driver, seat, hard_muted, hard=True)
            await wait_until(lambda: _may_not_publish(livekit, seat, hard_muted), "the mute on LiveKit")
            published = await bob.publish_track(source, kind)
        with in_time(DISGUISE_SECONDS, "the mute of the disguised track"):
            await wait_until(
                lambda: is_muted(livekit, seat, published.sid), "the disguised track to be muted"
            )
        await stage_driver.client.log.wait_until(
            lambda: [source] in muted_sources_so_far(stage_driver, seat), "the muted source"
        )


def muted_sources_so_far(stage_driver: StageDriver, seat: SeatedUser) -> list[list[str]]:
    return [record.data["muted"] for record in stage_driver.events_so_far(seat, "CoHostMediaChanged")]


async def _may_not_publish(livekit: LiveKitServerApi, seat: SeatedUser, source: str) -> bool:
    return source not in (await livekit.permissions_of(seat.room.id, seat.user))["canPublishSources"]


async def is_muted(livekit: LiveKitServerApi, seat: SeatedUser, sid: str) -> bool:
    found = await livekit.find_participant(seat.room.id, seat.user)
    assert found is not None
    return any(track["sid"] == sid and track.get("muted", False) for track in found.get("tracks", []))


async def test_a_shared_screen_keeps_its_audio_and_genuine_tracks_go_on(
    stage_driver: StageDriver, livekit: LiveKitServerApi, seat: SeatedUser
) -> None:
    async with join_room(await stage_driver.get_broadcast_data(seat.room, seat.user)) as bob:
        alone, shared = (["screen_share"], []), (["screen_share", "screen_share_audio"], [])
        screen = await bob.publish_track("screen_share")
        # LiveKit tells of a track when its media arrives, and sound may overtake a picture.
        await wait_for_media(stage_driver, seat, alone)
        audio = await bob.publish_track("screen_share_audio")
        await wait_for_media(stage_driver, seat, alone, shared)
        await mute(stage_driver, seat, "microphone", hard=True)
        await wait_until(lambda: _may_not_publish(livekit, seat, "microphone"), "the mute on LiveKit")
        voice = await bob.publish_track("camera", "audio")
        await wait_until(lambda: is_muted(livekit, seat, voice.sid), "the disguised track to be muted")
        assert not await is_muted(livekit, seat, audio.sid)
        await bob.room.local_participant.unpublish_track(screen.sid)
        await wait_until(lambda: is_muted(livekit, seat, audio.sid), "the audio without a screen to be muted")
