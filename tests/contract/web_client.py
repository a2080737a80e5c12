"""A client of the contract's HTTP APIs for different callers."""

import time
from typing import Any, Self

import httpx
import jwt

from tests.contract.deployment import Deployment

OPS = "cohost:ops"


def open_http(url: str) -> httpx.AsyncClient:
    """Return a client with patience, which leaves no connection idle until the server closes it, in 5 s."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=2)
    return httpx.AsyncClient(base_url=url, timeout=60, limits=limits)


class WebClient:
    """Both services' HTTP APIs; invitations unless `broadcast` is set."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.invitations = open_http(deployment.invitations_url)
        self.broadcast = open_http(deployment.broadcast_url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.invitations.aclose()
        await self.broadcast.aclose()

    def sign_token(self, user: str | None, secret: str | None = None, **claims: Any) -> str:
        """Return a user's token; claims given as None are omitted."""
        found = {"sub": user, "exp": int(time.time()) + 600, **claims}
        said = {name: value for name, value in found.items() if value is not None}
        return jwt.encode(said, secret or self.deployment.jwt_secret, "HS256")

    def headers(self, user: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.sign_token(user, **claims)}"}

    async def get(
        self, path: str, user: str | None = None, *, ops: bool = False, broadcast: bool = False, **query: Any
    ) -> httpx.Response:
        """Send a GET request as a user, as ops, or without a token."""
        client = self.broadcast if broadcast else self.invitations
        claims = {"scope": f"profile {OPS}"} if ops else {}
        headers = self.headers(user or "ops", **claims) if user or ops else {}
        return await client.get(path, params=query, headers=headers)

    async def get_json(self, path: str, user: str | None = None, **more: Any) -> Any:
        """Return the JSON body of an answer that must be 200."""
        answer = await self.get(path, user, **more)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    async def get_problem(self, path: str, user: str | None = None, **more: Any) -> tuple[int, str]:
        """Return the status and reason of an answer that must be a problem."""
        return parse_problem(await self.get(path, user, **more))


def parse_problem(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and reason of an RFC 9457 problem."""
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json", answer.text
    said = answer.json()
    assert said.get("status", answer.status_code) == answer.status_code
    return answer.status_code, said["reason"]
