"""Turn a ledger into the columns that the report's page reads: what was removed, and as much of the documents as fits.

A page that holds 100,000 removals must stay small and open at once, so rows become columns, equal strings become one string, and
three parts are packed apart: `core` (the list, its facets and the search need it), `contexts` (the words around a removal and
its kept copy, for documents that are not carried whole) and `documents` (whole texts, in chunks, the most affected first).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dedupe.review.ledger import Row, clean_text, decode_document, number, read_rows, removed_text, span

CONTEXT_CHARS = 160  # on each side; two lines of the report's panel
_CONTEXTS_PER_CLUSTER = 3
_CHUNK_CHARS = 200_000  # of document texts that are unpacked together; about 10 ms in a browser

_COLUMNS = (
    "id",
    "doc",
    "kind",
    "rule",
    "confidence",
    "evidence",
    "resemblance",
    "containment",
    "words",
    "lost",
    "cluster",
    "text",
    "char_start",
    "char_end",
    "line_start",
    "line_end",
    "byte_start",
    "byte_end",
    "kept_doc",
    "kept_char_start",
    "kept_char_end",
    "kept_line_start",
    "kept_line_end",
    "kept_text",
)
_KEPT_TEXT_EQUAL, _KEPT_TEXT_UNKNOWN = -1, -2


class Strings:
    """Number strings in the order in which they are first seen."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def add(self, text: str) -> int:
        return self.numbers.setdefault(text, len(self.numbers))

    def list(self) -> list[str]:
        return list(self.numbers)


@dataclass(slots=True)
class Island:
    """Hold what the page is given; `core` is JSON-ready, `documents` are chunks of texts, in the order they were chosen."""

    core: dict[str, Any]
    contexts: dict[int, list[str]]
    documents: list[list[str]]


@dataclass(slots=True)
class _Build:
    texts: Mapping[str, bytes]
    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})
    strings: Strings = field(default_factory=Strings)
    rules: Strings = field(default_factory=Strings)
    hosts: Strings = field(default_factory=Strings)
    languages: Strings = field(default_factory=Strings)
    evidence: Strings = field(default_factory=Strings)
    clusters: Strings = field(default_factory=Strings)
    doc_numbers: dict[str, int] = field(default_factory=dict)
    docs: list[Row] = field(default_factory=list)
    cluster_rows: dict[str, Row] = field(default_factory=dict)
    run: Row = field(default_factory=dict)
    summary: Row = field(default_factory=dict)
    errors: list[Row] = field(default_factory=list)
    decoded: OrderedDict[int, str] = field(default_factory=OrderedDict)

    def doc_number(self, name: str) -> int:
        """Return the number of a document, which may be cited before its own row comes."""
        if name not in self.doc_numbers:
            self.doc_numbers[name] = len(self.docs)
            self.docs.append({"doc": name})
        return self.doc_numbers[name]

    def doc_text(self, doc: int) -> str | None:
        """Return a document's text, or None where it was not given; the last few are kept decoded."""
        raw = self.texts.get(self.docs[doc]["doc"])
        if raw is None:
            return None
        if doc not in self.decoded:
            self.decoded[doc] = decode_document(raw, self.docs[doc].get("encoding"))
            if len(self.decoded) > 64:
                self.decoded.popitem(last=False)
        self.decoded.move_to_end(doc)
        return self.decoded[doc]


def build_island(path: Path, texts: Mapping[str, bytes], max_text_chars: int, max_context_chars: int) -> Island:
    """Read the ledger at `path` and lay it out for the page.

    Args:
        texts: original bytes by the ledger's `doc`; documents without a text are shown by their removals alone.
        max_text_chars: how much of the documents' texts to carry whole, most affected documents first.
        max_context_chars: how much context to carry for removals in documents that are not carried whole.

    Raises:
        InputError: the ledger cannot be read.
    """
    build = _Build(texts)
    for _, row in read_rows(path):
        _take_row(build, row)
    for row_number, doc in enumerate(build.columns["kept_doc"]):
        build.columns["kept_text"][row_number] = _kept_text(build, row_number, doc)
    documents = _choose_documents(build, max_text_chars)
    contexts = _choose_contexts(build, max_context_chars)
    return Island(_core(build), contexts, documents)


def _take_row(build: _Build, row: Row) -> None:
    kind = row.get("type")
    if kind in ("removal", "kept"):
        _take_removal(build, row)
    elif kind == "doc":
        build.docs[build.doc_number(str(row.get("doc", "")))] = row | {"doc": str(row.get("doc", ""))}
    elif kind == "cluster":
        build.cluster_rows[str(row.get("fingerprint", ""))] = row
    elif kind == "run":
        build.run = row
    elif kind == "summary":
        build.summary = row
    elif kind == "error":
        build.errors.append(row)


def _take_removal(build: _Build, row: Row) -> None:
    doc = build.doc_number(str(row.get("doc", "")))
    kept = row.get("kept")
    kept = kept if isinstance(kept, dict) else None
    (char, line, byte) = (span(row, name) for name in ("char", "line", "byte"))
    kept_char, kept_line = (span(kept, "char"), span(kept, "line")) if kept else ((0, 0), (0, 0))
    evidence = row.get("evidence") or []
    values = (
        str(row.get("id", "")),
        doc,
        int(row["type"] == "kept"),
        build.rules.add(str(row.get("rule", "unknown"))),
        round(number(row, "confidence", 1.0), 3),
        build.evidence.add(_dump(evidence)),
        _ratio(row, "resemblance"),
        _ratio(row, "containment"),
        int(number(row, "num_words")),
        int(number(row, "num_words_lost")),
        build.clusters.add(str(row.get("fingerprint") or row.get("id", ""))),
        build.strings.add(clean_text(removed_text(row, build.docs[doc].get("encoding")))),
        *char,
        *line,
        *byte,
        build.doc_number(str(kept.get("doc", ""))) if kept else -1,
        *kept_char,
        *kept_line,
        _KEPT_TEXT_UNKNOWN,
    )
    for name, value in zip(_COLUMNS, values, strict=True):
        build.columns[name].append(value)


