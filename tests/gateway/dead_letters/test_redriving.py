"""A redriven record is written to where it belongs, only if its service will take it, and takes effect."""

import base64
import json
from typing import Any

import httpx
import pytest

from cohost_schemas.partitions import partition_of
from tests.contract.polling import wait_until
from tests.gateway.dead_letters.letter_harness import (
    PARTITIONS,
    LetterHarness,
    event_bytes,
    fact_bytes,
    wrong_partition,
)
from tests.gateway.e2e.command_harness import SECONDS, read_problem, unique

WRITTEN_TOPICS = ("rooms", "users", "invitations.commands", "broadcast.commands")
NEWER = "The topic has a newer record of this key, which this one replaces."


def invitation(room: str, command_id: str, **changes: Any) -> bytes:
    data = {"roomId": room, "userId": "bob", "actorId": "alice"}
    return event_bytes("SendInvitation", room, data, **{"id": command_id, **changes})


async def break_room(letters: LetterHarness) -> tuple[str, dict[str, Any]]:
    """Write a fact with a misspelled status; return the room and the dead letter."""
    room = unique("room")
    broken = fact_bytes(room).replace(b"live", b"lvie")
    headers = [("content-type", b"application/cloudevents+json"), ("null", None), ("x-redriven-from", b"old")]
    return room, await letters.find_letter(await letters.write("rooms", room, broken, headers=headers))


