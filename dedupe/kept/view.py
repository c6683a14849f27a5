"""See an index as it was at one moment: all segments of one manifest as one list of documents.

Documents are numbered segment after segment, those that are gone too; `is_live` tells them apart. `place` puts all in
the order of their ties, which does not depend on the segments: where a key has too many documents, the first by
place are looked at, so that an index made in one piece and in ten gives the same answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.kept.files import Table
from dedupe.kept.intake import tie_order
from dedupe.kept.layout import Manifest, check_sizes, damaged, read_manifest
from dedupe.kept.locks import Reading
from dedupe.kept.segment import NAMES, Segment, unpack
from dedupe.records import Document, Flags, Hashes, Offsets

_COLUMNS = ("tie", "content", "num_shingles", "num_seeds", "shingle_start", "shingle_crc")


@dataclass(frozen=True, slots=True)
class Name:
    """Say which document this is: its id if it has one, its name in the input (a file, or file#record), the file, its
    address and its host."""

    id: str | None
    doc: str
    uri: str
    url: str | None
    host: str | None


@dataclass(frozen=True, slots=True)
class Hits:
    """Hold rows that have one of some keys: the position of the key, the document, and further columns."""

    key: Offsets
    doc: Offsets
    columns: tuple[NDArray[Any], ...]

    def take(self, rows: Offsets | Flags) -> Hits:
        return Hits(self.key[rows], self.doc[rows], tuple(column[rows] for column in self.columns))


class View:
    """Read an index. Use as a context manager: what it reads is not swept until it is closed.

    Memory: 50 bytes a document.
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        self._reading = Reading(folder)
        self._segments: list[Segment] = []
        try:
            self.folder, self.manifest = folder, manifest or read_manifest(folder)
            check_sizes(folder, self.manifest)
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._segments = [Segment(self.folder, each) for each in self.manifest.segments]
        sizes = [each.info.num_docs for each in self._segments]
        self.start: Offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes, dtype=np.int64)])
        columns: dict[str, Any] = {name: self.column(name) for name in _COLUMNS}
        self.tie: Hashes = columns["tie"].astype(np.uint64)
        self.content: Hashes = columns["content"].astype(np.uint64)
        self.num_shingles: Offsets = columns["num_shingles"].astype(np.int64)
        self.num_seeds: Offsets = columns["num_seeds"].astype(np.int64)
        self._shingle_start: Offsets = columns["shingle_start"].astype(np.int64)
        self._shingle_crc: NDArray[np.uint32] = columns["shingle_crc"].astype(np.uint32)
        self.is_live: Flags = np.ones(len(self), np.bool_)
        for segment, rows in gone_rows(self.folder, self.manifest):
            self.is_live[self.start[segment] + rows] = False
        self.place = self._places()

    def _places(self) -> Offsets:
        """Give every document its place in the order of ties; equal ones by their names."""
        order = np.argsort(self.tie, kind="stable")
        ties = self.tie[order]
        same = np.zeros(len(order), np.bool_)
        same[1:] = ties[1:] == ties[:-1]
        same[:-1] |= same[1:]
        rows = np.sort(order[same])
        if len(rows):
            docs = dict(zip(rows.tolist(), self.binary("doc", rows), strict=True))
            order[same] = tie_order(self.tie, rows.tolist(), lambda row: docs[row] or b"")
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        return place

    def __len__(self) -> int:
        return int(self.start[-1])

    @property
    def live(self) -> Offsets:
        """Number the documents that are not gone, by place."""
        docs = np.flatnonzero(self.is_live)
        return docs[np.argsort(self.place[docs])]

    def close(self) -> None:
        for segment in self._segments:
            segment.close()
        self._reading.close()

    def __enter__(self) -> View:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def segment(self, number: int) -> Segment:
        return self._segments[number]

    def column(self, name: str) -> NDArray[Any]:
        """Read a column of numbers of all documents."""
        parts = [each.numbers(name)[0] for each in self._segments]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def segment_of(self, docs: Offsets) -> Offsets:
        """Give the number of the segment that each document stands in; int64 (num_docs,)."""
        return np.searchsorted(self.start, docs, side="right") - 1

    def by_segment(self, docs: Offsets) -> Iterator[tuple[int, Offsets, Offsets]]:
        """Cut documents into those of each segment: its number, positions in `docs`, rows."""
        owner = self.segment_of(docs)
        for number in np.unique(owner).tolist():
            at = np.flatnonzero(owner == number)
            yield number, at, docs[at] - self.start[number]

    def binary(self, name: str, docs: Offsets | None = None) -> list[bytes | None]:
        """Read a column of names, for all documents or some in their order."""
        if docs is None:
            return [value for each in self._segments
                    for value in each.table("docs").arrow([name]).column(0).to_pylist()]
        found: list[bytes | None] = [None] * len(docs)
        for number, at, rows in self.by_segment(docs):
            column = self._segments[number].table("docs").take([name], rows).column(0)
            for position, value in zip(at.tolist(), column.to_pylist(), strict=True):
                found[position] = value
        return found

    def names(self, docs: Offsets) -> list[Name]:
        """Name some documents, in their order."""
        found: list[Name | None] = [None] * len(docs)
        for number, at, rows in self.by_segment(docs):
            columns = self._segments[number].table("docs").take(("id", "doc", "uri", "url", "host"), rows).columns
            values = zip(*(column.to_pylist() for column in columns), strict=True)
            for position, row in zip(at.tolist(), values, strict=True):
                found[position] = Name(_text(row[0]), _text(row[1]) or "", _text(row[2]) or "", *map(_text, row[3:]))
        return [each for each in found if each is not None]

    def find(self, kind: str, keys: Hashes, names: tuple[str, ...], most: int) -> Hits:
        """Find the live documents that have some keys (ascending, distinct).

        Of a key that more than `most` rows have, one row of each content stays, and of these the first `most`, by
        place: so much of a corpus may be copies of one page.
        """
        is_hot = np.zeros(len(keys), np.bool_)
        parts = []
        for number, segment in enumerate(self._segments):
            for at, columns in segment.find(kind, keys, ("row", *names)):
                docs = columns[0].astype(np.int64) + self.start[number]
                live = self.is_live[docs]
                part = Hits(at[live], docs[live], tuple(column[live] for column in columns[1:]))
                parts.append(self._thinned(part, is_hot, most))
        if not parts:
            nobody = np.empty(0, np.int64)
            return Hits(nobody, nobody, tuple(nobody for _ in names))
        joined = Hits(
            np.concatenate([part.key for part in parts]), np.concatenate([part.doc for part in parts]),
            tuple(np.concatenate(column) for column in zip(*(part.columns for part in parts), strict=True)),
        )
        return self._thinned(joined, is_hot, most)

    def _thinned(self, hits: Hits, is_hot: Flags, most: int) -> Hits:
        """Bound the rows of each key; `is_hot` remembers the keys that had too many. Sorted by key and place."""
        is_hot |= np.bincount(hits.key, minlength=len(is_hot)) > most
        columns = hits.columns[::-1]
        if not is_hot.any():
            return hits.take(np.lexsort((*columns, self.place[hits.doc], hits.key)))
        hot = is_hot[hits.key]
        plain = np.flatnonzero(~hot)
        rows = np.flatnonzero(hot)
        content, place, key = self.content[hits.doc[rows]], self.place[hits.doc[rows]], hits.key[rows]
        order = np.lexsort((*(column[rows] for column in columns), place, content, key))
        first = np.ones(len(order), np.bool_)
        first[1:] = (key[order[1:]] != key[order[:-1]]) | (content[order[1:]] != content[order[:-1]])
        chosen = order[first]
        chosen = chosen[np.lexsort((place[chosen], key[chosen]))]
        starts = np.searchsorted(key[chosen], key[chosen])
        chosen = chosen[np.arange(len(chosen)) - starts < most]
        stays = np.concatenate([plain, rows[chosen]])
        kept = hits.take(stays)
        return kept.take(np.lexsort((*kept.columns[::-1], self.place[kept.doc], kept.key)))

    def shingles(self, docs: Offsets) -> tuple[NDArray[np.uint32], Offsets]:
        """Read the shingles of documents one after another, in order, repeats included."""
        start = np.concatenate([np.zeros(1, np.int64), np.cumsum(self.num_shingles[docs])])
        values = np.empty(int(start[-1]), np.uint32)
        for number, at, rows in self.by_segment(docs):
            sizes = self.num_shingles[docs[at]]
            held = self._segments[number].shingles(
                rows, self._shingle_start[docs[at]], sizes, self._shingle_crc[docs[at]]
            )
            done = 0
            for begin, size in zip(start[at].tolist(), sizes.tolist(), strict=True):
                values[begin:begin + size] = held[done:done + size]
                done += size
        return values, start

    def documents(self, docs: Offsets) -> list[Document]:
        """Read whole documents, in their order."""
        made: list[Document | None] = [None] * len(docs)
        for number, at, rows in self.by_segment(docs):
            for position, document in zip(at.tolist(), self._documents(number, rows), strict=True):
                made[position] = document
        return [each for each in made if each is not None]

    def _documents(self, number: int, rows: Offsets) -> Iterator[Document]:
        segment = self._segments[number]
        places = ("text_start", "text_size", "text_crc", "num_text_bytes", "num_raw_bytes")
        table = segment.table("docs").take([*NAMES, "record", *places], rows)
        for row, fields in zip(rows.tolist(), table.to_pylist(), strict=True):
            blob = segment.blob(row, fields["text_start"], fields["text_size"], fields["text_crc"])
            try:
                text, raw = unpack(blob, fields["num_text_bytes"], fields["num_raw_bytes"])
            except OSError as error:
                raise damaged(str(self.folder), f"the text of document {row} cannot be unpacked") from error
            yield Document(
                _text(fields["doc"]) or "", _text(fields["uri"]) or "", raw, text, _text(fields["encoding"]) or "utf-8",
                _text(fields["errors"]) or "surrogateescape", fields["record"], _text(fields["id"]),
                _text(fields["url"]), _text(fields["host"]),
            )


def gone_rows(folder: Path, manifest: Manifest) -> Iterator[tuple[int, Offsets]]:
    """Read all tombstones: number of the segment, and rows of it."""
    numbers = {each.name.encode(): number for number, each in enumerate(manifest.segments)}
    for gone in manifest.gone:
        table = Table(folder, gone.name, "gone", gone.file)
        columns = table.arrow(["segment", "row"])
        table.close()
        segments = columns.column(0).to_pylist()
        rows = np.asarray(columns.column(1).to_numpy()).astype(np.int64)
        owner = np.array([numbers.get(each, -1) for each in segments], np.int64)
        if (owner < 0).any():
            raise damaged(table.path, "names a segment that the manifest does not have")
        for number in np.unique(owner).tolist():
            yield number, rows[owner == number]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogatepass")
