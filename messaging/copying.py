"""Insert rows by COPY, which costs half of an INSERT from arrays, in this process and in Postgres."""

from collections.abc import AsyncIterator, Sequence

from messaging.database import Connection

_NULL = "\\N"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


async def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]]
) -> None:
    """Insert rows whose columns are given as text.

    Raises asyncpg's `UniqueViolationError` if a row exists already; the transaction is then aborted.
    """
    await connection.copy_to_table(
        table, columns=columns, source=_yield_once(encode_rows(rows)), format="text"
    )


def encode_rows(rows: Sequence[Sequence[str | None]]) -> bytes:
    """Return the rows in COPY's text format."""
    body = "".join(["\t".join([_NULL if text is None else text for text in row]) + "\n" for row in rows])
    # Hardly any text needs escaping. Counting the special characters is cheaper than searching every text.
    delimiter_counts = (
        sum([row.count(None) for row in rows]),
        sum([len(row) - 1 for row in rows]),
        len(rows),
        0,
    )
    if tuple(map(body.count, ("\\", "\t", "\n", "\r"))) != delimiter_counts:
        body = "".join(["\t".join([_escape(text) for text in row]) + "\n" for row in rows])
    return body.encode()


def _escape(text: str | None) -> str:
    return _NULL if text is None else text.translate(_ESCAPES)


async def _yield_once(data: bytes) -> AsyncIterator[bytes]:
    yield data
