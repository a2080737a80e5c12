"""The LiveKit client: its requests, its reading of answers, its tokens."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import jwt
import pytest
from aiohttp import web
from livekit import api
from livekit.protocol import models
from prometheus_client import CollectorRegistry

from cohost_schemas import signals, timestamps
from cohost_schemas.events import Permissions
from services.broadcast.domain import permissions
from services.broadcast.livekit.calls import CallFailed, LiveKitCalls
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics
from tests.broadcast.fake_livekit import FakeLiveKit, twirp_error

KEY, SECRET = "devkey", "a secret that only the tests know, and LiveKit"
SOURCES = ["CAMERA", "MICROPHONE", "SCREEN_SHARE", "SCREEN_SHARE_AUDIO"]
CO_HOST = permissions.for_badge("coHost")


def create_client(url: str, timeout_seconds: float = 60) -> LiveKitClient:
    return LiveKitClient(url, KEY, SECRET, timeout_seconds, LiveKitMetrics(CollectorRegistry()))


@pytest.fixture
async def livekit_client(fake: FakeLiveKit) -> AsyncIterator[LiveKitClient]:
    opened = create_client(fake.url)
    yield opened
    await opened.close()


@pytest.fixture
async def impatient_client(fake: FakeLiveKit) -> AsyncIterator[LiveKitClient]:
    """A client for calls that LiveKit does not answer."""
    opened = create_client(fake.url, 0.5)
    yield opened
    await opened.close()


async def test_permissions_are_set_whole_with_sources_in_livekits_order(
    fake: FakeLiveKit, livekit_client: LiveKitClient
) -> None:
    fake.add_participant("room", "bob")
    participant = await livekit_client.set_rights("room", "bob", CO_HOST, "coHost")
    expected = api.UpdateParticipantRequest(
        room="room",
        identity="bob",
        permission=models.ParticipantPermission(
            can_subscribe=True, can_publish=True, can_publish_data=True, can_publish_sources=SOURCES
        ),
        attributes={"cohost.badge": "coHost"},
    )
    assert fake.requests == [("UpdateParticipantRequest", expected)]
    assert participant == signals.Participant(
        user_id="bob", sid="PA_bob", permissions=CO_HOST, can_update_metadata=False, badge="coHost", tracks=()
    )


async def test_livekits_availability_is_known(fake: FakeLiveKit, livekit_client: LiveKitClient) -> None:
    assert await livekit_client.check_access() is True
    fake.error_replies["ListRooms"] = lambda: twirp_error(503, "unavailable")
    assert await livekit_client.check_access() is False
    nowhere = create_client("ws://127.0.0.1:1")
    assert await nowhere.check_access() is False
    await nowhere.close()


@pytest.mark.parametrize(("status", "code"), [(401, "unknown"), (401, "unauthenticated"), (403, "unknown")])
async def test_a_key_that_livekit_refuses_is_unauthorized(
    fake: FakeLiveKit, livekit_client: LiveKitClient, status: int, code: str
) -> None:
    fake.error_replies["ListRooms"] = lambda: twirp_error(status, code)
    assert await livekit_client.check_access() == "unauthorized"


async def test_an_absent_participant_is_not_a_failure(livekit_client: LiveKitClient) -> None:
    assert await livekit_client.set_rights("room", "bob", CO_HOST, "coHost") is None
    assert await livekit_client.get_participant("room", "bob") is None
    assert not await livekit_client.remove_participant("room", "bob")
    await livekit_client.delete_room("room")


@pytest.mark.parametrize(
    ("trouble", "retryable", "unknown"),
    [
        (lambda: twirp_error(503, "unavailable"), True, True),
        (lambda: twirp_error(500, "internal"), True, True),
        (lambda: twirp_error(408, "deadline_exceeded"), True, True),
        (lambda: web.Response(status=502, text="a proxy's page"), True, True),
        (lambda: twirp_error(429, "resource_exhausted"), True, False),
        (lambda: twirp_error(401, "unknown"), False, False),
        (lambda: twirp_error(401, "unauthenticated"), False, False),
        (lambda: twirp_error(403, "permission_denied"), False, False),
        (lambda: web.Response(status=401, content_type="application/json"), False, False),
        (lambda: web.json_response(["no access"], status=403), False, False),
        (lambda: web.json_response("slow down", status=429), True, False),
        (lambda: twirp_error(400, "invalid_argument"), False, False),
        (lambda: twirp_error(412, "failed_precondition"), False, False),
    ],
)
async def test_failures_say_if_a_retry_helps_and_if_the_call_may_have_run(
    fake: FakeLiveKit,
    livekit_client: LiveKitClient,
    trouble: Callable[[], web.Response],
    *,
    retryable: bool,
    unknown: bool,
) -> None:
    fake.error_replies["UpdateParticipant"] = trouble
    with pytest.raises(CallFailed) as failed:
        await livekit_client.set_rights("room", "bob", CO_HOST, "coHost")
    assert (failed.value.retryable, failed.value.outcome_unknown) == (retryable, unknown)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(text="<html>Login</html>"),
        lambda: web.Response(body=b"\x0a\x0bcut off"),
        lambda: web.json_response(["not", "an", "object"], status=503),
        lambda: web.json_response("busy", status=502),
        lambda: web.json_response({"code": ["unavailable"], "msg": None}, status=500),
        lambda: web.json_response({"code": "unavailable", "msg": None}, status=503),
    ],
)
async def test_a_foreign_answer_is_a_retryable_failure(
    fake: FakeLiveKit, livekit_client: LiveKitClient, answer: Callable[[], web.Response]
) -> None:
    for method in ("UpdateParticipant", "ListRooms", "ListParticipants", "DeleteRoom"):
        fake.error_replies[method] = answer
    for call in (
        livekit_client.set_rights("room", "bob", CO_HOST, "coHost"),
        livekit_client.list_rooms(),
        livekit_client.list_participants("room"),
        livekit_client.delete_room("room"),
    ):
        with pytest.raises(CallFailed) as failed:
            await call
        assert failed.value.retryable


async def test_the_results_of_calls_are_counted_under_known_names() -> None:
    registry = CollectorRegistry()
    calls = LiveKitCalls(1, LiveKitMetrics(registry))

    async def answer(code: Any) -> None:
        raise api.ServerError(code, "", status=500)

    for code in ("internal", "x" * 1000, ["unavailable"]):
        with pytest.raises(CallFailed):
            await calls.make_call("ListRooms", answer(code), bool)
    counted = {
        sample.labels["result"]: sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "cohost_livekit_calls_total"
    }
    assert counted == {"internal": 1, "other": 2}


async def test_a_joining_participant_is_not_connected_yet(
    fake: FakeLiveKit, livekit_client: LiveKitClient
) -> None:
    bob = fake.add_participant("room", "bob")
    for state, connected in [("JOINING", False), ("JOINED", False), ("ACTIVE", True)]:
        bob.state = models.ParticipantInfo.State.Value(state)
        found = await livekit_client.get_participant("room", "bob")
        assert found is not None
        assert found.connected is connected


async def test_participants_that_are_no_people_are_not_there(fake: FakeLiveKit) -> None:
    client = LiveKitClient(
        fake.url, KEY, SECRET, 60, LiveKitMetrics(CollectorRegistry()), other_kinds=("agent", "sip")
    )
    for identity, kind in (("bob", "STANDARD"), ("helper", "AGENT"), ("phone", "SIP"), ("file", "EGRESS")):
        fake.add_participant("room", identity).kind = models.ParticipantInfo.Kind.Value(kind)
    assert [found.user_id for found in await client.list_participants("room")] == ["bob", "file"]
    assert await client.get_participant("room", "helper") is None
    assert (await client.get_participant("room", "file")) is not None
    await client.close()


async def test_values_of_a_newer_livekit_are_read_as_unknown(
    fake: FakeLiveKit, livekit_client: LiveKitClient
) -> None:
    bob = fake.add_participant("room", "bob", can_publish_sources=[2, 99])
    bob.tracks.add(sid="TR_1", source=99, type=99)  # type: ignore[arg-type] - values of a future version
    found = await livekit_client.get_participant("room", "bob")
    assert found is not None
    assert found.permissions.can_publish_sources == ("microphone",)
    assert found.tracks == (signals.Track(sid="TR_1", source="unknown", muted=False),)
    assert await livekit_client.list_participants("room") == [found]


async def test_an_unanswered_call_may_have_taken_effect(
    fake: FakeLiveKit, impatient_client: LiveKitClient
) -> None:
    fake.hanging_methods.add("UpdateParticipant")
    with pytest.raises(CallFailed) as failed:
        await impatient_client.set_rights("room", "bob", CO_HOST, "coHost")
    assert (failed.value.retryable, failed.value.outcome_unknown) == (True, True)


async def test_an_unanswered_read_has_no_effect(fake: FakeLiveKit, impatient_client: LiveKitClient) -> None:
    fake.hanging_methods.add("GetParticipant")
    fake.error_replies["ListRooms"] = lambda: twirp_error(503, "unavailable")
    for look in (impatient_client.get_participant("room", "bob"), impatient_client.list_rooms()):
        with pytest.raises(CallFailed) as failed:
            await look
        assert (failed.value.retryable, failed.value.outcome_unknown) == (True, False)


async def test_a_track_that_is_gone_was_not_muted(fake: FakeLiveKit, livekit_client: LiveKitClient) -> None:
    fake.add_participant("room", "bob").tracks.add(sid="TR_1")
    assert await livekit_client.mute_track("room", "bob", "TR_1")
    assert not await livekit_client.mute_track("room", "bob", "TR_2")


async def test_a_refused_connection_has_no_effect() -> None:
    livekit_client = create_client("http://127.0.0.1:1")
    with pytest.raises(CallFailed) as failed:
        await livekit_client.list_rooms()
    assert (failed.value.retryable, failed.value.outcome_unknown) == (True, False)
    await livekit_client.close()


async def test_one_token_is_signed_for_many_calls_to_a_room(
    fake: FakeLiveKit, livekit_client: LiveKitClient
) -> None:
    for _ in range(3):
        await livekit_client.get_participant("room", "bob")
    await livekit_client.get_participant("other", "bob")
    assert len(set(fake.tokens)) == 2
    assert len(fake.tokens) == 4


@pytest.fixture
def signed_tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens signed during the test."""
    tokens: list[str] = []
    sign = jwt.encode

    def record_token(*arguments: Any, **options: Any) -> str:
        tokens.append(sign(*arguments, **options))
        return tokens[-1]

    monkeypatch.setattr(jwt, "encode", record_token)
    return tokens


