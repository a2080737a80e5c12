"""Take a Postgres URL apart: libpq's parameters are applied, handed to asyncpg, or refused by name."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

_CONNECT_SECONDS = 5
_MAX_PORT = 65_535
# Parameters that asyncpg reads from the URL, or hands to the server.
_ASYNCPG_PARAMETERS = frozenset(
    (
        *("host", "port", "user", "password", "passfile", "dbname", "database", "service", "krbsrvname"),
        *("sslmode", "sslnegotiation", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "gsslib"),
        *("ssl_min_protocol_version", "ssl_max_protocol_version", "application_name", "options"),
    )
)
# Values that ask for nothing but what asyncpg does anyway. Another value would promise more.
_IMPLIED_VALUES = {
    "channel_binding": ("disable", "prefer"),
    "client_encoding": ("auto", "utf8", "utf-8"),
    "gssdelegation": ("0",),
    "gssencmode": ("disable", "prefer"),
    "load_balance_hosts": ("disable",),
    "max_protocol_version": ("3.0", "3.2", "latest"),
    "min_protocol_version": ("3.0",),
    "replication": ("false", "off", "no", "0"),
    "requiressl": ("0",),
    "sslcertmode": ("allow",),
    "sslcompression": ("0", "1"),
    "sslsni": ("1",),
    "target_session_attrs": ("any", "read-write", "primary"),
}
_SOCKET_OPTIONS = {
    "keepalives": (socket.SOL_SOCKET, "SO_KEEPALIVE"),
    "keepalives_idle": (socket.IPPROTO_TCP, "TCP_KEEPIDLE"),
    "keepalives_interval": (socket.IPPROTO_TCP, "TCP_KEEPINTVL"),
    "keepalives_count": (socket.IPPROTO_TCP, "TCP_KEEPCNT"),
    "tcp_user_timeout": (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT"),
}
_NUMBERS = ("connect_timeout", *_SOCKET_OPTIONS)
_FILES = ("sslrootcert", "sslcrl", "sslcert", "sslkey")
_ADVICE = {
    "channel_binding": (
        "; use sslmode=verify-full, which protects from the same attack and is accepted together with it"
        " (and sslrootcert=system, if the server's certificate is a public one)"
    ),
    "target_session_attrs": ": the service must be able to write",
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database URL, taken apart.

    `servers` has asyncpg's arguments `host` and `port` for each server; without any, one empty entry.
    `arguments` are asyncpg's other arguments. `socket_options` are arguments of `setsockopt`.
    """

    servers: tuple[Mapping[str, Any], ...]
    arguments: Mapping[str, Any]
    application_name: str | None
    connect_seconds: float
    socket_options: tuple[tuple[int, int, int], ...]


def parse_database_url(url: str) -> DatabaseUrl:
    """Return the parts of a URL. Raises `ValueError` that names the wrong parameter but no secret."""
    parts = urlsplit(url)
    parameters = _read_query(parts)
    for name, value in parameters.items():
        _check_value(name, value, is_verified=parameters.get("sslmode") == "verify-full")
    numbers = {name: _parse_number(name, parameters[name]) for name in _NUMBERS if name in parameters}
    passed = {name: value for name, value in parameters.items() if name in _ASYNCPG_PARAMETERS}
    context = _load_certificates(passed) if passed.get("sslmode") != "disable" else None
    dsn = parts._replace(query=urlencode(passed, quote_via=quote)).geturl()
    return DatabaseUrl(
        servers=tuple(_split_servers(parts, parameters)) or ({},),
        arguments={"dsn": dsn} if context is None else {"dsn": dsn, "ssl": context},
        application_name=parameters.get("application_name"),
        connect_seconds=max(numbers.get("connect_timeout", 0), 0) or _CONNECT_SECONDS,
        socket_options=tuple(_socket_options(numbers)),
    )


