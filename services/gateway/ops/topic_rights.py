"""Ask the broker which topics a client may read: aiokafka's own version of the request does not tell."""

from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

_METADATA_KEY, _METADATA_VERSION = 3, 8
_READ_BIT = 1 << 3
"""Read among Kafka's `AclOperation` codes."""


class TopicRights(NamedTuple):
    """A topic by its full name, its number of partitions, and whether this client may read it."""

    name: str
    partition_count: int
    is_readable: bool


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = _METADATA_KEY
    API_VERSION = _METADATA_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8"))),
        ),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class _MetadataRequest(RequestStruct):  # type: ignore[misc]  # as above
    API_KEY = _METADATA_KEY
    API_VERSION = _METADATA_VERSION
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class _RightsRequest(Request[_MetadataRequest]):  # type: ignore[misc]  # as above
    API_KEY: ClassVar[int] = _METADATA_KEY

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        may_create, of_cluster, of_topics = False, False, True
        return request_struct_class(self._names, may_create, of_cluster, of_topics)


async def describe_rights(admin: AIOKafkaAdminClient, names: Iterable[str]) -> list[TopicRights]:
    """Return what this client may do with the topics of these full names.

    A topic that it may not describe has a partition count of 0. Raises aiokafka's errors, also while a topic
    does not exist.
    """
    answer = await admin._send_request(_RightsRequest(names))  # noqa: SLF001 - aiokafka has no method for it
    rights = []
    for topic in answer.to_object()["topics"]:
        error: type[KafkaError] | None = for_code(topic["error_code"]) if topic["error_code"] else None
        if error not in {None, TopicAuthorizationFailedError}:
            raise error(topic["topic"])
        is_readable = error is None and bool(topic["authorized_operations"] & _READ_BIT)
        rights.append(TopicRights(topic["topic"], len(topic["partitions"]), is_readable))
    return rights
