"""Routes for ops that read the log: activity, refusals, and the history of a room."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

import time
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost_schemas.ops.activity import Activity, Refusals, RoomHistory
from cohost_schemas.types import Id
from services.gateway.ops.activity import activity_answers
from services.gateway.ops.activity.log_activity import MAX_REFUSALS
from services.gateway.ops.history.history_reader import MAX_RECORDS, HistoryPart
from services.gateway.ops.log_records import encode_answer, encode_record
from services.gateway.ops.log_view import LogView
from services.gateway.ops.shared_answers import SharedAnswers
from services.runtime.http import auth, pagination, path_params, problems
from services.runtime.http.pagination import BigInt
from services.runtime.http.problems import HttpProblem

_JSON = "application/json"


class HistoryPosition(NamedTuple):
    """A place in a room's history: the offsets before which it continues, in the order of its topics."""

    room_id: Id
    rooms: BigInt
    invitation_commands: BigInt
    invitation_events: BigInt
    invitation_rejections: BigInt
    broadcast_commands: BigInt
    broadcast_events: BigInt
    broadcast_rejections: BigInt
    badges: BigInt


def create_log_router(view: LogView) -> APIRouter:
    """Create the router with what this copy of the gateway reads of the log."""
    routes = APIRouter(
        prefix="/v1/ops",
        tags=["ops"],
        dependencies=[Depends(auth.require_ops)],
        responses=problems.problem_responses(403),
    )
    _add_activity(routes, view)
    _add_history(routes, view)
    return routes


def _add_activity(routes: APIRouter, view: LogView) -> None:
    shared = SharedAnswers[bytes]()

    async def encode_activity() -> bytes:
        return activity_answers.encode_activity(view.activity, time.time())

    async def encode_refusals(reason: str | None, limit: int) -> bytes:
        return activity_answers.encode_refusals(view.activity, reason, limit)

    @routes.get("/activity", response_model=Activity)
    async def get_activity() -> Response:
        """Return what this copy has read of the last 15 minutes: counts, refusals, alarms, newest records."""
        return _respond(await shared.get("activity", encode_activity))

    @routes.get("/refusals", response_model=Refusals, responses=problems.problem_responses(422))
    async def list_refusals(
        reason: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_REFUSALS)] = MAX_REFUSALS,
    ) -> Response:
        """List the newest refusals that this copy has read, of one reason or of all."""
        return _respond(await shared.get((reason, limit), partial(encode_refusals, reason, limit)))


def _add_history(routes: APIRouter, view: LogView) -> None:
    @routes.get(
        "/rooms/{roomId}/history",
        response_model=RoomHistory,
        responses=problems.problem_responses(422, 503),
    )
    async def get_history(
        room_id: path_params.RoomId,
        limit: Annotated[int, Query(ge=1, le=MAX_RECORDS)] = 200,
        before: Annotated[
            str | None, Query(max_length=1024, description="`before` of the part that follows.")
        ] = None,
    ) -> Response:
        """Return a room's records on all its topics, the newest `limit` of them, oldest first."""
        position = None if before is None else _decode_position(room_id, before)
        try:
            if position is None:
                part = await view.history.read_newest(room_id, limit)
            else:
                part = await view.history.read_before(room_id, limit, position[1:])
        except UNAVAILABLE_ERRORS:
            raise HttpProblem(503, "unavailable", "Kafka does not answer in time; try again.") from None
        return _respond(_encode_history(view, room_id, part))


def _decode_position(room_id: str, text: str) -> HistoryPosition:
    position = pagination.decode_cursor(text, HistoryPosition)
    if position.room_id != room_id:
        raise HttpProblem(422, "invalid_request", "before: It is of another room.")
    return position


def _encode_history(view: LogView, room_id: str, part: HistoryPart) -> bytes:
    connection = view.activity.connection
    return encode_answer(
        {"items": [encode_record(connection, record) for record in part.records]},
        roomId=room_id,
        before=None if part.before is None else pagination.encode_cursor(room_id, *part.before),
        isComplete=part.is_complete,
        unreadable=part.unreadable,
    )


def _respond(body: bytes) -> Response:
    return Response(body, media_type=_JSON, headers={"Cache-Control": "no-store"})
