"""Write and read one segment: some documents, numbered by row in the order of their ties, in files that never change.

Rows that belong to documents (bands, seeds, blocks) are sorted by key, then by row. Since rows ascend with the ties,
the first documents of a key are the same whatever the segments are.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.hashing import ranges
from dedupe.kept.files import Table, new_file, write_table
from dedupe.kept.layout import DOCS, SEGMENTS, TABLES, FileInfo, SegmentInfo, damaged, file_name
from dedupe.records import Document, Hashes, Offsets

_LOOK_GROUPS = 128  # row groups read at a time: 25 MB of keys and rows
NUMBERS = tuple(name for name, kind in DOCS.items() if kind != "binary" and name != "record")
NAMES = tuple(name for name, kind in DOCS.items() if kind == "binary")


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold what a segment is made of, documents in their final order.

    `docs`: columns by name, without what is worked out here (places and checksums). `tables`: bands, seeds and
    blocks, `row` being the number of the document, in any order. `shingles`, `texts`: one item a document.
    """

    docs: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, NDArray[Any]]]
    shingles: Iterator[NDArray[np.uint32]]
    texts: Iterator[bytes]


def write_segment(folder: Path, name: str, rows: Rows) -> SegmentInfo:
    """Write all files of a segment; nothing names them yet."""
    files: dict[str, FileInfo] = {}
    places: dict[str, list[int]] = {each: [] for each in
                                    ("shingle_start", "shingle_crc", "text_start", "text_size", "text_crc")}
    num_shingles = 0
    with new_file(folder, name, "shingles") as file:
        for values in rows.shingles:
            content = np.ascontiguousarray(values, "<u4").tobytes()
            places["shingle_start"].append(num_shingles)
            places["shingle_crc"].append(zlib.crc32(content))
            num_shingles += len(values)
            file.write(content)
    files["shingles"] = file.info(num_shingles)
    with new_file(folder, name, "texts") as file:
        for blob in rows.texts:
            places["text_start"].append(file.num_bytes)
            places["text_size"].append(len(blob))
            places["text_crc"].append(zlib.crc32(blob))
            file.write(blob)
    files["texts"] = file.info(len(places["text_start"]))
    files["docs"] = write_table(folder, name, "docs", {**rows.docs, **places}, DOCS)
    for kind in ("bands", "seeds", "blocks"):
        columns = rows.tables[kind]
        order = _sorted(kind, columns)
        files[kind] = write_table(folder, name, kind, {key: col[order] for key, col in columns.items()}, TABLES[kind])
    return SegmentInfo(name, len(places["text_start"]), num_shingles, files)


def _sorted(kind: str, columns: Mapping[str, NDArray[Any]]) -> Offsets:
    last = {"seeds": "at", "blocks": "block_row"}.get(kind)
    keys = ([columns[last]] if last else []) + [columns["row"], columns["key"]]
    return np.lexsort(keys)


class Segment:
    """Read a segment. Its files are opened when they are first needed."""

    def __init__(self, folder: Path, info: SegmentInfo) -> None:
        self.folder, self.info = folder, info
        self._tables: dict[str, Table] = {}
        self._flat: dict[str, NDArray[Any]] = {}

    def close(self) -> None:
        for table in self._tables.values():
            table.close()
        self._tables.clear()
        self._flat.clear()

    def table(self, kind: str) -> Table:
        if kind not in self._tables:
            self._tables[kind] = Table(self.folder, self.info.name, kind, self.info.files[kind])
        return self._tables[kind]

    def numbers(self, *names: str) -> list[NDArray[Any]]:
        """Read columns of numbers of all documents."""
        return self.table("docs").columns(names)

    def find(self, kind: str, keys: Hashes, names: tuple[str, ...]) -> Iterator[tuple[Offsets, list[NDArray[Any]]]]:
        """Find the rows with some keys, ascending and distinct: positions in `keys`, and columns; piece by piece.

        Only row groups whose range holds a key are read.
        """
        if not len(keys) or not self.info.files[kind].num_rows:
            return
        table = self.table(kind)
        least, most = table.key_bounds()
        low, high = np.searchsorted(keys, least), np.searchsorted(keys, most, side="right")
        wanted = np.flatnonzero(high > low)
        for begin in range(0, len(wanted), _LOOK_GROUPS):
            groups = wanted[begin:begin + _LOOK_GROUPS].tolist()
            first, last = int(low[groups[0]]), int(high[groups[-1]])
            held, *columns = table.columns(("key", *names), groups)
            left = np.searchsorted(held, keys[first:last])
            sizes = np.searchsorted(held, keys[first:last], side="right") - left
            at = ranges(left, sizes)
            yield np.repeat(np.arange(first, last), sizes), [column[at] for column in columns]

    def shingles(self, rows: Offsets, start: Offsets, sizes: Offsets, crc: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Read the shingles of some documents one after another, each compared with its checksum."""
        held = self.flat("shingles")
        values = np.ascontiguousarray(held[ranges(start, sizes)], np.uint32)
        content = memoryview(values.data).cast("B")
        at = 0
        for row, size, expected in zip(rows.tolist(), sizes.tolist(), crc.tolist(), strict=True):
            if zlib.crc32(content[at:at + 4 * size]) != expected:
                raise damaged(self._path("shingles"), f"document {row} does not match its checksum")
            at += 4 * size
        return values

    def blob(self, row: int, start: int, size: int, crc: int) -> bytes:
        """Read the text of a document as it was packed."""
        content = self.flat("texts")[start:start + size].tobytes()
        if zlib.crc32(content) != crc:
            raise damaged(self._path("texts"), f"document {row} does not match its checksum")
        return content

    def flat(self, kind: str) -> NDArray[Any]:
        """Map a flat file into memory."""
        if kind not in self._flat:
            path = self._path(kind)
            empty = not self.info.files[kind].num_bytes
            form = "<u4" if kind == "shingles" else "u1"
            try:
                self._flat[kind] = np.empty(0, form) if empty else np.memmap(path, form, "r")
            except (OSError, ValueError) as error:
                raise damaged(path, f"cannot be read: {error}") from error
        return self._flat[kind]

    def _path(self, kind: str) -> Path:
        return self.folder / SEGMENTS / file_name(self.info.name, kind)


def pack(document: Document) -> tuple[bytes, int, int]:
    """Compress a document's text, and its bytes in the source where they differ: blob, size of the text, of the bytes.

    The last is -1 where text and bytes are the same.
    """
    import pyarrow

    same = document.raw == document.utf8
    content = document.utf8 if same else document.utf8 + document.raw
    blob = pyarrow.compress(content, codec="zstd", asbytes=True) if content else b""
    return blob, len(document.utf8), -1 if same else len(document.raw)


def unpack(blob: bytes, num_text_bytes: int, num_raw_bytes: int) -> tuple[bytes, bytes]:
    """Give the text in UTF-8 and the bytes of the source back.

    >>> packed = pack(Document("a", "a", b"caf\\xe9", b"caf\\xc3\\xa9", "latin-1"))
    >>> unpack(*packed)
    (b'caf\\xc3\\xa9', b'caf\\xe9')
    """
    import pyarrow

    size = num_text_bytes + max(0, num_raw_bytes)
    content = pyarrow.decompress(blob, size, codec="zstd", asbytes=True) if size else b""
    text = content[:num_text_bytes]
    return text, text if num_raw_bytes < 0 else content[num_text_bytes:]
