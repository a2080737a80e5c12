"""The activity of the log: each outcome, event and dead letter once, and nothing else."""

from typing import Any

import pytest

from cohost_schemas import topics
from tests.gateway.ops import ops_copy, ops_log
from tests.gateway.ops.ops_copy import OpsCopy
from tests.gateway.ops.ops_log import ROOM, OpsLog

COUNTED = ("accepted", "rejected", "deadLetters", "events")


def totals(activity: Any) -> dict[str, int]:
    return {name: sum(sample[name] for sample in activity["samples"]) for name in COUNTED}


async def test_a_new_copy_has_counted_nothing(copy: OpsCopy) -> None:
    activity = await copy.read("activity")
    assert totals(activity) == dict.fromkeys(COUNTED, 0)
    assert activity["commandsPerSecond"] == 0
    assert activity["since"] is not None
    assert {name: activity[name] for name in ("refusals", "alarms", "newest", "unreadable")} == {
        "refusals": [],
        "alarms": [],
        "newest": [],
        "unreadable": [],
    }


async def test_a_command_counts_once_whatever_its_events(copy: OpsCopy, log: OpsLog) -> None:
    await log.write(
        ops_log.invited("InvitationExpired", "send-1", invitationId="i-0"),
        ops_log.invited("InvitationSent", "send-1", invitationId="send-1"),
        ops_log.invited("InvitationAccepted", "accept-1"),
        ops_log.broadcasted("CoHostMuted", "mute-1"),
        ops_log.broadcasted("CoHostUnmuteRequested", "unmute-1"),
    )
    # Those of another partition come between, for a reader.
    await log.write(
        ops_log.invited("InvitationExpired", "exclude-1", room="other"),
        ops_log.invited("CoHostLeft", "exclude-1", room="other", reason="not_eligible"),
        ops_log.rejected("room_full", "accept-2"),
        ops_log.rejected("not_room_host", "mute-2", topics.BROADCAST_REJECTIONS),
    )
    activity = await copy.wait_for_count("rejected", 2)
    activity = await copy.wait_for_count("events", 7)
    assert totals(activity) == {"accepted": 5, "rejected": 2, "deadLetters": 0, "events": 7}
    assert activity["refusals"] == [
        {"reason": "not_room_host", "count": 1},
        {"reason": "room_full", "count": 1},
    ]


async def test_what_follows_from_facts_and_events_is_no_command(copy: OpsCopy, log: OpsLog) -> None:
    await log.write(
        ops_log.invited("StageChanged", "fact-1", open=False),
        ops_log.invited("InvitationExpired", "fact-1", closeReason="expired"),
        ops_log.invited("InvitationCancelled", "fact-1", closeReason="room_ended"),
        ops_log.invited("CoHostLeft", "fact-1", reason="room_ended"),
        # The rest of a closing that was too large for one batch.
        ops_log.invited("CoHostLeft", "room:3:7", reason="room_ended"),
        ops_log.broadcasted("GrantProvisioned", "event-1"),
        ops_log.broadcasted("CoHostConnected", "signal-1"),
        ops_log.badge("bob"),
        ops_log.invited("InvitationSent", "send-1"),
    )
    activity = await copy.wait_for_count("events", 8)
    assert totals(activity) == {"accepted": 1, "rejected": 0, "deadLetters": 0, "events": 8}


async def test_what_was_aborted_or_written_before_is_not_counted(log: OpsLog) -> None:
    await log.write(ops_log.invited("InvitationSent", "before"), ops_log.rejected("room_full", "before-2"))
    async with ops_copy.run_copy(log.connection) as copy:
        await log.abort(ops_log.invited("InvitationSent", "lost"), ops_log.rejected("room_full", "lost-2"))
        await log.write(ops_log.invited("InvitationSent", "after"), ops_log.rejected("too_soon", "after-2"))
        activity = await copy.wait_for_count("events", 1)
        activity = await copy.wait_for_count("rejected", 1)
        assert totals(activity) == {"accepted": 1, "rejected": 1, "deadLetters": 0, "events": 1}
        assert activity["refusals"] == [{"reason": "too_soon", "count": 1}]


