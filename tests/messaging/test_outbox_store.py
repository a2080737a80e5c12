import msgspec
from hypothesis import given
from hypothesis import strategies as st

from messaging.outbox import store
from messaging.outbox.store import EncodedRecord

headers = st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.none() | st.binary()))
records = st.builds(
    EncodedRecord,
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(1, 2**62),
    st.none() | st.binary(),
    st.none() | st.binary(),
    st.none() | headers,
)


@given(st.lists(records))
def test_an_outbox_batch_round_trips(given_records: list[EncodedRecord]) -> None:
    assert store.decode_records(store.encode_records(given_records)) == given_records


@given(st.lists(records))
def test_an_outbox_batch_of_an_earlier_version_is_read(given_records: list[EncodedRecord]) -> None:
    assert store.decode_records(b"\x01" + msgspec.msgpack.encode(given_records)) == given_records


@given(records, st.integers(1, 2**62))
def test_an_events_headers_are_estimated_as_others_are(record: EncodedRecord, sequence: int) -> None:
    event = record._replace(sequence=sequence, own_headers=None)
    exact = event._replace(own_headers=event.headers).estimated_size()
    assert abs(event.estimated_size() - exact) < 20
