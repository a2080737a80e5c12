"""The diagnosis of a user in a room, gathered from both services."""
# ruff: noqa: FAST003 - ruff does not see the aliases of `path_params`

import asyncio
from http import HTTPStatus

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response

from cohost_schemas.answers import Diagnosis
from services.gateway.diagnosis import merge_diagnoses
from services.gateway.services import ServiceProxy, returned_response
from services.runtime.http import path_params, problems
from services.runtime.http.problems import HttpProblem


def create_diagnosis_router(invitations: ServiceProxy, broadcast: ServiceProxy) -> APIRouter:
    """Create the router with the diagnosis."""
    routes = APIRouter(tags=["reads"])

    @routes.get(
        "/v1/rooms/{roomId}/users/{userId}/diagnosis",
        response_model=Diagnosis,
        responses=problems.problem_responses(403, 404, 422),
    )
    async def diagnose(
        request: Request, room_id: path_params.RoomId, user_id: path_params.UserId
    ) -> Diagnosis | Response:
        """Return how far a user has come to being on air: the first step that is not `ok` is why not.

        Allowed for that user, the room's host and ops.
        """
        path = ("v1", "rooms", room_id, "users", user_id, "diagnosis")
        first, second = await _ask_both(request, path, invitations, broadcast)
        if first.status_code != HTTPStatus.OK:
            return returned_response(first)
        # Broadcast may know the room, or its new host, later.
        is_known = second.status_code == HTTPStatus.OK
        return merge_diagnoses(_parse(first), _parse(second) if is_known else None)

    return routes


async def _ask_both(request: Request, path: tuple[str, ...], *services: ServiceProxy) -> list[httpx.Response]:
    """Return both answers. Raises `HttpProblem` (503) that names the services that do not answer."""
    answers = await asyncio.gather(*(_ask(service, request, path) for service in services))
    away = [service.name for service, answer in zip(services, answers, strict=True) if answer is None]
    if away:
        raise HttpProblem(503, "unavailable", f"No answer from {' and '.join(away)}; try again.")
    return [answer for answer in answers if answer is not None]


async def _ask(service: ServiceProxy, request: Request, path: tuple[str, ...]) -> httpx.Response | None:
    try:
        answer = await service.send(request, *path)
    except HttpProblem as problem:
        if problem.status != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return None
    return None if answer.is_server_error else answer


def _parse(answer: httpx.Response) -> Diagnosis:
    return Diagnosis.model_validate_json(answer.content, by_alias=True, by_name=False)
