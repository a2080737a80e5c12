"""What the background effects need beside the pipeline."""

from dataclasses import dataclass

import asyncpg

from messaging.producer import CloudEventProducer
from services.broadcast.livekit import LiveKit
from services.broadcast.metrics import Metrics
from services.broadcast.ownership import Ownership


@dataclass(frozen=True, slots=True)
class Surroundings:
    """LiveKit's client, the producer outside transactions, Postgres, the lane lease and the metrics."""

    livekit: LiveKit
    producer: CloudEventProducer
    pool: asyncpg.Pool
    ownership: Ownership
    metrics: Metrics
