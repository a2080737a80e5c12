"""Requests to the two services, with the caller's token, over one pool of connections per service."""

import asyncio
from collections.abc import Mapping
from urllib.parse import quote

import httpx
from fastapi import Request
from fastapi.responses import Response

from services.gateway.service_transport import ServiceTransport
from services.gateway.trace import parse_trace
from services.runtime.http import problems
from services.runtime.http.problems import HttpProblem

_TIMEOUT_SECONDS = 6.0
_RETURNED_HEADERS = ("content-type", "cache-control", "location", "retry-after", "www-authenticate")


class ServiceProxy:
    """One of the two services over HTTP; `name` is what a problem calls it."""

    def __init__(self, name: str, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.name = name
        self._http = httpx.AsyncClient(
            base_url=url,
            transport=transport or ServiceTransport(),
            # The services are beside the gateway, not behind a proxy of the environment.
            trust_env=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, request: Request, *path: str, body: bytes | None = None) -> httpx.Response:
        """Send the caller's request to `path`, given as segments, with its query and its token.

        Raises `HttpProblem`: 503 `unavailable` if the service does not answer, or a proxy before it answers
        for it; 422 if the URL is too long.
        """
        try:
            url = httpx.URL(_join(path), query=_query_of(request))
            return await self._request(
                request.method, url, _forwarded_headers(request), _TIMEOUT_SECONDS, body
            )
        except httpx.InvalidURL:
            # Quoted, a path or a query may be three times as long as it came.
            raise HttpProblem(422, "invalid_request", "The path or the query is too long.") from None

    async def look_up(
        self, authorization: str, *path: str, seconds: float, query: str = ""
    ) -> httpx.Response:
        """Return the answer to a GET request of the gateway's own, with the caller's token.

        Raises `HttpProblem` as `send` does, at the latest after `seconds`.
        """
        url = httpx.URL(_join(path), query=query.encode() or None)
        return await self._request("GET", url, {"authorization": authorization}, seconds)

    async def forward(self, request: Request, *path: str, body: bytes | None = None) -> Response:
        """Answer with the service's answer to the caller's request. Raises `HttpProblem` as `send` does."""
        return returned_response(await self.send(request, *path, body=body))

    async def _request(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        seconds: float,
        body: bytes | None = None,
    ) -> httpx.Response:
        try:
            async with asyncio.timeout(seconds):
                answer = await self._http.request(method, url, headers=headers, content=body)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError):
            raise self._is_away() from None
        if answer.is_server_error and not _is_problem(answer):
            raise self._is_away()
        return answer

    def _is_away(self) -> HttpProblem:
        return HttpProblem(503, "unavailable", f"The {self.name} service does not answer; try again.")


def _is_problem(answer: httpx.Response) -> bool:
    """Return whether an answer is a service's own: a proxy's errors are no problem details."""
    return str(answer.headers.get("content-type")).startswith(problems.MEDIA_TYPE)


def _join(path: tuple[str, ...]) -> str:
    return "/".join(("", *map(quote_segment, path)))


def returned_response(answer: httpx.Response) -> Response:
    """Return a service's answer as the gateway's."""
    headers = {name: answer.headers[name] for name in _RETURNED_HEADERS if name in answer.headers}
    return Response(answer.content, answer.status_code, headers)


def quote_segment(part: str) -> str:
    """Return a path segment in which nothing is a separator, and which is no dot segment."""
    return quote(part, safe="").replace(".", "%2E") if part in (".", "..") else quote(part, safe="")


def _forwarded_headers(request: Request) -> dict[str, str]:
    """Return the caller's token and valid trace; no other header of a caller reaches a service."""
    headers = parse_trace(request.headers)
    if "authorization" in request.headers:
        headers["authorization"] = request.headers["authorization"]
    return headers


def _query_of(request: Request) -> bytes | None:
    query: bytes = request.scope["query_string"]
    # A `#` in a request's target is part of its query for the HTTP server, and an error for httpx.
    return query.replace(b"#", b"%23") or None
