"""The diagnosis of both services' steps, and the route that asks both."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from cohost_schemas.answers import Diagnosis, DiagnosisStep
from cohost_schemas.types import StepName, StepState
from services.gateway.diagnosis import STEPS, merge_diagnoses
from services.gateway.http.diagnosis_route import create_diagnosis_router
from services.gateway.services import ServiceProxy
from services.runtime.http import problems

Answer = Callable[[httpx.Request], httpx.Response]
SPLIT = STEPS.index("granted")
ROOM, USER = "room-1", "bob"
PATH = f"/v1/rooms/{ROOM}/users/{USER}/diagnosis"
AT = "2026-01-01T12:00:00.000Z"


def step(name: StepName, state: StepState = "ok", detail: str | None = None) -> DiagnosisStep:
    advice = None if state == "ok" else "A sentence."
    return DiagnosisStep(step=name, state=state, at=AT, detail=detail, advice=advice)


def diagnosis(*steps: DiagnosisStep) -> Diagnosis:
    return Diagnosis(room_id=ROOM, user_id=USER, steps=steps)


def service_steps(*names: StepName, problem: DiagnosisStep | None = None) -> Diagnosis:
    """The steps with these names, all `ok` but one."""
    return diagnosis(
        *(problem if problem is not None and problem.step == name else step(name) for name in names)
    )


def merged(problem: DiagnosisStep | None = None) -> tuple[DiagnosisStep, ...]:
    """The steps of the merged diagnosis, if both services know of no problem but this one."""
    return merge_diagnoses(
        service_steps(*STEPS[:SPLIT], problem=problem), service_steps(*STEPS[SPLIT:], problem=problem)
    ).steps


def test_the_steps_of_both_services_come_in_their_order() -> None:
    whole = merge_diagnoses(service_steps(*reversed(STEPS[:SPLIT])), service_steps(*reversed(STEPS[SPLIT:])))
    assert whole == diagnosis(*map(step, STEPS))


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(
    ("state", "rest"), [("failed", "unknown"), ("unknown", "unknown"), ("waiting", "waiting")]
)
def test_nothing_after_the_first_problem_is_reached(
    name: StepName, state: StepState, rest: StepState
) -> None:
    problem = step(name, state, "a_reason")
    steps = merged(problem)
    place = STEPS.index(name)
    assert steps[: place + 1] == (*map(step, STEPS[:place]), problem)
    assert [found.step for found in steps] == list(STEPS)
    assert [(found.state, found.at, found.detail) for found in steps[place + 1 :]] == [(rest, None, None)] * (
        len(STEPS) - place - 1
    )
    assert all(found.advice is not None for found in steps[place:])


def test_the_first_of_two_problems_counts() -> None:
    steps = merge_diagnoses(
        service_steps(*STEPS[:SPLIT], problem=step("seated", "failed", "left")),
        service_steps(*STEPS[SPLIT:], problem=step("granted", "failed", "livekit_refused")),
    ).steps
    assert [found.detail for found in steps if found.state == "failed"] == ["left"]


def test_without_broadcasts_steps_they_are_unknown() -> None:
    steps = merge_diagnoses(service_steps(*STEPS[:SPLIT]), None).steps
    assert [found.state for found in steps] == ["ok"] * SPLIT + ["unknown"] * (len(STEPS) - SPLIT)


def answer_with(status: int, body: Any) -> Answer:
    content = body.model_dump_json(by_alias=True) if isinstance(body, Diagnosis) else "{}"
    return lambda _: httpx.Response(status, text=content)


def raise_error(_: httpx.Request) -> httpx.Response:
    msg = "refused"
    raise httpx.ConnectError(msg)


OF_INVITATIONS = answer_with(200, service_steps(*STEPS[:SPLIT]))
OF_BROADCAST = answer_with(200, service_steps(*STEPS[SPLIT:]))


async def ask_gateway(invitations: Any, broadcast: Any) -> httpx.Response:
    proxies = (
        ServiceProxy("invitations", "http://invitations", httpx.MockTransport(invitations)),
        ServiceProxy("broadcast", "http://broadcast", httpx.MockTransport(broadcast)),
    )
    application = FastAPI()
    problems.install_handlers(application)
    application.include_router(create_diagnosis_router(*proxies))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        return await web.get(PATH, headers={"Authorization": "Bearer x"})


async def test_both_services_are_asked_at_once_with_the_callers_token() -> None:
    requests: list[httpx.Request] = []
    both_asked = asyncio.Event()

    async def answer_together(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        if len(requests) == 2:
            both_asked.set()
        async with asyncio.timeout(10):
            await both_asked.wait()
        return (OF_INVITATIONS if request.url.host == "invitations" else OF_BROADCAST)(request)

    answer = await ask_gateway(answer_together, answer_together)
    assert (answer.status_code, answer.json()) == (
        200,
        diagnosis(*map(step, STEPS)).model_dump(mode="json", by_alias=True),
    )
    assert {request.headers["authorization"] for request in requests} == {"Bearer x"}
    assert {request.url.path for request in requests} == {PATH}


@pytest.mark.parametrize("status", [403, 404])
async def test_what_invitations_refuses_is_refused(status: int) -> None:
    answer = await ask_gateway(answer_with(status, None), OF_BROADCAST)
    assert (answer.status_code, answer.json()) == (status, {})


@pytest.mark.parametrize("status", [403, 404])
async def test_what_broadcast_does_not_know_yet_is_unknown(status: int) -> None:
    answer = await ask_gateway(OF_INVITATIONS, answer_with(status, None))
    states = [found["state"] for found in answer.json()["steps"]]
    assert (answer.status_code, states) == (200, ["ok"] * SPLIT + ["unknown"] * (len(STEPS) - SPLIT))


@pytest.mark.parametrize("away", [raise_error, answer_with(503, None)])
async def test_services_that_do_not_answer_are_named(away: Answer) -> None:
    for invitations, broadcast, named in (
        (away, OF_BROADCAST, "invitations"),
        (OF_INVITATIONS, away, "broadcast"),
        (away, away, "invitations and broadcast"),
    ):
        answer = await ask_gateway(invitations, broadcast)
        assert (answer.status_code, answer.json()["reason"]) == (503, "unavailable")
        assert answer.json()["detail"] == f"No answer from {named}; try again."


@pytest.mark.parametrize("path", ["/v1/rooms/a%20b/users/bob", "/v1/rooms/r/users/a%20b"])
async def test_no_service_is_asked_about_an_invalid_id(path: str) -> None:
    application = FastAPI()
    problems.install_handlers(application)
    proxy = ServiceProxy("invitations", "http://invitations", httpx.MockTransport(raise_error))
    application.include_router(create_diagnosis_router(proxy, proxy))
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        assert (await web.get(f"{path}/diagnosis")).status_code == 422
