"""Section 5, for ops: the state of both services, as what was played has left it."""

import asyncio
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.conftest import People
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import PLATFORM, GatewayClient
from tests.contract.livekit_participants import join_room
from tests.contract.polling import in_time, retry_when_late, wait_until
from tests.contract.service_processes import free_port, run_gateway, run_services
from tests.contract.test_gateway_reads import raw_service
from tests.contract.web_client import OPS, WebClient, parse_problem

ROUTES = ("overview", "lanes", "stages", "system")
NUMBERS = {"roomsOpen", "pending", "seats", "connected", "inGrace", "outOfSync", "failingGrants"}
SUMS = {"lag", "outboxBatches", "lanes", "lanesWithoutOwner", "takeovers"}


async def condition_of(gateway: GatewayClient, seat: SeatedUser) -> dict[str, Any] | None:
    """Return the room's item in the list of stages."""
    found = await gateway.get_json("/v1/ops/stages", ops=True, params={"limit": 200})
    return next((item for item in found["items"] if item["roomId"] == seat.room.id), None)


async def wait_for_condition(gateway: GatewayClient, seat: SeatedUser, **wanted: Any) -> dict[str, Any]:
    async def probe() -> dict[str, Any] | None:
        found = await condition_of(gateway, seat)
        return found if found is not None and found.items() >= wanted.items() else None

    return dict(await wait_until(probe, f"{wanted} in {seat.room}"))


@pytest.mark.parametrize("name", ROUTES)
async def test_only_ops_are_answered(gateway: GatewayClient, web: WebClient, name: str) -> None:
    path = f"/v1/ops/{name}"
    assert parse_problem(await gateway.get(path)) == (401, "unauthorized")
    assert parse_problem(await gateway.get(path, "alice")) == (403, "forbidden")
    assert parse_problem(await gateway.send("GET", path, "alice", scope=PLATFORM)) == (403, "forbidden")
    get, head = [await gateway.send(method, path, "ops", scope=OPS) for method in ("GET", "HEAD")]
    assert (get.status_code, head.status_code, head.content) == (200, 200, b"")
    for broadcast in (False, True):
        if broadcast or name != "stages":
            assert await web.get_problem(path, broadcast=broadcast) == (401, "unauthorized")
            assert await web.get_problem(path, "alice", broadcast=broadcast) == (403, "forbidden")


@pytest.mark.parametrize("limit", ["0", "201", "x"])
async def test_a_limit_out_of_range_is_refused(gateway: GatewayClient, limit: str) -> None:
    for caller, expected in (
        ({"user": "alice"}, (403, "forbidden")),
        ({"ops": True}, (422, "invalid_request")),
    ):
        answer = await gateway.get("/v1/ops/stages", params={"limit": limit}, **caller)
        assert parse_problem(answer) == expected


async def test_a_stage_is_counted_as_it_is_played(
    gateway: GatewayClient, stage_driver: StageDriver, people: People
) -> None:
    room = await stage_driver.open_room()
    await stage_driver.invite_user(room, people.carol)
    seat = await stage_driver.seat_user(room, people.bob)
    await stage_driver.wait_for_provisioned(seat)
    expected = {
        "roomId": room.id,
        "hostConnected": False,
        "seats": 1,
        "connected": 0,
        "inGrace": 0,
        "neverConnected": 1,
        "poorQuality": 0,
        "outOfSync": 0,
        "failingGrants": 0,
        "trouble": 100,
    }
    assert await wait_for_condition(gateway, seat, outOfSync=0) == expected
    async with (
        join_room(await stage_driver.get_broadcast_data(room, room.host)),
        join_room(await stage_driver.get_broadcast_data(room, people.bob)),
    ):
        calm = {**expected, "hostConnected": True, "connected": 1, "neverConnected": 0, "trouble": 0}
        assert await wait_for_condition(gateway, seat, hostConnected=True, connected=1, trouble=0) == calm
        await wait_until(lambda: is_counted(gateway), "the room in the overview")
    in_grace = {"hostConnected": False, "connected": 0, "neverConnected": 0, "inGrace": 1, "trouble": 100}
    await wait_for_condition(gateway, seat, **in_grace)
    await stage_driver.close_room(room)
    await wait_until(lambda: is_gone(gateway, seat), "the room to be gone")


