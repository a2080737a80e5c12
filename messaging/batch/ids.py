"""Generate the deterministic ids of output records."""

import hashlib

_LOW_48 = (1 << 48) - 1


def id_prefix(cluster_id: str, topic: str) -> str:
    """Return the prefix of all event ids of a topic; it differs between clusters and topics."""
    digest = hashlib.sha256(f"{cluster_id}/{topic}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}"


def event_id(prefix: str, partition: int, sequence: int) -> str:
    """Return the UUIDv8 of the record with this sequence. Deciding the record again gives the same id."""
    return f"{prefix}-8{partition:03x}-8{sequence >> 48:03x}-{sequence & _LOW_48:012x}"
