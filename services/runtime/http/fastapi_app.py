"""The FastAPI application of a process: its own routes, and those that all processes share."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    exposition,
)

from messaging.pipeline import Pipeline
from messaging.processor import Topology
from services.runtime import asyncapi
from services.runtime.http import auth, command_status, middleware, openapi, problems
from services.runtime.readiness import Readiness, ReadinessCheck, pipeline_readiness
from services.runtime.settings import ProcessSettings, ServiceSettings
from services.runtime.tracing.traces import Traces


class _Application(FastAPI):
    def __init__(
        self, title: str, problem_models: Sequence[type[problems.ProblemDetails]], traces: Traces
    ) -> None:
        super().__init__(
            title=title,
            version=asyncapi.API_VERSION,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
            telemetry=traces.telemetry,
        )
        self.state.traces = traces
        self._problem_models = problem_models

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.with_problem_details(super().openapi(), self._problem_models)
        return self.openapi_schema


def create_app(  # noqa: PLR0913 - an application has these parts
    title: str,
    *,
    settings: ServiceSettings,
    pipeline: Pipeline,
    registry: CollectorRegistry,
    pool: asyncpg.Pool,
    topology: Topology,
    routers: Sequence[APIRouter],
    public_routers: Sequence[APIRouter] = (),
    checks: Mapping[str, ReadinessCheck] | None = None,
    traces: Traces | None = None,
) -> FastAPI:
    """Create the application of a service with a pipeline.

    `checks` are further parts of `/readyz`, by name.
    """
    kafka = settings.pipeline_config(topology.name).kafka
    return create_process_app(
        title,
        settings=settings,
        registry=registry,
        readiness=pipeline_readiness(kafka, pipeline, pool, checks),
        topology=topology,
        routers=(*routers, command_status.create_status_router(pool)),
        public_routers=public_routers,
        traces=traces,
    )


def create_process_app(  # noqa: PLR0913 - an application has these parts
    title: str,
    *,
    settings: ProcessSettings,
    registry: CollectorRegistry,
    readiness: Readiness,
    topology: asyncapi.DocumentedTopics | None,
    routers: Sequence[APIRouter],
    public_routers: Sequence[APIRouter] = (),
    problem_models: Sequence[type[problems.ProblemDetails]] = (),
    traces: Traces | None = None,
) -> FastAPI:
    """Create the application. Routes of `routers` require a token, those of `public_routers` do not.

    `problem_models` are those of problems that have further members. Without `topology` there is no AsyncAPI
    document.
    """
    application = _Application(title, problem_models, traces or Traces())
    application.state.authenticator = settings.build_authenticator()
    problems.install_handlers(application)
    application.add_middleware(middleware.RequestMetrics, histogram=middleware.request_histogram(registry))
    application.add_middleware(middleware.HeadRequests)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    # Authenticate before validation: a caller without a token must not learn what is wrong with the request.
    authenticated = [Depends(auth.authenticate_request)]
    for router in routers:
        application.include_router(
            router, dependencies=authenticated, responses=problems.problem_responses(401)
        )
    for router in (*public_routers, _operations_router(readiness, registry)):
        application.include_router(router)
    if topology is not None:
        prefix, partitions = settings.topic_prefix, settings.partitions
        specification = asyncapi.ServiceSpecification(title, topology, prefix, partitions)
        application.include_router(_documents_router(specification))
    return application


def _operations_router(readiness: Readiness, registry: CollectorRegistry) -> APIRouter:
    routes = APIRouter(tags=["operations"])
    ready = Gauge("cohost_ready", "Whether a part of /readyz is ready: 1 or 0.", ["part"], registry=registry)

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Return 200 while the process is alive."""
        return {"status": "alive"}

    @routes.get("/readyz", responses={503: {"description": "A part is missing."}})
    async def readyz() -> JSONResponse:
        """Return whether the service consumes and is connected, part by part."""
        parts = await readiness.check_parts()
        ready = all(status is True for status in parts.values())
        return JSONResponse(
            {"status": "ready" if ready else "not ready", "parts": parts}, 200 if ready else 503
        )

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Return the service's metrics in Prometheus format."""
        for part, status in readiness.last_parts().items():
            ready.labels(part).set(status is True)
        return Response(exposition.generate_latest(registry), media_type=exposition.CONTENT_TYPE_LATEST)

    return routes


def _documents_router(specification: asyncapi.ServiceSpecification) -> APIRouter:
    routes = APIRouter(tags=["documents"])
    document = specification.to_specification().to_jsonable()
    page = asyncapi.render_page(document)

    @routes.get("/asyncapi", response_class=HTMLResponse)
    async def asyncapi_page() -> HTMLResponse:
        """Show the topics that the service reads and writes as a page."""
        return HTMLResponse(page)

    @routes.get("/asyncapi.json")
    async def asyncapi_document() -> dict[str, Any]:
        """Return the topics that the service reads and writes, as AsyncAPI 3.0."""
        return document

    return routes
