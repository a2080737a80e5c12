"""A service refused by Kafka, or not trusting it, ends with one line and status 2."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
import trustme

from stack import ports
from stack.services import REPOSITORY
from tests.secured.secured_broker import SecuredBroker

SECONDS = 120


async def run_refused(environment: dict[str, str], variables: dict[str, str]) -> tuple[int | None, str]:
    """Start a service that exits by itself; return its exit status and its one line."""
    service = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.invitations"),
        env={**environment, **variables, "COHOST_HTTP_PORT": str(ports.reserve_port())},
        cwd=REPOSITORY,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(SECONDS):
        out, err = await service.communicate()
    assert out == b""
    return service.returncode, err.decode()


@pytest.mark.parametrize("away", ["", "127.0.0.1:1,"])
async def test_a_wrong_password_gives_one_line_and_status_2(
    secured: SecuredBroker, environment: dict[str, str], away: str
) -> None:
    wrong = {"SASL_PLAIN_PASSWORD": "hush", "BOOTSTRAP_SERVERS": away + secured.address}
    status, line = await run_refused(environment, secured.client_variables("invitations", **wrong))
    assert (status, line.count("\n")) == (2, 1)
    assert line.startswith("COHOST_KAFKA_SASL_PLAIN_PASSWORD: Kafka refuses it: Authentication failed")
    assert "hush" not in line


async def test_an_unsupported_mechanism_gives_one_line_and_status_2(
    secured: SecuredBroker, environment: dict[str, str]
) -> None:
    variables = secured.client_variables("invitations", SASL_MECHANISM="PLAIN")
    line = "COHOST_KAFKA_SASL_MECHANISM: Kafka does not offer it\n"
    assert await run_refused(environment, variables) == (2, line)


async def test_an_untrusted_certificate_gives_one_line_and_status_2(
    secured: SecuredBroker, environment: dict[str, str], tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    variables = secured.client_variables("invitations", SSL_CAFILE=str(other))
    status, line = await run_refused(environment, variables)
    assert (status, line.count("\n")) == (2, 1)
    assert line.startswith("COHOST_KAFKA_SSL_CAFILE: Kafka's certificate cannot be verified: ")
