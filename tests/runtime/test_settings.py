"""Settings come from the environment; a wrong one stops the process with a line that names it."""

import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cohost_schemas import topics
from messaging.config import Config
from services.runtime import settings
from tests.runtime.example_service import ExampleSettings

LEAST = {"DATABASE_URL": "postgresql://cohost:pw@db/cohost", "JWT_SECRET": "s" * 32}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("COHOST_")]:
        monkeypatch.delenv(name)


def load_with(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ExampleSettings:
    for name, value in {**LEAST, **variables}.items():
        monkeypatch.setenv(f"COHOST_{name}", value)
    return settings.load_settings(ExampleSettings)


def load_refused(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variables: dict[str, str]
) -> str:
    with pytest.raises(SystemExit) as ended:
        load_with(monkeypatch, **variables)
    assert ended.value.code == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_the_defaults_are_the_contracts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_with(monkeypatch)
    assert found.pipeline_config("invitations") == Config(
        bootstrap_servers="127.0.0.1:9092",
        database_url="postgresql://cohost:pw@db/cohost",
        schema="invitations",
        security={"security_protocol": "PLAINTEXT"},
        prefix="cohost.",
        partitions=12,
        replication_factor=1,
        expects_replicas=True,
        create_topics=True,
    )
    assert (found.http_host, found.http_port, found.environment) == ("127.0.0.1", 8081, "production")


def test_every_setting_reaches_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_with(
        monkeypatch,
        KAFKA_BOOTSTRAP_SERVERS="a:1, [::1]:2,c",
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="SCRAM-SHA-512",
        KAFKA_SASL_PLAIN_USERNAME="u",
        KAFKA_SASL_PLAIN_PASSWORD="p",
        TOPIC_PREFIX="stage_1.",
        PARTITIONS="4",
        REPLICATION_FACTOR="3",
        CREATE_TOPICS="false",
        SESSION_TIMEOUT_MS="6000",
        MAX_RECORDS="500",
        BATCH_PAUSE_MS="0",
        FETCH_MAX_WAIT_MS="20",
        MAX_LOST_FACTS="7",
        ENVIRONMENT="development",
    )
    assert found.pipeline_config("broadcast") == Config(
        bootstrap_servers="a:1,[::1]:2,c",
        database_url="postgresql://cohost:pw@db/cohost",
        schema="broadcast",
        security={
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "u",
            "sasl_plain_password": "p",
        },
        prefix="stage_1.",
        partitions=4,
        replication_factor=3,
        expects_replicas=False,
        create_topics=False,
        session_timeout_ms=6000,
        max_records=500,
        batch_pause_ms=0,
        fetch_max_wait_ms=20,
        max_lost_facts=7,
    )


WRONG = [
    ("KAFKA_BOOTSTRAP_SERVERS", ["", "host:port", "host:0", "host:70000", "a:1,,b:2", "http://a:1", "a b:1"]),
    ("KAFKA_BOOTSTRAP_SERVERS", ["a..b:9092", f"{64 * 'x'}:9092"]),
    ("KAFKA_SECURITY_PROTOCOL", ["", "TLS", "plaintext"]),
    ("KAFKA_SASL_MECHANISM", ["", "OAUTHBEARER", "MD5"]),
    ("DATABASE_URL", ["", "db", "mysql://db/x", "postgresql://a b/c", "/var/run/x"]),
    ("TOPIC_PREFIX", ["a b", "ä.", "a/b", "x" * 226, "a\n"]),
    ("PARTITIONS", ["", "0", "-1", "twelve", "1.5", "4097"]),
    ("REPLICATION_FACTOR", ["", "0", "x", "40000"]),
    ("CREATE_TOPICS", ["", "maybe"]),
    ("DATABASE_URL", ["postgresql://db/x\n"]),
    ("JWT_SECRET", ["s\n", " s"]),
    ("KAFKA_SASL_PLAIN_USERNAME", ["u\n"]),
    ("KAFKA_SASL_PLAIN_PASSWORD", ["p\n"]),
    ("KAFKA_SSL_PASSWORD", ["p\r\n"]),
    ("JWKS_FILE", ["/nowhere/keys.json"]),
    ("JWKS_URL", ["idp", "ftp://idp/keys", "https://", "http://:80/", "https://a..b/", "https://idp:0/keys"]),
    (
        "JWKS_URL",
        ["https://me:hush@idp/keys", "https://idp:99999/keys", "https://idp/a b", "file:///etc/passwd"],
    ),
    ("JWT_SECRET", ["x", "x" * 31, 15 * "ä"]),
    ("HTTP_HOST", [""]),
    ("HTTP_PORT", ["", "0", "65536", "http"]),
    ("ENVIRONMENT", ["", "staging", "Production"]),
    ("LOG_LEVEL", ["", "loud"]),
    ("SESSION_TIMEOUT_MS", ["0", "x"]),
    ("MAX_RECORDS", ["0"]),
    ("BATCH_PAUSE_MS", ["-1"]),
    ("FETCH_MAX_WAIT_MS", ["0"]),
]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG for value in values])
def test_a_wrong_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    assert load_refused(monkeypatch, capfd, {name: value}).startswith(f"COHOST_{name}: ")