async def test_an_api_token_grants_its_call_and_nothing_else(
    livekit_client: LiveKitClient, signed_tokens: list[str]
) -> None:
    await livekit_client.get_participant("room", "bob")
    await livekit_client.list_rooms()
    decoded = [jwt.decode(token, SECRET, algorithms=["HS256"], issuer=KEY) for token in signed_tokens]
    assert [each["video"] for each in decoded] == [{"room": "room", "roomAdmin": True}, {"roomList": True}]
    assert all(each["exp"] - each["nbf"] == 600 for each in decoded)


async def test_after_a_refusal_another_token_is_signed(
    fake: FakeLiveKit, livekit_client: LiveKitClient, signed_tokens: list[str]
) -> None:
    await livekit_client.get_participant("room", "bob")
    fake.error_replies["GetParticipant"] = lambda: twirp_error(401, "unauthenticated")
    with pytest.raises(CallFailed):
        await livekit_client.get_participant("room", "bob")
    fake.error_replies.clear()
    assert len(signed_tokens) == 1
    await livekit_client.get_participant("room", "bob")
    assert len(signed_tokens) == 2


@pytest.mark.parametrize("step", [-3600, 3600])
async def test_when_the_clock_is_set_another_token_is_signed(
    livekit_client: LiveKitClient, signed_tokens: list[str], monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    await livekit_client.get_participant("room", "bob")
    now = time.time()
    monkeypatch.setattr("services.broadcast.livekit.room_service.time.time", lambda: now + step)
    await livekit_client.get_participant("room", "bob")
    await livekit_client.get_participant("room", "bob")
    assert len(signed_tokens) == 2


@pytest.mark.parametrize(("absence", "seconds"), [(120, 710), (4000, 4000)])
async def test_a_room_outlives_a_token_and_a_grace(
    fake: FakeLiveKit, livekit_client: LiveKitClient, absence: int, seconds: int
) -> None:
    await livekit_client.create_room("room", absence)
    ((_, request),) = fake.requests
    assert request == api.CreateRoomRequest(name="room", empty_timeout=seconds, departure_timeout=seconds)


def claims(permissions: Permissions, badge: Any) -> dict[str, Any]:
    token = create_client("ws://nowhere").create_token("room", "bob", permissions, badge)
    decoded: dict[str, Any] = jwt.decode(token.text, SECRET, algorithms=["HS256"])
    assert timestamps.from_ms(1000 * decoded["exp"]) == token.expires_at
    assert decoded["exp"] - decoded["nbf"] <= 600
    return {name: decoded.get(name) for name in ("iss", "sub", "attributes", "video")}


def test_a_viewer_token_denies_what_livekit_allows_by_default() -> None:
    assert claims(permissions.VIEWER, None) == {
        "iss": KEY,
        "sub": "bob",
        "attributes": None,
        "video": {
            "roomJoin": True,
            "room": "room",
            "canPublish": False,
            "canPublishData": False,
            "canSubscribe": True,
        },
    }


def test_a_co_hosts_token_carries_badge_and_sources() -> None:
    assert claims(permissions.for_badge("coHost", ["screen_share"]), "coHost") == {
        "iss": KEY,
        "sub": "bob",
        "attributes": {"cohost.badge": "coHost"},
        "video": {
            "roomJoin": True,
            "room": "room",
            "canPublish": True,
            "canPublishData": True,
            "canSubscribe": True,
            "canPublishSources": ["camera", "microphone"],
        },
    }


def test_a_token_carries_the_display_name() -> None:
    livekit_client = create_client("ws://nowhere")
    token = livekit_client.create_token("room", "bob", CO_HOST, "coHost", "Bob Ñ 🎤").text
    assert jwt.decode(token, options={"verify_signature": False})["name"] == "Bob Ñ 🎤"


def test_a_token_without_any_source_does_not_allow_them_all() -> None:
    video = claims(permissions.for_badge("coHost", ["microphone", "camera", "screen_share"]), "coHost")[
        "video"
    ]
    assert (video["canPublish"], video.get("canPublishSources")) == (False, None)
