"""Checks before a service is built: settings whose errors show only at their first use."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

import asyncpg

from cohost.kafka import security
from messaging.errors import IncompatibleDeployment, is_transient
from messaging.postgres.connector import Connector
from services.runtime.http.auth import Authenticator
from services.runtime.http.jwks_url import JwksUnavailable
from services.runtime.settings import ProcessSettings, ServiceSettings

_CHECK_SECONDS = 2


class WrongSetting(Exception):
    """A setting failed when it was first used; the text is one line that names the variable."""


@contextlib.contextmanager
def listen(settings: ProcessSettings) -> Iterator[socket.socket]:
    """Listen on the HTTP port during the block. Raises `WrongSetting`."""
    host, port = settings.http_host, settings.http_port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a valid host name"
        msg = f"COHOST_HTTP_HOST: {reason}"
        raise WrongSetting(msg) from error
    # Without the protocol number asyncio leaves Nagle's algorithm on: 40 ms per response.
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen()
        except OSError as error:
            setting = "HOST" if error.errno == errno.EADDRNOTAVAIL else "PORT"
            msg = f"COHOST_HTTP_{setting}: cannot listen on {host}:{port}: {error.strerror}"
            raise WrongSetting(msg) from error
        yield listener


async def check_connections(settings: ProcessSettings) -> None:
    """Fail at once if Postgres or Kafka rejects the credentials. Raises `WrongSetting`."""
    if isinstance(settings, ServiceSettings):
        await _check_database(settings.database_url.get_secret_value())
    await _check_kafka_credentials(settings)


async def fetch_keys(authenticator: Authenticator) -> None:
    """Fetch the callers' keys, if they are behind a URL. Raises `WrongSetting`."""
    try:
        await authenticator.fetch_keys()
    except (JwksUnavailable, ValueError) as error:
        msg = f"COHOST_JWKS_URL: {error}"
        raise WrongSetting(msg) from error


async def _check_database(url: str) -> None:
    """Fail at once if the database URL or login is wrong. The pipeline waits for a database that is down."""
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            connection = await Connector(url, "cohost").connect()
    except Exception as error:
        if (reason := _wrong_url_reason(error)) is not None:
            msg = f"COHOST_DATABASE_URL: {reason}"
            raise WrongSetting(msg) from error
        if is_transient(error):
            return
        if isinstance(error, asyncpg.PostgresError):
            raise IncompatibleDeployment(str(error)) from error
        raise
    connection.terminate()


def _wrong_url_reason(error: Exception) -> str | None:
    """Return why the URL must be wrong, or None if it need not be."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is refused: {error.verify_message}"
        case ConnectionError() if "rejected SSL upgrade" in str(error):
            return "sslmode demands TLS, which the server does not offer"
        case asyncpg.InvalidAuthorizationSpecificationError() | IncompatibleDeployment():
            return str(error)
        case asyncpg.ClientConfigurationError():
            return str(error)
        case ValueError() | OverflowError():
            # The text of errors other than asyncpg's own may show part of the URL, and so of the password.
            return "not a valid Postgres URL"
    return None


async def _check_kafka_credentials(settings: ProcessSettings) -> None:
    if settings.kafka_security_protocol == "PLAINTEXT":
        return
    try:
        await security.check_kafka_access(
            settings.kafka_bootstrap_servers, settings.kafka_options(), _CHECK_SECONDS
        )
    except ValueError as error:
        raise WrongSetting(str(error)) from error
