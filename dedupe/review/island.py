"""Turn a ledger into the columns that the report's page reads: what was removed, and as much of the documents as fits.

A page that holds 100,000 removals must stay small and open at once, so rows become columns, equal strings become one
string, and four parts are packed apart: `core` (the list and its facets), `strings` (the removed texts, in chunks, in
the order of the list), `contexts` (the words around a removal and its kept copy, for documents that are not carried
whole) and `documents` (whole texts, in chunks, the most affected first).
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from dedupe.report.reasons import with_meanings
from dedupe.review.ledger import Row, clean_text, decode_document, number, read_rows, removed_text, span

CONTEXT_CHARS = 160  # on each side; two lines of the report's panel
_CONTEXTS_PER_CLUSTER = 3
_CHUNK_CHARS = 200_000  # of texts that are unpacked together; about 10 ms in a browser

_COLUMNS = (
    *("id", "doc", "kind", "rule", "confidence", "evidence", "resemblance", "containment", "words", "lost", "cluster"),
    *("text", "char_start", "num_chars", "line_start", "num_lines"),
    *("kept_doc", "kept_char_start", "kept_num_chars", "kept_line_start", "kept_num_lines", "kept_equal"),
)
_ID = re.compile(r"r[0-9a-f]{12}")


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
    """Hold what the page is given; `core` is JSON-ready, `strings` and `documents` are chunks of texts."""

    core: dict[str, Any]
    strings: list[list[str]]
    contexts: dict[int, list[str | None]]
    documents: list[list[str]]


@dataclass(slots=True)
class _Build:
    texts: Mapping[str, bytes]
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # until all are there
    columns: dict[str, list[Any]] = field(default_factory=dict)
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


def build_island(path: Path, texts: Mapping[str, bytes], max_text_chars: int) -> Island:
    """Read the ledger at `path` and lay it out for the page.

    Args:
        texts: original bytes by the ledger's `doc`; documents without a text are shown by their removals alone.
        max_text_chars: how much text to carry beyond what was removed. Whole documents, most affected first, take up
            to two thirds of it, the context of removals in other documents the rest. The removed texts come off it, but
            a quarter of it is left to the others however much was removed.

    Raises:
        InputError: the ledger cannot be read.
    """
    build = _Build(texts)
    for _, row in read_rows(path):
        _take_row(build, row)
    build.columns = _as_columns(build.rows)
    build.rows.clear()
    num_removed_chars = sum(map(len, build.strings.numbers))
    room = max(max_text_chars - num_removed_chars, max_text_chars // 4)
    documents = _choose_documents(build, room * 2 // 3)
    room -= sum(len(text) for chunk in documents for text in chunk)
    rank = _rank_clusters(build)
    contexts = _choose_contexts(build, rank, room)
    strings = _order_strings(build, rank)
    for at, doc in enumerate(build.columns["doc"]):
        if "at" not in build.docs[doc]:
            build.columns["char_start"][at] = build.columns["num_chars"][at] = 0
    return Island(_core(build, strings), strings, contexts, documents)


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
    kept = row["kept"] if isinstance(row.get("kept"), dict) else {}
    (char, line), (kept_char, kept_line) = (_starts(row), _starts(kept))
    evidence = msgspec.json.encode(with_meanings(row.get("evidence") or [])).decode()
    text = clean_text(removed_text(row, build.docs[doc].get("encoding")))
    build.rows.append((
        *(str(row.get("id", "")), doc, int(row["type"] == "kept"), build.rules.add(str(row.get("rule", "unknown")))),
        *(round(1000 * number(row, "confidence", 1.0)), build.evidence.add(evidence)),
        *(_thousandths(row, "resemblance"), _thousandths(row, "containment")),
        *(int(number(row, "num_words")), int(number(row, "num_words_lost"))),
        *(build.clusters.add(str(row.get("fingerprint") or row.get("id", ""))), build.strings.add(text), *char, *line),
        *(build.doc_number(str(kept.get("doc", ""))) if kept else -1, *kept_char, *kept_line, 0),
    ))


def _as_columns(rows: list[tuple[Any, ...]]) -> dict[str, list[Any]]:
    """Turn rows into one list a column."""
    if not rows:
        return {name: [] for name in _COLUMNS}
    return {name: list(values) for name, values in zip(_COLUMNS, zip(*rows, strict=True), strict=True)}


def _starts(row: Row) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (start, length) of a row's characters and of its lines."""
    (start, end), (first, last) = span(row, "char"), span(row, "line")
    return (start, end - start), (first, last - first)


def _thousandths(row: Row, name: str) -> int:
    """Return a fraction of a row in thousandths, -1 where it has none."""
    return round(1000 * number(row, name)) if row.get(name) is not None else -1