async def is_counted(gateway: GatewayClient) -> bool:
    """Return whether the overview counts a connection, a room, an invitation and a seat."""
    overview = await gateway.get_json("/v1/ops/overview", ops=True)
    # A service that did not answer in time has no numbers.
    return all((overview[name] or 0) >= 1 for name in ("connected", "roomsOpen", "pending", "seats"))


async def is_gone(gateway: GatewayClient, seat: SeatedUser) -> bool:
    return await condition_of(gateway, seat) is None


async def test_stages_are_listed_by_trouble(
    gateway: GatewayClient, stage_driver: StageDriver, people: People
) -> None:
    calm, crowded = await stage_driver.open_room(), await stage_driver.open_room()
    for user in (people.bob, people.carol):
        seat = await stage_driver.seat_user(crowded, user)
    await wait_for_condition(gateway, seat, neverConnected=2, outOfSync=0)
    items = (await gateway.get_json("/v1/ops/stages", ops=True, params={"limit": 200}))["items"]
    assert items == sorted(items, key=lambda item: (-item["trouble"], item["roomId"]))
    rooms = [item["roomId"] for item in items]
    if calm.id in rooms:
        assert rooms.index(crowded.id) < rooms.index(calm.id)
    assert len((await gateway.get_json("/v1/ops/stages", ops=True, params={"limit": 1}))["items"]) == 1


async def test_the_overview_is_that_of_all_lanes(gateway: GatewayClient, deployment: Deployment) -> None:
    async def probe() -> tuple[Any, Any] | None:
        overview = await gateway.get_json("/v1/ops/overview", ops=True)
        lanes = await gateway.get_json("/v1/ops/lanes", ops=True)
        is_steady = overview["lanesWithoutOwner"] == 0 and overview["lag"] == 0
        return (overview, lanes) if is_steady and not lanes["unavailable"] else None

    # Until the ends of the last transactions are passed.
    overview, lanes = await wait_until(probe, "no lag")
    assert set(overview) == {"at", "unavailable", *NUMBERS, *SUMS}
    assert overview["unavailable"] == lanes["unavailable"] == []
    items = lanes["items"]
    numbers = range(deployment.partitions)
    assert [(item["service"], item["lane"]) for item in items] == [
        *(("invitations", number) for number in numbers),
        *(("broadcast", number) for number in numbers),
    ]
    assert overview["lanes"] == len(items)
    assert overview["takeovers"] == sum(item["epoch"] for item in items)
    assert all(item["owner"] for item in items)
    assert {name for item in items for name in item["lag"]} == {
        *("rooms", "users", "invitations.commands"),
        *("invitations.events", "broadcast.signals", "broadcast.commands"),
    }


async def test_two_copies_say_the_same(deployment: Deployment, web: WebClient) -> None:
    async with run_services(deployment, "invitations", "broadcast") as second, WebClient(second) as other:

        async def are_equal(path: str, *, broadcast: bool) -> bool:
            ours = await web.get_json(path, ops=True, broadcast=broadcast)
            theirs = await other.get_json(path, ops=True, broadcast=broadcast)
            return without_time(ours) == without_time(theirs)

        for broadcast in (False, True):
            for name in ("overview", "lanes"):
                await wait_until(
                    lambda name=name, broadcast=broadcast: are_equal(f"/v1/ops/{name}", broadcast=broadcast),
                    f"equal {name}",
                )

        async def have_two_owners() -> bool:
            lanes = await web.get_json("/v1/ops/lanes", ops=True)
            return len({item["owner"] for item in lanes["items"]}) == 2

        await wait_until(have_two_owners, "the lanes of both copies")


def without_time(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "at"}


