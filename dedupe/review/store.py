"""Lay a ledger of millions of removals out on disk, so that a page of it is found in milliseconds.

A store is one SQLite file beside the ledger. It holds what a filter needs as packed columns (a few bytes a removal,
read into numpy arrays), an FTS5 index over the different texts, and where each removal's line begins in the ledger. The
lines themselves are read from the ledger when they are shown. A store is a cache: a changed ledger has it built again.
"""

from __future__ import annotations

import os
import re
import sqlite3
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dedupe.errors import DedupeError, InputError
from dedupe.review.ledger import Row, check_schema, decode_row

Ints = NDArray[np.integer[Any]]
_LAYOUT = 2  # of the store; a store of another layout is built again
_INDEXED_CHARS = 4000  # of each text; a megabyte on one line is not worth finding by its last word
_GROUP_LINES = 20_000  # texts a transaction
_FINGERPRINT = re.compile(r"p1:[0-9a-f]{16}")
# Scripts written without spaces: each character is a word of the index.
_ALONE = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u31a0-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)

_ROW_COLUMNS = {
    "offset": "q",
    "doc": "i",
    "kind": "b",
    "rule": "H",
    "confidence": "h",
    "resemblance": "h",
    "words": "i",
    "lost": "i",
    "fingerprint": "Q",
    "text": "Q",
}
_DOC_COLUMNS = {
    "doc_offset": "q",
    "doc_host": "i",
    "doc_language": "H",
    "doc_before": "q",
    "doc_after": "q",
    "doc_guard": "b",
}


_QUOTES = {ord('"'): " ", 0: " "}  # what would end a string of an FTS5 query
_DTYPES = {name: np.dtype(kind) for name, kind in (_ROW_COLUMNS | _DOC_COLUMNS).items()}


class _Line(msgspec.Struct):
    """What the columns need of a line, whatever its type."""

    type: str = ""
    schema: str | None = None
    doc: str = ""
    host: str | None = None
    language: str | None = None
    rule: str = "unknown"
    id: str | None = None
    confidence: float | None = None
    resemblance: float | None = None
    num_words: int | None = None
    num_words_lost: int | None = None
    fingerprint: str | None = None
    text: str | None = None
    text_base64: str | None = None
    num_bytes_before: int | None = None
    num_bytes_after: int | None = None
    flags: list[Any] = []
    near_duplicate_of: Row | None = None


_LINES = msgspec.json.Decoder(_Line)


