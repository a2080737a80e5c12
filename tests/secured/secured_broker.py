"""A Kafka broker with SASL, TLS and ACLs."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cohost_schemas import topics
from stack import components, ports, settings
from stack.servers.kafka import Kafka
from stack.settings import ComponentContext
from tests import kafka_topics
from tests.secured.documented_acls import Acl, WireAcl

_SECONDS = 60
_POLL_SECONDS = 0.05
_ANY, _DENY = 1, 2
_CONFIG = """\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},CLIENTS://127.0.0.1:{clients}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CLIENTS://127.0.0.1:{clients}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,CLIENTS:SASL_SSL
listener.name.clients.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.clients.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.clients.ssl.keystore.type=PEM
listener.name.clients.ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
"""


@dataclass(frozen=True)
class SecuredBroker:
    """A secured broker; clients use `address`, the tests' admin uses `admin_address` without credentials."""

    address: str
    admin_address: str
    authority_file: Path
    passwords: Mapping[str, str]

    def client_variables(self, principal: str, **others: str) -> dict[str, str]:
        """Return a principal's environment variables, as docs/operations.md lists them."""
        own = {
            "BOOTSTRAP_SERVERS": self.address,
            "SECURITY_PROTOCOL": "SASL_SSL",
            "SASL_MECHANISM": "SCRAM-SHA-512",
            "SASL_PLAIN_USERNAME": principal,
            "SASL_PLAIN_PASSWORD": self.passwords[principal],
            "SSL_CAFILE": str(self.authority_file),
        }
        return {f"COHOST_KAFKA_{name}": value for name, value in (own | others).items()}

    def client_options(self, principal: str) -> dict[str, Any]:
        """Return a principal's arguments for aiokafka's clients."""
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": principal,
            "sasl_plain_password": self.passwords[principal],
            "ssl_context": create_ssl_context(cafile=str(self.authority_file)),
        }

    async def create_topics(self, prefix: str, partitions: int) -> None:
        """Create the twelve topics, as an operator does if the services may not."""
        wanted = [
            NewTopic(topic.full_name(prefix), partitions, 1, topic_configs=dict(topic.config))
            for topic in topics.ALL
        ]
        async with self._admin() as admin:
            made = await admin.create_topics(wanted)
            assert [error[1] for error in made.topic_errors] == [0] * len(wanted)
            await kafka_topics.wait_until_known(admin, [topic.name for topic in wanted])

    async def add_acls(self, acls: Iterable[Acl]) -> None:
        """Add ACLs and wait until the broker applies them."""
        async with self._admin() as admin:
            await _create_acls(admin, {acl.to_wire() for acl in acls})

    @asynccontextmanager
    async def deny_acl(self, acl: Acl) -> AsyncIterator[None]:
        """Deny during the block what an ACL allows."""
        wire = (*acl.to_wire()[:-1], _DENY)
        async with self._admin() as admin:
            await _create_acls(admin, {wire})
            try:
                yield
            finally:
                await _delete_acl(admin, wire)

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.admin_address)
        await admin.start()
        try:
            yield admin
        finally:
            await admin.close()


async def _create_acls(admin: AIOKafkaAdminClient, wanted: set[WireAcl]) -> None:
    """Create ACLs and wait for the broker: the controller answers before the broker applies them."""
    async with asyncio.timeout(_SECONDS):
        for acl in wanted:
            made = await admin._send_to_controller(CreateAclsRequest(*acl))  # noqa: SLF001 - aiokafka has no call for it
            assert made.creation_responses == [(0, "")]
        while not await _existing_acls(admin) >= wanted:
            await asyncio.sleep(_POLL_SECONDS)


async def _delete_acl(admin: AIOKafkaAdminClient, acl: WireAcl) -> None:
    async with asyncio.timeout(_SECONDS):
        await admin._send_to_controller(DeleteAclsRequest(*acl))  # noqa: SLF001 - as above
        while acl in await _existing_acls(admin):
            await asyncio.sleep(_POLL_SECONDS)


async def _existing_acls(admin: AIOKafkaAdminClient) -> set[WireAcl]:
    asked = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    found = await admin._send_request(asked)  # noqa: SLF001 - aiokafka has no call for it
    return {(kind, name, pattern, *acl) for kind, name, pattern, acls in found.resources for acl in acls}


def _issue_keystore(authority: trustme.CA) -> bytes:
    """Return a broker's key and certificate as PEM; Kafka reads a key in PKCS #8 alone."""
    issued = authority.issue_cert(ports.ADDRESS)
    key = load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    pkcs8 = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join([pkcs8, *(certificate.bytes() for certificate in issued.cert_chain_pems)])


@asynccontextmanager
async def run_secured_broker(folder: Path, principals: Iterable[str]) -> AsyncIterator[SecuredBroker]:
    """Run a secured broker without any ACL."""
    authority = trustme.CA()
    authority_file = folder / "authority.pem"
    authority.cert_pem.write_to_path(authority_file)
    passwords = {name: secrets.token_urlsafe(12) for name in principals}
    users = tuple(f"SCRAM-SHA-512=[name={name},password={word}]" for name, word in passwords.items())
    keystore = folder / "broker.pem"
    keystore.write_bytes(_issue_keystore(authority))
    place = ComponentContext(folder, settings.load_settings(isolated=True), settings.generate_secrets())
    clients = ports.reserve_port()

    def make() -> Kafka:
        port, controller = ports.reserve_ports((), 2)
        more = _CONFIG.format(port=port, controller=controller, clients=clients, keystore=keystore)
        return Kafka(place, (port, controller), extra_config=more, scram_users=users)

    try:
        part, process = await components.start_component(make)
        try:
            yield SecuredBroker(f"{ports.ADDRESS}:{clients}", part.address, authority_file, passwords)
        finally:
            # Its data is not needed, and an orderly shutdown would take seconds.
            process.kill()
            await process.stop()
            ports.release_ports(*part.ports)
    finally:
        ports.release_ports(clients)
