"""Read JSON lines: find each record's text in place, so that all around it can be written back as it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from dedupe.config import Config
from dedupe.errors import InputError
from dedupe.formats import Compression, Format, RecordBatch, Spliced, show_name
from dedupe.read.fields import FieldNames, choose_fields, host_of
from dedupe.read.json_scan import NotJson, members, unescape
from dedupe.read.stream import MAX_RECORD_BYTES, ByteStream, line_blocks
from dedupe.records import BadRecord, Document

_BLANK = b" \t\r\n"
_NUM_SAMPLED = 200  # lines whose fields are looked at to guess the text field
_decode_text = msgspec.json.Decoder(str).decode
_SHORT_ESCAPES = {b"n": b"\n", b'"': b'"', b"t": b"\t", b"r": b"\r", b"/": b"/", b"b": b"\b", b"f": b"\f"}
_MIN_BYTES_PER_ESCAPE = 40  # below, the decoder is faster
_ABSENT = msgspec.Raw(b"")


class JsonLinesReader:
    """Read a shard of JSON lines; see `ShardReader`."""

    format: Format = "jsonl"
    delimiter = ""

    def __init__(self, path: str, uri: str, compression: Compression | None, config: Config) -> None:
        self.path, self.uri, self.compression = path, uri, compression
        self.text_field: str | None = None
        self.broken: str | None = None
        self.num_records = 0
        self._config = config
        self._rows: _Rows | None = None

    def __iter__(self) -> Iterator[RecordBatch]:
        stream = ByteStream(self.path, self.compression)
        continued = False
        try:
            for block, overlong in line_blocks(stream):
                if overlong:
                    yield self._overlong(block, continued)
                else:
                    yield self._batch(block)
                continued = overlong and not block.endswith(b"\n")
        finally:
            stream.close()
        self.broken = stream.broken

    def _overlong(self, block: bytes, continued: bool) -> RecordBatch:
        """Pass on a part of a line that is too long, listed once."""
        first, num_records = (self.num_records - 1, 0) if continued else (self.num_records, 1)
        message = f"the line is longer than {MAX_RECORD_BYTES:,} bytes"
        bad = [] if continued else [BadRecord(self.uri, first, message)]
        self.num_records += num_records
        return RecordBatch(self.num_records - num_records, num_records, [], bad, Spliced(block, [], []))

    def _batch(self, block: bytes) -> RecordBatch:
        bounds = _line_bounds(block)
        if self._rows is None:
            if block.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError(f"{show_name(self.uri)}: is UTF-16; JSON lines are UTF-8: convert it first with iconv")
            sample = [block[start:end] for start, end in bounds[:_NUM_SAMPLED]]
            fields = _sampled_fields(self.uri, sample, self._config)
            if fields is not None:
                self._rows = _Rows(self.uri, fields)
                self.text_field = fields.text
        first = self.num_records
        self.num_records += len(bounds)
        if self._rows is None:  # not one line of JSON yet
            bad = [BadRecord(self.uri, first + at, "is not a JSON object") for at, (start, end) in enumerate(bounds)
                   if block[start:end].strip(_BLANK)]
            return RecordBatch(first, len(bounds), [], bad, Spliced(block, [], []))
        return self._rows.batch(block, bounds, first)


def _line_bounds(block: bytes) -> list[tuple[int, int]]:
    bounds: list[tuple[int, int]] = []
    start = 0
    while (end := block.find(b"\n", start) + 1) > 0:
        bounds.append((start, end))
        start = end
    if start < len(block):
        bounds.append((start, len(block)))
    return bounds


def _sampled_fields(uri: str, lines: list[bytes], config: Config) -> FieldNames | None:
    """Choose the fields by the first lines; None where none of them is an object with a member."""
    seen: dict[str, bool] = {}
    for line in lines:
        try:
            found = members(line.removeprefix(b"\xef\xbb\xbf"))
        except NotJson:
            continue
        for name, start, _ in found:
            key = name.decode("utf-8", "replace")
            seen[key] = seen.get(key, False) or line.removeprefix(b"\xef\xbb\xbf")[start:start + 1] == b'"'
    if not seen:
        return None
    return choose_fields(uri, [name for name, is_text in seen.items() if is_text], list(seen), config)


@dataclass(slots=True)
class _Found:
    """Collect what a batch holds while its lines are read."""

    documents: list[Document]
    bad: list[BadRecord]
    rows: list[tuple[int, int]]
    values: list[tuple[int, int]]


class _Rows:
    """Read the lines of one shard, the fields of which are known."""

    def __init__(self, uri: str, fields: FieldNames) -> None:
        self.uri, self.fields = uri, fields
        self.key = msgspec.json.encode(fields.text)
        names = {"text": fields.text, "id": fields.id, "url": fields.url, "site": fields.site}
        self.names = {key: name for key, name in names.items() if name is not None}
        distinct: dict[str, str] = {}  # a struct cannot read one member twice
        for key, name in self.names.items():
            distinct.setdefault(name, key)
        self.keys = {key: distinct[name] for key, name in self.names.items()}
        row_type = msgspec.defstruct(
            "Row", [(key, msgspec.Raw, _ABSENT) for key in distinct.values()],
            rename={key: name for name, key in distinct.items()}, gc=False,
        )
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row_type)

    def batch(self, block: bytes, bounds: list[tuple[int, int]], first: int) -> RecordBatch:
        found = _Found([], [], [], [])
        parsed = self._parse_all(block, len(bounds))
        for at, (start, end) in enumerate(bounds):
            if parsed is None or not self._read_fast(block, start, end, first + at, parsed[at], found):
                self._read_plain(block, start, end, first + at, found)
        return RecordBatch(first, len(bounds), found.documents, found.bad, Spliced(block, found.rows, found.values))

    def _parse_all(self, block: bytes, num_lines: int) -> list[Any] | None:
        """Decode all lines at once; None where one of them needs the plain way or lines and objects do not match."""
        try:
            parsed = self.decoder.decode_lines(block)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return None
        return parsed if len(parsed) == num_lines else None

    def _read_fast(self, block: bytes, start: int, end: int, number: int, row: Any, found: _Found) -> bool:
        """Read a line that names the text field once, as most do; False where that is not so."""
        key = self.key
        at = block.find(key, start, end)
        if at < 0 or block.find(key, at + 1, end) >= 0 or not block.startswith(b"{", start):
            return False
        at += len(key)
        at += 2 if block.startswith(b": ", at) else 1
        value = bytes(row.text)
        if not value.startswith(b'"') or not block.startswith(value, at):
            return False
        utf8 = _few_escapes(value)
        if utf8 is None:
            try:
                utf8 = _decode_text(value).encode()
            except (msgspec.MsgspecError, UnicodeError):
                return False
        keys = self.keys
        self._add(
            found, number, utf8, (start, end), (at, at + len(value)),
            _as_str(bytes(getattr(row, keys["id"]))) if "id" in keys else None,
            _as_str(bytes(getattr(row, keys["url"]))) if "url" in keys else None,
            _as_str(bytes(getattr(row, keys["site"]))) if "site" in keys else None,
        )
        return True

    def _read_plain(self, block: bytes, start: int, end: int, number: int, found: _Found) -> None:
        """Read any line, or list it as bad."""
        line = block[start:end]
        if not line.strip(_BLANK):
            return
        skip = 3 if number == 0 and line.startswith(b"\xef\xbb\xbf") else 0
        try:
            content = members(line[skip:])
            value_start, value_end = self._text_span(content, line[skip:])
            utf8 = unescape(line[skip:][value_start:value_end])
        except NotJson as error:
            found.bad.append(BadRecord(self.uri, number, str(error)))
            return
        others = {name: line[skip:][one:two] for name, one, two in content}
        extra = [_as_str(others.get(self.names[key].encode(), b"")) if key in self.names else None
                 for key in ("id", "url", "site")]
        self._add(found, number, utf8, (start, end), (start + skip + value_start, start + skip + value_end), *extra)

    def _text_span(self, content: list[tuple[bytes, int, int]], line: bytes) -> tuple[int, int]:
        wanted = self.fields.text.encode()
        spans = [(start, end) for name, start, end in content if name == wanted]
        if not spans:
            raise NotJson(f"has no field {self.fields.text!r}")
        if len(spans) > 1:
            raise NotJson(f"has the field {self.fields.text!r} {len(spans)} times")
        start, end = spans[0]
        if line[start:start + 1] != b'"':
            shown = line[start:min(end, start + 20)].decode("utf-8", "replace")
            raise NotJson(f"has {shown} in the field {self.fields.text!r}; expected a string")
        return start, end

    def _add(
        self, found: _Found, number: int, utf8: bytes, row: tuple[int, int], value: tuple[int, int],
        record_id: str | None, url: str | None, site: str | None,
    ) -> None:
        found.documents.append(Document(
            doc=f"{self.uri}#{number}", uri=self.uri, raw=utf8, utf8=utf8, record=number,
            id=record_id, url=url, host=site or host_of(url),
        ))
        found.rows.append(row)
        found.values.append(value)


def _few_escapes(value: bytes) -> bytes | None:
    """Read a string with few and short escapes without making a str of it; None where it has others.

    Looking for single backslashes is many times as fast as decoding where the text is not ASCII.
    """
    if value.count(b"\\") * _MIN_BYTES_PER_ESCAPE > len(value):
        return None
    first, *parts = value[1:-1].split(b"\\")
    pieces = [first]
    for part in parts:
        char = _SHORT_ESCAPES.get(part[:1])  # an empty part is a doubled backslash, "u" stands for any character
        if char is None:
            return None
        pieces.append(char)
        pieces.append(part[1:])
    return b"".join(pieces)


def _as_str(value: bytes) -> str | None:
    """Give a string's text or a number's digits; None for null, true, objects and nothing."""
    if value.startswith(b'"'):
        try:
            return _decode_text(value)
        except (msgspec.MsgspecError, UnicodeError):
            try:
                return unescape(value).decode("utf-8", "backslashreplace")
            except NotJson:
                return None
    return value.decode("ascii", "backslashreplace") if value[:1] in b"-0123456789" and value else None