def _ratio(row: Row, name: str) -> float | None:
    return round(number(row, name), 3) if row.get(name) is not None else None


def _dump(value: Any) -> str:
    import msgspec

    return msgspec.json.encode(value).decode()


def _kept_text(build: _Build, row_number: int, doc: int) -> int:
    """Return where the kept copy's text is: among the strings, equal to the removed text, or not known."""
    text = build.doc_text(doc) if doc >= 0 else None
    if text is None:
        return _KEPT_TEXT_UNKNOWN
    kept = text[build.columns["kept_char_start"][row_number] : build.columns["kept_char_end"][row_number]]
    at = build.strings.add(kept)
    return _KEPT_TEXT_EQUAL if at == build.columns["text"][row_number] else at


def _choose_documents(build: _Build, max_text_chars: int) -> list[list[str]]:
    """Pack whole texts into chunks, the documents with most words lost and most removals first, while they fit."""
    lost, count = [0] * len(build.docs), [0] * len(build.docs)
    for doc, words in zip(build.columns["doc"], build.columns["lost"], strict=True):
        lost[doc] += words
        count[doc] += 1
    chunks: list[list[str]] = []
    room, used = max_text_chars, _CHUNK_CHARS
    for doc in sorted(range(len(build.docs)), key=lambda d: (-lost[d], -count[d], d)):
        raw = build.texts.get(build.docs[doc]["doc"])
        if raw is None or len(raw) > room:
            continue
        text = decode_document(raw, build.docs[doc].get("encoding"))
        if used >= _CHUNK_CHARS:
            chunks.append([])
            used = 0
        build.docs[doc]["at"] = [len(chunks) - 1, len(chunks[-1])]
        chunks[-1].append(text)
        used += len(text)
        room -= len(raw)
    return chunks


def _choose_contexts(build: _Build, max_context_chars: int) -> dict[int, list[str]]:
    """Cut context for the first removals of each cluster, where their documents are not carried whole."""
    columns = build.columns
    seen = [0] * len(build.clusters.numbers)
    weight = [0] * len(seen)
    for cluster, lost, words in zip(columns["cluster"], columns["lost"], columns["words"], strict=True):
        weight[cluster] += 1000 * lost + words
    wanted: list[tuple[int, int, int]] = []
    for row_number, cluster in enumerate(columns["cluster"]):
        seen[cluster] += 1
        if seen[cluster] <= _CONTEXTS_PER_CLUSTER and "at" not in build.docs[columns["doc"][row_number]]:
            wanted.append((seen[cluster], -weight[cluster], row_number))
    contexts: dict[int, list[str]] = {}
    room = max_context_chars
    for _, _, row_number in sorted(wanted):
        if room <= 0:
            break
        parts = _around(
            build, columns["doc"][row_number], columns["char_start"][row_number], columns["char_end"][row_number]
        )
        parts += _around(
            build,
            columns["kept_doc"][row_number],
            columns["kept_char_start"][row_number],
            columns["kept_char_end"][row_number],
        )
        if any(parts):
            contexts[row_number] = parts
            room -= sum(map(len, parts))
    return contexts


def _around(build: _Build, doc: int, start: int, end: int) -> list[str]:
    text = build.doc_text(doc) if doc >= 0 else None
    if text is None:
        return ["", ""]
    return [text[max(0, start - CONTEXT_CHARS) : start], text[end : end + CONTEXT_CHARS]]


def _core(build: _Build) -> dict[str, Any]:
    docs = build.docs
    clusters = build.clusters.list()
    named = [build.cluster_rows.get(name, {}) for name in clusters]
    for doc in docs:
        near = doc.get("near_duplicate_of")
        if isinstance(near, dict):
            doc["near"] = [
                build.doc_number(str(near.get("doc", ""))),
                _ratio(near, "resemblance"),
                _ratio(near, "containment"),
            ]
    return {
        "schema": "report/1",
        "run": build.run,
        "summary": build.summary,
        "errors": build.errors[:1000],
        "num_errors": len(build.errors),
        "removals": build.columns,
        "strings": build.strings.list(),
        "evidence": build.evidence.list(),
        "rules": build.rules.list(),
        "clusters": {"fingerprint": clusters, "num_documents": [int(number(row, "num_documents")) for row in named]},
        "docs": {
            "name": [doc["doc"] for doc in docs],
            "host": [build.hosts.add(str(doc.get("host") or "")) for doc in docs],
            "language": [build.languages.add(str(doc.get("language") or "")) for doc in docs],
            "url": [doc.get("url") if isinstance(doc.get("url"), str) else None for doc in docs],
            "before": [int(number(doc, "num_bytes_before")) for doc in docs],
            "after": [int(number(doc, "num_bytes_after")) for doc in docs],
            "words": [int(number(doc, "num_words_before")) for doc in docs],
            "flags": [" ".join(map(str, doc.get("flags") or [])) for doc in docs],
            "near": [doc.get("near") for doc in docs],
            "at": [doc.get("at") for doc in docs],
        },
        "hosts": build.hosts.list(),
        "languages": build.languages.list(),
    }