@dataclass(slots=True)
class Store:
    """A store that is open. Columns are one-dimensional arrays, a value for each removal or kept repeat."""

    ledger: Path
    database: sqlite3.Connection
    columns: dict[str, Ints]
    names: dict[str, list[str]]  # rules, hosts, languages
    run: Row
    summary: Row
    num_errors: int
    plain_fingerprints: bool  # every fingerprint is the `p1:` form that a column holds entirely
    file: int = field(init=False)

    def __post_init__(self) -> None:
        self.file = os.open(self.ledger, os.O_RDONLY)

    @property
    def cluster(self) -> Ints:
        """Return int32 (num_rows,): which cluster a row is in, that is the rows of one fingerprint."""
        return self.columns["cluster"]

    @property
    def members(self) -> Ints:
        """Return int32 (num_rows,): rows sorted by cluster, those of one cluster ascending."""
        return self.columns["members"]

    @property
    def member_start(self) -> Ints:
        """Return int32 (num_clusters + 1,): members of cluster c are those from c's start up to the next start."""
        return self.columns["member_start"]

    @property
    def text(self) -> Ints:
        """Return int32 (num_rows,): which of the different texts a row has."""
        return self.columns["text"]

    @property
    def fingerprints(self) -> Ints:
        """Return uint64 (num_clusters,), in the order of the ledger."""
        return self.columns["fingerprint"]

    @property
    def num_rows(self) -> int:
        return len(self.cluster)

    def line(self, offset: int) -> Row:
        """Return the ledger's row that begins at a byte offset."""
        raw = os.pread(self.file, 4096, int(offset))
        while b"\n" not in raw:
            more = os.pread(self.file, max(len(raw), 1 << 16), int(offset) + len(raw))
            if not more:
                break
            raw += more
        row: Row = msgspec.json.decode(raw.split(b"\n", 1)[0], type=dict[str, Any])
        return row

    def removal(self, row: int) -> Row:
        """Return the ledger's line of a removal or kept repeat."""
        return self.line(self.columns["offset"][row])

    def doc_name(self, doc: int) -> str:
        return str(self.database.execute("SELECT name FROM doc WHERE doc = ?", (int(doc),)).fetchone()[0])

    def doc_number(self, name: str) -> int | None:
        found = self.database.execute("SELECT doc FROM doc WHERE name = ?", (name,)).fetchone()
        return int(found[0]) if found else None

    def doc_row(self, doc: int) -> Row:
        """Return the ledger's line of a document, empty where it is cited but has none."""
        offset = self.columns["doc_offset"][doc]
        return self.line(offset) if offset >= 0 else {"doc": self.doc_name(doc)}

    def matching_texts(self, query: str) -> NDArray[np.bool_] | None:
        """Return which of the different texts have every word of the query, None where it has no words.

        The last word of each term may be the beginning of one.
        """
        terms = [index_text(term) for term in query.translate(_QUOTES).split()]
        phrases = [f'"{term}"*' for term in terms if any(map(str.isalnum, term))]
        if not phrases:
            return None
        found = np.zeros(int(self.text.max(initial=-1)) + 1, bool)
        rows = self.database.execute("SELECT rowid FROM passage WHERE passage MATCH ?", (" AND ".join(phrases),))
        first = np.fromiter((row for (row,) in rows), np.int64)
        found[self.text[first]] = True
        return found

    def close(self) -> None:
        self.database.close()
        os.close(self.file)


def index_text(text: str) -> str:
    """Return a text as the index takes it: characters of scripts without spaces stand alone.

    >>> index_text("ab政府")
    'ab 政  府 '
    """
    return _ALONE.sub(r" \1 ", text)


def open_store(ledger_path: str | os.PathLike[str], store_path: str | os.PathLike[str] | None = None) -> Store:
    """Open the store of a ledger, building it first where there is none or it belongs to other bytes.

    Args:
        store_path: where the store is, `<ledger>.review.sqlite` if None.

    Raises:
        InputError: the ledger cannot be read.
        DedupeError: the store cannot be written there.
    """
    ledger = Path(ledger_path)
    path = Path(store_path) if store_path else ledger.with_name(ledger.name + ".review.sqlite")
    try:
        stat = ledger.stat()
    except OSError as error:
        raise InputError(f"{ledger}: cannot be read ({error.strerror}); give the removals.jsonl of a run") from error
    stamp = f"{_LAYOUT} {stat.st_size} {stat.st_mtime_ns}"
    found = _load(ledger, path, stamp) if path.exists() else None
    if found is None:
        try:
            _build(ledger, path, stamp)
        except (sqlite3.Error, OSError) as error:
            path.with_name(path.name + ".partial").unlink(missing_ok=True)
            raise DedupeError(f"{path}: the review's index cannot be written ({error}); make room there") from error
        found = _load(ledger, path, stamp)
    if found is None:
        raise DedupeError(f"{path}: the review's index cannot be read back; delete the file and try again")
    return found


def _load(ledger: Path, path: Path, stamp: str) -> Store | None:
    try:
        database = sqlite3.connect(path, check_same_thread=False)
        database.execute("PRAGMA cache_size = -16000")
        meta = dict(database.execute("SELECT name, value FROM meta"))
        if meta.get("stamp") != stamp:
            database.close()
            return None
        columns = {
            name: np.frombuffer(packed, np.dtype(kind))
            for name, kind, packed in database.execute("SELECT name, kind, packed FROM columns")
        }
    except (sqlite3.Error, ValueError, TypeError):
        return None
    names, run, summary = (msgspec.json.decode(meta[name]) for name in ("names", "run", "summary"))
    return Store(ledger, database, columns, names, run, summary, int(meta["num_errors"]), bool(meta["plain"]))


