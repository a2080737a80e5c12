"""Database URLs, as libpq reads them."""

import socket
from pathlib import Path

import pytest

from messaging.postgres.url import parse_database_url

SERVER = "postgresql://u:hush@db/name"


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        (SERVER, [{"host": "db"}]),
        ("postgresql://u@a:1,b:2/name", [{"host": "a", "port": 1}, {"host": "b", "port": 2}]),
        ("postgresql://[::1]:7,[fe80::1]/n", [{"host": "::1", "port": 7}, {"host": "fe80::1"}]),
        ("postgresql:///n?host=a,b&port=5,6", [{"host": "a", "port": 5}, {"host": "b", "port": 6}]),
        ("postgresql:///n?host=/run/postgresql", [{"host": "/run/postgresql"}]),
        ("postgresql://%2Frun%2Fpostgresql:7/n", [{"host": "/run/postgresql", "port": 7}]),
        ("postgresql:///n", [{}]),
    ],
)
def test_each_server_of_a_url_is_found(url: str, servers: list[dict[str, object]]) -> None:
    assert list(parse_database_url(url).servers) == servers


def test_parameters_of_a_hosted_postgres_are_taken() -> None:
    parsed = parse_database_url(
        f"{SERVER}?sslmode=require&channel_binding=prefer&gssencmode=disable&target_session_attrs=read-write"
        "&connect_timeout=10&application_name=mine&options=-c%20geqo%3Doff&keepalives_idle=30&sslcompression=0"
    )
    expected = f"{SERVER}?sslmode=require&application_name=mine&options=-c%20geqo%3Doff"
    assert parsed.arguments == {"dsn": expected}
    assert (parsed.connect_seconds, parsed.application_name) == (10, "mine")
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in parsed.socket_options
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30) in parsed.socket_options


def test_channel_binding_is_accepted_with_a_verified_server() -> None:
    parsed = parse_database_url(f"{SERVER}?sslmode=verify-full&sslrootcert=system&channel_binding=require")
    assert parsed.arguments["ssl"].check_hostname


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("channel_binding=require", "channel_binding=require"),
        ("channel_binding=require&sslmode=require", "channel_binding=require"),
        ("connect_timeout=soon", "connect_timeout=soon"),
        ("keepalives=on", "keepalives=on"),
        ("gssencmode=require", "gssencmode=require"),
        ("target_session_attrs=standby", "target_session_attrs=standby"),
        ("require_auth=scram-sha-256", "require_auth"),
        ("pgbouncer=true", "pgbouncer"),
        ("sslmode=require&sslrootcert=system", "sslrootcert=system"),
        ("sslrootcert=/nowhere/ca.pem", "sslrootcert=/nowhere/ca.pem: No such file"),
        ("sslcert=/nowhere/me.pem", "sslcert=/nowhere/me.pem: No such file"),
        ("sslkey=/nowhere/me.key", "sslkey=/nowhere/me.key: No such file"),
        ("port=5432,5433", "port"),
        ("port=http", "port"),
        ("sslmode", "name=value"),
    ],
)
def test_a_parameter_that_cannot_be_honoured_is_named(query: str, named: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is compared below
        parse_database_url(f"{SERVER}?{query}")
    assert named in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    with pytest.raises(ValueError, match=f"sslrootcert={file}: cannot be used"):
        parse_database_url(f"{SERVER}?sslmode=verify-full&sslrootcert={file}")


@pytest.mark.parametrize("password", ["a?hush=b", "a#hush"])
def test_an_unescaped_password_is_not_shown(password: str) -> None:
    with pytest.raises(ValueError, match="percent-encoded") as refused:
        parse_database_url(f"postgresql://u:{password}@db/name")
    assert "hush" not in str(refused.value)
