"""Generate the deterministic ids of output records."""

import hashlib
from functools import lru_cache


def event_id(cluster_id: str, topic: str, partition: int, sequence: int) -> str:
    """Return the UUIDv8 of the record with this sequence. Deciding the record again gives the same id.

    The same sequence has another id in another cluster, topic (with its prefix) or partition.
    """
    # Twelve digits: at 100 000 records a second, a partition needs them for 89 years.
    return f"{_id_prefix(cluster_id, topic, partition)}{sequence:012x}"


@lru_cache(maxsize=16_384)
def _id_prefix(cluster_id: str, topic: str, partition: int) -> str:
    digest = hashlib.sha256(f"{cluster_id}/{topic}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{partition:03x}-8000-"
