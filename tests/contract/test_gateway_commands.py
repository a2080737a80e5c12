"""Section E, commands: every row, and the answers to commands that are accepted."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract import expected_data
from tests.contract.broadcast_stage import StageDriver
from tests.contract.contract_client import BROADCAST_COMMANDS, INVITATION_COMMANDS, ContractClient, new_id
from tests.contract.expiring_invitations import LIFETIME_SECONDS, wait_until_after, wait_until_time
from tests.contract.gateway_client import (
    PLATFORM,
    GatewayClient,
    accepted_outcome,
    assert_outcome_on_topic,
    assert_refused,
)
from tests.contract.web_client import OPS

ID = re.compile(r"[A-Za-z0-9._:@-]{1,64}")


@dataclass(frozen=True)
class Row:
    """A row of the table: the request, its caller, and the command that it becomes."""

    method: str
    path: str
    caller: str
    body: dict[str, Any] | None
    command: str
    data: dict[str, Any]
    events: str

    @property
    def topic(self) -> str:
        return (
            BROADCAST_COMMANDS if "Mute" in self.command or "Unmute" in self.command else INVITATION_COMMANDS
        )


INVITATION = "/v1/rooms/{room}/invitations/{invitation}"
CO_HOST = "/v1/rooms/{room}/co-hosts/{seated}"
INVITED = {"invitationId": "{invitation}"}
SEATED = {"userId": "{seated}"}
FULL = {"expiresInSeconds": 600, "message": "Come, now!", "label": "Guitar 🎸"}
BOTH = ["{second}", "{seated}"]
MUTE = {"source": "microphone", "hard": True}
CAMERA = {"source": "camera"}
ROWS = [
    Row(
        *("POST", "/v1/rooms/{room}/invitations", "host", {"userId": "{newcomer}", **FULL}),
        *("SendInvitation", {"userId": "{newcomer}", **FULL}, "InvitationSent"),
    ),
    Row("POST", INVITATION + "/accept", "invited", None, "AcceptInvitation", INVITED, "InvitationAccepted"),
    Row("POST", INVITATION + "/decline", "invited", None, "DeclineInvitation", INVITED, "InvitationDeclined"),
    Row("POST", INVITATION + "/cancel", "host", None, "CancelInvitation", INVITED, "InvitationCancelled"),
    Row("POST", INVITATION + "/seen", "invited", None, "MarkInvitationSeen", INVITED, "InvitationSeen"),
    Row("DELETE", CO_HOST, "seated", None, "LeaveStage", {}, "CoHostLeft"),
    Row("DELETE", CO_HOST, "host", None, "RemoveCoHost", SEATED, "CoHostLeft"),
    Row(
        *("PUT", "/v1/rooms/{room}/co-hosts/order", "host", {"userIds": BOTH}),
        *("ArrangeStage", {"userIds": BOTH}, "StageArranged"),
    ),
    Row("POST", CO_HOST + "/mute", "host", MUTE, "MuteCoHost", {**SEATED, **MUTE}, "CoHostMuted"),
    Row("POST", CO_HOST + "/mute", "seated", CAMERA, "MuteCoHost", {**SEATED, **CAMERA}, "CoHostMuted"),
    Row(
        *("POST", CO_HOST + "/unmute", "host", CAMERA),
        *("UnmuteCoHost", {**SEATED, **CAMERA}, "CoHostUnmuteRequested"),
    ),
]


@pytest.fixture
async def names(client: ContractClient, stage_driver: StageDriver) -> dict[str, str]:
    """A room with two co-hosts, a pending invitation, and a user who may be invited."""
    room = await stage_driver.open_room()
    users = await asyncio.gather(*(client.create_user() for _ in range(4)))
    found = dict(zip(("newcomer", "invited", "seated", "second"), users, strict=True))
    await asyncio.gather(*(stage_driver.seat_user(room, found[name]) for name in ("seated", "second")))
    invitation = await stage_driver.invite_user(room, found["invited"])
    return {**found, "room": room.id, "host": room.host, "invitation": invitation}


def fill(value: Any, names: dict[str, str]) -> Any:
    """Fill names into texts, also in lists and objects."""
    if isinstance(value, str):
        return value.format_map(names)
    if isinstance(value, list):
        return [fill(each, names) for each in value]
    return {name: fill(each, names) for name, each in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.command}-{row.caller}")
async def test_each_request_becomes_its_command(
    gateway: GatewayClient, client: ContractClient, names: dict[str, str], row: Row
) -> None:
    caller = names[row.caller]
    path, body, key = fill(row.path, names), fill(row.body, names), new_id()
    answer = await gateway.send(row.method, path, caller, body, idempotency_key=key)
    is_new = row.command == "SendInvitation"
    outcome = accepted_outcome(answer, 201 if is_new else 200)
    assert (outcome.command_id, answer.headers.get("location")) == (
        key,
        f"/v1/invitations/{key}" if is_new else None,
    )
    assert [event["type"] for event in outcome.events] == [f"cohost.{row.events}.v1"]
    await assert_outcome_on_topic(client, outcome)
    [record] = client.log.by_id[key][:1]
    assert (record.topic, record.name, record.event["source"]) == (row.topic, row.command, "/cohost/gateway")
    data = {name: value for name, value in record.data.items() if value not in (None, False)}
    assert data == {"roomId": names["room"], "actorId": caller, **fill(row.data, names)}
    assert (record.key or b"").decode() == record.event["subject"] == names["room"]


async def test_an_invitation_is_resent_over_http(
    gateway: GatewayClient, client: ContractClient, names: dict[str, str]
) -> None:
    [sent] = client.log.by_cause[names["invitation"]]
    room = names["room"]
    path = f"/v1/rooms/{room}/invitations/{names['invitation']}/resend"
    problem = await assert_refused(client, await gateway.post(path, names["host"]), "too_soon")
    await wait_until_time(problem["retryAt"])
    resent = accepted_outcome(await gateway.post(path, names["host"], {"expiresInSeconds": 60}))
    await assert_outcome_on_topic(client, resent)
    assert (resent.data["timesSent"], resent.data["status"]) == (2, "pending")
    assert resent.data["expiresAt"] != sent.data["expiresAt"]
    [record] = client.log.by_id[resent.command_id]
    expected = {
        "roomId": room,
        "actorId": names["host"],
        "invitationId": names["invitation"],
        "expiresInSeconds": 60,
    }
    assert (record.name, record.data) == ("ResendInvitation", expected)


@pytest.mark.parametrize(
    "content", [{}, {"content": b""}, {"content": b"{}"}, {"content": b" { } ", "content_type": "text/plain"}]
)
async def test_no_body_and_an_empty_object_are_the_same(
    gateway: GatewayClient, names: dict[str, str], content: dict[str, Any]
) -> None:
    path = f"/v1/rooms/{names['room']}/invitations/{names['invitation']}/accept"
    accepted_outcome(await gateway.post(path, names["invited"], **content))


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", "", "nonsense"]
)
async def test_the_body_is_json_whatever_its_content_type(
    gateway: GatewayClient, names: dict[str, str], content_type: str
) -> None:
    content = f'{{"userId": "{names["newcomer"]}", "message": null, "expiresInSeconds": 6e2}}'.encode()
    path = f"/v1/rooms/{names['room']}/invitations"
    answer = await gateway.post(path, names["host"], content=content, content_type=content_type)
    data = accepted_outcome(answer, 201).data
    assert (data["userId"], data["message"]) == (names["newcomer"], None)


async def test_the_gateway_makes_an_id_where_there_is_no_key(
    gateway: GatewayClient, client: ContractClient, names: dict[str, str]
) -> None:
    room, host = names["room"], names["host"]
    first = accepted_outcome(await gateway.invite(room, host, names["newcomer"]), 201)
    assert ID.fullmatch(first.command_id)
    assert first.data["invitationId"] == first.command_id
    refused = await gateway.invite(room, host, names["newcomer"])
    problem = await assert_refused(client, refused, "already_invited")
    assert problem["commandId"] != first.command_id
    assert problem["current"] == first.data


@pytest.mark.parametrize("scope", [OPS, PLATFORM, f"{OPS} {PLATFORM}"])
async def test_the_actor_is_the_tokens_user_whatever_its_scope(
    gateway: GatewayClient, client: ContractClient, names: dict[str, str], scope: str
) -> None:
    answer = await gateway.invite(names["room"], "mallory", names["newcomer"], scope=scope)
    problem = await assert_refused(client, answer, "not_room_host")
    [record] = client.log.by_id[problem["commandId"]]
    assert record.data["actorId"] == "mallory"


async def test_an_invitation_can_be_read_at_its_location(
    gateway: GatewayClient, names: dict[str, str]
) -> None:
    answer = await gateway.invite(names["room"], names["host"], names["newcomer"])
    outcome = accepted_outcome(answer, 201)
    shown = await gateway.get_json(answer.headers["location"], names["newcomer"])
    assert shown == expected_data.over_http(outcome.data)


async def test_an_outcome_with_two_events_has_them_in_order(
    gateway: GatewayClient, client: ContractClient, stage_driver: StageDriver
) -> None:
    """An overdue invitation is closed along the way, unless the service's clock was faster."""

    async def invite_when_overdue() -> list[str]:
        room, user = await stage_driver.open_room(), await client.create_user()
        data = {"userId": user, "actorId": room.host, "expiresInSeconds": LIFETIME_SECONDS}
        sent, _ = await client.send_accepted("SendInvitation", room, **data)
        await wait_until_after(sent, LIFETIME_SECONDS)
        answer = await gateway.invite(room.id, room.host, user)
        outcome = accepted_outcome(answer, 201)
        await assert_outcome_on_topic(client, outcome)
        assert answer.headers["location"] == f"/v1/invitations/{outcome.command_id}"
        return [event["type"] for event in outcome.events]

    both = ["cohost.InvitationExpired.v1", "cohost.InvitationSent.v1"]
    for _ in range(3):
        found = await asyncio.gather(*(invite_when_overdue() for _ in range(5)))
        assert all(types in (both, both[1:]) for types in found)
        if both in found:
            return
    pytest.fail("the service's clock was faster each time")
