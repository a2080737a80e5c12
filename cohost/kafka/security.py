"""Kafka connections with TLS and SASL: aiokafka's `sasl_*` and `ssl_*` settings."""

import asyncio
import importlib.util
import os
import ssl
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.helpers import create_ssl_context
from pydantic import AfterValidator, BaseModel, SecretStr, ValidationError

from cohost.kafka.errors import UNAVAILABLE_ERRORS

_ERROR_LINE = "COHOST_KAFKA_{}: {}"
_FILE_OPTIONS = ("cafile", "capath", "certfile", "keyfile")

CredentialT = TypeVar("CredentialT", str, SecretStr)


def refuse_outer_whitespace(credential: CredentialT) -> CredentialT:
    """Return a credential. Raises `ValueError` if it begins or ends with white space.

    It is refused, not stripped: the other side may use the credential with its white space.
    """
    text = credential.get_secret_value() if isinstance(credential, SecretStr) else credential
    if text != text.strip():
        msg = "must not begin or end with white space, such as the newline at the end of a file"
        raise ValueError(msg)
    return credential


Login = Annotated[str, AfterValidator(refuse_outer_whitespace)]
Secret = Annotated[SecretStr, AfterValidator(refuse_outer_whitespace)]


class KafkaSecurity(BaseModel):
    """The `COHOST_KAFKA_*` variables for TLS and SASL."""

    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"] = "PLAIN"
    kafka_sasl_plain_username: Login | None = None
    kafka_sasl_plain_password: Secret | None = None
    kafka_sasl_kerberos_service_name: str = "kafka"
    kafka_sasl_kerberos_domain_name: str | None = None
    kafka_ssl_cafile: str | None = None
    kafka_ssl_capath: str | None = None
    kafka_ssl_cadata: str | None = None
    kafka_ssl_certfile: str | None = None
    kafka_ssl_keyfile: str | None = None
    kafka_ssl_password: Secret | None = None

    def kafka_options(self) -> dict[str, Any]:
        """Return aiokafka's client arguments. Raises `ValueError` that names the wrong variable."""
        protocol = self.kafka_security_protocol
        arguments: dict[str, Any] = {"security_protocol": protocol}
        if protocol.startswith("SASL"):
            kerberos = self.kafka_sasl_mechanism == "GSSAPI"
            arguments |= {"sasl_mechanism": self.kafka_sasl_mechanism}
            arguments |= self._kerberos_options() if kerberos else self._password_options()
        if protocol.endswith("SSL"):
            arguments["ssl_context"] = self._ssl_context()
        return arguments

    def _password_options(self) -> dict[str, Any]:
        mechanism = self.kafka_sasl_mechanism
        if self.kafka_sasl_plain_username is None:
            raise ValueError(_ERROR_LINE.format("SASL_PLAIN_USERNAME", f"required by {mechanism}"))
        if self.kafka_sasl_plain_password is None:
            raise ValueError(_ERROR_LINE.format("SASL_PLAIN_PASSWORD", f"required by {mechanism}"))
        return {
            "sasl_plain_username": self.kafka_sasl_plain_username,
            "sasl_plain_password": self.kafka_sasl_plain_password.get_secret_value(),
        }

    def _kerberos_options(self) -> dict[str, Any]:
        if importlib.util.find_spec("gssapi") is None:
            raise ValueError(_ERROR_LINE.format("SASL_MECHANISM", "the package gssapi is not installed"))
        return {
            "sasl_kerberos_service_name": self.kafka_sasl_kerberos_service_name,
            "sasl_kerberos_domain_name": self.kafka_sasl_kerberos_domain_name,
        }

    def _ssl_context(self) -> ssl.SSLContext:
        given = {
            name: value
            for name in (*_FILE_OPTIONS, "cadata")
            if (value := getattr(self, f"kafka_ssl_{name}")) is not None
        }
        for name in _FILE_OPTIONS:
            if name in given and not os.access(given[name], os.R_OK):
                raise ValueError(_ERROR_LINE.format(f"SSL_{name.upper()}", "cannot be read"))
        # Without a password, OpenSSL would prompt for one on the terminal.
        password = self.kafka_ssl_password.get_secret_value() if self.kafka_ssl_password else ""
        try:
            context: ssl.SSLContext = create_ssl_context(**given, password=password)
        except (OSError, ValueError) as error:
            option = "certfile" if "certfile" in given else next(iter(given), "cafile")
            raise ValueError(_ERROR_LINE.format(f"SSL_{option.upper()}", f"not usable: {error}")) from error
        return context


def describe_wrong_setting(error: ValidationError) -> str:
    """Return a line that names the first wrong variable of settings whose variables begin with COHOST_."""
    first = error.errors(include_url=False, include_input=False)[0]
    message = first["msg"].removeprefix("Value error, ").replace("\n", " ")
    if not first["loc"]:
        return message
    message = "is required" if first["type"] == "missing" else message
    return f"COHOST_{str(first['loc'][0]).upper()}: {message}"


async def check_kafka_access(servers: str, security: Mapping[str, Any], seconds: float) -> None:
    """Fail at once if Kafka rejects the credentials. The pipeline waits for a Kafka that is down.

    Raises `ValueError` that names the wrong variable, unless at least one server accepts the connection.
    `seconds` is the timeout of each connection.
    """
    # Connect without a client: a client only logs each server's error and raises one without the cause.
    opening = [
        create_conn(host, port, request_timeout_ms=int(1000 * seconds), **security)
        for host, port, _ in collect_hosts(servers)
    ]
    answers = await asyncio.gather(*opening, return_exceptions=True)
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    for answer in answers:
        if not isinstance(answer, BaseException):
            answer.close()
    if len(errors) < len(answers):
        return
    for error in errors:
        if not isinstance(error, UNAVAILABLE_ERRORS):
            raise error
        if refusal := _describe_refusal(error):
            raise ValueError(refusal) from error


def _describe_refusal(error: BaseException) -> str | None:
    match error:
        case SaslAuthenticationFailed():
            return _ERROR_LINE.format("SASL_PLAIN_PASSWORD", f"Kafka refuses it: {error.args[0]}")
        case UnsupportedSaslMechanismError():
            return _ERROR_LINE.format("SASL_MECHANISM", "Kafka does not offer it")
        case ssl.SSLCertVerificationError():
            text = f"Kafka's certificate cannot be verified: {error.verify_message}"
            return _ERROR_LINE.format("SSL_CAFILE", text)
    return None