def _read_query(parts: SplitResult) -> dict[str, str]:
    # An unescaped character of a password must not be taken for a parameter, and shown.
    if "@" in parts.query or parts.fragment:
        msg = "user, password and parameters must be percent-encoded: # as %23, ? as %3F, @ as %40"
        raise ValueError(msg)
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        msg = "its parameters must have the form ?name=value&name=value"
        raise ValueError(msg) from None
    return {name: value for name, value in pairs if value}


def _check_value(name: str, value: str, *, is_verified: bool) -> None:
    if name in _ASYNCPG_PARAMETERS or name in _NUMBERS or name == "fallback_application_name":
        return
    if (name, value, is_verified) == ("channel_binding", "require", True):
        return
    if name not in _IMPLIED_VALUES:
        msg = f"the parameter {name} is not supported; a server setting is written as options=-c name=value"
        raise ValueError(msg)
    if value.lower() not in _IMPLIED_VALUES[name]:
        msg = f"{name}={value} is not supported{_ADVICE.get(name, '')}"
        raise ValueError(msg)


def _parse_number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        msg = f"{name}={value}: must be a whole number"
        raise ValueError(msg) from None


def _load_certificates(parameters: Mapping[str, str]) -> ssl.SSLContext | None:
    """Check that certificates and keys can be loaded: asyncpg looks at them at each connection only.

    Return a context with the operating system's certificates for `sslrootcert=system`, which asyncpg lacks.
    """
    files = {name: parameters[name] for name in _FILES if name in parameters}
    is_system = files.get("sslrootcert") == "system"
    if is_system and parameters.get("sslmode") != "verify-full":
        msg = "sslrootcert=system needs sslmode=verify-full"
        raise ValueError(msg)
    context = ssl.create_default_context() if is_system else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for name, path in files.items():
        if not (is_system and name == "sslrootcert"):
            _load_file(context, name, path, parameters)
    return context if is_system else None


def _load_file(context: ssl.SSLContext, name: str, path: str, parameters: Mapping[str, str]) -> None:
    try:
        with open(path, "rb"):  # noqa: PTH123 - for its errors, which OpenSSL would not name
            pass
        if name == "sslcert":
            # Without a password, OpenSSL would prompt for one on the terminal.
            context.load_cert_chain(
                path, parameters.get("sslkey"), password=lambda: parameters.get("sslpassword", "")
            )
        elif name != "sslkey":
            context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        msg = f"{name}={path}: cannot be used: {error.reason or 'not PEM'}"
        raise ValueError(msg) from error
    except OSError as error:
        msg = f"{name}={path}: {error.strerror}"
        raise ValueError(msg) from error


def _split_servers(parts: SplitResult, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the host and port of each server; a port of its own, or one given for all."""
    hosts = (parts.netloc.rpartition("@")[2] or parameters.get("host", "")).split(",")
    common_ports = parameters.get("port", "").split(",")
    if len(common_ports) not in (1, len(hosts)):
        msg = "port: must be one number, or as many as there are hosts"
        raise ValueError(msg)
    for number, entry in enumerate(hosts):
        host, port = _split_port(entry) if parts.netloc else (entry, "")
        port = port or common_ports[number % len(common_ports)]
        if port and not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
            msg = "port: must be a number from 1 to 65535"
            raise ValueError(msg)
        if host:
            yield {"host": unquote(host), **({"port": int(port)} if port else {})}


def _split_port(entry: str) -> tuple[str, str]:
    """Return host and port of `host:port` or `[IPv6]:port`; the port may be missing."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        return host, rest.removeprefix(":")
    host, _, port = entry.partition(":")
    return host, port


def _socket_options(numbers: Mapping[str, int]) -> Iterator[tuple[int, int, int]]:
    """Yield the options that this operating system has; 0 leaves its default, except for `keepalives`."""
    for name, (level, option) in _SOCKET_OPTIONS.items():
        value = numbers.get(name, int(name == "keepalives"))
        if hasattr(socket, option) and (value > 0 or name == "keepalives"):
            yield level, getattr(socket, option), value
