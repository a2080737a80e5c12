"""The FastStream subscriber that feeds a session: batches of raw records, lanes that come and go."""

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
from messaging.errors import Unavailable
from schemas import lenient

_POLL_MS = 200
_ANSWER_SECONDS = 5
_REBALANCE_MS = 15_000

lenient.install()


class Listener(Protocol):
    """Whom the consumer serves."""

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Take a batch in; the next one comes when this returns."""
        ...

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Start to take over these partitions, which are paused."""
        ...

    async def revoked(self) -> None:
        """Let go of every partition; when this returns, others may have them."""
        ...

    def fail(self, error: BaseException) -> None:
        """Give the session up."""
        ...


class Consumer:
    """A member of the service's consumer group. Use it once: `start`, then `stop`."""

    def __init__(self, config: Config, group: str, topics: Sequence[str], listener: Listener) -> None:
        self._config = config
        self._listener = listener
        self._broker = KafkaBroker(
            config.bootstrap_servers.split(","),
            security=_security(config),
            # FastStream's own words for GSSAPI leave these out.
            **{name: value for name, value in config.security.items() if name.startswith("sasl_kerberos_")},
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=None,
            logger=logging.getLogger("cohost.consumer"),
            log_level=logging.DEBUG,
            retry_backoff_ms=50,
            # A request to join is answered when the others have let go.
            request_timeout_ms=_REBALANCE_MS + 5_000,
        )
        self._subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            group_id=group,
            # FastStream's Kafka default is ACK_FIRST, which commits the offset before the work is done.
            ack_policy=AckPolicy.MANUAL,
            # Where to read from is in the database; where the log lacks that, something was lost.
            auto_offset_reset="none",
            isolation_level="read_committed",
            # Round robin, FastStream's default, would part a lane's topics.
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=config.session_timeout_ms,
            heartbeat_interval_ms=max(200, min(3000, config.session_timeout_ms // 6)),
            rebalance_timeout_ms=_REBALANCE_MS,
            fetch_max_wait_ms=config.fetch_max_wait_ms,
            max_partition_fetch_bytes=1024 * 1024,
            max_records=config.max_records,
            batch_timeout_ms=_POLL_MS,
            listener=_Rebalance(self, listener),
            parser=self._parse,
            decoder=_decode,
            no_reply=True,
        )
        self._subscriber(self._handle)
        self._stopping = False
        self.outstanding = False
        """Whether records were fetched that are not handled yet."""
        self._dropped = False
        self._placed = False

    @property
    def client(self) -> AIOKafkaConsumer:
        """The aiokafka consumer behind the subscriber."""
        return self._subscriber.consumer

    async def start(self) -> None:
        """Join the group."""
        await self._broker.start()

    async def stop(self) -> None:
        """Leave the group. Lanes must have been let go of before: nobody is told of a revocation here."""
        self._stopping = True
        await self._broker.stop()

    def displaced(self) -> None:
        """Have a batch that is fetched and not handled yet never handled: it is not of where we stand now."""
        self._dropped = True
        self._placed = False

    def placed(self) -> None:
        """Take it that every partition was sought: what was fetched before is dropped.

        aiokafka fetches from the mirrored offsets before the listener can pause it, and between there and
        where the lane really stands may lie what was decided and never committed.
        """
        self._dropped = True
        self._placed = True

    async def mirror(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for lag tools to see. Raises `Unavailable` when Kafka does not answer."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if offsets:
                    await self.client.commit(dict(offsets))
                else:
                    await self.client.topics()
        except (CommitFailedError, IllegalStateError):
            return  # a rebalance is under way: the offsets are its next owner's to mirror
        except (KafkaError, TimeoutError) as error:
            msg = "Kafka does not answer"
            raise Unavailable(msg) from error

    async def _parse(self, records: Sequence[ConsumerRecord]) -> KafkaMessage:
        return KafkaMessage(raw_message=records, body=(), headers={}, consumer=self.client)

    async def _handle(self, message: KafkaMessage) -> None:
        records: Any = message.raw_message
        try:
            if not self._dropped:
                await self._listener.handle(records)
        finally:
            self.outstanding = False

    def wrap(self) -> None:
        """Make the consumer's poll wait for records, at a pace.

        FastStream sleeps deaf after an empty poll, and five seconds after an error.
        """
        fetch = self.client.getmany
        last = 0.0

        async def getmany(**options: Any) -> dict[TopicPartition, list[ConsumerRecord]]:
            nonlocal last
            await asyncio.sleep(last + self._config.batch_pause_ms / 1000 - time.monotonic())
            while not self._stopping:
                try:
                    records: dict[TopicPartition, list[ConsumerRecord]] = await fetch(**options)
                except (NoOffsetForPartitionError, OffsetOutOfRangeError) as error:
                    if await self._lost(error):
                        self._listener.fail(error)
                        await asyncio.Event().wait()
                    # Each partition may have such an error waiting, and until it is taken nothing is fetched.
                    if not self._placed:
                        await asyncio.sleep(_POLL_MS / 1000)
                    continue
                except Exception as error:  # noqa: BLE001 - records read along with it are lost to this session
                    if self._stopping:
                        break
                    self._listener.fail(error)
                    await asyncio.Event().wait()
                if records:
                    self.outstanding = True
                    self._dropped = False
                    last = time.monotonic()
                    return records
            raise ConsumerStoppedError

        self.client.getmany = getmany

    async def _lost(self, error: KafkaError) -> bool:
        """Say whether the log has no longer what we are to read next, and not only what we were never at."""
        if not self._placed or isinstance(error, NoOffsetForPartitionError):
            return False
        try:
            return any([await self.client.position(place) == at for place, at in error.args[0].items()])
        except IllegalStateError:
            return False  # not ours any more


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Pauses what comes, and lets go of what leaves. No exception may leave it: aiokafka would swallow it."""

    def __init__(self, consumer: Consumer, listener: Listener) -> None:
        self._consumer = consumer
        self._listener = listener
        self._wrapped = False

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        try:
            if not self._wrapped:
                self._wrapped = True
                self._consumer.wrap()
            # Fetching is unblocked already, and no heartbeat runs in here: pause, and do the work outside.
            self._consumer.client.pause(*assigned)
            self._listener.assigned(list(assigned))
        except Exception as error:  # noqa: BLE001 - see above
            self._listener.fail(error)

    async def on_partitions_revoked(self, _: Sequence[TopicPartition]) -> None:
        try:
            await self._listener.revoked()
        except Exception as error:  # noqa: BLE001 - see above
            self._listener.fail(error)


async def _decode(_: object) -> tuple[()]:
    return ()


def _security(config: Config) -> BaseSecurity | None:
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
