"""The proxy in front of LiveKit admits tokens that grant no more than their identity has now."""

import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI

from services.broadcast.http import admission
from services.runtime.http import problems
from tests.broadcast import fake_livekit
from tests.broadcast.domain.stage_builder import (
    ROOM,
    co_host_left,
    invitation_accepted,
    mute_command,
    stage_changed,
)
from tests.broadcast.effects.effects_harness import EffectsHarness, open_effects_harness

KEY, SECRET = "devkey", "a secret that guards nothing at all"
PUBLISHER = {"canPublish": True, "canPublishData": True, "canSubscribe": True}
VIEWER = {"canPublish": False, "canPublishData": False, "canSubscribe": True}


@pytest.fixture
async def harness(database_url: str) -> AsyncIterator[EffectsHarness]:
    """A live room with the host alice and the co-host bob."""
    async with (
        fake_livekit.serve_fake_livekit() as fake,
        open_effects_harness(database_url, fake.url) as opened,
    ):
        await opened.decide_records(stage_changed(), invitation_accepted())
        yield opened


@pytest.fixture
def client(harness: EffectsHarness) -> httpx.AsyncClient:
    application = FastAPI()
    problems.install_handlers(application)
    application.include_router(admission.create_admission_router(harness.pool, harness.livekit))
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://broadcast")


def sign(identity: str = "bob", *, key: str = KEY, secret: str = SECRET, **claims: Any) -> str:
    """Sign a token; `exp` and `nbf` are given in seconds from now."""
    now = int(time.time())
    claims |= {name: now + claims[name] for name in ("exp", "nbf") if claims.get(name) is not None}
    video = {"roomJoin": True, "room": ROOM, **PUBLISHER} | claims.pop("video", {})
    body = {"iss": key, "sub": identity, "nbf": now, "exp": now + 600, "video": video, **claims}
    return jwt.encode({name: value for name, value in body.items() if value is not None}, secret, "HS256")


async def admits(client: httpx.AsyncClient, token: str) -> bool:
    answer = await client.get("/livekit/admit", params={"access_token": token})
    assert answer.content == b""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.status_code in (200, 403)
    return answer.status_code == 200


ADMITTED: list[dict[str, Any]] = [
    {},
    {"identity": "alice"},
    {"attributes": {"cohost.badge": "coHost"}},
    {"identity": "alice", "attributes": {"cohost.badge": "host", "color": "red"}},
    {"video": {"canPublishSources": ["camera", "MICROPHONE"]}},
    {"video": {"canPublishData": None, "hidden": False, "canSubscribeMetrics": False}},
    {"video": VIEWER},
    {"identity": "vera", "video": VIEWER},
    {"identity": "bob#viewer", "video": VIEWER},
    {"identity": "mallory!", "video": VIEWER},
    {"identity": "helper", "kind": "agent", "video": {"hidden": True, "recorder": True}},
    {"identity": "file", "kind": "egress", "roomConfig": {"name": "x"}},
    {"nbf": 30},
    {"name": "Bob", "metadata": "anything", "sip": {"admin": False}, "roomPreset": ""},
]
REFUSED: list[dict[str, Any]] = [
    {"identity": "vera"},
    {"identity": "bob#viewer"},
    {"identity": "vera", "video": {"canPublish": None, "canPublishData": False}},
    {"identity": "vera", "video": {**VIEWER, "canPublishData": True}},
    {"identity": "vera", "video": {**VIEWER, "canPublishData": None, "canPublish": None}},
    {"identity": "vera", "video": VIEWER, "attributes": {"cohost.badge": "coHost"}},
    {"attributes": {"cohost.badge": "host"}},
    {"video": {"canPublishSources": ["camera", "hologram"]}},
    {"video": {"canUpdateOwnMetadata": True}},
    {"video": {"roomAdmin": True}},
    {"video": {"hidden": True}},
    {"video": {"roomJoin": False}},
    {"video": {"roomJoin": None}},
    {"video": {"room": "another-room"}},
    {"video": {"room": "no id\x00"}},
    {"video": {"room": None}},
    {"video": {"canPublish": "no"}},
    {"video": {"canPublishSources": "camera"}},
    {"sip": {"admin": True}},
    {"roomConfig": {"agents": [{"agentName": "x"}]}},
    {"identity": ""},
    {"identity": "phone", "kind": "sip"},
    {"identity": "robot", "kind": "robot"},
    {"key": "another-key"},
    {"secret": SECRET[::-1]},
    {"exp": -1},
    {"exp": None},
    {"nbf": 600},
]


