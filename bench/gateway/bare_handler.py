"""A bare FastAPI handler: it writes a command to Kafka and answers 202, without token, outcome or limits.

It is the least that a program between HTTP and Kafka does. The gateway also asks it in place of broadcast
whether it knows an idempotency key: it knows none.
"""

import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from bench.workload import traffic_producer
from cohost.kafka import patches
from cohost_schemas import envelope, topics


class BareCommand(BaseModel):
    """A command as it is to be written."""

    id: str
    name: str
    data: dict[str, Any]


def create_bare_app(bootstrap_servers: str, prefix: str) -> FastAPI:
    """Create the application."""
    # In the application's lifespan, because a producer needs the running loop.
    producers: list[AIOKafkaProducer] = []
    topic = topics.INVITATION_COMMANDS.full_name(prefix)

    @contextlib.asynccontextmanager
    async def run_producer(_: FastAPI) -> AsyncIterator[None]:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
        await producer.start()
        producers.append(producer)
        yield
        await producer.stop()

    application = FastAPI(lifespan=run_producer)

    @application.post("/v1/rooms/{room_id}/commands", status_code=202)
    async def write_command(room_id: str, command: BareCommand) -> dict[str, str]:
        event = traffic_producer.build_event(command.id, command.name, room_id, command.data)
        await producers[0].send_and_wait(topic, envelope.encode_event(dict(event)), key=room_id.encode())
        return {"commandId": command.id}

    @application.get("/v1/commands/{command_id}")
    async def get_command(command_id: str) -> JSONResponse:
        return JSONResponse({"reason": "command_not_found", "detail": command_id}, 404)

    return application


def serve_bare_app() -> None:
    """Serve until SIGTERM."""
    options = json.loads(sys.argv[1])
    patches.apply_patches()
    application = create_bare_app(options["bootstrap_servers"], options["prefix"])
    uvicorn.run(
        application, host=options["host"], port=options["port"], log_level="warning", access_log=False
    )


if __name__ == "__main__":
    serve_bare_app()