@pytest.mark.parametrize("name", ["DATABASE_URL", "JWT_SECRET"])
def test_a_missing_setting_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.delitem(LEAST, name)
    assert load_refused(monkeypatch, capfd, {}).startswith(f"COHOST_{name}: ")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "KAFKA_SASL_PLAIN_USERNAME"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_PLAIN_USERNAME": "u"},
            "KAFKA_SASL_PLAIN_PASSWORD",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "KAFKA_SASL_MECHANISM": "GSSAPI"},
            "KAFKA_SASL_MECHANISM",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CAFILE": "/nowhere"}, "KAFKA_SSL_CAFILE"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CERTFILE": __file__}, "KAFKA_SSL_CERTFILE"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CADATA": "no certificate"}, "KAFKA_SSL_CADATA"),
        ({"JWT_SECRET": "change-me-jwt-secret-of-32-characters-or-more"}, "JWT_SECRET"),
        ({"JWT_SECRET": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"}, "JWT_SECRET"),
        ({"DATABASE_URL": "postgresql://cohost:change-me-please@db/cohost"}, "DATABASE_URL"),
    ],
)
def test_contradictory_settings_are_named(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    variables: dict[str, str],
    name: str,
) -> None:
    assert load_refused(monkeypatch, capfd, variables).startswith(f"COHOST_{name}: ")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"keys": []}', '{"keys": 5}', '{"keys": [5]}'])
def test_a_key_file_without_a_key_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, content: str
) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    assert load_refused(monkeypatch, capfd, {"JWKS_FILE": str(file)}).startswith("COHOST_JWKS_FILE: ")


def test_a_key_file_and_a_key_url_exclude_each_other(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [json.loads(jwt.algorithms.ECAlgorithm.to_jwk(public))]}))
    variables = {"JWKS_FILE": str(file), "JWKS_URL": "https://idp/keys"}
    expected = "COHOST_JWKS_URL: cannot be set together with COHOST_JWKS_FILE\n"
    assert load_refused(monkeypatch, capfd, variables) == expected


@pytest.mark.parametrize("name", ["JWKS_FILE", "JWKS_URL"])
def test_no_secret_is_needed_with_keys(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.delitem(LEAST, "JWT_SECRET")
    assert name in load_refused(monkeypatch, capfd, {})


def test_symmetric_and_private_keys_in_the_key_file_are_ignored(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    keys = [
        {"kty": "oct", "k": "AAAA", "kid": "1", "alg": "HS256"},
        json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private)),
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": keys}))
    assert load_refused(monkeypatch, capfd, {"JWKS_FILE": str(file)}).startswith("COHOST_JWKS_FILE: ")


def test_a_refusal_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "hush" not in load_refused(monkeypatch, capfd, {"DATABASE_URL": "mysql://me:hush@db/x"})
    assert "hush" not in load_refused(monkeypatch, capfd, {"PARTITIONS": "hush"})


@pytest.mark.parametrize(
    "variables",
    [
        {"ENVIRONMENT": "development", "JWT_SECRET": "change-me-jwt-secret"},
        {"JWKS_FILE": "", "KAFKA_SASL_PLAIN_USERNAME": "", "KAFKA_SSL_CAFILE": ""},
        {"TOPIC_PREFIX": "x" * (249 - len(topics.INVITATION_DEAD_LETTERS.suffix))},
        {"TOPIC_PREFIX": ""},
        {"DATABASE_URL": "postgres://u@/db?host=/run/postgresql"},
        {"DATABASE_URL": "postgresql://u:p%40@a:1,b:2/db?sslmode=require"},
        {"KAFKA_SECURITY_PROTOCOL": "SSL"},
        {"ENVIRONMENT": "development", "JWT_SECRET": "x"},
        {"JWT_SECRET": 16 * "ä"},
        {"JWKS_URL": "http://[::1]:8080/keys?v=1"},
        {"JWKS_URL": "https://idp.example"},
        {"JWKS_URL": "", "JWT_ISSUER": "", "JWT_AUDIENCE": ""},
        {"UNHEARD_OF": "x"},
    ],
)
def test_allowed_settings_are_accepted(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    load_with(monkeypatch, **variables)


def test_an_empty_prefix_is_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_with(monkeypatch, TOPIC_PREFIX="").topic_prefix == ""


def test_tls_checks_the_brokers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    security: Any = load_with(monkeypatch, KAFKA_SECURITY_PROTOCOL="SSL").kafka_options()
    assert security["ssl_context"].check_hostname
