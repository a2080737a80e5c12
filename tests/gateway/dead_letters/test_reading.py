"""Dead letters of every reason are listed, and shown with why exactly they are ones."""

import pytest

from cohost_schemas.partitions import partition_of
from tests.gateway.dead_letters.letter_harness import (
    PARTITIONS,
    LetterHarness,
    decode_value,
    event_bytes,
    fact_bytes,
    wrong_partition,
)
from tests.gateway.e2e.command_harness import read_problem, unique

ID_RULE = "must be 1 to 64 characters of A-Z a-z 0-9 . _ : @ -"


def room_bytes(**changes: object) -> bytes:
    """Return a fact about the room KEY, with another data."""
    return fact_bytes("KEY", data={"roomId": "KEY", "hostId": "a", "status": "live", **changes})


USER = {"userId": "KEY", "status": "active", "blockedUserIds": ["a b"]}
STATUSES = "idle, live, waitingReconnect, ended, recorded, terminated, error"


@pytest.mark.parametrize(
    ("topic", "value", "reason", "explanation"),
    [
        ("rooms", b"{a", "not_a_cloud_event", "in double quotes at line 1, column 2"),
        ("rooms", b"", "not_a_cloud_event", "value: must be a CloudEvent; it is empty"),
        ("users", b'"\xff"', "not_a_cloud_event", "byte 1 is 0xff, which is not UTF-8 there"),
        ("rooms", b"[1]", "not_a_cloud_event", "value: must be a JSON object; it is [1]"),
        ("invitations.commands", None, "not_a_cloud_event", "value: must be a CloudEvent; it is null"),
        (
            "broadcast.commands",
            fact_bytes("KEY", specversion="0.3", id=None),
            "not_a_cloud_event",
            'specversion: must be "1.0"; it is "0.3"\nid: must be text that is not empty; it is absent',
        ),
        (
            "rooms",
            fact_bytes("KEY", "RoomChange"),
            "unknown_fact",
            'type: must be one of cohost.RoomChanged.v1; it is "cohost.RoomChange.v1"',
        ),
        (
            "rooms",
            room_bytes(status="opne", hostId=None),
            "invalid_fact",
            f'data.status: must be one of {STATUSES}; it is "opne"',
        ),
        ("rooms", room_bytes(hostId=None), "invalid_fact", "data.hostId: must be there; it is absent"),
        (
            "rooms",
            fact_bytes("KEY", subject="other"),
            "invalid_fact",
            'subject: must be data.roomId, "KEY"; it is "other"',
        ),
        (
            "users",
            event_bytes("UserChanged", "KEY", USER),
            "invalid_fact",
            f'data.blockedUserIds.0: {ID_RULE}, and not . or ..; it is "a b"',
        ),
    ],
)
async def test_a_dead_letter_says_why_it_is_one(
    letters: LetterHarness, topic: str, value: bytes | None, reason: str, explanation: str
) -> None:
    key = unique("key")
    own = None if value is None else value.replace(b"KEY", key.encode())
    headers = [("odd", b"\xff"), ("null", None), ("text", b"t")]
    put = await letters.write(topic, key, own, headers=headers)
    letter = await letters.find_letter(put)
    assert (letter["reason"], letter["key"], letter["bytes"]) == (reason, key, len(own or b""))
    assert explanation.replace("KEY", key) in letter["explanation"]
    assert decode_value(letter) == own
    assert letter["service"] == ("broadcast" if topic.startswith("broadcast") else "invitations")
    assert letter["headers"][:3] == [
        {"name": "odd", "text": None, "base64": "/w=="},
        {"name": "null", "text": None, "base64": None},
        {"name": "text", "text": "t", "base64": "dA=="},
    ]
    assert (letter["canRedrive"], letter["whyNot"], letter["isTruncated"]) == (True, None, False)


async def test_a_wrong_partition_is_explained_for_facts_and_tombstones(letters: LetterHarness) -> None:
    room = unique("room")
    for value in (fact_bytes(room), None):
        put = await letters.write("rooms", room, value, number=wrong_partition(room))
        letter = await letters.find_letter(put)
        assert letter["reason"] == "wrong_partition"
        belongs = f'partition: must be {partition_of(room, PARTITIONS)}, by murmur2 of the key "{room}"'
        assert letter["explanation"].startswith(belongs)
        assert letter["canRedrive"]


