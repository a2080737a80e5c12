"""What the background effects need beside the pipeline."""

from dataclasses import dataclass

import asyncpg

from messaging.producer import CloudEventProducer
from services.broadcast.effects.lease import LaneLease
from services.broadcast.livekit.client import LiveKitClient
from services.broadcast.metrics import LiveKitMetrics


@dataclass(frozen=True, slots=True)
class EffectDependencies:
    """LiveKit's client, the producer outside transactions, Postgres, the lane lease and the metrics."""

    livekit: LiveKitClient
    producer: CloudEventProducer
    pool: asyncpg.Pool
    lease: LaneLease
    metrics: LiveKitMetrics
