r"""Write and read the ledger: `removals.jsonl`, schema `removals/1`, one JSON object a line.

`ledger_lines` streams: run, then each document with its removals and kept repeats, then clusters, errors and
the summary. It is the same bytes for the same run but for `started`. Reading passes over fields and row types
it does not know, so ledgers of later minor versions open too. docs/ledger.md describes every field.

The reader checks form, not truth: whether a ledger belongs to a file is for `restore` to say.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import lru_cache
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from dedupe.config import Config
from dedupe.records import BadRecord, Cleaned, Cluster, Evidence, NearDuplicate, Place, Removal, Span
from dedupe.report.view import Entry, Source, entries, is_utf8

SCHEMA = "removals/1"
_CLUSTER_TEXT_CHARS = 300  # enough to know a passage again; the removals have all of it
_LARGEST_NUMBER = 1e9  # stands for an infinite weight, which JSON cannot write


def ledger_lines(
    cleaned: Source, bad: Iterable[BadRecord], config: Config, started: str, version: str
) -> Iterator[bytes]:
    """Yield the lines of a ledger in order, each with its line end.

    `bad` is read after `cleaned` is spent, so a list that fills on the way is fine. `started` is UTC in ISO 8601,
    `version` that of dedupe. Memory: about 170 bytes for each different passage removed, however often.
    """
    totals, clusters = _Totals(), _Clusters()
    yield dump(run_row(config, version, started))
    for entry in entries(cleaned):
        yield from _entry_lines(entry)
        totals.add(entry)
        clusters.add(entry)
    for row in clusters.rows():
        yield dump(row)
    for record in bad:
        totals.num_errors += 1
        yield dump({"type": "error", "uri": record.uri, "record": record.record, "message": record.message})
    yield dump(totals.row())


def run_row(config: Config, version: str, started: str) -> dict[str, Any]:
    """Make the first row: what ran, with which settings, and when."""
    return {
        "type": "run",
        "schema": SCHEMA,
        "tool": "dedupe",
        "version": version,
        "config": asdict(config),
        "config_hash": config.digest(),
        "started": started,
    }


def _entry_lines(entry: Entry) -> Iterator[bytes]:
    yield dump(doc_row(entry))
    for kind, removals in (("removal", entry.removals), ("kept", entry.kept)):
        for removal in removals:
            yield removal_line(removal, kind, entry.row.encoding)


def doc_row(entry: Entry) -> dict[str, Any]:
    """Make the row of a document."""
    row = entry.row
    fields: dict[str, Any] = {"type": "doc", "doc": row.doc}
    for name in ("id", "uri", "host", "url", "encoding", "sha256_before", "sha256_after"):
        fields[name] = getattr(row, name)
    if row.language is not None:
        fields["language"] = row.language
    for name in ("num_bytes_before", "num_bytes_after", "num_chars_before", "num_words_before"):
        fields[name] = int(getattr(row, name))
    fields["output"] = row.output
    fields["flags"] = list(row.flags)
    if row.near_duplicate_of is not None:
        fields["near_duplicate_of"] = _keeper(row.near_duplicate_of)
    return fields


class _DocLine(Struct, tag_field="type", tag="doc"):
    """Lay out the row of a document as `doc_row` does, to be written at once."""

    doc: str
    id: str | None
    uri: str
    host: str | None
    url: str | None
    encoding: str
    sha256_before: str
    sha256_after: str
    language: str | UnsetType
    num_bytes_before: int
    num_bytes_after: int
    num_chars_before: int
    num_words_before: int
    output: str | None
    flags: tuple[str, ...]
    near_duplicate_of: dict[str, Any] | UnsetType


def doc_line(cleaned: Cleaned, num_words: int) -> bytes:
    """Write the row of a document whose words were counted, as a line."""
    document, keeper = cleaned.document, cleaned.near_duplicate_of
    before = after = sha256(document.raw).hexdigest()
    if cleaned.cleaned is not document.raw and cleaned.cleaned != document.raw:
        after = sha256(cleaned.cleaned).hexdigest()
    return dump(_DocLine(
        document.doc, document.id, document.uri, document.host, document.url, document.encoding, before, after,
        UNSET if document.language is None else document.language, len(document.raw), len(cleaned.cleaned),
        len(document.utf8.decode("utf-8", document.errors)), num_words, cleaned.output, cleaned.flags,
        UNSET if keeper is None else _keeper(keeper),
    ))


def _keeper(keeper: NearDuplicate) -> dict[str, Any]:
    return {
        "doc": keeper.doc,
        "resemblance": _number(keeper.resemblance),
        "containment": _number(keeper.containment),
        **({} if keeper.id is None else {"id": keeper.id}),
    }


class _ReasonLine(Struct):
    """Lay out one reason of the row of a removal."""

    name: str
    weight: float | None
    value: float | None
    note: str


class _PlaceLine(Struct):
    """Lay out a place."""

    doc: str
    byte: tuple[int, int]
    char: tuple[int, int]
    line: tuple[int, int]


class _RemovalLine(Struct):
    """Lay out the row of a removal (`type` "removal") or of a repeat that stays ("kept"), to be written at once."""

    type: str
    id: str
    doc: str
    byte: tuple[int, int]
    char: tuple[int, int]
    line: tuple[int, int]
    output_byte: int | UnsetType
    output_char: int | UnsetType
    rule: str
    confidence: float | None
    evidence: list[_ReasonLine]
    resemblance: float | None
    containment: float | None
    num_words: int
    num_words_lost: int
    fingerprint: str
    text: str | UnsetType
    text_base64: str | UnsetType
    kept: _PlaceLine | None


def removal_line(removal: Removal, kind: str, encoding: str) -> bytes:
    """Write the row of a removal (`kind` "removal") or of a repeat that stays (`kind` "kept"), as a line."""
    text = _exact_text(removal.raw, encoding)
    went, kept = kind == "removal", removal.kept
    return dump(_RemovalLine(
        kind, removal.id, removal.place.doc, *_spans(removal.place),
        int(removal.output_byte) if went else UNSET, int(removal.output_char) if went else UNSET,
        removal.rule, _number(removal.confidence), [_reason(reason) for reason in removal.evidence],
        _number(removal.resemblance), _number(removal.containment), int(removal.num_words),
        int(removal.num_words_lost), removal.fingerprint, UNSET if text is None else text,
        base64.b64encode(removal.raw).decode() if text is None else UNSET,
        None if kept is None else _PlaceLine(kept.doc, *_spans(kept)),
    ))


def _spans(place: Place) -> tuple[Span, Span, Span]:
    (b0, b1), (c0, c1), (l0, l1) = place.byte, place.char, place.line
    return (int(b0), int(b1)), (int(c0), int(c1)), (int(l0), int(l1))


def _reason(reason: Evidence) -> _ReasonLine:
    return _ReasonLine(reason.name, _number(reason.weight), _number(reason.value), reason.note)


def _exact_text(raw: bytes, encoding: str) -> str | None:
    if not is_utf8(encoding):
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _number(value: float | None) -> float | None:
    """Round for the ledger: six decimals say all that is meant, and hide the last bits of other machines."""
    if value is None:
        return None
    if -_LARGEST_NUMBER < value < _LARGEST_NUMBER:
        return _rounded(value) if value else float(value)  # 0.0 and -0.0 are one key
    return 0.0 if math.isnan(value) else math.copysign(_LARGEST_NUMBER, value)


@lru_cache(maxsize=1 << 15)
def _rounded(value: float) -> float:
    return round(float(value), 6)


def dump(row: dict[str, Any] | Struct) -> bytes:
    """Write a row as a line of JSON; what is not Unicode, as in the name of a file that is not UTF-8, as escapes."""
    try:
        return _ENCODE(row) + b"\n"
    except UnicodeEncodeError:
        fields = row if isinstance(row, dict) else msgspec.to_builtins(row)
        return json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


_ENCODE = msgspec.json.Encoder().encode


class _Totals:
    """Add up the summary as documents go by."""

    def __init__(self) -> None:
        self.num_documents = self.num_documents_changed = self.num_removals = self.num_kept = 0
        self.num_errors = self.num_bytes_before = self.num_bytes_after = 0
        self.rules: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        self.num_documents += 1
        self.num_documents_changed += entry.row.sha256_before != entry.row.sha256_after
        self.num_removals += len(entry.removals)
        self.num_kept += len(entry.kept)
        self.num_bytes_before += entry.row.num_bytes_before
        self.num_bytes_after += entry.row.num_bytes_after
        for removal in entry.removals:
            self.rules[removal.rule] = self.rules.get(removal.rule, 0) + 1

    def row(self) -> dict[str, Any]:
        counts = {name: value for name, value in vars(self).items() if name != "rules"}
        return {"type": "summary", **counts, "rules": dict(sorted(self.rules.items()))}


class _Clusters:
    """Count removals and documents by fingerprint; only what comes twice keeps a text."""

    def __init__(self) -> None:
        self._first: dict[str, int] = {}  # fingerprint -> number of the document it was first seen in
        self._again: dict[str, Cluster] = {}
        self._last: dict[str, int] = {}
        self._num_documents = 0

    def add(self, entry: Entry) -> None:
        self._num_documents += 1
        here = self._num_documents
        for removal in entry.removals:
            key = removal.fingerprint
            if key not in self._first:
                self._first[key] = here
                continue
            before = self._again.get(key) or Cluster(key, _cluster_text(removal), 1, 1)
            is_new_document = self._last.get(key, self._first[key]) != here
            self._again[key] = Cluster(
                key, before.text, before.num_documents + is_new_document, before.num_removals + 1
            )
            self._last[key] = here

    def rows(self) -> Iterator[dict[str, Any]]:
        for key in sorted(self._again):
            yield {"type": "cluster", **asdict(self._again[key])}


def _cluster_text(removal: Removal) -> str:
    text = removal.text.strip().encode("utf-8", "replace").decode()
    return text if len(text) <= _CLUSTER_TEXT_CHARS else text[:_CLUSTER_TEXT_CHARS] + "…"

