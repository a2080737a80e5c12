"""A service process with a scripted behaviour: `python -m tests.runtime.scripted_service <behaviour>`."""

import asyncio
import sys

import structlog
from fastapi import FastAPI
from faststream import FastStream

from messaging import database
from messaging.errors import IncompatibleDeployment, LogMismatch
from messaging.inputs.broker import LaneBroker
from services.runtime import process
from services.runtime.settings import load_settings
from tests.runtime import example_service
from tests.runtime.example_service import ExampleSettings, FakePipeline

log = structlog.get_logger()


async def refuse_start() -> None:
    msg = "the database belongs to\nanother cluster"
    raise IncompatibleDeployment(msg)


async def refuse_setting() -> None:
    msg = "the topics have 3 partitions"
    raise IncompatibleDeployment(msg, setting="partitions")


async def fail_damaged() -> None:
    await asyncio.sleep(0)
    msg = "the log ends before what was acknowledged"
    raise LogMismatch(msg)


async def raise_error() -> None:
    msg = "a mistake"
    raise RuntimeError(msg)


async def ignore_cancellation() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.info("not listening")


async def wait_for_cancellation() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        log.info("background ended")


async def log_closed() -> None:
    log.info("closed")


async def hang() -> None:
    await asyncio.Event().wait()


PIPELINES = {
    "refused": refuse_start,
    "refused setting": refuse_setting,
    "damaged": fail_damaged,
    "broken": raise_error,
    "stuck": ignore_cancellation,
}
BACKGROUND = {"broken background": raise_error}


def create_app(what: str) -> FastStream:
    settings = load_settings(ExampleSettings)

    async def build() -> process.Service:
        pool = await database.create_pool(settings.pipeline_config("example"), 2)
        instead = PIPELINES.get(what)
        pipeline = FakePipeline(
            ready=what not in ("refused", "refused setting", "damaged"),
            instead=instead() if instead else None,
        )
        web = example_service.example_application(pool, pipeline, settings)
        _add_slow_route(web)
        background = BACKGROUND.get(what, wait_for_cancellation)
        return process.Service("example", pipeline, web, (background,), (hang, log_closed, pool.close))  # type: ignore[arg-type]

    lifecycle = process.Lifecycle(settings, build)
    broker = LaneBroker(settings.pipeline_config("example"))
    return FastStream(broker, lifespan=lifecycle.lifespan, on_shutdown=[lifecycle.stop])


def _add_slow_route(web: FastAPI) -> None:
    @web.get("/slow")
    async def slow() -> str:
        log.info("slow began")
        await asyncio.sleep(0.5)
        return "done"


if __name__ == "__main__":
    process.run_app(lambda: create_app(sys.argv[1]))
