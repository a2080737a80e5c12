"""Facts about rooms and users, written for the platform that owns them."""
# ruff: noqa: FAST003 - ruff does not see aliases of path parameters

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from fastapi import APIRouter, Depends, Path, Request

from cohost.errors import NotConfirmed
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost_schemas import topics
from cohost_schemas.facts import RoomChanged, UserChanged
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message, StoredId
from services.gateway.http import message_bodies
from services.gateway.http.command_answers import RETRY_SECONDS
from services.gateway.kafka_access import KafkaAccess
from services.gateway.trace import PublicationTracer, carry_trace, current_trace
from services.runtime import log_ids
from services.runtime.http import bodies, problems
from services.runtime.http.auth import caller_of
from services.runtime.http.path_params import RoomId, UserId
from services.runtime.http.problems import HttpProblem

_WRITE_SECONDS = 5.0

log = structlog.get_logger()

# A tombstone may be about what was stored before `.` and `..` were refused.
StoredRoomId = Annotated[StoredId, Path(alias="roomId")]
StoredUserId = Annotated[StoredId, Path(alias="userId")]


class WrittenFact(Message):
    """A fact that Kafka has; `causationId` is the `causationid` of the events that follow from it."""

    causation_id: str


class FactWriter:
    """Writes facts for their requests."""

    def __init__(self, kafka: KafkaAccess, tracer: PublicationTracer) -> None:
        self._kafka = kafka
        self._tracer = tracer

    async def write(self, topic: Topic, key: str, data: Message | None) -> WrittenFact:
        """Write a fact, or a tombstone. Raises `HttpProblem` if it is too large or not confirmed."""
        room_id = key if topic is topics.ROOMS else None
        with log_ids.bound_ids(room_id, traceparent=current_trace().get("traceparent")):
            try:
                with self._tracer.trace_publication(topic):
                    async with asyncio.timeout(_WRITE_SECONDS):
                        causation_id = await self._kafka.client.write_fact(topic, key, data)
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                raise HttpProblem(413, "too_large", "The fact is larger than Kafka takes.") from None
            except (NotConfirmed, HttpProblem, *UNAVAILABLE_ERRORS) as error:
                log.warning("fact not confirmed", error=repr(error))
                raise HttpProblem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    "unavailable",
                    "Kafka has not confirmed the fact; write it again.",
                    retry_after=RETRY_SECONDS,
                ) from None
        return WrittenFact(causation_id=causation_id)


async def _read_fact(request: Request) -> dict[str, Any]:
    """Return the fields of a fact that the platform writes. Raises `HttpProblem` (403) for all others."""
    if not caller_of(request).is_platform:
        raise HttpProblem(403, "forbidden", "Only the platform may write facts (scope cohost:platform).")
    carry_trace(request)
    return await bodies.read_fields(request)


FactFields = Annotated[dict[str, Any], Depends(_read_fact)]


def create_fact_router(kafka: KafkaAccess, tracer: PublicationTracer) -> APIRouter:
    """Create the router with the facts of the contract."""
    routes = APIRouter(tags=["facts"], responses=problems.problem_responses(400, 403, 413, 422))
    writer = FactWriter(kafka, tracer)
    _add_rooms(routes, writer)
    _add_users(routes, writer)
    return routes


def _add_rooms(routes: APIRouter, writer: FactWriter) -> None:
    body = message_bodies.document_body(RoomChanged, ["roomId"])

    @routes.put("/v1/rooms/{roomId}", status_code=202, openapi_extra={"requestBody": body})
    async def set_room(room_id: RoomId, fields: FactFields) -> WrittenFact:
        """Write the current state of a room. It replaces the whole of the previous one."""
        return await writer.write(topics.ROOMS, room_id, _build(RoomChanged, "roomId", room_id, fields))

    @routes.delete("/v1/rooms/{roomId}", status_code=202)
    async def delete_room(room_id: StoredRoomId, fields: FactFields) -> WrittenFact:
        """Write that a room is gone, also one that was never known."""
        _refuse_fields(fields)
        return await writer.write(topics.ROOMS, room_id, None)


def _add_users(routes: APIRouter, writer: FactWriter) -> None:
    body = message_bodies.document_body(UserChanged, ["userId"])

    @routes.put("/v1/users/{userId}", status_code=202, openapi_extra={"requestBody": body})
    async def set_user(user_id: UserId, fields: FactFields) -> WrittenFact:
        """Write the current state of a user. It replaces the whole of the previous one."""
        return await writer.write(topics.USERS, user_id, _build(UserChanged, "userId", user_id, fields))

    @routes.delete("/v1/users/{userId}", status_code=202)
    async def delete_user(user_id: StoredUserId, fields: FactFields) -> WrittenFact:
        """Write that a user is gone, also one that was never known."""
        _refuse_fields(fields)
        return await writer.write(topics.USERS, user_id, None)


def _build(model: type[Message], name: str, key: str, fields: dict[str, Any]) -> Message:
    if fields.get(name, key) != key:
        raise HttpProblem(422, "invalid_request", f"{name}: It differs from that of the path.")
    return bodies.validate(model, {**fields, name: key})


def _refuse_fields(fields: dict[str, Any]) -> None:
    if fields:
        raise HttpProblem(422, "invalid_request", "The body has a field that is not known.")
