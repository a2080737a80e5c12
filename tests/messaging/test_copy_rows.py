import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import copying

COLUMNS = ("one", "two")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
ROWS = st.lists(
    st.tuples(TEXTS | st.sampled_from(["\\N", "\\.", "\t", "a\nb", "\r\n", ""]), st.none() | TEXTS)
)


def parse_copy_text(data: bytes) -> list[tuple[str | None, ...]]:
    """Parse COPY's text format, following its documentation."""
    lines = data.decode().split("\n")
    assert lines.pop() == ""
    return [tuple(_text(field) for field in line.split("\t")) for line in lines]


def _text(field: str) -> str | None:
    if field == "\\N":
        return None
    pieces = field.split("\\\\")
    return "\\".join(piece.replace("\\t", "\t").replace("\\n", "\n").replace("\\r", "\r") for piece in pieces)


@given(ROWS)
def test_copy_text_round_trips(rows: list[tuple[str, str | None]]) -> None:
    assert parse_copy_text(copying.encode_rows(rows)) == rows


async def test_postgres_reads_copied_rows_and_refuses_duplicates(database_url: str) -> None:
    rows = [("plain", "x"), ("a\tb\\N\nc\r", None), ("\\.", ""), ("\u2028\x01ü", "\\")]
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE pairs (one text PRIMARY KEY, two text)")
    await copying.copy_rows(connection, "pairs", COLUMNS, rows)
    assert [tuple(row) for row in await connection.fetch("SELECT * FROM pairs")] == rows
    with pytest.raises(asyncpg.UniqueViolationError):
        await copying.copy_rows(connection, "pairs", COLUMNS, [("new", None), ("plain", None)])
    assert await connection.fetchval("SELECT count(*) FROM pairs") == len(rows)
    await connection.close()
