"""What stands around the pipeline, and the effects work with."""

from dataclasses import dataclass

import asyncpg

from messaging.producer import Producer
from services.broadcast.livekit import LiveKit
from services.broadcast.metrics import Metrics
from services.broadcast.ownership import Ownership


@dataclass(frozen=True, slots=True)
class Surroundings:
    """LiveKit, Kafka beside the transactions, Postgres, and the lanes for which they may be used."""

    livekit: LiveKit
    producer: Producer
    pool: asyncpg.Pool
    ownership: Ownership
    metrics: Metrics