def written_result(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    assert (result["written"], result["verdict"]) == (True, "ok"), result
    return result


async def test_a_mended_fact_takes_effect(letters: LetterHarness) -> None:
    room, letter = await break_room(letters)
    mended = letter["text"].replace("lvie", "live")
    result = written_result(await letters.redrive(letter, text=mended))
    partition = partition_of(room, PARTITIONS)
    assert result == {
        "id": letter["id"],
        "written": True,
        "verdict": "ok",
        "explanation": None,
        "topic": f"{letters.prefix}rooms",
        "partition": partition,
        "commandId": None,
        "causationId": "fact-1",
        "warning": None,
    }
    assert (await letters.wait_for_room(room))["hostId"] == "alice"
    [record] = [
        record
        for record in await letters.read_records("rooms")
        if record.key == room.encode() and record.value == mended.encode()
    ]
    assert record.partition == partition
    service, number, offset = letter["id"].split(":")
    assert record.headers == (
        ("content-type", b"application/cloudevents+json"),
        ("null", None),
        ("x-redriven-from", f"{letters.prefix}{service}.dead-letters:{number}:{offset}".encode()),
    )


async def test_a_dry_run_writes_nothing_and_tells_the_truth(letters: LetterHarness) -> None:
    room, letter = await break_room(letters)
    mended = base64.b64encode(letter["text"].replace("lvie", "live").encode()).decode()
    ends = await letters.end_offsets(*WRITTEN_TOPICS)
    broken = await letters.redrive(letter, dryRun=True)
    good = await letters.redrive(letter, dryRun=True, base64=mended)
    many = await letters.request("POST", "/redrive", {"ids": [letter["id"]], "dryRun": True})
    assert await letters.end_offsets(*WRITTEN_TOPICS) == ends
    assert (broken.status_code, broken.json()["verdict"]) == (200, "invalid_fact")
    assert broken.json()["explanation"] == letter["explanation"]
    assert (good.json()["verdict"], good.json()["written"], good.json()["causationId"]) == (
        "ok",
        False,
        "fact-1",
    )
    assert many.json() == {"items": [broken.json()]}
    written_result(await letters.redrive(letter, base64=mended))
    await letters.wait_for_room(room)


async def test_what_is_still_broken_is_not_written(letters: LetterHarness) -> None:
    _, letter = await break_room(letters)
    ends = await letters.end_offsets(*WRITTEN_TOPICS)
    problem = read_problem(await letters.redrive(letter, text="{}"), 409, "still_broken")
    assert problem["verdict"] == "not_a_cloud_event"
    assert problem["detail"] == problem["explanation"]
    assert problem["explanation"].startswith('specversion: must be "1.0"; it is absent')
    assert (problem["id"], problem["written"], problem["causationId"]) == (letter["id"], False, None)
    read_problem(await letters.redrive(letter, key="other"), 409, "still_broken")
    assert await letters.end_offsets(*WRITTEN_TOPICS) == ends


async def test_a_mended_command_has_one_outcome_however_often(letters: LetterHarness) -> None:
    room, command_id = await letters.deployment.open_room(), unique("command")
    put = await letters.write("invitations.commands", room, invitation(room, command_id)[:-1])
    letter = await letters.find_letter(put)
    for _ in range(2):
        result = written_result(await letters.redrive(letter, text=letter["text"] + "}"))
        assert (result["commandId"], result["causationId"], result["warning"]) == (
            command_id,
            command_id,
            None,
        )

    async def is_decided() -> bool:
        path = f"/v1/commands/{command_id}"
        answer = await letters.deployment.caller.send("GET", path, "alice")
        return answer.status_code == 200 and bool(answer.json()["outcome"] == "accepted")

    await wait_until(is_decided, "the outcome", SECONDS)
    [sent] = await letters.deployment.records_caused_by(command_id, room)
    assert sent.envelope.data["invitationId"] == command_id


async def test_a_mended_command_that_breaks_a_rule_is_rejected(letters: LetterHarness) -> None:
    room, command_id = unique("room"), unique("command")
    mended = invitation(room, command_id)
    letter = await letters.find_letter(await letters.write("invitations.commands", room, mended[1:]))
    written_result(await letters.redrive(letter, text=mended.decode()))

    async def find_reason() -> Any:
        answer = await letters.deployment.caller.send("GET", f"/v1/commands/{command_id}", "alice")
        return answer.json().get("outcome") and answer.json()["reason"]

    assert await wait_until(find_reason, "the outcome", SECONDS) == "room_not_found"


@pytest.mark.parametrize(
    ("change", "verdict", "explanation"),
    [
        ({"type": "cohost.Odd.v1"}, "unknown_command", "type: must be one of cohost.SendInvitation.v1, "),
        ({"data": {"roomId": "R"}}, "invalid_command", "data.userId: must be there; it is absent"),
        ({"subject": "other"}, "invalid_command", 'subject: must be data.roomId, "R"; it is "other"'),
    ],
)
async def test_a_command_that_would_be_rejected_unread_is_not_written(
    letters: LetterHarness, change: dict[str, Any], verdict: str, explanation: str
) -> None:
    room = unique("room")
    letter = await letters.find_letter(await letters.write("invitations.commands", room, b"odd"))
    value = invitation("R", unique("command"), **change).replace(b'"R"', json.dumps(room).encode())
    problem = read_problem(await letters.redrive(letter, text=value.decode()), 409, "still_broken")
    assert problem["verdict"] == verdict
    assert problem["explanation"].startswith(explanation.replace('"R"', json.dumps(room)))


async def test_records_in_a_wrong_partition_go_where_they_belong(letters: LetterHarness) -> None:
    room = unique("room")
    fact = await letters.write("rooms", room, fact_bytes(room), number=wrong_partition(room))
    letter = await letters.find_letter(fact)
    assert written_result(await letters.redrive(letter))["partition"] == partition_of(room, PARTITIONS)
    await letters.wait_for_room(room)
    tombstone = await letters.write("rooms", room, None, number=wrong_partition(room))
    letter = await letters.find_letter(tombstone)
    result = written_result(await letters.redrive(letter))
    topic, partition, offset = result["causationId"].rsplit(":", 2)
    assert (topic, int(partition)) == (f"{letters.prefix}rooms", partition_of(room, PARTITIONS))
    [record] = [
        record
        for record in await letters.read_records("rooms")
        if record.value is None and record.key == room.encode() and record.partition == int(partition)
    ]
    assert record.offset == int(offset)
    await letters.wait_for_room(room, 404)


async def test_a_mended_key_decides_on_the_partition(letters: LetterHarness) -> None:
    room = unique("room")
    letter = await letters.find_letter(await letters.write("rooms", f'"{room}"', fact_bytes(room)))
    assert letter["explanation"] == f'key: must be data.roomId, "{room}"; it is "\\"{room}\\""'
    result = written_result(await letters.redrive(letter, key=room))
    assert result["partition"] == partition_of(room, PARTITIONS)
    await letters.wait_for_room(room)


async def test_a_fact_that_replaces_a_newer_one_comes_with_a_warning(letters: LetterHarness) -> None:
    room = unique("room")
    here = await letters.find_letter(await letters.write("rooms", room, fact_bytes(room, "Odd")))
    there = await letters.find_letter(
        await letters.write("rooms", room, fact_bytes(room), number=wrong_partition(room))
    )
    mended = fact_bytes(room).decode()
    for letter in (here, there):
        assert (await letters.redrive(letter, text=mended, dryRun=True)).json()["warning"] is None
    await letters.write("rooms", room, fact_bytes(room))
    for letter in (here, there):
        assert (await letters.redrive(letter, text=mended, dryRun=True)).json()["warning"] == NEWER
    assert written_result(await letters.redrive(here, text=mended))["warning"] == NEWER


async def test_many_are_redriven_with_the_oldest_first(letters: LetterHarness) -> None:
    room, other = unique("room"), unique("room")
    found = []
    for title in ("first", "second", "third"):
        data = {"roomId": room, "hostId": "alice", "status": "live", "title": title}
        value = fact_bytes(room, data=data)
        found.append(
            await letters.find_letter(await letters.write("rooms", room, value, number=wrong_partition(room)))
        )
    broken = await letters.find_letter(await letters.write("rooms", other, b"odd"))
    ids = [broken["id"], *(letter["id"] for letter in reversed(found)), "invitations:0:999999", "x"]
    answer = await letters.request("POST", "/redrive", {"ids": ids})
    assert answer.status_code == 200, answer.text
    items = answer.json()["items"]
    assert [item["id"] for item in items] == ids
    assert [item["written"] for item in items] == [False, True, True, True, False, False]
    assert [item["verdict"] for item in items] == [
        "not_a_cloud_event",
        "ok",
        "ok",
        "ok",
        *["dead_letter_not_found"] * 2,
    ]

    async def has_last_title() -> bool:
        return bool((await letters.wait_for_room(room))["title"] == "third")

    await wait_until(has_last_title, "the newest fact", SECONDS)


@pytest.mark.parametrize(
    "body",
    [
        {"text": "a", "base64": "YQ=="},
        {"base64": "a"},
        {"text": 5},
        {"key": "\x00"},
        {"value": "a"},
        {"dryRun": "yes"},
        [],
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(letters: LetterHarness, body: Any) -> None:
    read_problem(await letters.request("POST", "/invitations:0:0/redrive", body), 422, "invalid_request")


@pytest.mark.parametrize("ids", [[], ["x"] * 101, "x", [5], None])
async def test_a_list_of_ids_is_bounded(letters: LetterHarness, ids: Any) -> None:
    read_problem(await letters.request("POST", "/redrive", {"ids": ids}), 422, "invalid_request")


async def test_redrives_are_logged_and_counted(letters: LetterHarness) -> None:
    _, letter = await break_room(letters)
    written_result(await letters.redrive(letter, text=letter["text"].replace("lvie", "live")))
    await letters.redrive(letter)
    metrics = (await letters.deployment.caller.web.get("/metrics")).text
    for result in ("written", "invalid_fact"):
        assert f'cohost_gateway_redrives_total{{result="{result}"}}' in metrics