@dataclass(slots=True)
class _Build:
    database: sqlite3.Connection
    columns: dict[str, Any] = field(
        default_factory=lambda: {name: array(kind) for name, kind in (_ROW_COLUMNS | _DOC_COLUMNS).items()}
    )
    names: dict[str, dict[str, int]] = field(default_factory=lambda: {"rules": {}, "hosts": {}, "languages": {}})
    docs: dict[str, int] = field(default_factory=dict)
    meta: Row = field(default_factory=lambda: {"run": b"{}", "summary": b"{}", "num_errors": 0, "plain": 1})

    def number(self, kind: str, name: str) -> int:
        return self.names[kind].setdefault(name, len(self.names[kind]))


def _build(ledger: Path, path: Path, stamp: str) -> None:
    """Write the store in one pass over the ledger for the columns, and one over the different texts for the index."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    database = sqlite3.connect(partial, isolation_level=None)
    try:
        database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -32000;"
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value);"
            "CREATE TABLE columns (name TEXT, kind TEXT, packed BLOB);"
            "CREATE TABLE doc (doc INTEGER PRIMARY KEY, name TEXT); CREATE TABLE problem (uri TEXT, line BLOB);"
            "CREATE TABLE near (doc INTEGER PRIMARY KEY, keeper TEXT, resemblance REAL, containment REAL);"
            "CREATE VIRTUAL TABLE passage USING fts5(text, content='', tokenize='unicode61 remove_diacritics 0');"
            "BEGIN"
        )
        build = _Build(database)
        _take_lines(build, ledger)
        _index_texts(build, ledger)
        database.execute("CREATE INDEX doc_name ON doc (name)")
        for name, packed in _group(build.columns):
            database.execute("INSERT INTO columns VALUES (?, ?, ?)", (name, packed.dtype.char, packed.data))
        names = {kind: list(found) for kind, found in build.names.items()}
        build.meta |= {"stamp": stamp, "names": msgspec.json.encode(names)}
        database.executemany("INSERT INTO meta VALUES (?, ?)", build.meta.items())
        database.execute("COMMIT")
    finally:
        database.close()
    partial.replace(path)


def _take_lines(build: _Build, ledger: Path) -> None:
    offset = 0
    with open(ledger, "rb") as file:
        for number, raw in enumerate(file, 1):
            if raw.strip():
                try:
                    _take_line(build, _decode_line(raw), raw, offset, ledger)
                except (msgspec.DecodeError, ValueError, OverflowError) as error:
                    raise InputError(f"{ledger}, line {number}: not a row of a ledger ({error})") from error
            offset += len(raw)


def _decode_line(raw: bytes) -> _Line:
    try:
        return _LINES.decode(raw)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return msgspec.convert(decode_row(raw), _Line)  # it reads names that are not UTF-8


def _take_line(build: _Build, line: _Line, raw: bytes, offset: int, ledger: Path) -> None:
    if line.type in ("removal", "kept"):
        fingerprint = line.fingerprint or line.id or ""
        build.meta["plain"] &= bool(_FINGERPRINT.fullmatch(fingerprint))
        values = (
            *(offset, _doc(build, line.doc), line.type == "kept", build.number("rules", line.rule)),
            *(_thousandths(line.confidence, 1000), _thousandths(line.resemblance, -1), line.num_words or 0),
            *(line.num_words_lost or 0, fingerprint_number(fingerprint), _hash(line.text or line.text_base64)),
        )
        for name, value in zip(_ROW_COLUMNS, values, strict=True):
            build.columns[name].append(value)
    elif line.type == "doc":
        _take_doc(build, line, offset)
    elif line.type in ("run", "summary"):
        if line.type == "run":
            check_schema(ledger, {"type": "run", "schema": line.schema})
        build.meta[line.type] = raw
    elif line.type == "error":
        build.meta["num_errors"] += 1
        if build.meta["num_errors"] <= 1000:
            build.database.execute("INSERT INTO problem VALUES (?, ?)", ("", raw))


def _take_doc(build: _Build, line: _Line, offset: int) -> None:
    doc = _doc(build, line.doc)
    values = (
        *(offset, build.number("hosts", line.host or ""), build.number("languages", line.language or "")),
        *(line.num_bytes_before or 0, line.num_bytes_after or 0, "guard" in line.flags),
    )
    for name, value in zip(_DOC_COLUMNS, values, strict=True):
        build.columns[name][doc] = value
    near = line.near_duplicate_of
    if near:
        row = (doc, str(near.get("doc", "")), near.get("resemblance"), near.get("containment"))
        build.database.execute("INSERT OR REPLACE INTO near VALUES (?, ?, ?, ?)", row)


def _doc(build: _Build, name: str) -> int:
    """Return a document's number; a removal whose document has no line gets one too."""
    found = build.docs.get(name)
    if found is None:
        found = build.docs[name] = len(build.docs)
        build.database.execute("INSERT INTO doc VALUES (?, ?)", (found, name))
        empty = (-1, build.number("hosts", ""), build.number("languages", ""), 0, 0, 0)
        for column, value in zip(_DOC_COLUMNS, empty, strict=True):
            build.columns[column].append(value)
    return found


