"""Read CSV and TSV: find each record's text in place, so that all around it can be written back as it came.

RFC 4180, and what is seen beside it: any line end, any of four delimiters, and quotes that quote nothing. A field is
quoted only where its closing quote ends it; otherwise its quotes are text, as in most TSV files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from dedupe.config import Config
from dedupe.errors import ConfigError, InputError
from dedupe.formats import (
    BATCH_BYTES,
    BATCH_RECORDS,
    Compression,
    Format,
    RecordBatch,
    Spliced,
    error_handler,
    show_name,
)
from dedupe.read.encoding import resolve_encoding, to_utf8
from dedupe.read.fields import FieldNames, choose_fields, host_of, language_of
from dedupe.read.stream import MAX_RECORD_BYTES, ByteStream
from dedupe.records import BadRecord, Document

Spans = list[tuple[int, int]]

_DELIMITERS = (b",", b";", b"\t", b"|")
_UNCLOSED = re.compile(rb'"(?:[^"]++|"")*+\Z')
_FIRST_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class CsvReader:
    """Read a shard of CSV or TSV with a line of names first; see `ShardReader`."""

    def __init__(
        self, path: str, uri: str, file_format: Format, compression: Compression | None, config: Config
    ) -> None:
        self.path, self.uri, self.compression = path, uri, compression
        self.format: Format = file_format
        self.text_field: str | None = None
        self.broken: str | None = None
        self.delimiter = "\t" if file_format == "tsv" else ""
        self.num_records = 0
        self._config = config
        self._encoding = "utf-8"
        self._columns: _Columns | None = None

    def __iter__(self) -> Iterator[RecordBatch]:
        stream = ByteStream(self.path, self.compression)
        carry, at_end = b"", False
        try:
            while not at_end:
                # doubling: a record that spans many blocks is looked at a few times only
                piece = stream.read(max(BATCH_BYTES, len(carry)))
                at_end = not piece
                carry += piece
                stream.check_expansion(len(carry))
                is_full = True
                while is_full:
                    batch, used = self._batch(carry, at_end)
                    if batch is not None:
                        yield batch
                    carry = carry[used:]
                    is_full = batch is not None and batch.num_records >= BATCH_RECORDS
        finally:
            stream.close()
        self.broken = stream.broken

    def _batch(self, block: bytes, at_end: bool) -> tuple[RecordBatch | None, int]:
        """Read the whole records at the start of `block`, `BATCH_RECORDS` and no more; the second value says how many
        bytes they take."""
        field = self._start(block) if self._columns is None else self._columns.field
        records = _Records(block, field, self.delimiter.encode(), at_end)
        found_rows: Spans = []
        documents: list[Document] = []
        bad: list[BadRecord] = []
        values: Spans = []
        first, start = self.num_records, 0
        for spans, end in records:
            if self._columns is None:
                self._columns = self._read_names(block, spans, records.field)
            else:
                result = self._columns.read(block, spans, self.num_records)
                self.num_records += 1
                if isinstance(result, Document):
                    documents.append(result)
                    found_rows.append((start, end))
                    values.append(spans[self._columns.text])
                elif result is not None:
                    bad.append(result)
            start = end
            if self.num_records - first >= BATCH_RECORDS:
                break
        if not start:
            return None, 0
        content = block if start == len(block) else block[:start]
        rows = Spliced(content, found_rows, values, partial(self._members, content, found_rows))
        return RecordBatch(first, self.num_records - first, documents, bad, rows), start

    def _members(self, content: bytes, rows: Spans, at: int) -> dict[str, str]:
        """Give all fields of a document by their names; of two of one name the last."""
        assert self._columns is not None  # or there were no documents
        line = content[slice(*rows[at])]
        spans, _ = next(iter(_Records(line, self._columns.field, self.delimiter.encode(), True)))
        values = (_unquoted(line[start:end]).decode(self._encoding, "backslashreplace") for start, end in spans)
        return dict(zip(self._columns.names, values, strict=True))

    def _start(self, block: bytes) -> re.Pattern[bytes]:
        """Look at the first line: encoding, delimiter."""
        codec = resolve_encoding(block, self._config.encoding)
        if codec.startswith(("utf-16", "utf-32")):
            raise InputError(f"{show_name(self.uri)}: is {codec}; convert it to UTF-8 first, for example with iconv")
        self._encoding = codec
        if not self.delimiter:
            names = re.split(rb"[\r\n]", block.removeprefix(_BOM), maxsplit=1)[0]
            self.delimiter = max(_DELIMITERS, key=names.count).decode()
        found = _FIRST_END.search(block)
        return _field_pattern(self.delimiter.encode(), found is not None and found[0] == b"\r")

    def _read_names(self, block: bytes, spans: Spans, field: re.Pattern[bytes]) -> _Columns:
        first = len(_BOM) if block.startswith(_BOM) else 0
        raw = [_unquoted(block[start + (first if not start else 0):end]) for start, end in spans]
        names = [name.decode(self._encoding, "replace").strip() for name in raw]
        chosen = choose_fields(self.uri, names, names, self._config)
        count = names.count(chosen.text)
        if count > 1:
            raise ConfigError(f"{show_name(self.uri)}: has {count} columns {chosen.text!r}; rename one")
        self.text_field = chosen.text
        return _Columns(self.uri, names, chosen, self._encoding, field)


def _field_pattern(delimiter: bytes, ends_with_cr: bool) -> re.Pattern[bytes]:
    """Match a field (group 1 quoted, 2 not) and what ends it (group 3): delimiter, line end or the end of the block.

    A CR alone ends records only where it ends the first line; elsewhere scrapers leave it in texts.
    """
    mark = re.escape(delimiter)
    ending = mark + (rb"|\r\n|\n|\r|\Z" if ends_with_cr else rb"|\r?\n|\r?\Z")
    plain = rb"[^\r\n" + mark + rb"]++" + (b"" if ends_with_cr else rb"|\r(?!\n|\Z)")
    return re.compile(rb'(?:("(?:[^"]++|"")*+")(?=' + ending + rb")|((?:" + plain + rb")*+))(" + ending + rb")")


class _Records:
    """Cut a block into records: the spans of their fields and where the record ends, its line end with it."""

    def __init__(self, block: bytes, field: re.Pattern[bytes], delimiter: bytes, at_end: bool) -> None:
        self.block, self.field, self._delimiter = block, field, delimiter
        # A quote that is never closed would swallow the rest of the file.
        self._at_end = at_end or len(block) > MAX_RECORD_BYTES

    def __iter__(self) -> Iterator[tuple[Spans, int]]:
        block, match_field, delimiter, size = self.block, self.field.match, self._delimiter, len(self.block)
        at = 0
        spans: Spans = []
        while at < size or spans:
            match = match_field(block, at)
            assert match is not None  # a field may be empty and the end of the block ends it
            is_quoted = match.start(1) >= 0
            start, end = match.span(1 if is_quoted else 2)
            at = match.end()
            if not self._at_end and (at == size or (not is_quoted and self._may_go_on(start))):
                return  # the rest of the field, or the LF of a CR LF, may come with the next block
            spans.append((start, end))
            if not match[3].startswith(delimiter):
                yield spans, at
                spans = []

    def _may_go_on(self, start: int) -> bool:
        """Tell whether a field taken for unquoted has an opening quote that a later block may close."""
        return self.block.startswith(b'"', start) and _UNCLOSED.match(self.block, start) is not None


class _Columns:
    """Know where in a record its text, id and address stand."""

    def __init__(
        self, uri: str, names: list[str], chosen: FieldNames, encoding: str, field: re.Pattern[bytes]
    ) -> None:
        self.field = field
        self.names = names
        self._uri, self._num_fields, self._encoding = uri, len(names), encoding
        self.text = names.index(chosen.text)
        self._id, self._url, self._site, self._language = (
            None if name is None else names.index(name)
            for name in (chosen.id, chosen.url, chosen.site, chosen.language)
        )

    def read(self, block: bytes, spans: Spans, number: int) -> Document | BadRecord | None:
        """Make the document of a record; None for an empty line."""
        if len(spans) != self._num_fields:
            if spans[0][0] == spans[-1][1]:
                return None
            message = f"has {len(spans)} fields; expected {self._num_fields} as in the first line"
            return BadRecord(self._uri, number, message)
        start, end = spans[self.text]
        raw = _unquoted(block[start:end])
        utf8 = to_utf8(raw, self._encoding)
        if utf8 is None:
            return BadRecord(self._uri, number, f"cannot be read as {self._encoding} and written back the same")
        url = self._str(block, spans, self._url)
        return Document(
            doc=f"{self._uri}#{number}", uri=self._uri, raw=raw, utf8=utf8, encoding=self._encoding,
            errors=error_handler(self._encoding), record=number, id=self._str(block, spans, self._id), url=url,
            host=self._str(block, spans, self._site) or host_of(url),
            language=language_of(self._str(block, spans, self._language)),
        )

    def _str(self, block: bytes, spans: Spans, column: int | None) -> str | None:
        if column is None:
            return None
        start, end = spans[column]
        return _unquoted(block[start:end]).decode(self._encoding, "backslashreplace") or None


def _unquoted(field: bytes) -> bytes:
    """Read a field: without its quotes where they are quotes.

    >>> _unquoted(b'"a ""b"" c"'), _unquoted(b'"a" b"'), _unquoted(b"a")
    (b'a "b" c', b'"a" b"', b'a')
    """
    inside = field[1:-1]
    if len(field) < 2 or field[:1] != b'"' or field[-1:] != b'"' or b'"' in inside.replace(b'""', b""):
        return field
    return inside.replace(b'""', b'"')
