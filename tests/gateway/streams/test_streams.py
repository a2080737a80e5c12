"""Streams over HTTP, on a real Kafka: what they show to whom, and how they answer."""

import asyncio

import pytest

from tests.gateway.streams import gateway_copies, stream_log
from tests.gateway.streams.gateway_copies import FakeInvitations, GatewayCopy
from tests.gateway.streams.stream_log import StreamLog

ROOM = "/v1/rooms/show/stream"
BOB = "/v1/users/bob/stream"
EVENTS = [
    stream_log.invitation_sent("show", "bob", "alice", 1),
    stream_log.co_host_left("show", "bob", 1),
    stream_log.invitation_sent("other", "bob", "alice", 2),
    stream_log.invitation_sent("show", "eve", "bob", 3),
    stream_log.stage_changed("show", "alice"),
]
OTHERS = [
    stream_log.broadcast_event("GrantProvisioned", "show", "bob"),
    stream_log.broadcast_event("IntruderRemoved", "show", "bob"),
    stream_log.badge("show", "bob"),
    stream_log.badge("show", "bob", None),
]


async def names_seen(copy: GatewayCopy, log: StreamLog, path: str, user: str, count: int) -> list[str]:
    """Return the names of the first events that a stream shows of `EVENTS` and `OTHERS`, sorted."""
    async with copy.open(path, user, ops=user == "root") as reader:
        await log.write(*EVENTS, *OTHERS)
        await log.write(stream_log.broadcast_event("CoHostLost", "show", "bob"))
        found = await reader.take(count)
    return sorted(event.name for event in found)


HOST_SEES = [
    *("BadgeChanged", "BadgeRemoved", "CoHostLeft", "CoHostLost", "GrantProvisioned", "IntruderRemoved"),
    *("InvitationSent", "InvitationSent", "StageChanged"),
]
STRANGER_SEES = ["BadgeChanged", "BadgeRemoved", "CoHostLeft", "CoHostLost", "StageChanged"]
BOB_SEES = [
    *("BadgeChanged", "BadgeRemoved", "CoHostLeft", "CoHostLost", "GrantProvisioned"),
    *("InvitationSent", "InvitationSent", "InvitationSent"),
]


async def test_the_host_sees_everything_of_the_room(copy: GatewayCopy, log: StreamLog) -> None:
    assert await names_seen(copy, log, ROOM, "alice", 9) == HOST_SEES


async def test_ops_see_everything_of_the_room(copy: GatewayCopy, log: StreamLog) -> None:
    assert await names_seen(copy, log, ROOM, "root", 9) == HOST_SEES


async def test_others_see_the_stage(copy: GatewayCopy, log: StreamLog) -> None:
    assert await names_seen(copy, log, ROOM, "bob", 5) == STRANGER_SEES


async def test_a_user_sees_what_names_the_user(copy: GatewayCopy, log: StreamLog) -> None:
    assert await names_seen(copy, log, BOB, "bob", 8) == BOB_SEES


async def test_ops_see_a_users_stream(copy: GatewayCopy, log: StreamLog) -> None:
    assert await names_seen(copy, log, BOB, "root", 8) == BOB_SEES


async def test_an_event_is_the_cloud_event_of_the_topic(copy: GatewayCopy, log: StreamLog) -> None:
    async with copy.open(ROOM, "eve") as reader:
        await log.write(EVENTS[1], OTHERS[3])
        found = {event.name: event.data for event in await reader.take(2)}
    assert found["CoHostLeft"]["data"] == EVENTS[1].data
    assert found["CoHostLeft"]["type"] == "cohost.CoHostLeft.v1"
    assert found["BadgeRemoved"] == {"roomId": "show", "userId": "bob"}


async def test_a_stream_begins_with_what_comes_after_it(copy: GatewayCopy, log: StreamLog) -> None:
    await log.write(*EVENTS)
    async with copy.open(ROOM, "root", ops=True) as earlier:
        await log.write(*EVENTS)
        await earlier.take(4)
        async with copy.open(ROOM, "root", ops=True) as reader:
            await log.write(stream_log.co_host_left("show", "bob", 77))
            [found] = await reader.take(1)
    assert found.data["data"]["invitationId"] == "i-77"


async def test_an_aborted_transaction_is_on_no_stream(copy: GatewayCopy, log: StreamLog) -> None:
    async with copy.open(ROOM, "root", ops=True) as reader:
        await log.abort(EVENTS[0])
        await log.write(EVENTS[1])
        assert (await reader.next_event()).name == "CoHostLeft"


