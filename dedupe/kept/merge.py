"""Merge segments: choose which, and gather the rows of their live documents into new ones.

`crowded` says which segments an add merges, so that queries do not slow down with every delta. By how full they are,
segments have one of three levels (up to 4,096, 32,768 and 131,072 short documents); where eight are of one level, they
become one, which mostly is of the next. So an index has about twenty segments besides those that are at least half
full, and an add rewrites only segments of about its own size, but for every eighth. Half full counts as full: two such
segments that are merged might be two again.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.kept.intake import MAX_DOCS, MAX_SHINGLES
from dedupe.kept.layout import DOCS, TABLES, SegmentInfo
from dedupe.kept.segment import NAMES, NUMBERS, Rows, write_segment
from dedupe.kept.view import View
from dedupe.records import Flags, Offsets

MANY = 8  # segments of one level that are merged
_LEVELS = (1 / 64, 1 / 8, 1 / 2)  # how full the segments of each level are at most


def crowded(num_docs: Offsets, num_shingles: Offsets) -> Offsets:
    """Choose segments to merge, by their live documents and the shingles of these: positions, ascending, maybe none.

    What the segments of a level make together counts as one of the level it then has.

    >>> crowded(np.full(8, 1000), np.full(8, 80_000)).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> crowded(np.array([200_000, *[1000] * 7]), np.full(8, 80_000)).tolist()
    []
    """
    fullness = np.maximum(num_docs / MAX_DOCS, num_shingles / MAX_SHINGLES)
    level = np.searchsorted(_LEVELS, fullness, side="right")
    chosen: Flags = np.zeros(len(level), np.bool_)
    for each in range(len(_LEVELS)):
        carried = chosen.any() and np.searchsorted(_LEVELS, fullness[chosen].sum(), side="right") == each
        if int((level == each).sum()) + int(carried) >= MANY:
            chosen |= level == each
    return np.flatnonzero(chosen)


def live_sizes(view: View) -> tuple[Offsets, Offsets]:
    """Count the live documents of each segment, and their shingles: int64 (num_segments,) both."""
    num_segments = len(view.manifest.segments)
    docs = np.flatnonzero(view.is_live)
    owner = view.segment_of(docs)
    shingles = np.zeros(num_segments, np.int64)
    np.add.at(shingles, owner, view.num_shingles[docs])
    return np.bincount(owner, minlength=num_segments).astype(np.int64), shingles


def merged_segments(folder: Path, view: View, numbers: Iterator[int], segments: Offsets) -> Iterator[SegmentInfo]:
    """Write the live documents of some segments into as few as may be; nothing names them yet."""
    chosen = np.zeros(len(view.manifest.segments), np.bool_)
    chosen[segments] = True
    live = view.live
    for docs in _shares(view, live[chosen[view.segment_of(live)]]):
        yield write_segment(folder, f"s{next(numbers):08}", _gathered(view, docs, segments))


def _shares(view: View, docs: Offsets) -> Iterator[Offsets]:
    """Cut documents, by place, into segments as full as they may be."""
    done = np.cumsum(view.num_shingles[docs])
    first = 0
    while first < len(docs):
        before = int(done[first - 1]) if first else 0
        fits = int(np.searchsorted(done, before + MAX_SHINGLES, side="right"))
        last = min(len(docs), first + MAX_DOCS, max(first + 1, fits))
        yield docs[first:last]
        first = last


def _gathered(view: View, docs: Offsets, segments: Offsets) -> Rows:
    """Gather the rows of some documents from the segments they stand in."""
    row_of = np.full(len(view), -1, np.int64)
    row_of[docs] = np.arange(len(docs))
    columns: dict[str, Any] = {name: view.binary(name, docs) for name in NAMES}
    columns |= {name: view.column(name)[docs] for name in NUMBERS if name in DOCS}
    columns["record"] = _records(view, docs)
    tables = {kind: _table(view, kind, row_of, segments) for kind in ("bands", "seeds", "blocks")}
    return Rows(columns, tables, _shingle_items(view, docs), _blobs(view, docs))


def _records(view: View, docs: Offsets) -> list[int | None]:
    found: list[int | None] = [None] * len(docs)
    for number, at, rows in view.by_segment(docs):
        column = view.segment(number).table("docs").take(["record"], rows).column(0).to_pylist()
        for position, value in zip(at.tolist(), column, strict=True):
            found[position] = value
    return found


def _table(view: View, kind: str, row_of: Offsets, segments: Offsets) -> dict[str, NDArray[Any]]:
    names = tuple(TABLES[kind])
    parts: list[list[NDArray[Any]]] = []
    for number in segments.tolist():
        table = view.segment(number).table(kind)
        for group in table.groups():
            columns = dict(zip(names, table.columns(names, [group]), strict=True))
            rows = row_of[columns["row"].astype(np.int64) + view.start[number]]
            stays = rows >= 0
            columns["row"] = rows.astype(np.uint32)
            parts.append([columns[name][stays] for name in names])
    kinds = {name: np.dtype(TABLES[kind][name]) for name in names}
    return {name: np.concatenate([np.empty(0, kinds[name]), *(part[at] for part in parts)]).astype(kinds[name])
            for at, name in enumerate(names)}


def _shingle_items(view: View, docs: Offsets) -> Iterator[NDArray[np.uint32]]:
    for begin in range(0, len(docs), 4096):
        values, start = view.shingles(docs[begin:begin + 4096])
        yield from np.split(values, start[1:-1])


def _blobs(view: View, docs: Offsets) -> Iterator[bytes]:
    places = [view.column(name) for name in ("text_start", "text_size", "text_crc")]
    owner = view.segment_of(docs)
    for doc, number in zip(docs.tolist(), owner.tolist(), strict=True):
        row = doc - int(view.start[number])
        yield view.segment(number).blob(row, *(int(column[doc]) for column in places))
