"""The console's pages, and the demo's with its tokens in development only; nothing beside what was built."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest
from fastapi import FastAPI

from services.gateway.app import build_gateway
from services.gateway.http.web_pages import create_console_router, create_demo_router
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
    """The folder `web` with a demo and a console that were built, and files beside them."""
    for name in ("demo", "console"):
        built = tmp_path / name / "dist"
        (built / "assets").mkdir(parents=True)
        (built / "index.html").write_text("<title>Co-Host</title>")
        (built / "assets" / "index-1a2b.js").write_text("export {};")
        (tmp_path / name / "secret.txt").write_text("not served")
    return tmp_path


@pytest.fixture
async def web(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with open_client(folder) as web:
        yield web


def open_client(folder: Path, **changed: object) -> httpx.AsyncClient:
    application = FastAPI()
    problems.install_handlers(application)
    settings = GatewaySettings.model_validate({**GOOD, **changed})
    application.include_router(create_console_router(settings, folder))
    application.include_router(create_demo_router(settings, folder))
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://gateway")


@pytest.mark.parametrize("path", ["/", "/demo/", "/demo/index.html", "/console/", "/console/index.html"])
async def test_the_first_page_is_served_with_a_policy(web: httpx.AsyncClient, path: str) -> None:
    answer = await web.get(path)
    assert (answer.status_code, answer.text) == (200, "<title>Co-Host</title>")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_console_may_connect_to_its_gateway_alone(web: httpx.AsyncClient) -> None:
    policies = [(await web.get(path)).headers["content-security-policy"] for path in ("/console/", "/demo/")]
    rules = [dict(rule.strip().split(" ", 1) for rule in policy.split(";")) for policy in policies]
    assert [rule["connect-src"] for rule in rules] == ["'self'", "'self' ws: wss: http: https:"]
    assert set(rules[0].values()) == {"'none'", "'self'"}


@pytest.mark.parametrize("page", ["demo", "console"])
async def test_assets_are_cached_by_their_names(web: httpx.AsyncClient, page: str) -> None:
    answer = await web.get(f"/{page}/assets/index-1a2b.js")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("page", ["demo", "console"])
@pytest.mark.parametrize("path", ["none.js", "%2e%2e/secret.txt", "..%2fsecret.txt"])
async def test_nothing_else_is_served(web: httpx.AsyncClient, page: str, path: str) -> None:
    answer = await web.get(f"/{page}/{path}")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


async def test_pages_that_are_not_built_name_the_command(tmp_path: Path) -> None:
    async with open_client(tmp_path) as web:
        for path in ("/", "/demo/", "/console/"):
            answer = await web.get(path)
            assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")
            assert answer.json()["detail"] == "The pages are not built: run `make web`."


async def test_a_token_has_the_claims_that_were_asked_for(web: httpx.AsyncClient) -> None:
    answer = await web.post("/demo/token", json={"userId": "bob", "name": "Bob", "scope": "cohost:ops"})
    assert answer.status_code == 200
    claims = jwt.decode(answer.json()["token"], SECRET, algorithms=["HS256"], audience="cohost")
    times = {name: claims.pop(name) for name in ("iat", "exp")}
    assert claims == {"sub": "bob", "name": "Bob", "scope": "cohost:ops", "aud": "cohost"}
    assert times["exp"] - times["iat"] == 600


@pytest.mark.parametrize(
    "changed", [{"environment": "production"}, {"jwt_secret": None, "jwks_url": "http://keys"}]
)
async def test_the_console_knows_where_tokens_are_signed(folder: Path, changed: dict[str, object]) -> None:
    for settings, has_tokens in (({}, True), (changed, False)):
        async with open_client(folder, **settings) as web:
            answer = await web.get("/console/settings.json")
            assert (answer.status_code, answer.json()) == (200, {"hasDemoTokens": has_tokens})


@pytest.mark.parametrize(("environment", "status"), [("development", 200), ("production", 404)])
async def test_a_gateway_signs_tokens_in_development_only(environment: str, status: int) -> None:
    service = await build_gateway(GatewaySettings.model_validate({**GOOD, "environment": environment}))
    transport = httpx.ASGITransport(service.http)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as web:
        answer = await web.post("/demo/token", json={"userId": "bob"})
        assert answer.status_code == status
        console = await web.get("/console/settings.json")
        assert console.json() == {"hasDemoTokens": environment == "development"}
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
