"""FastStream's broker for a pipeline, and the subscriber of raw batches that the pipeline reads from."""

import logging
from typing import Literal

from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.subscriber.usecase import BatchSubscriber

from messaging.config import Config
from messaging.inputs import consumer

_REBALANCE_TIMEOUT_MS = 15_000


class LaneBroker(KafkaBroker):
    """A broker whose one subscriber is started and stopped by the pipeline's sessions.

    Starting the application does not start the subscriber, because Kafka or Postgres may be unavailable then.
    A session starts it, and after an error the next session starts it again.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(
            config.bootstrap_servers.split(","),
            # The outputs are published in transactions, which FastStream's producer does not offer.
            consumer_only=True,
            allow_auto_create_topics=False,
            # The handler takes the message as it is: to inject it would take a thread for each batch.
            apply_types=False,
            graceful_timeout=None,
            logger=logging.getLogger("cohost.consumer"),
            log_level=logging.DEBUG,
            retry_backoff_ms=50,
            # The broker answers JoinGroup only after the other members gave up their partitions.
            request_timeout_ms=_REBALANCE_TIMEOUT_MS + 5_000,
        )
        # FastStream's own security classes know fewer of aiokafka's arguments.
        self._connection_kwargs.update(config.security)
        self._pipeline_config = config

    async def start(self) -> None:
        """Prepare the broker without starting its subscriber, which a session does."""
        await self.connect()

    def subscriber(  # type: ignore[override]
        self, *topics: str, group_id: str, batch: Literal[True], ack_policy: Literal[AckPolicy.MANUAL]
    ) -> BatchSubscriber:
        """Create the subscriber, overriding each default of FastStream and aiokafka that does not fit."""
        config = self._pipeline_config
        subscriber = super().subscriber(
            *topics,
            group_id=group_id,
            batch=batch,
            # FastStream's Kafka default is ACK_FIRST, which commits the offset before the work is done.
            ack_policy=ack_policy,
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
            listener=consumer.RebalanceListener(),
            # FastStream's own parser and decoder run before the handler, and skip a batch that has one record
            # which they cannot read.
            parser=consumer.pass_through,
            decoder=consumer.keep_message,
            no_reply=True,
        )
        # FastStream's own poll sleeps after an empty one, unresponsive to new records, and five seconds after
        # an error.
        subscriber.get_msg = consumer.poll_current  # type: ignore[method-assign]
        return subscriber

    async def deliver(self, message: KafkaMessage) -> None:
        """Deliver a batch to the session that fetched it; the next batch is fetched after this returns."""
        await consumer.current().handle_message(message)