async def test_a_token_is_admitted_if_it_grants_no_more_than_its_identity_has(
    client: httpx.AsyncClient,
) -> None:
    assert [token for token in ADMITTED if not await admits(client, sign(**token))] == []
    assert [token for token in REFUSED if await admits(client, sign(**token))] == []
    for nonsense in ("x", "a.b.c", sign()[:-1], f"{sign()};;;;", f"{sign()}%%%%", f" {sign()}"):
        assert not await admits(client, nonsense)


async def test_rights_that_ended_are_refused_at_once(
    client: httpx.AsyncClient, harness: EffectsHarness
) -> None:
    old = sign()
    assert await admits(client, old)
    await harness.decide_records(mute_command(hard=True))
    assert not await admits(client, old)
    assert await admits(client, sign(video={"canPublishSources": ["camera"]}))
    await harness.decide_records(co_host_left())
    assert not await admits(client, old)
    assert await admits(client, sign(video=VIEWER))


@pytest.mark.parametrize(
    ("status", "host", "viewer"),
    [("idle", True, False), ("live", True, True), ("waitingReconnect", True, True), ("ended", False, False)],
)
async def test_viewers_are_admitted_where_they_may_watch(
    client: httpx.AsyncClient, harness: EffectsHarness, status: str, *, host: bool, viewer: bool
) -> None:
    await harness.decide_records(stage_changed(status))
    assert await admits(client, sign("alice")) is host
    assert await admits(client, sign("vera", video=VIEWER)) is viewer
    assert await admits(client, sign("helper", kind="agent")) is host


async def test_the_token_is_looked_for_in_the_contracts_order(client: httpx.AsyncClient) -> None:
    good, bad = sign(), sign("vera")

    async def status(query: str = "", **headers: str) -> int:
        return (await client.get(f"/livekit/admit{query}", headers=headers)).status_code

    def original(token: str) -> dict[str, str]:
        return {"X-Original-URI": f"/rtc?protocol=15&access_token={token}&sdk=js"}

    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    assert await status() == 403
    assert await status("?access_token=") == 403
    assert await status(**bearer(good)) == 200
    assert await status(**original(good)) == 200
    assert await status(f"?access_token={good}", **bearer(bad), **original(bad)) == 200
    assert await status(f"?access_token={bad}", **bearer(good), **original(good)) == 403
    assert await status(**bearer(bad), **original(good)) == 403
    assert await status("?access_token=", **bearer(good), **original(bad)) == 200
    assert await status(f"?access_token={bad}&access_token={good}") == 403
    assert await status(**{"X-Original-URI": f"/rtc?access%5Ftoken={good}"}) == 200


@pytest.mark.parametrize("uri", ["//[x?access_token={}", "//[::1]x/rtc?access_token={}", "?access_token={}"])
async def test_the_token_is_found_behind_any_path(client: httpx.AsyncClient, uri: str) -> None:
    for token, status in ((sign(), 200), (sign("vera"), 403)):
        headers = {"X-Original-URI": uri.format(token)}
        assert (await client.get("/livekit/admit", headers=headers)).status_code == status


async def test_a_parameter_that_livekit_skips_hides_no_token(client: httpx.AsyncClient) -> None:
    """LiveKit takes the second token in these queries: Go's parser skips the first."""
    for skipped in (";;;;", "%%%%"):
        uri = f"/rtc?access_token={sign()}{skipped}&access_token={sign('vera')}"
        answer = await client.get("/livekit/admit", headers={"X-Original-URI": uri})
        assert answer.status_code == 403