def _index_texts(build: _Build, ledger: Path) -> None:
    """Index each different text once, under the number of the first row that has it."""
    _, first = np.unique(np.frombuffer(build.columns["text"], np.uint64), return_index=True)
    offsets = build.columns["offset"]
    batch: list[tuple[int, str]] = []
    with open(ledger, "rb") as file:
        for row in np.sort(first).tolist():
            file.seek(offsets[row])
            text = _decode_line(file.readline()).text
            if text:
                batch.append((row, index_text(text[:_INDEXED_CHARS])))
            if len(batch) >= _GROUP_LINES:
                build.database.executemany("INSERT INTO passage (rowid, text) VALUES (?, ?)", batch)
                batch.clear()
    build.database.executemany("INSERT INTO passage (rowid, text) VALUES (?, ?)", batch)


def _group(columns: dict[str, Any]) -> Iterator[tuple[str, Ints]]:
    """Yield the columns to be kept; fingerprints and texts become the numbers of clusters and of different texts."""
    for name in [name for name in columns if name not in ("fingerprint", "text")]:
        yield name, np.frombuffer(columns.pop(name), _DTYPES[name])
    yield "text", _number(np.frombuffer(columns.pop("text"), np.uint64))[1]
    fingerprints, cluster = _number(np.frombuffer(columns.pop("fingerprint"), np.uint64))
    yield "fingerprint", fingerprints
    yield "cluster", cluster
    members = np.argsort(cluster, kind="stable").astype(np.int32)
    yield "members", members
    yield "member_start", np.searchsorted(cluster[members], np.arange(len(fingerprints) + 1)).astype(np.int32)


def _number(keys: Ints) -> tuple[Ints, Ints]:
    """Return the distinct keys, and for each row the number of its key, by the first row that has it."""
    distinct, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    return distinct[order], place[inverse]


def fingerprint_number(fingerprint: str) -> int:
    """Return 64 bits that stand for a fingerprint in a column."""
    return int(fingerprint[3:], 16) if _FINGERPRINT.fullmatch(fingerprint) else _hash(fingerprint)


def _hash(text: str | None) -> int:
    digest = blake2b((text or "").encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _thousandths(value: float | None, default: int) -> int:
    return default if value is None else round(1000 * value)
