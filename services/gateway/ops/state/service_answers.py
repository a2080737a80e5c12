"""The services' answers to one question of ops, asked at the same time with the caller's token."""

import asyncio
from http import HTTPStatus
from typing import NamedTuple, TypeVar

from fastapi import Request
from pydantic import ValidationError

from cohost_schemas.ops.state import LaneStates, StateOverview, StatePart
from cohost_schemas.types import Message
from services.gateway.services import ServiceProxy
from services.runtime.http.problems import HttpProblem

MessageT = TypeVar("MessageT", bound=Message)

_SECONDS = 1.8
"""Ops get an answer within two seconds, whatever is away."""


class Services(NamedTuple):
    """The two services."""

    invitations: ServiceProxy
    broadcast: ServiceProxy


async def ask_service(
    service: ServiceProxy, request: Request, name: str, model: type[MessageT], query: str = ""
) -> MessageT | None:
    """Return a service's answer to `/v1/ops/{name}`, None if it has none in time, or another version's."""
    authorization = request.headers["authorization"]
    try:
        answer = await service.look_up(authorization, "v1", "ops", name, seconds=_SECONDS, query=query)
    except HttpProblem:
        return None
    if answer.status_code != HTTPStatus.OK:
        return None
    try:
        return model.model_validate_json(answer.content, by_alias=True, by_name=False)
    except ValidationError:
        return None


async def ask_services(
    services: Services, request: Request, name: str, model: type[MessageT]
) -> tuple[MessageT | None, MessageT | None]:
    """Return the answers of invitations and of broadcast."""
    first, second = await asyncio.gather(
        ask_service(services.invitations, request, name, model),
        ask_service(services.broadcast, request, name, model),
    )
    return first, second


def unavailable_parts(
    invitations: LaneStates | StateOverview | None, broadcast: LaneStates | StateOverview | None
) -> tuple[StatePart, ...]:
    """Return what is unavailable: services without an answer, and what the answers list."""
    answers: dict[StatePart, LaneStates | StateOverview | None] = {
        "invitations": invitations,
        "broadcast": broadcast,
    }
    away = [name for name, answer in answers.items() if answer is None]
    listed = [part for answer in answers.values() if answer is not None for part in answer.unavailable]
    return tuple(dict.fromkeys((*away, *listed)))
