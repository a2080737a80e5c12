"""The FastAPI application of a service: its own routes, and those that both services share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import asyncpg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, exposition

from messaging.domain import Topology
from messaging.pipeline import Pipeline
from services.hosting import asyncapi, auth, commands, openapi, problems, requests
from services.hosting.readiness import Readiness
from services.hosting.settings import Settings

VERSION = "1"


class _Application(FastAPI):
    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.completed(super().openapi())
        return self.openapi_schema


def create(  # noqa: PLR0913 - an application has these parts
    title: str,
    *,
    settings: Settings,
    pipeline: Pipeline,
    registry: CollectorRegistry,
    pool: asyncpg.Pool,
    layout: Topology,
    routers: Sequence[APIRouter],
    open_routers: Sequence[APIRouter] = (),
    checks: Mapping[str, Callable[[], Awaitable[bool]]] | None = None,
) -> FastAPI:
    """Create the application. Routes of `routers` require a token, those of `public_routers` do not.

    `checks` are further parts of `/readyz`, by name.
    """
    application = _Application(
        title=title, version=VERSION, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    application.state.authenticator = settings.authenticator()
    problems.install(application)
    application.add_middleware(requests.Requests, taken=requests.seconds(registry))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    readiness = Readiness(settings.pipeline(layout.name), pipeline, pool, checks or {})
    document = asyncapi.document(title, VERSION, layout, settings.topic_prefix, settings.partitions)
    # Authenticate before validation: a caller without a token must not learn what is wrong with the request.
    identified = [Depends(auth.caller)]
    for router in (*routers, commands.router(pool)):
        application.include_router(router, dependencies=identified, responses=problems.responses(401))
    for router in (*open_routers, _operations(readiness, registry), _documents(document)):
        application.include_router(router)
    return application


def _operations(readiness: Readiness, registry: CollectorRegistry) -> APIRouter:
    routes = APIRouter(tags=["operations"])

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Return 200 while the process is alive."""
        return {"status": "alive"}

    @routes.get("/readyz", responses={503: {"description": "A part is missing."}})
    async def readyz() -> JSONResponse:
        """Return whether the service consumes and is connected, part by part."""
        parts = await readiness.parts()
        ready = all(parts.values())
        return JSONResponse(
            {"status": "ready" if ready else "not ready", "parts": parts}, 200 if ready else 503
        )

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return the service's metrics in Prometheus format."""
        return Response(exposition.generate_latest(registry), media_type=exposition.CONTENT_TYPE_LATEST)

    return routes


def _documents(document: dict[str, Any]) -> APIRouter:
    routes = APIRouter(tags=["documents"])
    page = asyncapi.page(document)

    @routes.get("/asyncapi", response_class=HTMLResponse)
    async def asyncapi_page() -> HTMLResponse:
        """Show the topics that the service reads and writes as a page."""
        return HTMLResponse(page)

    @routes.get("/asyncapi.json")
    async def asyncapi_document() -> dict[str, Any]:
        """Return the topics that the service reads and writes, as AsyncAPI 3.0."""
        return document

    return routes
