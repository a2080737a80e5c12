"""The FastStream subscriber that feeds a session with raw records and partition assignments."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.security import (
    SASLGSSAPI,
    BaseSecurity,
    SASLPlaintext,
    SASLScram256,
    SASLScram512,
)

from messaging.config import Config
from messaging.errors import NotConfirmed

_POLL_MS = 200
_COMMIT_TIMEOUT_SECONDS = 5
_REBALANCE_TIMEOUT_MS = 15_000


class ConsumerListener(Protocol):
    """The callbacks of a consumer."""

    async def handle_batch(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle a batch of records; the next batch is delivered after this returns."""
        ...

    def on_assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start to take over these assigned partitions, which are paused."""
        ...

    async def on_revoked(self) -> None:
        """Give up every partition; after this returns, other members may own them."""
        ...

    def fail_session(self, error: BaseException) -> None:
        """End the session with this error."""
        ...


class Consumer:
    """A member of the service's consumer group. It is for one use: `start`, then `stop`."""

    def __init__(
        self, config: Config, group_id: str, topics: Sequence[str], listener: ConsumerListener
    ) -> None:
        self._config = config
        self._listener = listener
        self._broker = KafkaBroker(
            config.bootstrap_servers.split(","),
            security=_faststream_security(config),
            # FastStream's SASLGSSAPI does not pass these on.
            **{name: value for name, value in config.security.items() if name.startswith("sasl_kerberos_")},
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=None,
            logger=logging.getLogger("cohost.consumer"),
            log_level=logging.DEBUG,
            retry_backoff_ms=50,
            # The broker answers JoinGroup only after the other members gave up their partitions.
            request_timeout_ms=_REBALANCE_TIMEOUT_MS + 5_000,
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            group_id=group_id,
            # FastStream's Kafka default is ACK_FIRST, which commits the offset before the work is done.
            ack_policy=AckPolicy.MANUAL,
            # The positions are in the database; if the log lacks one, records were lost.
            auto_offset_reset="none",
            isolation_level="read_committed",
            # Round robin, FastStream's default, would assign the topics of one lane to different members.
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=config.session_timeout_ms,
            heartbeat_interval_ms=max(200, min(3000, config.session_timeout_ms // 6)),
            rebalance_timeout_ms=_REBALANCE_TIMEOUT_MS,
            fetch_max_wait_ms=config.fetch_max_wait_ms,
            max_partition_fetch_bytes=1024 * 1024,
            max_records=config.max_records,
            batch_timeout_ms=_POLL_MS,
            listener=_RebalanceListener(self, listener),
            parser=self._parse,
            decoder=_decode,
            no_reply=True,
        )
        self._subscriber(self._handle_message)
        self._stopping = False
        self.has_unhandled = False
        """Whether fetched records are waiting to be handled."""
        self._discard_fetched = False
        self._positions_set = False

    @property
    def kafka_consumer(self) -> AIOKafkaConsumer:
        """Return the subscriber's aiokafka consumer."""
        return self._subscriber.consumer

    async def start(self) -> None:
        """Join the group."""
        await self._broker.start()

    async def stop(self) -> None:
        """Leave the group. The lanes must be released before: stopping does not call `on_revoked`."""
        self._stopping = True
        await self._broker.stop()

    def invalidate_fetched(self) -> None:
        """Discard fetched records that are not handled: they may no longer follow the lanes' positions."""
        self._discard_fetched = True
        self._positions_set = False

    def mark_positions_set(self) -> None:
        """Mark all partitions as sought and discard records fetched before the seek.

        aiokafka fetches from the mirrored offsets before the listener can pause it. Between those offsets and
        the lane's real position there may be records that were decided but never committed.
        """
        self._discard_fetched = True
        self._positions_set = True

    async def mirror_offsets(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for lag monitoring only. Raises `NotConfirmed` if Kafka does not answer."""
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_SECONDS):
                if offsets:
                    await self.kafka_consumer.commit(dict(offsets))
                else:
                    await self.kafka_consumer.topics()
        except (CommitFailedError, IllegalStateError):
            return  # a rebalance is under way, and the next owner will mirror its own offsets
        except (KafkaError, TimeoutError) as error:
            msg = "Kafka did not answer the commit of offsets in time"
            raise NotConfirmed(msg) from error

    async def _parse(self, records: Sequence[ConsumerRecord]) -> KafkaMessage:
        return KafkaMessage(raw_message=records, body=(), headers={}, consumer=self.kafka_consumer)

    async def _handle_message(self, message: KafkaMessage) -> None:
        records: Any = message.raw_message
        try:
            if not self._discard_fetched:
                await self._listener.handle_batch(records)
        finally:
            self.has_unhandled = False

    def install_paced_poll(self) -> None:
        """Replace the aiokafka consumer's `getmany` by one that waits for records and limits the poll rate.

        FastStream sleeps after an empty poll, unresponsive to new records, and five seconds after an error.
        """
        fetch = self.kafka_consumer.getmany
        last_fetch_at = 0.0

        async def getmany(**options: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
            nonlocal last_fetch_at
            await asyncio.sleep(last_fetch_at + self._config.batch_pause_ms / 1000 - time.monotonic())
            while not self._stopping:
                try:
                    records: dict[TopicPartition, list[ConsumerRecord]] = await fetch(**options)
                except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
                    if await self._is_input_lost(error):
                        self._listener.fail_session(error)
                        await asyncio.Event().wait()
                    # Each partition may have such an error pending; nothing is fetched until it was raised.
                    if not self._positions_set:
                        await asyncio.sleep(_POLL_MS / 1000)
                    continue
                except Exception as error:  # noqa: BLE001 - this session loses the records that were drained before it
                    if self._stopping:
                        break
                    self._listener.fail_session(error)
                    await asyncio.Event().wait()
                if records:
                    self.has_unhandled = True
                    self._discard_fetched = False
                    last_fetch_at = time.monotonic()
                    return records
            raise ConsumerStoppedError

        self.kafka_consumer.getmany = getmany

    async def _is_input_lost(self, error: KafkaError) -> bool:
        """Return whether the log lacks the offset to read next; offsets from before the seek do not count."""
        if not self._positions_set or isinstance(error, NoOffsetForPartitionError):
            return False
        try:
            return any(
                [
                    await self.kafka_consumer.position(partition) == offset
                    for partition, offset in error.args[0].items()
                ]
            )
        except IllegalStateError:
            return False  # the partition is no longer assigned to this worker


class _RebalanceListener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Pauses assigned partitions, gives up revoked ones. It must not raise: aiokafka hides the error."""

    def __init__(self, consumer: Consumer, listener: ConsumerListener) -> None:
        self._consumer = consumer
        self._listener = listener
        self._poll_installed = False

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        try:
            if not self._poll_installed:
                self._poll_installed = True
                self._consumer.install_paced_poll()
            # Fetching has already resumed, and no heartbeats are sent in here: pause, and work outside.
            self._consumer.kafka_consumer.pause(*assigned)
            self._listener.on_assigned(list(assigned))
        except Exception as error:  # noqa: BLE001 - see above
            self._listener.fail_session(error)

    async def on_partitions_revoked(self, _: Sequence[TopicPartition]) -> None:
        try:
            await self._listener.on_revoked()
        except Exception as error:  # noqa: BLE001 - see above
            self._listener.fail_session(error)


async def _decode(_: object) -> tuple[()]:
    return ()


def _faststream_security(config: Config) -> BaseSecurity | None:
    options = dict(config.security)
    protocol = options.get("security_protocol", "PLAINTEXT")
    tls = {"ssl_context": options.get("ssl_context"), "use_ssl": protocol.endswith("SSL")}
    if not protocol.startswith("SASL"):
        return BaseSecurity(**tls) if protocol == "SSL" else None
    mechanism = options.get("sasl_mechanism", "PLAIN")
    if mechanism == "GSSAPI":
        return SASLGSSAPI(**tls)
    kinds: dict[str, Callable[..., BaseSecurity]] = {
        "PLAIN": SASLPlaintext,
        "SCRAM-SHA-256": SASLScram256,
        "SCRAM-SHA-512": SASLScram512,
    }
    return kinds[mechanism](options["sasl_plain_username"], options["sasl_plain_password"], **tls)
