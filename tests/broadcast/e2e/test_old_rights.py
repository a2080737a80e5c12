"""LiveKit renews tokens: former co-hosts come back with old rights, and lose them again."""

import time

import pytest
from livekit import api, rtc
from livekit.protocol import models

from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    VIEWER_RIGHTS,
    LiveKitClients,
    forged_token,
    get_broadcast_data,
    livekit_participants,
    open_room,
    publish_track,
    rights_of,
    wait_for_badge,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until
from tests.broadcast.e2e.signal_connection import join_without_media
from tests.broadcast.fake_livekit import twirp_error

WEBHOOK_SECONDS = 5
RESYNC_SECONDS = 10


async def renewed_publisher_token(service: ServiceUnderTest, room_id: str) -> str:
    """Seat bob, take the token that LiveKit renews for him, end his seat, and return the token."""
    invitation_id = await service.seat_user(room_id, "bob")
    await wait_for_badge(service, room_id, "bob")
    data = (await get_broadcast_data(service, room_id, "bob")).json()
    async with join_without_media(service.endpoints.public_url, data["token"]) as bob:
        token = await bob.renewed_token(can_publish=True)
        await service.wait_for_event("GrantProvisioned", room_id, "bob")
        await service.end_seat(room_id, "bob", invitation_id, "not_eligible")
        await service.wait_for_event("GrantRevoked", room_id, "bob")
        await bob.renewed_token(can_publish=False)
    assert token != data["token"]
    return token


async def test_a_former_co_host_with_a_renewed_token_is_demoted_then_removed(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients
) -> None:
    service = proxied_service
    name = await open_room(service)
    token = await renewed_publisher_token(service, name)
    # Only webhooks tell of him.
    proxy.error_replies["ListParticipants"] = lambda: twirp_error(503, "unavailable")
    bob = await clients.connect_user(service, name, "bob", token=token)
    began = time.monotonic()
    demoted = await service.wait_for_event("IntruderRemoved", name, "bob")
    seconds = [time.monotonic() - began]
    await wait_until(lambda: rights_of(bob) == VIEWER_RIGHTS)
    await bob.disconnect()
    bob = await clients.connect_user(service, name, "bob", token=token)
    ends: list[rtc.DisconnectReason.ValueType] = []
    bob.on("disconnected", ends.append)
    began = time.monotonic()
    removed = await service.wait_for_event("IntruderRemoved", name, "bob", count=2)
    seconds.append(time.monotonic() - began)
    # A pause of the machine delays one of them, not both.
    assert min(seconds) < WEBHOOK_SECONDS
    await wait_until(lambda: ends)
    actions = [record.data["action"] for record in (demoted, removed) if record.data is not None]
    assert (actions, ends) == (["demoted", "removed"], [models.DisconnectReason.PARTICIPANT_REMOVED])
    assert service.event_names(name, "bob").count("IntruderRemoved") == 2


async def test_a_former_co_host_who_joins_without_media_is_found(service: ServiceUnderTest) -> None:
    name = await open_room(service)
    token = await renewed_publisher_token(service, name)
    async with join_without_media(service.endpoints.public_url, token) as bob:
        await bob.renewed_token(can_publish=True)
        started_at = time.monotonic()
        await bob.renewed_token(can_publish=False)
        # Not much more: in other rooms it takes up to half a minute.
        assert time.monotonic() - started_at < RESYNC_SECONDS + 7
        await service.wait_for_event("IntruderRemoved", name, "bob")
        joining = (await livekit_participants(service, name))["bob"]
        assert joining.state != models.ParticipantInfo.State.ACTIVE
    async with join_without_media(service.endpoints.public_url, token) as bob:
        left = await bob.wait_for("leave")
    assert left.leave.reason == models.DisconnectReason.PARTICIPANT_REMOVED
    removed = await service.wait_for_event("IntruderRemoved", name, "bob", count=2)
    assert removed.data is not None
    assert removed.data["action"] == "removed"


async def admission(service: ServiceUnderTest, token: str) -> int:
    return (await service.http_get(f"/livekit/admit?access_token={token}", "anyone")).status_code


async def test_a_renewed_token_is_admitted_while_its_rights_last(service: ServiceUnderTest) -> None:
    name = await open_room(service)
    host = (await get_broadcast_data(service, name, "alice")).json()
    async with join_without_media(service.endpoints.public_url, host["token"]) as alice:
        assert await admission(service, await alice.renewed_token(can_publish=True)) == 200
    viewer = (await get_broadcast_data(service, name, "bob", viewer=True)).json()
    async with join_without_media(service.endpoints.public_url, viewer["token"]) as bob:
        watching = await bob.renewed_token(can_publish=False)
        assert await admission(service, watching) == 200
        invitation_id = await service.seat_user(name, "bob")
        promoted = await bob.renewed_token(can_publish=True)
        assert await admission(service, promoted) == 200
        await service.wait_for_event("GrantProvisioned", name, "bob")
        await service.end_seat(name, "bob", invitation_id, "left")
        demoted = await bob.renewed_token(can_publish=False)
        await service.wait_for_event("GrantRevoked", name, "bob")
    assert [await admission(service, token) for token in (watching, promoted, demoted)] == [200, 403, 200]


@pytest.mark.parametrize(
    ("identity", "grants"),
    [
        ("mallory!", {}),
        ("sip_+15550100", {}),
        (65 * "x", {}),
        ("data-only", {"can_publish": False, "can_publish_data": True}),
    ],
)
async def test_an_intruder_of_any_identity_is_published(
    service: ServiceUnderTest, clients: LiveKitClients, identity: str, grants: dict[str, bool]
) -> None:
    name = await open_room(service)
    await get_broadcast_data(service, name, "alice")
    mallory = await clients.connect_user(
        service, name, identity, token=signed_token(service, name, identity, **grants)
    )
    event = await service.wait_for_event("IntruderRemoved", name)
    await wait_until(lambda: rights_of(mallory) == VIEWER_RIGHTS)
    assert event.data is not None
    user_id = identity if identity == "data-only" else None
    assert (event.data["identity"], event.data["userId"]) == (identity, user_id)


async def test_agents_and_ingress_are_left_alone(service: ServiceUnderTest, clients: LiveKitClients) -> None:
    name = await open_room(service)
    await get_broadcast_data(service, name, "alice")
    for kind in ("agent", "ingress", "egress"):
        token = signed_token(service, name, kind, kind)
        await publish_track(await clients.connect_user(service, name, kind, token=token))
        await wait_until(lambda kind=kind: has_one_track(service, name, kind))
    # Webhooks of a room come in order, and this one is handled after those of the others.
    await clients.connect_user(service, name, "mallory", token=forged_token(service, name))
    await service.wait_for_event("IntruderRemoved", name, "mallory")
    assert service.event_names(name) == ["IntruderRemoved"]
    assert all([await has_one_track(service, name, kind) for kind in ("agent", "ingress", "egress")])


async def has_one_track(service: ServiceUnderTest, room_id: str, identity: str) -> bool:
    """Return whether LiveKit has one track of a participant; it has none before the media arrives."""
    return len((await livekit_participants(service, room_id))[identity].tracks) == 1


def signed_token(
    service: ServiceUnderTest, room_id: str, identity: str, kind: str = "standard", **grants: bool
) -> str:
    token = api.AccessToken(service.endpoints.livekit_key, service.endpoints.livekit_secret)
    video = api.VideoGrants(room_join=True, room=room_id, **grants)
    return token.with_identity(identity).with_kind(kind).with_grants(video).to_jwt()  # type: ignore[arg-type]
