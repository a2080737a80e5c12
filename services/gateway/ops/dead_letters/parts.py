"""Everything that the routes about dead letters need, put together."""

from prometheus_client import CollectorRegistry

from cohost.kafka.connection import KafkaConnection
from cohost.kafka.producer import CloudEventProducer
from services.gateway.ops.dead_letters.letter_list import LetterList
from services.gateway.ops.dead_letters.letter_log import LetterLog
from services.gateway.ops.dead_letters.metrics import RedriveMetrics
from services.gateway.ops.dead_letters.newer_facts import NewerFactSearch
from services.gateway.ops.dead_letters.redriver import Redriver
from services.gateway.ops.dead_letters.routes import create_dead_letter_router
from services.gateway.topology import SOURCE

_ATTEMPT_SECONDS = 2.0


class DeadLetterParts:
    """The router, and the connections behind it: they are opened by the first request that needs them."""

    def __init__(self, kafka: KafkaConnection, registry: CollectorRegistry) -> None:
        self._log = LetterLog(kafka)
        self._producer = CloudEventProducer(kafka, SOURCE, attempt_seconds=_ATTEMPT_SECONDS)
        redriver = Redriver(self._log, NewerFactSearch(kafka), self._producer, RedriveMetrics(registry))
        self.router = create_dead_letter_router(LetterList(self._log), redriver)

    async def close(self) -> None:
        """Close the connections."""
        await self._producer.stop(drain_seconds=0)
        await self._log.close()
