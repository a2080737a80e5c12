"""A client of the gateway's HTTP API for different callers."""

from typing import Any, NamedTuple, Self

import httpx

from tests.contract.contract_client import ContractClient
from tests.contract.topic_log import TopicRecord
from tests.contract.web_client import OPS, WebClient, open_http, parse_problem

PLATFORM = "cohost:platform"
LONGEST_WAIT = "wait=30"
STATUSES = {
    "not_room_host": 403,
    "not_invitee": 403,
    "invalid_command": 422,
    "invalid_target": 422,
}


class GatewayClient:
    """One copy of the gateway; the tokens are those of the services."""

    def __init__(self, web: WebClient, url: str) -> None:
        self.web = web
        self.http = open_http(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def send(
        self, method: str, path: str, user: str | None = None, body: Any = None, **more: Any
    ) -> httpx.Response:
        """Send a request; `more` is `scope`, the token's, `params`, `content`, or headers by their names.

        A command waits for its outcome for as long as it may, unless `prefer` is given: by default a machine
        that stalls for five seconds would change the answer. None sends no `Prefer`.
        """
        scope, parts = more.pop("scope", None), {"content", "params"}
        headers = self.web.headers(user, scope=scope) if user is not None else {}
        if method not in ("GET", "HEAD"):
            more.setdefault("prefer", LONGEST_WAIT)
        named = {name.replace("_", "-"): value for name, value in more.items() if name not in parts}
        headers |= {name: value for name, value in named.items() if value is not None}
        rest = {name: value for name, value in more.items() if name in parts}
        if body is not None:
            rest["json"] = body
        return await self.http.request(method, path, headers=headers, **rest)

    async def post(self, path: str, user: str | None, body: Any = None, **more: Any) -> httpx.Response:
        return await self.send("POST", path, user, body, **more)

    async def get(
        self, path: str, user: str | None = None, *, ops: bool = False, **more: Any
    ) -> httpx.Response:
        return await self.send(
            "GET", path, user or ("ops" if ops else None), scope=OPS if ops else None, **more
        )

    async def get_json(self, path: str, user: str | None = None, **more: Any) -> Any:
        """Return the JSON body of an answer that must be 200."""
        answer = await self.get(path, user, **more)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def invite(self, room: str, host: str, user: str, **more: Any) -> httpx.Response:
        """Send `SendInvitation`; `more` is as in `send`."""
        return await self.post(f"/v1/rooms/{room}/invitations", host, {"userId": user}, **more)


class Outcome(NamedTuple):
    """An accepted command: its id, and its events as the gateway shows them."""

    command_id: str
    events: list[dict[str, Any]]

    @property
    def data(self) -> dict[str, Any]:
        """The data of the only event."""
        [event] = self.events
        return dict(event["data"])


def accepted_outcome(answer: httpx.Response, status: int = 200) -> Outcome:
    """Return the outcome that an answer of this status has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    body = answer.json()
    assert set(body) == {"commandId", "outcome", "events"}
    assert body["outcome"] == "accepted"
    return Outcome(body["commandId"], body["events"])


async def assert_outcome_on_topic(client: ContractClient, outcome: Outcome) -> list[TopicRecord]:
    """Assert that the events are the command's whole outcome on the topic, in order; return their records."""
    records = await client.wait_for_outcome(outcome.command_id, len(outcome.events))
    assert outcome.events == [record.event for record in records]
    return records


async def assert_refused(client: ContractClient, answer: httpx.Response, reason: str) -> dict[str, Any]:
    """Assert that an answer is the rejection on the topic, with its reason's status; return the problem."""
    status = STATUSES.get(reason, 404 if reason.endswith("_not_found") else 409)
    assert parse_problem(answer) == (status, reason), answer.text
    problem = dict(answer.json())
    rejection = await client.wait_for_rejection(problem["commandId"])
    names = ("reason", "message", "commandId", "current", "retryAt")
    assert {name: problem.get(name) for name in names} == {name: rejection.get(name) for name in names}
    return problem


def assert_pending(answer: httpx.Response, command_id: str | None = None) -> str:
    """Assert that an answer says that a command is undecided; return the command's id."""
    assert answer.status_code == 202, answer.text
    body = answer.json()
    found = str(body["commandId"])
    assert body == {"commandId": command_id or found, "outcome": "pending"}
    assert answer.headers["location"] == f"/v1/commands/{found}"
    return found