async def test_a_service_that_is_away_is_named(deployment: Deployment, web: WebClient) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    known = {"invitations": {"roomsOpen", "pending", "seats"}}
    known["broadcast"] = NUMBERS - known["invitations"]
    for away, present in (("invitations", "broadcast"), ("broadcast", "invitations")):
        variables = {f"COHOST_{away.upper()}_URL": nowhere}
        async with (
            run_gateway(deployment, "/healthz", **variables) as there,
            GatewayClient(web, there.gateway_url) as lonely,
        ):
            await wait_until(partial(has_one_worker, lonely, present), f"one worker of {present}")
            answers = {name: await lonely.get_json(f"/v1/ops/{name}", ops=True) for name in ROUTES}
        overview = answers["overview"]
        assert overview["unavailable"] == answers["lanes"]["unavailable"] == [away]
        assert {name for name, value in overview.items() if value is None} == known[away] | SUMS
        assert {item["service"] for item in answers["lanes"]["items"]} == {present}
        assert answers["stages"]["unavailable"] == (["broadcast"] if away == "broadcast" else [])
        details = {item["name"]: item["detail"] for item in answers["system"]["items"]}
        assert (details[away], details[present]) == ("no answer", "1 worker")


async def details_of(gateway: GatewayClient) -> dict[str, str | None]:
    """Return what is said of each part of the system."""
    found = await gateway.get_json("/v1/ops/system", ops=True)
    return {item["name"]: item["detail"] for item in found["items"]}


async def has_one_worker(gateway: GatewayClient, service: str) -> bool:
    """Return whether the copies of an earlier test are gone, and the service answers in time."""
    return (await details_of(gateway))[service] == "1 worker"


async def test_the_system_is_described(gateway: GatewayClient) -> None:
    async def probe() -> dict[str, Any] | None:
        found = dict(await gateway.get_json("/v1/ops/system", ops=True))
        is_whole = "no answer" not in {item["detail"] for item in found["items"]}
        return found if is_whole and found["liveKit"]["callsPending"] == 0 else None

    found = await wait_until(probe, "answers of all parts, and no open calls")
    assert found["liveKit"] == {"callsPending": 0, "oldestPendingSeconds": None}
    assert (found["contractVersion"], found["lastAudit"]) == ("1.1", None)
    names = ["gateway", "invitations", "broadcast", "kafka", "postgres", "livekit"]
    assert [item["name"] for item in found["items"]] == names
    parts = {item["name"]: item for item in found["items"]}
    assert parts["kafka"] == {"name": "kafka", "version": None, "detail": "1 broker"}
    assert parts["livekit"] == {"name": "livekit", "version": None, "detail": "answers"}
    assert parts["postgres"]["version"]
    assert parts["gateway"]["version"] == parts["broadcast"]["version"]


async def test_the_last_audit_is_shown(deployment: Deployment, web: WebClient, tmp_path: Path) -> None:
    report = tmp_path / "audit.json"
    async with (
        run_gateway(deployment, COHOST_AUDIT_REPORT=str(report)) as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        assert (await gateway.get_json("/v1/ops/system", ops=True))["lastAudit"] is None
        written = {
            "at": "2026-01-01T12:00:00.000Z",
            "commands": 3,
            "outcomes": 2,
            "events": 1,
            "violations": [f"violation {number}" for number in range(101)],
            "unchecked": [],
        }
        report.write_text(json.dumps({**written, "rejections": 1, "deadLetters": 0}))
        shown = (await gateway.get_json("/v1/ops/system", ops=True))["lastAudit"]
        assert shown == {**written, "violations": written["violations"][:100]}
        status = await run_audit(deployment, report)
        found = (await gateway.get_json("/v1/ops/system", ops=True))["lastAudit"]
        assert (status, found["violations"]) == (0, [])
        assert 0 < found["outcomes"] <= found["commands"]
        report.write_text("{")
        assert (await gateway.get_json("/v1/ops/system", ops=True))["lastAudit"] is None


async def run_audit(deployment: Deployment, report: Path) -> int | None:
    options = (
        "--bootstrap",
        deployment.bootstrap_servers,
        "--prefix",
        deployment.prefix,
        "--report",
        str(report),
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "cohost.audit", *options)
    await process.wait()
    return process.returncode


@retry_when_late
async def test_a_service_that_hangs_is_unavailable_in_time(deployment: Deployment, web: WebClient) -> None:
    async with (
        raw_service(b"") as (url, _),
        run_gateway(deployment, "/healthz", COHOST_BROADCAST_URL=url) as there,
        GatewayClient(web, there.gateway_url) as gateway,
    ):
        for name in ROUTES:
            with in_time(2.5, name):
                found = await gateway.get_json(f"/v1/ops/{name}", ops=True)
            assert found.get("unavailable", ["broadcast"]) == ["broadcast"]
