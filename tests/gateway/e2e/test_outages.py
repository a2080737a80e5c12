"""Kafka or a service away, and copies that are killed: nothing is lost, and nothing happens twice."""

import asyncio
import contextlib

import httpx

from cohost.audit.run import audit
from tests.contract.polling import wait_until
from tests.gateway.dead_letters.letter_harness import LetterHarness, fact_bytes, wrong_partition
from tests.gateway.e2e.command_harness import (
    CommandHarness,
    call_gateway,
    read_problem,
    start_ready,
    unique,
)

_KILLED_COMMANDS = 60
_ANSWERED_COMMANDS = 15


async def test_a_command_that_kafka_does_not_confirm_is_repeated(harness: CommandHarness) -> None:
    room = await harness.open_room()
    path = f"/v1/rooms/{room}/invitations"
    kafka = harness.stack.process_of("kafka")
    kafka.pause()
    try:
        answer = await harness.caller.post(path, "alice", {"userId": "bob"}, Prefer="wait=0")
        fact = await harness.caller.send(
            "PUT",
            f"/v1/rooms/{room}",
            "platform",
            {"hostId": "alice", "status": "live"},
            claims={"scope": "cohost:platform"},
        )
    finally:
        kafka.resume()
    problem = read_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    read_problem(fact, 503, "unavailable")
    assert int(fact.headers["retry-after"]) >= 1
    key = problem["commandId"]

    async def is_repeated() -> bool:
        again = await harness.callers[1].post(path, "alice", {"userId": "bob"}, key)
        assert again.status_code in (201, 202, 503), again.text
        return bool(again.status_code == 201)

    # After an outage the services come back in their time.
    await wait_until(is_repeated, "the outcome")
    assert len(await harness.records_caused_by(key, room)) == 1


async def test_a_redrive_that_kafka_does_not_confirm_is_repeated(harness: CommandHarness) -> None:
    async with LetterHarness(harness) as letters:
        room = unique("room")
        put = await letters.write("rooms", room, fact_bytes(room), number=wrong_partition(room))
        letter = await letters.find_letter(put)
        kafka = harness.stack.process_of("kafka")
        kafka.pause()
        try:
            one = await letters.redrive(letter)
            many = await letters.request("POST", "/redrive", {"ids": [letter["id"]]})
            listed = await letters.request("GET", "?limit=7")
        finally:
            kafka.resume()
        for answer in (one, many, listed):
            read_problem(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1

        async def is_repeated() -> bool:
            again = await letters.redrive(letter)
            assert again.status_code in (200, 503), again.text
            return bool(again.status_code == 200 and again.json()["written"])

        await wait_until(is_repeated, "the redrive")
        await letters.wait_for_room(room)


async def test_a_command_waits_for_its_service(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    invitation = await harness.invite(room, "bob")
    path = f"/v1/rooms/{room}/invitations/{invitation}/cancel"
    service = harness.services["invitations"]
    service.process.send_signal(19)
    try:
        answer = await harness.caller.post(path, "alice", None, key, Prefer="wait=1")
    finally:
        service.process.send_signal(18)
    assert (answer.status_code, answer.json()["outcome"]) == (202, "pending")
    for caller in harness.callers:
        again = await caller.post(path, "alice", None, key, Prefer="wait=30")
        assert again.status_code == 200, again.text
    assert len(await harness.records_caused_by(key, room)) == 1


async def test_a_known_key_is_answered_while_the_other_service_is_away(harness: CommandHarness) -> None:
    room, key = await harness.open_room(), unique("key")
    path = f"/v1/rooms/{room}/invitations"
    service = harness.services["broadcast"]
    service.process.send_signal(19)
    try:
        answers = [await caller.post(path, "alice", {"userId": "bob"}, key) for caller in harness.callers]
    finally:
        service.process.send_signal(18)
    assert [answer.status_code for answer in answers] == [201, 201]


async def test_copies_killed_under_load_lose_nothing_and_do_nothing_twice(harness: CommandHarness) -> None:
    room = await harness.open_room(max_co_hosts=100)
    keys = {unique("key"): f"{room}-guest-{number}" for number in range(_KILLED_COMMANDS)}
    path = f"/v1/rooms/{room}/invitations"
    victim = await start_ready("gateway", harness.variables)
    answered: dict[str, bytes] = {}
    at_once = asyncio.Semaphore(10)
    async with call_gateway(victim.url) as caller:

        async def invite(key: str, user: str) -> None:
            with contextlib.suppress(httpx.HTTPError):
                async with at_once:
                    answer = await caller.post(path, "alice", {"userId": user}, key)
                answered[key] = answer.content
            if len(answered) == _ANSWERED_COMMANDS and victim.process.returncode is None:
                # The others are on their way.
                victim.process.kill()

        await asyncio.gather(*(invite(*item) for item in keys.items()))
    await asyncio.wait([victim.log])
    assert _ANSWERED_COMMANDS <= len(answered) < len(keys)
    for key, user in keys.items():
        again = await harness.caller.post(path, "alice", {"userId": user}, key)
        assert again.status_code == 201, again.text
        assert answered.get(key, again.content) == again.content
    report = await audit(harness.stack.kafka_bootstrap_servers, harness.variables["COHOST_TOPIC_PREFIX"])
    assert not report.violations
