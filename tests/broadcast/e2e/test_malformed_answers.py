"""Malformed answers, as of a proxy, a load balancer or a newer LiveKit, do not stop the service."""

from collections.abc import Callable

import pytest
from aiohttp import web

from tests.broadcast.e2e.livekit_proxy import LiveKitProxy
from tests.broadcast.e2e.scenario_steps import (
    CO_HOST_RIGHTS,
    LiveKitClients,
    livekit_matches_stage,
    open_room,
    rights_of,
)
from tests.broadcast.e2e.service_under_test import ServiceUnderTest, wait_until

SETTINGS = {"COHOST_LIVEKIT_TIMEOUT_SECONDS": "0.5", "COHOST_COMPARISON_SECONDS": "1"}
MALFORMED_ANSWERS: dict[str, Callable[[], web.Response]] = {
    "a page": lambda: web.Response(text="<html>Welcome</html>", content_type="text/html"),
    "a cut body": lambda: web.Response(body=b"\x0a\xff\x01", content_type="application/protobuf"),
    "a list": lambda: web.json_response(["no", "error"], status=500),
    "a string": lambda: web.json_response("no error", status=503),
    "no message": lambda: web.json_response({"code": "internal", "msg": None}, status=500),
    "a proxy's page": lambda: web.Response(text="<html>Bad gateway</html>", status=502),
}


@pytest.mark.parametrize("answer", MALFORMED_ANSWERS)
async def test_a_malformed_livekit_answer_does_not_stop_the_service(
    proxied_service: ServiceUnderTest, proxy: LiveKitProxy, clients: LiveKitClients, answer: str
) -> None:
    service = proxied_service
    name = await open_room(service)
    bob = await clients.connect_user(service, name, "bob", viewer=True)
    methods = ("UpdateParticipant", "ListRooms", "ListParticipants", "CreateRoom", "GetParticipant")
    proxy.error_replies.update(dict.fromkeys(methods, MALFORMED_ANSWERS[answer]))
    await service.seat_user(name, "bob")
    await service.wait_for_event("GrantFailed", name, "bob")
    failed = await service.http_get(f"/v1/rooms/{name}/broadcast-data", "alice")
    assert (failed.status_code, failed.json()["reason"]) == (503, "livekit_unavailable")
    calls = proxy.count_calls("ListRooms")
    await wait_until(lambda: proxy.count_calls("ListRooms") > calls)
    proxy.clear_faults()
    await service.wait_for_event("GrantProvisioned", name, "bob")
    await wait_until(lambda: rights_of(bob) == CO_HOST_RIGHTS)
    await wait_until(lambda: livekit_matches_stage(service, name))
    assert service.event_names(name).count("GrantProvisioned") == 1
