"""Record batches that aiokafka's own reader fails on."""

from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import codec
from aiokafka.record import default_records

from cohost.kafka import record_batches

COUNT = 5
CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

Change = Callable[[bytes], bytes]


def batch(kind: str, change: Change, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Return a batch whose compressed bytes are changed."""
    encode = getattr(codec, f"{kind}_encode")
    monkeypatch.setattr(default_records, f"{kind}_encode", lambda data: change(bytes(encode(data))))
    builder = default_records._DefaultRecordBatchBuilderPy(2, CODECS[kind], False, -1, -1, -1, 1_000_000)  # noqa: FBT003, SLF001 - no public API builds such batches
    for number in range(COUNT):
        builder.append(number, 1000 + number, b"key", b"value %d" % number, [("name", b"x")])
    return bytes(builder.build())


def read(raw: bytes) -> list[Any]:
    records = record_batches.BoundedRecords(raw)
    assert records.has_next()
    return list(records.next_batch())


@pytest.mark.parametrize("kind", CODECS)
def test_a_sound_batch_is_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(batch(kind, bytes, monkeypatch))
    assert [(record.offset, record.value) for record in found] == [(n, b"value %d" % n) for n in range(COUNT)]


@pytest.mark.parametrize("kind", ["gzip", "lz4"])
@pytest.mark.parametrize("behind", [b"garbage" * 8, b"\0" * 16, b"\x1f"])
def test_bytes_after_the_end_of_a_compressed_batch_are_ignored(
    kind: str, behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read(batch(kind, lambda data: data + behind, monkeypatch))
    assert [(record.offset, record.timestamp, record.key, record.headers) for record in found] == [
        (number, 1000 + number, b"key", [("name", b"x")]) for number in range(COUNT)
    ]


def test_a_batch_of_two_gzip_members_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def parted(data: bytes) -> bytes:
        plain = codec.gzip_decode(data)
        return codec.gzip_encode(plain[:40]) + codec.gzip_encode(plain[40:]) + b"behind"

    found = read(batch("gzip", parted, monkeypatch))
    assert [record.value for record in found] == [b"value %d" % number for number in range(COUNT)]


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("change", [lambda data: data[:-12], lambda _: b"no such thing", lambda _: b""])
def test_unreadable_records_become_empty_records(
    kind: str, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = read(batch(kind, change, monkeypatch))
    assert [(record.offset, record.value or record.key) for record in found] == [
        (number, None) for number in range(COUNT)
    ]


def plain_batch(count: int, name: str = "name") -> bytes:
    """Return an uncompressed batch whose records have one header of this name."""
    builder = default_records._DefaultRecordBatchBuilderPy(2, 0, False, -1, -1, -1, 1_000_000)  # noqa: FBT003, SLF001 - as above
    for number in range(count):
        builder.append(number, 1000 + number, b"key", b"value %05d" % number, [(name, b"x")])
    return bytes(builder.build())


@pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 250])
@pytest.mark.parametrize("first_offset", [0, 1, 99, 100, 150])
def test_every_record_of_a_plain_batch_is_read_once(count: int, first_offset: int) -> None:
    records = record_batches.BoundedRecords(plain_batch(count))
    records.first_offset = first_offset
    assert [record.offset for record in records.next_batch()] == list(range(first_offset, count))


@pytest.mark.parametrize("odd", [0, 1, 99, 100, 149])
@pytest.mark.parametrize("damaged", [None, 150, 249])
def test_records_before_one_that_cannot_be_read_are_read(odd: int, damaged: int | None) -> None:
    raw = bytearray(plain_batch(250))
    at = raw.index(b"value %05d" % odd)
    name = raw.index(b"name", at)
    raw[name] = 0xFF
    if damaged is not None:
        # A negative length of its key.
        length = raw.index(b"key", raw.index(b"value %05d" % (damaged - 1))) - 1
        raw[length] = 0x7F
    found = read(bytes(raw))
    assert [record.offset for record in found] == list(range(250))
    readable = range(250 if damaged is None else damaged)
    assert [record.value for record in found if record.value is not None] == [
        b"value %05d" % number for number in readable
    ]
    assert found[odd].headers == [("\ufffdame", b"x")]
