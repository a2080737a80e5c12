"""Kafka's default partitioner, written from its published description."""


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Return the unsigned 32-bit hash."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    hashed = (0x9747B28C ^ len(data)) & mask
    tail = len(data) % 4
    for start in range(0, len(data) - tail, 4):
        word = int.from_bytes(data[start : start + 4], "little") * multiplier & mask
        word ^= word >> 24
        word = word * multiplier & mask
        hashed = (hashed * multiplier & mask) ^ word
    if tail:
        hashed = (hashed ^ int.from_bytes(data[-tail:], "little")) * multiplier & mask
    hashed ^= hashed >> 13
    hashed = hashed * multiplier & mask
    return hashed ^ hashed >> 15
