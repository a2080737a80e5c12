"""The containers of docker-compose.yml, end to end. The tests depend on each other, in this order."""

import ast
import json

import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from prometheus_client.parser import text_string_to_metric_families

from cohost import audit, tokens
from cohost_schemas import topics
from demo import steps
from demo.claims import Claim
from demo.context import HOST, ROOM, DemoContext
from demo.http_client import open_http_client
from tests.compose.compose_project import ROOT, ComposeProject, run_command
from tests.messaging.pipeline_in_process import wait_until

SERVERS = ("kafka", "postgres", "livekit")
SERVICES = ("invitations", "broadcast", "gateway")


async def test_everything_is_healthy(project: ComposeProject) -> None:
    found = {entry["Service"]: (entry["State"], entry["Health"]) for entry in await project.list_containers()}
    assert found == dict.fromkeys((*SERVERS, *SERVICES), ("running", "healthy"))


async def test_everything_is_published_on_the_loopback_interface_alone(project: ComposeProject) -> None:
    hosts = {
        publisher["URL"]
        for entry in await project.list_containers()
        for publisher in entry["Publishers"] or ()
    }
    assert hosts - {""} == {"127.0.0.1"}


async def test_no_container_leaves_a_nameless_volume_behind(project: ComposeProject) -> None:
    containers = [entry["ID"] for entry in await project.list_containers()]
    inspected = json.loads(await run_command("docker", "inspect", *containers))
    volumes = {mount["Name"] for each in inspected for mount in each["Mounts"] if mount["Type"] == "volume"}
    assert volumes == {f"{project.project}_{name}" for name in ("kafka", "postgres")}


async def test_the_topics_have_the_contracts_settings(project: ComposeProject) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=(await project.demo_environment()).kafka)
    await admin.start()
    names = {topic.full_name(topics.DEFAULT_PREFIX): dict(topic.config) for topic in topics.ALL}
    found = await admin.describe_topics(list(names))
    configs = await admin.describe_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs=wanted) for name, wanted in names.items()]
    )
    await admin.close()
    assert {len(topic["partitions"]) for topic in found} == {topics.DEFAULT_PARTITIONS}
    assert {
        name: {entry[0]: entry[1] for entry in entries}
        for response in configs
        for _, _, _, name, entries in response.resources
    } == names


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_has_few_rights_in_its_container(project: ComposeProject, service: str) -> None:
    asked = "id -u; touch /app/x 2>/dev/null || echo read-only; command -v gcc pip || echo no tools"
    output = await project.run_compose("exec", service, "sh", "-c", asked)
    assert output.split("\n")[:3] == ["10001", "read-only", "no tools"]


async def test_an_image_lists_its_installed_packages(project: ComposeProject) -> None:
    bill = json.loads(await project.run_compose("exec", "invitations", "cat", "sbom.cdx.json"))
    script = (
        "from importlib.metadata import distributions as all; print([(d.name, d.version) for d in all()])"
    )
    installed = await project.run_compose("exec", "invitations", "python", "-c", script)
    listed = {(component["name"], component["version"]) for component in bill["components"]}
    assert listed == set(ast.literal_eval(installed))


async def test_an_image_has_the_pages_and_not_what_built_them(project: ComposeProject) -> None:
    found = await project.run_compose("exec", "gateway", "find", "web", "-name", "index.html")
    pages = {f"web/{page.parent.name}/dist/index.html" for page in (ROOT / "web").glob("*/index.html")}
    assert set(found.split()) == pages
    tools = await project.run_compose("exec", "gateway", "sh", "-c", "command -v node npm || echo no tools")
    assert tools.strip() == "no tools"


async def test_the_gateway_does_not_know_the_databases_password(project: ComposeProject) -> None:
    variables = await project.run_compose("exec", "gateway", "env")
    assert project.settings["COHOST_JWT_SECRET"] in variables
    assert project.settings["POSTGRES_PASSWORD"] not in variables


async def test_the_demo_runs_against_the_containers(running_demo: DemoContext) -> None:
    for scene in (
        steps.open_room,
        steps.promote_bob,
        steps.reject_second_accept,
        steps.decline_and_reinvite,
        steps.cancel_invitation,
    ):
        await scene(running_demo)
    await steps.accept_while_absent(running_demo)
    seen = {claim for claim in Claim if claim not in running_demo.claims.unverified}
    assert seen == {
        Claim.OPENED,
        Claim.CONNECTED,
        Claim.SEEN,
        Claim.PROMOTED,
        Claim.HEARD,
        Claim.REFUSED,
        Claim.DECLINED,
        Claim.CANCELLED,
        Claim.ABSENT,
    }


