"""Read a ledger, whole or row by row, with errors that name the file and the line.

Rows come back as the records they were written from: `Run`, `DocRow`, `Removal` (`removed` false for a repeat
that stays), `Cluster`, `BadRecord`, `Summary`. Unknown fields and unknown types of rows are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from msgspec import Struct

from dedupe.errors import InputError
from dedupe.records import BadRecord, Cluster, Evidence, Place, Removal
from dedupe.report.ledger import SCHEMA
from dedupe.report.view import DocRow, Entry, Ledger, Run, Summary, decode_passage

Row: TypeAlias = Run | DocRow | Removal | Cluster | BadRecord | Summary


class _RemovalFields(Struct):
    """Mirror a row of type removal or kept; what `removals/1` always writes has no default."""

    id: str
    doc: str
    byte: tuple[int, int]
    char: tuple[int, int]
    line: tuple[int, int]
    rule: str
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    output_byte: int = 0
    output_char: int = 0
    resemblance: float | None = None
    containment: float | None = None
    num_words: int = 0
    num_words_lost: int = 0
    fingerprint: str = ""
    text: str | None = None
    text_base64: bytes | None = None
    kept: Place | None = None


def read_ledger(source: Path | str | Iterable[bytes], name: str | None = None) -> Ledger:
    """Read a whole ledger from a file, or from its lines (then `name` stands for the file in messages).

    Raises: InputError: the file cannot be read, a line is broken, or the schema is another one.
    """
    run, entries, clusters, errors, summary = None, list[Entry](), list[Cluster](), list[BadRecord](), None
    for item in _grouped(iter_ledger(source, name)):
        match item:
            case Run():
                run = item
            case Entry():
                entries.append(item)
            case Cluster():
                clusters.append(item)
            case BadRecord():
                errors.append(item)
            case Summary():
                summary = item
    assert run is not None  # iter_ledger sees to it
    return Ledger(_name(source, name), run, tuple(entries), tuple(clusters), tuple(errors), summary)


def iter_entries(source: Path | str | Iterable[bytes], name: str | None = None) -> Iterator[Entry]:
    """Yield one entry a document, holding one document at a time: for ledgers larger than memory.

    Raises: InputError: as `read_ledger`.
    """
    return (item for item in _grouped(iter_ledger(source, name)) if isinstance(item, Entry))


class LedgerStream:
    """Read the documents of a ledger one after another, in one pass: for reports of ledgers larger than memory.

    `errors` fills on the way; it is whole when the documents are spent, for its rows stand behind them.
    """

    def __init__(self, source: Path | str | Iterable[bytes], name: str | None = None) -> None:
        self.errors: list[BadRecord] = []
        self._rows = iter_ledger(source, name)

    def __iter__(self) -> Iterator[Entry]:
        for item in _grouped(self._rows):
            if isinstance(item, Entry):
                yield item
            elif isinstance(item, BadRecord):
                self.errors.append(item)


def iter_ledger(source: Path | str | Iterable[bytes], name: str | None = None) -> Iterator[Row]:
    """Yield the rows of a ledger as records, in the order they stand, the run first.

    Raises: InputError: as `read_ledger`.
    """
    label, decode, encoding, seen_run = _name(source, name), _decoder(), "utf-8", False
    with _opened(source) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            where = f"{label}: line {number}"
            row = decode(line, where, encoding)
            if isinstance(row, Run):
                _check_schema(row, label)
                seen_run = True
            elif not seen_run:
                raise _not_a_ledger(label)
            elif isinstance(row, DocRow):
                encoding = row.encoding
            if row is not None:
                yield row
    if not seen_run:
        raise _not_a_ledger(label)


def _grouped(rows: Iterator[Row]) -> Iterator[Row | Entry]:
    """Put removals and kept repeats under their document; other rows pass."""
    doc: DocRow | None = None
    removals, kept = list[Removal](), list[Removal]()
    for row in rows:
        if isinstance(row, Removal) and doc is not None:
            (removals if row.removed else kept).append(row)
            continue
        if doc is not None:
            yield Entry(doc, tuple(removals), tuple(kept))
            doc, removals, kept = None, [], []
        if isinstance(row, DocRow):
            doc = row
        else:
            yield row
    if doc is not None:
        yield Entry(doc, tuple(removals), tuple(kept))


def _decoder() -> Callable[[bytes, str, str], Row | None]:
    import msgspec

    @dataclass
    class Kind:
        type: str = ""

    kinds: dict[str, type] = {
        "run": Run, "doc": DocRow, "removal": _RemovalFields, "kept": _RemovalFields,
        "cluster": Cluster, "error": BadRecord, "summary": Summary,
    }  # fmt: skip
    kind_of = msgspec.json.Decoder(Kind).decode
    decoders: dict[str, Any] = {name: msgspec.json.Decoder(kind) for name, kind in kinds.items()}

    def decode(line: bytes, where: str, encoding: str) -> Row | None:
        try:
            try:
                told = _TOLD_FIRST.match(line)
                name = kind_of(line).type if told is None else told[1].decode()
                row: Any = decoders[name].decode(line) if name in decoders else None
            except msgspec.DecodeError as error:
                if isinstance(error, msgspec.ValidationError) or b"\\ud" not in line.lower():
                    raise
                content = json.loads(line)  # a file name that is not UTF-8, which msgspec does not read
                name = msgspec.convert(content, Kind).type
                row = msgspec.convert(content, kinds[name]) if name in kinds else None
        except msgspec.ValidationError as error:
            raise InputError(f"{where}: is not a row of {SCHEMA}: {error}; {_ADVICE}") from error
        except (msgspec.DecodeError, ValueError) as error:
            raise InputError(f"{where}: is not valid JSON: {error}; the file may be cut off, {_ADVICE}") from error
        return _removal(row, name == "removal", encoding) if isinstance(row, _RemovalFields) else row

    return decode


_TOLD_FIRST = re.compile(rb'\{"type":"([a-z]+)",')  # as the writer has it: no need to read the line twice
_ADVICE = "use the removals.jsonl as the run wrote it, or run dedupe again"


def _removal(row: _RemovalFields, removed: bool, encoding: str) -> Removal:
    if row.text_base64 is not None:
        raw = row.text_base64
        text = decode_passage(raw, encoding)
    else:
        text = row.text or ""
        raw = text.encode("utf-8", "surrogateescape")
    place = Place(row.doc, row.byte, row.char, row.line)
    return Removal(
        row.id, place, row.rule, row.confidence, row.evidence, removed, row.fingerprint, text, raw,
        row.num_words, row.num_words_lost, row.output_byte, row.output_char, row.resemblance, row.containment, row.kept,
    )  # fmt: skip


def _check_schema(run: Run, label: str) -> None:
    if run.schema != SCHEMA:
        raise InputError(
            f"{label}: its schema is {run.schema!r}, this version of dedupe reads {SCHEMA!r}; "
            "open it with the version that wrote it (pip install --upgrade dedupe-text for a later one)"
        )


def _not_a_ledger(label: str) -> InputError:
    return InputError(f"{label}: does not begin with a run line; expected the removals.jsonl of a run of dedupe")


def _opened(source: Path | str | Iterable[bytes]) -> Any:
    if not isinstance(source, Path | str):
        return nullcontext(source)
    try:
        return open(source, "rb")
    except OSError as error:
        raise InputError(
            f"{source}: cannot be read: {error.strerror}; give the removals.jsonl that a run of dedupe wrote"
        ) from error


def _name(source: Path | str | Iterable[bytes], name: str | None) -> str:
    return name or (str(source) if isinstance(source, Path | str) else "removals.jsonl")
