"""Pages for browsers, built from `web/`: the console, and in development the demo with tokens for anybody."""

import time
from pathlib import Path
from typing import Any

import jwt
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ConfigDict
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from cohost_schemas.types import Id, Message, Text
from services.gateway.settings import GatewaySettings
from services.runtime.http import bodies
from services.runtime.http.problems import HttpProblem

WEB_FOLDER = Path(__file__).parents[3] / "web"

_TOKEN_SECONDS = 600
# Nothing inline and nothing of other origins.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_CONSOLE_POLICY = f"{_POLICY}; img-src 'self'; connect-src 'self'"
# Only broadcast data tells LiveKit's address.
_DEMO_POLICY = (
    f"{_POLICY}; img-src 'self' data: blob:; font-src 'self'; media-src 'self' blob:;"
    " worker-src 'self' blob:; connect-src 'self' ws: wss: http: https:"
)


class DemoTokenRequest(Message):
    """The claims of a token for the demo."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id
    name: Text | None = None
    scope: Text | None = None


def create_page_routers(settings: GatewaySettings) -> list[APIRouter]:
    """Create the routers with all pages of this environment."""
    routers = [create_console_router(settings)]
    return routers if settings.is_production else [*routers, create_demo_router(settings)]


def create_console_router(settings: GatewaySettings, folder: Path = WEB_FOLDER) -> APIRouter:
    """Create the router with the console's pages. They are for anybody: what they show needs a token."""
    routes = APIRouter(include_in_schema=False)
    pages = _BuiltPages(folder / "console" / "dist", _CONSOLE_POLICY)

    @routes.get("/console/settings.json")
    async def console_settings() -> Response:
        """Return what the console's pages cannot know when they are built."""
        answer = {"hasDemoTokens": not settings.is_production and settings.jwt_secret is not None}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    @routes.get("/console/{path:path}")
    async def console_page(path: str, request: Request) -> Response:
        """Return a file of the console."""
        return await pages.respond(path, request)

    return routes


def create_demo_router(settings: GatewaySettings, folder: Path = WEB_FOLDER) -> APIRouter:
    """Create the router with the demo's pages, and with a token for anybody who asks."""
    routes = APIRouter(include_in_schema=False)
    pages = _BuiltPages(folder / "demo" / "dist", _DEMO_POLICY)

    @routes.get("/")
    async def first_page(request: Request) -> Response:
        """Return the page that links to all others."""
        return await pages.respond("index.html", request)

    @routes.get("/demo/{path:path}")
    async def demo_page(path: str, request: Request) -> Response:
        """Return a file of the demo."""
        return await pages.respond(path, request)

    @routes.post("/demo/token")
    async def sign_demo_token(request: Request) -> Response:
        """Return a token with the claims that are asked for."""
        claims = await bodies.read_model(request, DemoTokenRequest)
        return JSONResponse({"token": _sign(settings, claims)}, headers={"Cache-Control": "no-store"})

    return routes


class _BuiltPages:
    """The files that a build left in a folder; `…/` stands for its `index.html`."""

    def __init__(self, folder: Path, policy: str) -> None:
        self._folder = folder
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        self._files = StaticFiles(directory=folder, html=True, check_dir=False)

    async def respond(self, path: str, request: Request) -> Response:
        """Return a file. Raises `HttpProblem` (404)."""
        try:
            answer = await self._files.get_response(path or ".", request.scope)
        except HTTPException:
            detail = None if self._folder.is_dir() else "The pages are not built: run `make web`."
            raise HttpProblem(404, "not_found", detail) from None
        answer.headers.update(self._headers)
        # The names of assets change with their content, those of pages do not.
        is_asset = path.startswith("assets/")
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_asset else "no-cache"
        return answer


def _sign(settings: GatewaySettings, request: DemoTokenRequest) -> str:
    if settings.jwt_secret is None:
        raise HttpProblem(404, "not_found", "Tokens are not signed here: COHOST_JWT_SECRET is not set.")
    now = int(time.time())
    optional = {
        "name": request.name,
        "scope": request.scope,
        "iss": settings.jwt_issuer,
        "aud": settings.jwt_audience,
    }
    claims: dict[str, Any] = {"sub": request.user_id, "iat": now, "exp": now + _TOKEN_SECONDS}
    claims |= {name: value for name, value in optional.items() if value is not None}
    return jwt.encode(claims, settings.jwt_secret.get_secret_value(), algorithm="HS256")
