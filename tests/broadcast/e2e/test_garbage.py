"""Malformed answers, as of a proxy, a load balancer or a newer LiveKit, do not stop the service."""

from collections.abc import Callable

import pytest
from aiohttp import web

from tests.broadcast.e2e.house import House, until
from tests.broadcast.e2e.proxy import Proxy
from tests.broadcast.e2e.show import CO_HOST, Guests, agreed, live, rights_of

SETTINGS = {"COHOST_LIVEKIT_TIMEOUT_SECONDS": "0.5", "COHOST_COMPARISON_SECONDS": "1"}
GARBAGE: dict[str, Callable[[], web.Response]] = {
    "a page": lambda: web.Response(text="<html>Welcome</html>", content_type="text/html"),
    "a cut body": lambda: web.Response(body=b"\x0a\xff\x01", content_type="application/protobuf"),
    "a list": lambda: web.json_response(["no", "error"], status=500),
    "a string": lambda: web.json_response("no error", status=503),
    "no message": lambda: web.json_response({"code": "internal", "msg": None}, status=500),
    "a proxy's page": lambda: web.Response(text="<html>Bad gateway</html>", status=502),
}


@pytest.mark.parametrize("answer", GARBAGE)
async def test_a_malformed_livekit_answer_does_not_stop_the_service(
    proxied_service: House, proxy: Proxy, clients: Guests, answer: str
) -> None:
    service = proxied_service
    name = await live(service)
    bob = await clients.join(service, name, "bob", viewer=True)
    methods = ("UpdateParticipant", "ListRooms", "ListParticipants", "CreateRoom", "GetParticipant")
    proxy.troubles.update(dict.fromkeys(methods, GARBAGE[answer]))
    await service.seat_user(name, "bob")
    await service.event("GrantFailed", name, "bob")
    failed = await service.get(f"/v1/rooms/{name}/broadcast-data", "alice")
    assert (failed.status_code, failed.json()["reason"]) == (503, "unavailable")
    calls = proxy.count("ListRooms")
    await until(lambda: proxy.count("ListRooms") > calls)
    proxy.recover()
    await service.event("GrantProvisioned", name, "bob")
    await until(lambda: rights_of(bob) == CO_HOST)
    await until(lambda: agreed(service, name))
    assert service.events(name).count("GrantProvisioned") == 1
