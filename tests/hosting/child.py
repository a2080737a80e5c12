"""A service process with a scripted behaviour: `python -m tests.runtime.scripted_service <behaviour>`."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI

from messaging import database
from messaging.errors import IncompatibleDeployment, LogMismatch
from services.runtime import process
from services.runtime.settings import load_settings
from tests.hosting import example
from tests.hosting.example import ExampleSettings, Pipeline

log = structlog.get_logger()


async def refused() -> None:
    msg = "the database belongs to\nanother cluster"
    raise IncompatibleDeployment(msg)


async def damaged() -> None:
    await asyncio.sleep(0)
    msg = "the log ends before what was acknowledged"
    raise LogMismatch(msg)


async def broken() -> None:
    msg = "a mistake"
    raise RuntimeError(msg)


async def stuck() -> None:
    while True:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.info("not listening")


async def lasting() -> None:
    try:
        await asyncio.Event().wait()
    finally:
        log.info("background ended")


async def closed() -> None:
    log.info("closed")


async def hanging() -> None:
    await asyncio.Event().wait()


PIPELINES = {"refused": refused, "damaged": damaged, "broken": broken, "stuck": stuck}
BACKGROUND = {"broken background": broken}


def building(what: str) -> Callable[[ExampleSettings], Awaitable[process.Service]]:
    async def build(settings: ExampleSettings) -> process.Service:
        pool = await database.create_pool(settings.pipeline_config("example"), 2)
        instead = PIPELINES.get(what)
        pipeline = Pipeline(ready=what not in ("refused", "damaged"), instead=instead() if instead else None)
        web = example.application(pool, pipeline, settings)
        _slow(web)
        background = BACKGROUND.get(what, lasting)
        return process.Service("example", pipeline, web, (background,), (hanging, closed, pool.close))  # type: ignore[arg-type]

    return build


def _slow(web: FastAPI) -> None:
    @web.get("/slow")
    async def slow() -> str:
        log.info("slow began")
        await asyncio.sleep(0.5)
        return "done"


if __name__ == "__main__":
    sys.exit(process.run_service(load_settings(ExampleSettings), building(sys.argv[1])))
