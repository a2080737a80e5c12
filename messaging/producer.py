"""Produce CloudEvents outside the exactly-once path: scheduled commands and signals."""

from cohost.kafka import producer
from cohost.kafka.errors import UNAVAILABLE_ERRORS
from cohost.kafka.producer import ClientClosed, DeliveryState
from cohost_schemas.envelope import Correlation
from cohost_schemas.topics import Topic
from cohost_schemas.types import Message
from messaging.config import Config
from messaging.errors import NotConfirmed
from messaging.tracing.tracer import Tracer, trace_sending

_SEND_SECONDS = 10
_BATCH_BYTES = 256 * 1024
"""Enough for all concurrent senders: aiokafka wakes every sender that waits for room in a batch each time."""


class AtLeastOnceProducer:
    """Writes CloudEvents outside of transactions; repeating one with the same id is harmless."""

    def __init__(self, config: Config, source: str, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self._producer = producer.CloudEventProducer(
            config.kafka, source, attempt_seconds=_SEND_SECONDS, batch_bytes=_BATCH_BYTES
        )

    async def stop(self) -> None:
        """Close the connection and drop unconfirmed records."""
        await self._producer.stop(drain_seconds=0)

    async def send_message(
        self,
        topic: Topic,
        message_id: str,
        data: Message,
        key: str,
        correlation: Correlation | None = None,
    ) -> None:
        """Write one record and wait until it is confirmed.

        `correlation` is that of the record that the message follows from, if there is one.

        Raises `NotConfirmed` if that takes too long or fails; sending it again with the same id is safe.
        """
        name = self._producer.topic_name(topic)
        with trace_sending(self._tracer, name, message_id, correlation) as carried:
            await self._send(topic, message_id, data, key, carried)

    async def _send(
        self, topic: Topic, message_id: str, data: Message, key: str, correlation: Correlation | None
    ) -> None:
        attributes = correlation.attributes() if correlation is not None else {}
        value = self._producer.encode_event(message_id, data, key, **attributes)
        try:
            await self._producer.send_once(topic, key, value, DeliveryState())
        except (*UNAVAILABLE_ERRORS, ClientClosed) as error:
            msg = f"record for {topic.suffix} not confirmed: {type(error).__name__}"
            raise NotConfirmed(msg) from error