@pytest.mark.parametrize(
    ("key", "shown", "explanation"),
    [
        (b"a b", "a b", f'key: {ID_RULE}; it is "a b"'),
        (b"\xff", None, f"key: {ID_RULE}; it is 0xff"),
    ],
)
async def test_a_tombstone_says_what_is_wrong_with_its_key(
    letters: LetterHarness, key: bytes, shown: str | None, explanation: str
) -> None:
    letter = await letters.find_letter(await letters.write("users", key, None))
    assert (letter["reason"], letter["explanation"]) == ("invalid_fact", explanation)
    assert (letter["base64"], letter["text"], letter["key"]) == (None, None, shown)


@pytest.mark.parametrize("topic", ["broadcast.signals", "invitations.events"])
async def test_what_only_a_service_writes_cannot_be_redriven(letters: LetterHarness, topic: str) -> None:
    letter = await letters.find_letter(await letters.write(topic, "key", b"odd"))
    why_not = f"Only its service writes to the topic {letters.prefix}{topic}."
    assert (letter["service"], letter["canRedrive"], letter["whyNot"]) == ("broadcast", False, why_not)
    refused = read_problem(await letters.redrive(letter), 409, "not_redrivable")
    assert (refused["verdict"], refused["written"], refused["detail"]) == ("not_redrivable", False, why_not)
    dry = await letters.redrive(letter, dryRun=True)
    assert (dry.status_code, dry.json()["verdict"]) == (200, "not_redrivable")


async def test_the_list_is_filtered_by_service_and_reason(letters: LetterHarness) -> None:
    room = unique("room")
    first = await letters.find_letter(await letters.write("rooms", room, fact_bytes(room, "Odd")))
    second = await letters.find_letter(await letters.write("broadcast.commands", room, b"odd"))
    everything = [item["id"] for item in await letters.list_all()]
    assert everything.index(second["id"]) < everything.index(first["id"])
    of_broadcast = await letters.list_all(service="broadcast", limit=1)
    assert {item["service"] for item in of_broadcast} == {"broadcast"}
    assert second["id"] in [item["id"] for item in of_broadcast]
    unknown = await letters.list_all(reason="unknown_fact", limit=2)
    assert {item["reason"] for item in unknown} == {"unknown_fact"}
    assert first["id"] in [item["id"] for item in unknown]
    assert await letters.list_all(service="broadcast", reason="invalid_fact") == []


@pytest.mark.parametrize(
    "letter_id", ["invitations:0:999999", "invitations:99:0", "rooms:0:0", "x", "broadcast:0:-1"]
)
async def test_an_unknown_dead_letter_is_not_found(letters: LetterHarness, letter_id: str) -> None:
    read_problem(await letters.request("GET", f"/{letter_id}"), 404, "dead_letter_not_found")
    read_problem(await letters.request("POST", f"/{letter_id}/redrive", {}), 404, "dead_letter_not_found")


@pytest.mark.parametrize(
    "query", ["?service=rooms", "?reason=odd", "?limit=0", "?limit=201", "?cursor=x", "?cursor=WyJhIl0"]
)
async def test_a_query_that_makes_no_sense_is_refused(letters: LetterHarness, query: str) -> None:
    read_problem(await letters.request("GET", query), 422, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/invitations:0:0"), ("POST", "/invitations:0:0/redrive"), ("POST", "/redrive")],
)
async def test_dead_letters_are_for_ops_alone(letters: LetterHarness, method: str, path: str) -> None:
    for scope in ("", "cohost:platform"):
        answer = await letters.request(method, path, {"more": 1}, claims={"scope": scope})
        read_problem(answer, 403, "forbidden")
    web = letters.deployment.caller.web
    read_problem(await web.request(method, "/v1/ops/dead-letters" + path), 401, "unauthorized")


async def test_reads_answer_head(letters: LetterHarness) -> None:
    letter = await letters.find_letter(await letters.write("rooms", "key", b"odd"))
    for path in ("", f"/{letter['id']}"):
        got, headed = await letters.request("GET", path), await letters.request("HEAD", path)
        assert (headed.status_code, headed.content) == (got.status_code, b"")
        assert headed.headers["content-type"] == got.headers["content-type"]
