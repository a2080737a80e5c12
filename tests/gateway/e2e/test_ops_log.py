"""What the log shows ops of a deployment: counts of what was played, and why each thing happened."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.contract.polling import wait_until
from tests.gateway.e2e.command_harness import (
    SECONDS,
    CommandHarness,
    GatewayCaller,
    call_gateway,
    start_ready,
    unique,
)


@pytest.fixture
async def counter(harness: CommandHarness) -> AsyncIterator[GatewayCaller]:
    """A copy of the gateway that counts from now on: others may still be reading what other tests did."""
    running = await start_ready("gateway", harness.variables)
    try:
        async with call_gateway(running.url) as caller:

            async def has_begun() -> bool:
                return (await read_ops(caller, "activity"))["since"] is not None

            await wait_until(has_begun, "the counting", SECONDS)
            yield caller
    finally:
        await running.stop_service()


async def read_ops(caller: GatewayCaller, path: str) -> Any:
    """Return an answer, None while Kafka is slower than a request may be."""
    answer = await caller.send("GET", f"/v1/ops/{path}", "olga", claims={"scope": "cohost:ops"})
    assert answer.status_code in (200, 503), answer.text
    return answer.json() if answer.is_success else None


async def counts(caller: GatewayCaller) -> dict[str, int]:
    activity = await read_ops(caller, "activity")
    return {name: sum(sample[name] for sample in activity["samples"]) for name in ("accepted", "rejected")}


async def test_each_command_that_is_played_counts_once(
    harness: CommandHarness, counter: GatewayCaller
) -> None:
    room = await harness.open_room(max_co_hosts=2)
    for user in ("bob", "carol"):
        await harness.seat(room, user)
    for _ in range(3):
        await harness.caller.post(f"/v1/rooms/{room}/invitations", "alice", {"userId": "bob"})
    key = unique("key")
    for _ in range(2):
        await harness.caller.post(f"/v1/rooms/{room}/invitations", "alice", {"userId": "dave"}, key)
    await harness.caller.send("DELETE", f"/v1/rooms/{room}/co-hosts/bob", "alice")
    expected = {"accepted": 6, "rejected": 3}

    async def are_counted() -> bool:
        now = await counts(counter)
        assert now["accepted"] <= expected["accepted"]
        return now == expected

    await wait_until(are_counted, "the commands to be counted", SECONDS)
    refusals = (await read_ops(counter, "refusals?reason=already_co_host"))["items"]
    assert [record["key"] for record in refusals].count(room) == 3


async def test_a_rooms_history_shows_what_caused_what(harness: CommandHarness) -> None:
    room = await harness.open_room()
    await harness.seat(room, "bob")
    found: list[Any] = []

    async def is_granted() -> bool:
        history = await read_ops(harness.caller, f"rooms/{room}/history")
        if history is None or not history["isComplete"]:
            return False
        assert (history["before"], history["unreadable"]) == (None, [])
        found[:] = history["items"]
        names = [name_of(record) for record in found]
        return "GrantProvisioned" in names and names.count("BadgeChanged") == 2

    await wait_until(is_granted, "the grant and the badges", SECONDS)
    by_id = {record["event"]["id"]: record for record in found}
    granted = next(record for record in found if name_of(record) == "GrantProvisioned")
    badge = next(record for record in found if record["key"] == f"{room}/bob")
    for end, chain in (
        (badge, ["BadgeChanged", "InvitationAccepted", "AcceptInvitation"]),
        (granted, ["GrantProvisioned"]),
    ):
        names = []
        record = end
        while record is not None:
            names.append(name_of(record))
            record = by_id.get(record["event"].get("causationid"))
        assert names == chain
    sent = next(record for record in found if name_of(record) == "InvitationSent")
    assert name_of(by_id[sent["event"]["causationid"]]) == "SendInvitation"
    # What LiveKit did comes back as a signal; its correlation leads to the acceptance's command.
    accepted = by_id[badge["event"]["causationid"]]
    assert granted["event"]["correlationid"] == accepted["event"]["correlationid"]
    times = [record["at"] for record in found]
    assert times == sorted(times)


def name_of(record: Any) -> str:
    return str(record["event"]["type"].split(".")[1])
