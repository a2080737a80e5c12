"""Typed reads from the services' HTTP APIs; lists are paginated automatically."""

from collections.abc import AsyncIterator, Callable, Mapping
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from cohost.errors import ProblemError
from cohost_schemas.answers import (
    BroadcastData,
    CoHost,
    CoHosts,
    DetailedOutcome,
    Diagnosis,
    InvitationDetails,
    RoomSummary,
    Stage,
)
from cohost_schemas.types import ConnectionQuality, InvitationStatus, Message, RoomFilter

TokenSource = str | Callable[[], str]
StatusFilter = InvitationStatus | str
ModelT = TypeVar("ModelT", bound=Message)

_PAGE_LIMIT = "200"


class ServiceClient:
    """HTTP client of one service. Raises `ProblemError` for error responses, httpx's errors otherwise."""

    def __init__(self, url: str | None, token: TokenSource | None, timeout: float, url_argument: str) -> None:
        self._http = None if url is None else _create_client(url, timeout)
        self._token = token
        self._url_argument = url_argument

    @property
    def is_configured(self) -> bool:
        """Return whether the service's URL is configured."""
        return self._http is not None

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def fetch_one(self, model: type[ModelT], path: str, **query: str) -> ModelT:
        """Return the resource at `path`."""
        return _parse_model(model, await self._fetch_body(path, query))

    async def fetch_items(self, model: type[ModelT], path: str, **query: str) -> AsyncIterator[ModelT]:
        """Yield every item of a list, fetching one page at a time."""
        cursor: str | None = None
        while True:
            page = {**query, "limit": _PAGE_LIMIT} | ({} if cursor is None else {"cursor": cursor})
            body = await self._fetch_body(path, page)
            for item in body["items"]:
                yield _parse_model(model, item)
            cursor = body.get("nextCursor")
            if cursor is None:
                return

    async def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Post a JSON object to `path`."""
        await self._send_request("POST", path, json=body)

    async def _fetch_body(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        body: dict[str, Any] = (await self._send_request("GET", path, params=query)).json()
        return body

    async def _send_request(self, method: str, path: str, **content: Any) -> httpx.Response:
        if self._http is None:
            msg = f"this request needs a URL: pass {self._url_argument} to the client"
            raise ValueError(msg)
        token = self._token() if callable(self._token) else self._token
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        response = await self._http.request(method, path, headers=headers, **content)
        if response.is_success:
            return response
        raise _parse_problem(response)


class HttpReader:
    """Reads of both services over HTTP, and the one report that a user makes there."""

    def __init__(
        self,
        invitations_url: str | None,
        broadcast_url: str | None,
        token: TokenSource | None,
        timeout: float,
    ) -> None:
        self.invitations = ServiceClient(invitations_url, token, timeout, "invitations_url")
        self.broadcast = ServiceClient(broadcast_url, token, timeout, "broadcast_url")

    async def close(self) -> None:
        """Close the connections."""
        await self.invitations.close()
        await self.broadcast.close()

    def rooms(self, status: RoomFilter = "open", host_id: str | None = None) -> AsyncIterator[RoomSummary]:
        """Yield rooms, newest fact first. Allowed for ops."""
        hosts = {} if host_id is None else {"hostId": host_id}
        return self.invitations.fetch_items(RoomSummary, "/v1/rooms", status=status, **hosts)

    async def room(self, room_id: str) -> RoomSummary:
        """Return one room; `pending` is None unless the token's user is its host or ops."""
        return await self.invitations.fetch_one(RoomSummary, f"/v1/rooms/{_quote_segment(room_id)}")

    def room_invitations(
        self, room_id: str, status: StatusFilter = "any"
    ) -> AsyncIterator[InvitationDetails]:
        """Yield a room's invitations, newest first. Allowed for the room's host."""
        return self.invitations.fetch_items(
            InvitationDetails, f"/v1/rooms/{_quote_segment(room_id)}/invitations", status=status
        )

    def user_invitations(
        self, user_id: str, status: StatusFilter = "pending", room_id: str | None = None
    ) -> AsyncIterator[InvitationDetails]:
        """Yield a user's invitations, newest first. Allowed for that user."""
        path = f"/v1/users/{_quote_segment(user_id)}/invitations"
        rooms = {} if room_id is None else {"roomId": room_id}
        return self.invitations.fetch_items(InvitationDetails, path, status=status, **rooms)

    async def invitation(self, invitation_id: str) -> InvitationDetails:
        """Return one invitation. Allowed for the room's host, the inviter and the invitee."""
        return await self.invitations.fetch_one(
            InvitationDetails, f"/v1/invitations/{_quote_segment(invitation_id)}"
        )

    async def co_hosts(self, room_id: str) -> tuple[CoHost, ...]:
        """Return the users who have a seat in the room, in their order."""
        return (
            await self.invitations.fetch_one(CoHosts, f"/v1/rooms/{_quote_segment(room_id)}/co-hosts")
        ).items

    async def broadcast_data(self, room_id: str, *, as_viewer: bool = False) -> BroadcastData:
        """Return LiveKit connection data for the token's user, as host or co-host, or as a viewer."""
        query = {"as": "viewer"} if as_viewer else {}
        return await self.broadcast.fetch_one(
            BroadcastData, f"/v1/rooms/{_quote_segment(room_id)}/broadcast-data", **query
        )

    async def stage(self, room_id: str) -> Stage:
        """Return the room's stage as LiveKit reports it."""
        return await self.broadcast.fetch_one(Stage, f"/v1/rooms/{_quote_segment(room_id)}/stage")

    async def diagnosis(self, room_id: str, user_id: str) -> Diagnosis:
        """Return why a user is not on air in a room. Allowed for that user and the room's host.

        The gateway answers with all steps, invitations with those up to the seat.
        """
        return await self.invitations.fetch_one(
            Diagnosis, f"/v1/rooms/{_quote_segment(room_id)}/users/{_quote_segment(user_id)}/diagnosis"
        )

    async def report_quality(
        self, room_id: str, quality: ConnectionQuality, round_trip_ms: int | None = None
    ) -> None:
        """Report the quality of the connection of the token's user, who is the host or a seated co-host."""
        path = f"/v1/rooms/{_quote_segment(room_id)}/stage/quality"
        await self.broadcast.post(path, {"quality": quality, "roundTripMs": round_trip_ms})

    async def command(self, command_id: str) -> DetailedOutcome:
        """Return the outcome of an invitations command; `detail` is for ops. Allowed for its actor."""
        return await fetch_outcome(self.invitations, command_id)

    async def mute_command(self, command_id: str) -> DetailedOutcome:
        """Return the outcome of a broadcast command. Allowed for its actor."""
        return await fetch_outcome(self.broadcast, command_id)


async def fetch_outcome(service: ServiceClient, command_id: str) -> DetailedOutcome:
    """Return the outcome of a service's command."""
    return await service.fetch_one(DetailedOutcome, f"/v1/commands/{_quote_segment(command_id)}")


def _create_client(url: str, timeout: float) -> httpx.AsyncClient:
    # A proxy of the environment would ask its own loopback interface, not this machine's.
    return httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=not _is_loopback(httpx.URL(url).host))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _quote_segment(part: str) -> str:
    return quote(part, safe="")


def _parse_model(model: type[ModelT], body: Any) -> ModelT:
    return model.model_validate(body, by_alias=True, by_name=False)


def _parse_problem(response: httpx.Response) -> ProblemError:
    try:
        body = response.json()
    except ValueError:
        body = None
    problem = body if isinstance(body, dict) else {}
    return ProblemError(response.status_code, str(problem.get("reason", "")), problem.get("detail"), problem)
