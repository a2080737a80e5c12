"""The demo's pages and tokens: in development only, and nothing beside the folder that was built."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest
from fastapi import FastAPI

from services.gateway.app import build_gateway
from services.gateway.http.web_pages import create_demo_router
from services.gateway.settings import GatewaySettings
from services.runtime.http import problems

SECRET = "a secret of the tests, long enough for PyJWT"
GOOD = {
    "jwt_secret": SECRET,
    "invitations_url": "http://invitations",
    "broadcast_url": "http://broadcast",
    "environment": "development",
    "jwt_audience": "cohost",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder `web` with a demo that was built, and a file beside it."""
    built = tmp_path / "demo" / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<title>Co-Host</title>")
    (built / "assets" / "index-1a2b.js").write_text("export {};")
    (tmp_path / "demo" / "secret.txt").write_text("not served")
    return tmp_path


@pytest.fixture
async def web(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(folder) as web:
        yield web


def open_client(folder: Path, **changed: object) -> httpx.AsyncClient:
    application = FastAPI()
    problems.install_handlers(application)
    application.include_router(
        create_demo_router(GatewaySettings.model_validate({**GOOD, **changed}), folder)
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://gateway")


@pytest.mark.parametrize("path", ["/", "/demo/", "/demo/index.html"])
async def test_the_first_page_is_served_with_a_policy(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert (answer.status_code, answer.text) == (200, "<title>Co-Host</title>")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_assets_are_cached_by_their_names(web: httpx.AsyncClient) -> None:
    answer = await web.get("/demo/assets/index-1a2b.js")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("path", ["/demo/none.js", "/demo/%2e%2e/secret.txt", "/demo/..%2fsecret.txt"])
async def test_nothing_else_is_served(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_pages_that_are_not_built_name_the_command(tmp_path: Path) -> None:
    async with open_client(tmp_path) as web:
        for path in ("/", "/demo/"):
            answer = await web.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
            assert "make web" in answer.json()["detail"]


async def test_a_token_has_the_claims_that_were_asked_for(web: httpx.AsyncClient) -> None:
    answer = await web.post("/demo/token", json={"userId": "bob", "name": "Bob", "scope": "cohost:ops"})
    assert answer.status_code == 200
    claims = jwt.decode(answer.json()["token"], SECRET, algorithms=["HS256"], audience="cohost")
    times = {name: claims.pop(name) for name in ("iat", "exp")}
    assert claims == {"sub": "bob", "name": "Bob", "scope": "cohost:ops", "aud": "cohost"}
    assert times["exp"] - times["iat"] == 600


@pytest.mark.parametrize(("environment", "status"), [("development", 200), ("production", 404)])
async def test_a_gateway_signs_tokens_in_development_only(environment: str, status: int) -> None:
    service = await build_gateway(GatewaySettings.model_validate({**GOOD, "environment": environment}))
    transport = httpx.ASGITransport(service.http)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        answer = await web.post("/demo/token", json={"userId": "bob"})
        assert answer.status_code == status
        if environment == "production":
            for path in ("/", "/demo/", "/demo/index.html"):
                found = await web.get(path)
                assert (found.status_code, found.json()["reason"]) == (404, "not_found")
    for close in service.closers:
        await close()


@pytest.mark.parametrize("body", [{}, {"userId": "."}, {"userId": 1}, {"userId": "bob", "role": "admin"}])
async def test_a_wrong_request_for_a_token_is_refused(web: httpx.AsyncClient, body: object) -> None:
    answer = await web.post("/demo/token", json=body)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_request")
