import ssl
import subprocess
import sys

import pytest

from cohost.audit import settings
from stack.services import REPOSITORY


@pytest.fixture(autouse=True)
def _secured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SASL_PLAIN_USERNAME": "auditor",
        "KAFKA_SASL_PLAIN_PASSWORD": "secret",
        "TOPIC_PREFIX": "live.",
    }.items():
        monkeypatch.setenv(f"COHOST_{name}", value)


def test_the_audit_reads_the_services_variables() -> None:
    found = settings.load_settings()
    security = found.kafka_options()
    assert isinstance(security.pop("ssl_context"), ssl.SSLContext)
    assert (found.kafka_bootstrap_servers, found.topic_prefix) == ("kafka:9093", "live.")
    assert security == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "auditor",
        "sasl_plain_password": "secret",
    }


def test_a_missing_certificate_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHOST_KAFKA_SSL_CAFILE", "/no/such")
    command = [sys.executable, "-m", "cohost.audit"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("the log cannot be read: COHOST_KAFKA_SSL_CAFILE: ")


def test_a_wrong_protocol_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHOST_KAFKA_SECURITY_PROTOCOL", "TLS")
    command = [sys.executable, "-m", "cohost.audit"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("the log cannot be read: COHOST_KAFKA_SECURITY_PROTOCOL: ")
