"""Planned commands as HTTP requests to the gateway and to the bare handler."""

import json
from collections.abc import Mapping
from typing import Any

from bench.workload.simulated_room import PlannedCommand

WAIT_SECONDS = 30
_ANSWERS = {
    "AcceptInvitation": "accept",
    "DeclineInvitation": "decline",
    "CancelInvitation": "cancel",
}


def gateway_request(
    command: PlannedCommand, invitation_id: str | None, token: str, *, host: str, with_key: bool
) -> bytes:
    """Return the gateway's request for a command; `invitation_id` is that of the invitation it is about."""
    method, path, body = _describe(command, invitation_id)
    headers = {"Authorization": f"Bearer {token}", "Prefer": f"wait={WAIT_SECONDS}"}
    if with_key:
        headers["Idempotency-Key"] = command.id
    return encode_request(method, f"/v1/rooms/{command.room_id}/{path}", host, headers, body)


def bare_request(command: PlannedCommand, *, host: str) -> bytes:
    """Return the bare handler's request for a command."""
    body = {"id": command.id, "name": command.name, "data": command.data}
    return encode_request("POST", f"/v1/rooms/{command.room_id}/commands", host, {}, body)


def encode_request(
    method: str, path: str, host: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
) -> bytes:
    """Return the bytes of a request, with the body as JSON."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    described = {"Content-Type": "application/json", "Content-Length": str(len(content))} if content else {}
    lines = [f"{name}: {value}" for name, value in {"Host": host, **headers, **described}.items()]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + content


def _describe(
    command: PlannedCommand, invitation_id: str | None
) -> tuple[str, str, Mapping[str, Any] | None]:
    data = command.data
    match command.name:
        case "SendInvitation":
            return "POST", "invitations", {"userId": data["userId"]}
        case "LeaveStage":
            return "DELETE", f"co-hosts/{data['actorId']}", None
        case "RemoveCoHost":
            return "DELETE", f"co-hosts/{data['userId']}", None
        case _:
            return "POST", f"invitations/{invitation_id}/{_ANSWERS[command.name]}", None
