"""Give each document the number that says how much it is to be kept: larger goes first in keeper order."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from dedupe.formats import Columns, RecordBatch, Spliced
from dedupe.records import Document

# Fields that hold the day an article appeared, in published corpora and extractors' output, best first.
_DATE_NAMES = (
    "date_publish", "date_published", "published", "published_at", "publish_date", "pub_date", "pubdate", "date",
    "datetime", "created", "created_at", "timestamp", "crawl_date", "date_download", "warc_date", "fetched",
)  # fmt: skip


def ranks(batch: RecordBatch, keep: str, sizes: Sequence[int]) -> list[float]:
    """Rank the documents of a batch: by `sizes` for "longest", all alike for "first", else by a field.

    "newest" takes the first field of a well-known name that holds a date. A field may hold numbers or dates;
    NaN where there is neither, and such documents come last.
    """
    if keep == "longest":
        return [float(size) for size in sizes]
    if keep == "first":
        return [0.0] * len(sizes)
    return [rank_of(record, keep) for record in _records(batch, _names(keep))]


def rank_of(record: Mapping[str, Any], keep: str) -> float:
    """Rank one record by a field, or by its date for "newest"; NaN where it has none.

    >>> rank_of({"votes": "3"}, "votes"), rank_of({"pubdate": "1970-01-02"}, "newest"), rank_of({}, "newest")
    (3.0, 86400.0, nan)
    """
    for name in _names(keep):
        number = as_number(record.get(name))
        if not math.isnan(number):
            return number
    return math.nan


def _names(keep: str) -> tuple[str, ...]:
    return _DATE_NAMES if keep == "newest" else (keep,)


def _records(batch: RecordBatch, names: Sequence[str]) -> list[dict[str, Any]]:
    if isinstance(batch.rows, Columns):
        table = batch.rows.batch
        chosen = [name for name in names if name in table.schema.names]
        columns = {name: table.column(table.schema.get_field_index(name)).to_pylist() for name in chosen}
        return [{name: column[row] for name, column in columns.items()} for row in batch.rows.rows]
    members = batch.rows.members or partial(_json_record, batch.rows)
    return [dict(members(at)) for at in range(len(batch.documents))]


def _json_record(rows: Spliced, at: int) -> dict[str, Any]:
    import msgspec

    start, end = rows.rows[at]
    try:
        record = msgspec.json.decode(rows.content[start:end])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def as_number(value: object) -> float:
    """Turn a number, a text that holds one, or a date into a number; NaN for anything else.

    >>> as_number("3.5"), as_number("1970-01-02"), as_number("1970-01-01T00:00:10Z"), as_number("soon")
    (3.5, 86400.0, 10.0, nan)
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if abs(value) < 1e300 else math.nan
    if not isinstance(value, str) or len(value) > 64:
        return math.nan
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return as_number(datetime.fromisoformat(value.strip()))
    except (ValueError, OverflowError):
        return math.nan


def tie_breaker(document: Document) -> int:
    """Hash a document's id and text, so that ties end the same whatever the order of arrival."""
    key = hashlib.blake2b(digest_size=8)
    key.update((document.id or "").encode("utf-8", "surrogatepass"))
    key.update(b"\0")
    key.update(document.utf8)
    return int.from_bytes(key.digest(), "little")
