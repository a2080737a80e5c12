"""What the log shows ops of a deployment: counts of what was played, and why each thing happened."""

from typing import Any

from tests.contract.polling import wait_until
from tests.gateway.e2e.command_harness import SECONDS, CommandHarness, unique


async def read_ops(harness: CommandHarness, path: str) -> Any:
    answer = await harness.caller.send("GET", f"/v1/ops/{path}", "olga", claims={"scope": "cohost:ops"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def counts(harness: CommandHarness) -> dict[str, int]:
    activity = await read_ops(harness, "activity")
    return {
        name: sum(sample[name] for sample in activity["samples"])
        for name in ("accepted", "rejected", "events")
    }


async def test_each_command_that_is_played_counts_once(harness: CommandHarness) -> None:
    room = await harness.open_room(max_co_hosts=2)
    before = await counts(harness)
    for user in ("bob", "carol"):
        await harness.seat(room, user)
    for _ in range(3):
        await harness.caller.post(f"/v1/rooms/{room}/invitations", "alice", {"userId": "bob"})
    key = unique("key")
    for _ in range(2):
        await harness.caller.post(f"/v1/rooms/{room}/invitations", "alice", {"userId": "dave"}, key)
    await harness.caller.send("DELETE", f"/v1/rooms/{room}/co-hosts/bob", "alice")
    expected = {"accepted": before["accepted"] + 6, "rejected": before["rejected"] + 3}

    async def are_counted() -> bool:
        now = await counts(harness)
        assert now["accepted"] <= expected["accepted"]
        return {name: now[name] for name in expected} == expected

    await wait_until(are_counted, "the commands to be counted", SECONDS)
    refusals = (await read_ops(harness, "refusals?reason=already_co_host"))["items"]
    assert [record["key"] for record in refusals].count(room) == 3


async def test_a_rooms_history_shows_what_caused_what(harness: CommandHarness) -> None:
    room = await harness.open_room()
    await harness.seat(room, "bob")
    found: list[Any] = []

    async def is_granted() -> bool:
        history = await read_ops(harness, f"rooms/{room}/history")
        assert (history["before"], history["isComplete"], history["unreadable"]) == (None, True, [])
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