@pytest.mark.parametrize("service", [*SERVERS, *SERVICES])
async def test_commands_continue_after_any_container_restarts(
    project: ComposeProject, running_demo: DemoContext, service: str
) -> None:
    await project.run_compose("restart", "--timeout", "20", service)
    await project.wait_until_healthy()
    invited = await running_demo.invite_user("erin")
    await running_demo.client.cancel_invitation(ROOM, invited, HOST)
    await _invite_over_http(project, await project.published_port("gateway", 8080))


async def test_the_host_reconnects_after_livekits_restart(
    project: ComposeProject, running_demo: DemoContext
) -> None:
    running_demo.environment = await project.demo_environment()
    for name in (HOST, "bob"):
        await running_demo.participants[name].disconnect()
        await running_demo.join_room(name)
    assert running_demo.participants["bob"].may_publish
    await running_demo.play_until_heard("bob")


async def test_scaled_copies_share_the_lanes(project: ComposeProject, running_demo: DemoContext) -> None:
    await project.start_containers("--no-recreate", *_scale("2"))
    await wait_until(lambda: _are_lanes_shared(project, "invitations", 8081))
    await wait_until(lambda: _are_lanes_shared(project, "broadcast", 8082))
    invited = await running_demo.invite_user("erin")
    await running_demo.client.cancel_invitation(ROOM, invited, HOST)
    for index in (1, 2):
        await _invite_over_http(project, await project.published_port("gateway", 8080, index))
    await project.start_containers("--no-recreate", *_scale("1"))


def _scale(copies: str) -> list[str]:
    return [word for service in SERVICES for word in ("--scale", f"{service}={copies}")]


async def _invite_over_http(project: ComposeProject, port: int) -> None:
    """Invite a user and take it back, through a copy of the gateway."""
    secret = project.settings["COHOST_JWT_SECRET"]
    async with open_http_client(f"http://127.0.0.1:{port}", secret) as client:
        sent = await client.send_invitation(ROOM, "erin", HOST)
        cancelled = await client.cancel_invitation(ROOM, sent.data.invitation_id, HOST)
    assert cancelled.data.status == "cancelled"


async def _are_lanes_shared(project: ComposeProject, service: str, inside: int) -> bool:
    owned = [await _owned_lanes(await project.published_port(service, inside, index)) for index in (1, 2)]
    return sum(owned) == topics.DEFAULT_PARTITIONS and min(owned) > 0


async def _owned_lanes(port: int) -> float:
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    found = {family.name: family.samples for family in text_string_to_metric_families(text)}
    return found["cohost_lanes"][0].value


async def test_stopped_services_exit_cleanly(project: ComposeProject) -> None:
    await project.run_compose("stop", "--timeout", "10", *SERVICES)
    states = {
        entry["Service"]: (entry["State"], entry["ExitCode"])
        for entry in await project.list_containers()
        if entry["Service"] in SERVICES
    }
    assert states == dict.fromkeys(SERVICES, ("exited", 0))


async def test_data_outlive_the_containers(project: ComposeProject) -> None:
    await project.run_compose("down", "--timeout", "20")
    await project.start_containers()
    house = await project.demo_environment()
    bearer = f"Bearer {tokens.sign(house.jwt_secret, HOST)}"
    async with httpx.AsyncClient(base_url=house.invitations_url) as http:
        answer = await http.get(f"/v1/rooms/{ROOM}/co-hosts", headers={"authorization": bearer})
    assert {entry["userId"] for entry in answer.json()["items"]} == {"bob", "frank"}


async def test_the_examples_secrets_are_refused_in_production(project: ComposeProject) -> None:
    secret = "COHOST_JWT_SECRET=change-me-and-32-characters-or-more"
    with pytest.raises(AssertionError, match="exit status 2\nCOHOST_JWT_SECRET: the example's secret"):
        await project.run_compose("run", "--rm", "--no-deps", "-T", "--env", secret, "invitations")


async def test_the_audit_finds_no_violation(project: ComposeProject) -> None:
    report = await audit.audit((await project.demo_environment()).kafka, topics.DEFAULT_PREFIX)
    assert report.violations == []
    assert report.commands > 15
