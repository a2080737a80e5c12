"""Section E: the gateway does what its OpenAPI document says, for requests made up from it."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.broadcast_stage import SeatedUser, StageDriver
from tests.contract.contract_client import ContractClient
from tests.contract.deployment import Deployment
from tests.contract.gateway_client import PLATFORM, GatewayClient
from tests.contract.published_schemas import validator_for
from tests.contract.service_processes import run_gateway
from tests.contract.test_web_documents import closed_components
from tests.contract.web_client import OPS, WebClient

EXAMPLES = 12
# A key that was used, a cursor of no list, a host who invites the host: 422 also where the schema is kept.
EXPECTED = ["2xx", "401", "403", "404", "409", "422", "429", "5xx"]
SEED = 20_261
SECONDS = 300


@pytest.fixture
async def seat(client: ContractClient, stage_driver: StageDriver) -> SeatedUser:
    """A seat, in a room with another invitation that is pending."""
    room = await stage_driver.open_room(title="Friday night", maxCoHosts=100)
    await stage_driver.invite_user(room, await client.create_user())
    return await stage_driver.seat_user(room, await client.create_user())


async def test_made_up_requests_find_nothing(
    deployment: Deployment, web: WebClient, client: ContractClient, seat: SeatedUser, tmp_path: Path
) -> None:
    """Run schemathesis as the host of a room and users that there are, and as the platform about any."""
    known = {
        "path.roomId": seat.room.id,
        "path.userId": seat.user,
        "path.invitationId": seat.invitation,
        "path.commandId": seat.acceptance.id,
    }
    cases: dict[str, tuple[str, dict[str, str]]] = {"known": (OPS, known), "any": (f"{OPS} {PLATFORM}", {})}
    async with run_gateway(deployment, COHOST_COMMANDS_PER_MINUTE="0") as there:
        for name, (scope, parameters) in cases.items():
            token = web.sign_token(seat.room.host, exp=4_102_444_800, scope=scope)
            found, report = await run_schemathesis(there, token, parameters, tmp_path / name)
            assert found == 0, report[-20_000:]
            assert any_success(tmp_path / name)
    await client.wait_until_decided(seat.room)


async def run_schemathesis(
    there: Deployment, token: str, parameters: dict[str, str], folder: Path
) -> tuple[int, str]:
    """Run schemathesis in a folder; return its exit status and what it printed."""
    folder.mkdir()
    lines = [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
    sections = ["[checks.positive_data_acceptance]", f"expected-statuses = {json.dumps(EXPECTED)}"]
    (folder / "schemathesis.toml").write_text("\n".join([*sections, "[parameters]", *lines, ""]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{there.gateway_url}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--checks", "all"),
        *("--exclude-path-regex", "/stream$", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--no-color", "--continue-on-failure"),
        *("--report", "ndjson", "--report-ndjson-path", str(folder / "report.ndjson")),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode()


def any_success(folder: Path) -> bool:
    """Return whether a request was answered with 2xx."""
    text = (folder / "report.ndjson").read_text(encoding="utf-8")
    return any(f'"status_code":{status}' in text.replace(" ", "") for status in (200, 201, 202))


async def assert_documented(
    gateway: GatewayClient, request: tuple[str, str], path: str, user: str, body: Any = None
) -> None:
    """Compare an answer with the schema of its route and status, which has its fields and no others."""
    method, route = request
    document = (await gateway.get("/openapi.json")).json()
    answer = await gateway.send(method, path, user, body, scope=f"{OPS} {PLATFORM}")
    media = "application/problem+json" if answer.is_error else "application/json"
    found = document["paths"][route][method.lower()]["responses"][str(answer.status_code)]
    schema = found["content"][media]["schema"]
    # The members of a problem depend on its reason.
    components = document["components"] if answer.is_error else closed_components(document)
    validator_for({**schema, "components": components}).validate(answer.json())
    assert found.get("description")


async def test_the_gateways_own_answers_are_documented(
    gateway: GatewayClient, client: ContractClient, seat: SeatedUser
) -> None:
    room, host, user = f"/v1/rooms/{seat.room}", seat.room.host, await client.create_user()
    route = "/v1/rooms/{roomId}"
    invite = ("POST", f"{route}/invitations"), f"{room}/invitations"
    await assert_documented(gateway, *invite, host, {"userId": user})
    await assert_documented(gateway, *invite, host, {"userId": user})  # refused
    await assert_documented(gateway, *invite, host, {})
    fact = ("PUT", "/v1/users/{userId}"), f"/v1/users/{user}"
    await assert_documented(gateway, *fact, host, {"status": "active"})
    diagnosis = ("GET", f"{route}/users/{{userId}}/diagnosis"), f"{room}/users/{user}/diagnosis"
    await assert_documented(gateway, *diagnosis, host)
    order = ("PUT", f"{route}/co-hosts/order"), f"{room}/co-hosts/order"
    await assert_documented(gateway, *order, host, {"userIds": [seat.user]})


async def test_every_request_that_may_have_a_body_documents_how_it_is_refused(gateway: GatewayClient) -> None:
    paths = (await gateway.get("/openapi.json")).json()["paths"]
    found = {
        f"{method.upper()} {path}": {"400", "413", "422"} - operation["responses"].keys()
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "get"
    }
    assert found
    assert not {request: missing for request, missing in found.items() if missing}