async def test_the_answer_passes_proxies_unbuffered(copy: GatewayCopy) -> None:
    async with copy.open(BOB, "bob") as reader:
        headers = reader.answer.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_head_ends_at_once(copy: GatewayCopy, path: str) -> None:
    answer = await copy.request(path, "bob", "HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"


@pytest.mark.parametrize("path", [ROOM, BOB])
async def test_a_stream_needs_a_token_in_the_header(copy: GatewayCopy, path: str) -> None:
    token = gateway_copies.stream_headers("bob")["Authorization"].removeprefix("Bearer ")
    for query in ("", f"?access_token={token}", f"?token={token}"):
        answer = await copy.request(path + query, None)
        assert (answer.status_code, answer.json()["reason"]) == (401, "unauthorized")


async def test_another_users_stream_is_forbidden(copy: GatewayCopy) -> None:
    async with copy.open(BOB, "bob") as reader:
        position = reader.ready.id
    for after in (None, position, "nonsense"):
        answer = await copy.request(BOB, "eve", after=after)
        assert (answer.status_code, answer.json()["reason"]) == (403, "forbidden")


async def test_a_user_never_heard_of_has_a_stream(copy: GatewayCopy) -> None:
    async with copy.open("/v1/users/nobody/stream", "nobody") as reader:
        assert reader.ready.id


async def test_an_unknown_room_has_no_stream(copy: GatewayCopy) -> None:
    answer = await copy.request("/v1/rooms/nowhere/stream", "alice")
    assert (answer.status_code, answer.json()["reason"]) == (404, "room_not_found")


async def test_without_invitations_no_rooms_stream_begins(
    copy: GatewayCopy, invitations: FakeInvitations
) -> None:
    invitations.is_away = True
    answer = await copy.request(ROOM, "alice")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
    async with copy.open(BOB, "bob"):
        pass


async def test_invitations_is_asked_with_the_callers_token(
    copy: GatewayCopy, invitations: FakeInvitations
) -> None:
    async with copy.open(ROOM, "eve") as reader:
        assert invitations.tokens == [reader.answer.request.headers["authorization"]]


async def test_a_stream_ends_when_the_token_expires(copy: GatewayCopy, log: StreamLog) -> None:
    # Long enough for the event on a machine that stalls.
    async with copy.open(BOB, "bob", seconds=6) as reader:
        await log.write(EVENTS[1])
        assert (await reader.next_event()).name == "CoHostLeft"
        with pytest.raises(StopAsyncIteration):
            await reader.next_event()
    assert copy.count("cohost_streams_ended_total", reason="expired") == 1


async def test_a_new_host_sees_what_follows_and_the_former_one_does_not(
    copy: GatewayCopy, log: StreamLog
) -> None:
    async with copy.open(ROOM, "alice") as former, copy.open(ROOM, "carol") as new:
        await log.write(
            stream_log.invitation_sent("show", "bob", "alice", 1),
            stream_log.stage_changed("show", "carol", 10),
            stream_log.invitation_sent("show", "dan", "carol", 2),
            stream_log.co_host_left("show", "bob", 3),
        )
        found = [[event.name for event in await reader.take(3)] for reader in (former, new)]
    assert found == [
        ["InvitationSent", "StageChanged", "CoHostLeft"],
        ["StageChanged", "InvitationSent", "CoHostLeft"],
    ]


async def test_streams_end_when_the_copy_stops(copy: GatewayCopy) -> None:
    async with copy.open(ROOM, "alice") as reader:
        copy.hub.stop()
        with pytest.raises(StopAsyncIteration):
            await reader.next_event()
    answer = await copy.request(ROOM, "alice")
    assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")


async def test_streams_are_counted(copy: GatewayCopy, log: StreamLog) -> None:
    async with copy.open(ROOM, "eve") as one, copy.open(ROOM, "alice") as two, copy.open(BOB, "bob") as three:
        assert copy.count("cohost_streams", kind="room") == 2
        assert copy.count("cohost_streams", kind="user") == 1
        await log.write(stream_log.co_host_left("show", "bob"))
        await asyncio.gather(*(reader.next_event() for reader in (one, two, three)))
        assert copy.count("cohost_stream_events_total") == 3
    async with asyncio.timeout(gateway_copies.SECONDS):
        while copy.count("cohost_streams_ended_total", reason="closed") < 3:
            await asyncio.sleep(0.01)
    assert copy.count("cohost_streams", kind="room") == 0