async def test_alarms_come_for_what_somebody_should_look_at(copy: OpsCopy, log: OpsLog) -> None:
    await log.write(
        ops_log.broadcasted("GrantFailed", "x", userId="bob", error="no such room", retryable=True),
        ops_log.broadcasted("GrantFailed", "x", userId="bob", error="refused", retryable=False),
        ops_log.broadcasted("IntruderRemoved", "x", userId=None, action="removed"),
        ops_log.dead_letter(
            topics.INVITATION_DEAD_LETTERS,
            "invalid_fact",
            b"olga",
            log.connection.topic_name(topics.USERS),
        ),
        ops_log.dead_letter(
            topics.BROADCAST_DEAD_LETTERS,
            "not_a_cloud_event",
            ROOM.encode(),
            log.connection.topic_name(topics.BROADCAST_COMMANDS),
        ),
    )
    await copy.wait_for_count("events", 3)
    activity = await copy.wait_for_count("deadLetters", 2)
    alarms = sorted(activity["alarms"], key=lambda alarm: str(alarm["detail"]))
    assert all(alarm.pop("at") for alarm in alarms)
    assert alarms == [
        {"kind": "dead_letter", "roomId": None, "userId": "olga", "detail": "invalid_fact on users"},
        {
            "kind": "dead_letter",
            "roomId": ROOM,
            "userId": None,
            "detail": "not_a_cloud_event on broadcast.commands",
        },
        {"kind": "grant_failed", "roomId": ROOM, "userId": "bob", "detail": "refused"},
        {"kind": "intruder_removed", "roomId": ROOM, "userId": None, "detail": "removed"},
    ]


async def test_the_newest_records_of_all_rooms_are_shown_as_they_are(copy: OpsCopy, log: OpsLog) -> None:
    first = ops_log.seconds_ago(60)
    played = [
        ops_log.invited(
            "InvitationSent", f"send-{number}", room=f"room-{number % 7}", at=first + 1000 * number
        )
        for number in range(60)
    ]
    await log.write(*played)
    activity = await copy.wait_for_count("events", 60)
    assert [record["event"] for record in activity["newest"]] == [
        ops_log.event_of(record) for record in played[:-51:-1]
    ]
    newest = activity["newest"][0]
    assert (newest["topic"], newest["key"]) == ("invitations.events", played[-1].room)


async def test_refusals_are_kept_by_reason(copy: OpsCopy, log: OpsLog) -> None:
    for number in range(205):
        await log.write(ops_log.rejected("room_full" if number % 5 else "too_soon", f"c-{number}"))
    await copy.wait_for_count("rejected", 205)
    every = (await copy.read("refusals"))["items"]
    assert [record["event"]["causationid"] for record in every] == [f"c-{n}" for n in range(204, 4, -1)]
    some = (await copy.read("refusals", reason="too_soon", limit=3))["items"]
    assert [record["event"]["causationid"] for record in some] == ["c-200", "c-195", "c-190"]
    assert (await copy.request("refusals", limit=201)).status_code == 422


@pytest.mark.parametrize("path", ["activity", "refusals", "rooms/show/history"])
async def test_only_ops_may_look(copy: OpsCopy, path: str) -> None:
    for scope, status in ((None, 403), ("cohost:platform", 403), ("cohost:ops", 200)):
        answer = await copy.request(path, scope)
        assert answer.status_code == status, answer.text
        head = await copy.request(path, scope, "HEAD")
        assert (head.status_code, head.content) == (status, b"")
    assert (await copy.request(path, None)).json()["reason"] == "forbidden"
    # What is wrong with the request is for those who may ask.
    assert (await copy.request(path, None, limit="x")).status_code == 403
    assert (await copy.web.get(f"/v1/ops/{path}")).status_code == 401