def _rank_clusters(build: _Build) -> list[int]:
    """Return each cluster's rank in the order the page begins with: words lost × removals, then words removed."""
    lost, words, rows = ([0] * len(build.clusters.numbers) for _ in range(3))
    columns = build.columns
    for cluster, num_lost, num_words in zip(columns["cluster"], columns["lost"], columns["words"], strict=True):
        lost[cluster] += num_lost
        words[cluster] += num_words
        rows[cluster] += 1
    order = sorted(range(len(lost)), key=lambda at: (-lost[at] * rows[at], -words[at], at))
    rank = [0] * len(order)
    for place, cluster in enumerate(order):
        rank[cluster] = place
    return rank


def _order_strings(build: _Build, rank: list[int]) -> list[list[str]]:
    """Renumber the removed texts in the order of their clusters; return them in chunks."""
    columns, texts = build.columns, build.strings.list()
    best = [len(rank)] * len(texts)
    for cluster, text in zip(columns["cluster"], columns["text"], strict=True):
        best[text] = min(best[text], rank[cluster])
    order = sorted(range(len(texts)), key=lambda at: (best[at], at))
    place = {text: at for at, text in enumerate(order)}
    columns["text"] = [place[text] for text in columns["text"]]
    chunks: list[list[str]] = []
    used = _CHUNK_CHARS
    for at in order:
        if used >= _CHUNK_CHARS:
            chunks.append([])
            used = 0
        chunks[-1].append(texts[at])
        used += len(texts[at])
    return chunks


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


def _choose_contexts(build: _Build, rank: list[int], max_chars: int) -> dict[int, list[str | None]]:
    """Cut context for the first removals of each cluster, where a document of theirs is not carried whole.

    Each value is [before, after, before the kept copy, the kept copy (None if it equals the removed text), after it].
    `kept_equal` is set on the way for every removal whose kept copy is known.
    """
    columns, docs, texts = build.columns, build.docs, build.strings.list()
    seen = [0] * len(rank)
    wanted: list[tuple[int, int, int]] = []
    for row, cluster in enumerate(columns["cluster"]):
        kept_doc = columns["kept_doc"][row]
        kept = _kept_text(build, row)
        columns["kept_equal"][row] = int(kept is not None and kept.strip() == texts[columns["text"][row]].strip())
        seen[cluster] += 1
        carried = "at" in docs[columns["doc"][row]] and (kept_doc < 0 or "at" in docs[kept_doc])
        if seen[cluster] <= _CONTEXTS_PER_CLUSTER and not carried:
            wanted.append((seen[cluster], rank[cluster], row))
    contexts: dict[int, list[str | None]] = {}
    for _, _, row in sorted(wanted):
        if max_chars <= 0:
            break
        kept = None if columns["kept_equal"][row] else _kept_text(build, row)
        before, after = _around(build, columns["doc"][row], columns["char_start"][row], columns["num_chars"][row])
        kept_span = (columns["kept_char_start"][row], columns["kept_num_chars"][row])
        kept_before, kept_after = _around(build, columns["kept_doc"][row], *kept_span)
        parts = [before, after, kept_before, kept, kept_after]
        if any(parts):
            contexts[row] = parts
            max_chars -= sum(len(part) for part in parts if part)
    return contexts


def _kept_text(build: _Build, row: int) -> str | None:
    doc = build.columns["kept_doc"][row]
    text = build.doc_text(doc) if doc >= 0 else None
    start, length = build.columns["kept_char_start"][row], build.columns["kept_num_chars"][row]
    return None if text is None else text[start : start + length]


def _around(build: _Build, doc: int, start: int, length: int) -> tuple[str, str]:
    text = build.doc_text(doc) if doc >= 0 else None
    if text is None:
        return "", ""
    return text[max(0, start - CONTEXT_CHARS) : start], text[start + length : start + length + CONTEXT_CHARS]


def _core(build: _Build, strings: list[list[str]]) -> dict[str, Any]:
    docs = build.docs
    clusters = build.clusters.list()
    named = [build.cluster_rows.get(name, {}) for name in clusters]
    for doc in docs:
        near = doc.get("near_duplicate_of")
        if isinstance(near, dict):
            doc["near"] = [
                build.doc_number(str(near.get("doc", ""))),
                _fraction(near, "resemblance"),
                _fraction(near, "containment"),
            ]
    return {
        "schema": "report/1",
        "run": build.run,
        "summary": build.summary,
        "errors": build.errors[:1000],
        "num_errors": len(build.errors),
        "removals": build.columns | {"id": _packed_ids(build.columns["id"])},
        "num_strings": [len(chunk) for chunk in strings],
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


def _packed_ids(ids: list[str]) -> list[str] | str:
    """Return ids as one string of twelve hexadecimal digits each, or as they are where one is of another form."""
    if all(_ID.fullmatch(one) for one in ids):
        return "".join(one[1:] for one in ids)
    return ids


def _fraction(row: Row, name: str) -> float | None:
    return round(number(row, name), 3) if row.get(name) is not None else None
