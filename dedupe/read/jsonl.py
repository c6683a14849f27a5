"""Read JSON lines: find each record's text in place, so that all around it can be written back as it came."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import msgspec
from msgspec import structs

from dedupe.config import Config
from dedupe.errors import InputError
from dedupe.formats import BATCH_RECORDS, Compression, Format, RecordBatch, Spliced, show_name
from dedupe.read.fields import FieldNames, choose_fields, host_of, language_of
from dedupe.read.json_scan import NotJson, members, unescape
from dedupe.read.json_strings import read_strings
from dedupe.read.stream import MAX_RECORD_BYTES, ByteStream, line_blocks
from dedupe.records import BadRecord, Document

_BLANK = b" \t\r\n"
_NUM_SAMPLED = 200  # lines whose fields are looked at to guess the text field
_MAX_SAMPLED_BYTES = 1 << 20
_UNDECODABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_SURROGATE = re.compile(rb"\xed[\xa0-\xbf]")
_MARK = b"\xef\xbb\xbf"
_ABSENT = msgspec.Raw(b"")


class JsonLinesReader:
    """Read a shard of JSON lines, or of its records only some; see `ShardReader`."""

    format: Format = "jsonl"
    delimiter = ""

    def __init__(
        self, path: str, uri: str, compression: Compression | None, config: Config, only: frozenset[int] | None = None
    ) -> None:
        self.path, self.uri, self.compression, self._only = path, uri, compression, only
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
                    yield from map(self._batch, _few_lines(block))
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
        if self._only is None:
            return self._rows.batch(block, bounds, first)
        numbers = [number for number in range(first, self.num_records) if number in self._only]
        lines = [block[slice(*bounds[number - first])] for number in numbers]
        ends = list(accumulate(map(len, lines), initial=0))
        found = self._rows.batch(b"".join(lines), list(pairwise(ends)), first, numbers)
        return structs.replace(found, num_records=len(bounds))


def _few_lines(block: bytes) -> Iterator[bytes]:
    """Cut a block of whole lines so that no part has more than `BATCH_RECORDS`."""
    if block.count(b"\n") < BATCH_RECORDS:
        yield block
        return
    bounds = _line_bounds(block)
    for first in range(0, len(bounds), BATCH_RECORDS):
        part = bounds[first:first + BATCH_RECORDS]
        yield block[part[0][0]:part[-1][1]]


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
    num_bytes = 0
    for line in lines:
        if seen and num_bytes > _MAX_SAMPLED_BYTES:
            break
        num_bytes += len(line)
        try:
            found = members(line.removeprefix(_MARK))
        except NotJson:
            continue
        for name, start, _ in found:
            key = name.decode("utf-8", "replace")
            seen[key] = seen.get(key, False) or line.removeprefix(_MARK)[start:start + 1] == b'"'
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


_OTHERS = ("id", "url", "site", "language")


class _Rows:
    """Read the lines of one shard, the fields of which are known."""

    def __init__(self, uri: str, fields: FieldNames) -> None:
        self.uri, self.fields = uri, fields
        self.key = msgspec.json.encode(fields.text)
        names = {"text": fields.text, **{key: getattr(fields, key) for key in _OTHERS}}
        self.names = {key: name for key, name in names.items() if name is not None}
        distinct: dict[str, str] = {}  # a struct cannot read one member twice
        for key, name in self.names.items():
            distinct.setdefault(name, key)
        self.others = [distinct[names[key] or ""] if key in self.names else None for key in _OTHERS]
        row_type = msgspec.defstruct(
            "Row", [(key, msgspec.Raw, _ABSENT) if key == "text" else (key, Any, None) for key in distinct.values()],
            rename={key: name for name, key in distinct.items()}, gc=False,
        )
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row_type)

    def batch(
        self, block: bytes, bounds: list[tuple[int, int]], first: int, numbers: Sequence[int] | None = None
    ) -> RecordBatch:
        """Read the lines of a block at `bounds`; `numbers`: those of the lines, if not from `first` on."""
        found = _Found([], [], [], [])
        parsed = self._parse_all(block, bounds)
        spans = [None if row is None else self._text_place(block, start, end, row)
                 for (start, end), row in zip(bounds, parsed, strict=True)]
        texts = iter(read_strings(block, [span for span in spans if span is not None]))
        numbers = range(first, first + len(bounds)) if numbers is None else numbers
        for number, bound, row, span in zip(numbers, bounds, parsed, spans, strict=True):
            utf8 = None if span is None else next(texts)
            if span is None or utf8 is None:
                self._read_plain(block, bound, number, found)
            else:
                self._add(found, number, utf8, bound, span, self._others(row))
        return RecordBatch(first, len(bounds), found.documents, found.bad, Spliced(block, found.rows, found.values))

    def _parse_all(self, block: bytes, bounds: list[tuple[int, int]]) -> list[Any]:
        """Decode all lines, at once where that can be done; None for a line that needs the plain way."""
        try:
            parsed: list[Any] = self.decoder.decode_lines(block)
        except _UNDECODABLE:
            parsed = []
        if len(parsed) == len(bounds):
            return parsed
        return [self._parse_one(block[start:end]) for start, end in bounds]

    def _parse_one(self, line: bytes) -> Any:
        try:
            return self.decoder.decode(line)
        except _UNDECODABLE:
            return None

    def _text_place(self, block: bytes, start: int, end: int, row: Any) -> tuple[int, int] | None:
        """Find the text in a line that names its field once, as most do; None where that is not so."""
        key = self.key
        at = block.find(key, start, end)
        if at < 0 or block.find(key, at + 1, end) >= 0 or not block.startswith(b"{", start):
            return None
        at += len(key)
        at += 2 if block.startswith(b": ", at) else 1
        value = bytes(row.text)
        if not value.startswith(b'"') or not block.startswith(value, at):
            return None
        return at, at + len(value)

    def _others(self, row: Any) -> list[str | None]:
        """Give what else is read of a decoded row, in the order of _OTHERS."""
        return [None if key is None else _as_str(getattr(row, key)) for key in self.others]

    def _read_plain(self, block: bytes, bound: tuple[int, int], number: int, found: _Found) -> None:
        """Read any line, or list it as bad."""
        start, end = bound
        if number == 0 and block.startswith(_MARK):
            start += len(_MARK)
        line = block[start:end]
        if not line.strip(_BLANK):
            return
        try:
            content = members(line)
            value_start, value_end = self._text_span(content, line)
            utf8 = unescape(line[value_start:value_end])
        except NotJson as error:
            found.bad.append(BadRecord(self.uri, number, str(error)))
            return
        values = {name: line[one:two] for name, one, two in content}
        others = [_as_str(_lenient(values.get(self.names[key].encode(), b"null"))) if key in self.names else None
                  for key in _OTHERS]
        self._add(found, number, utf8, bound, (start + value_start, start + value_end), others, _errors(utf8))

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
        others: list[str | None], errors: str = "surrogateescape",
    ) -> None:
        record_id, url, site, language = others
        found.documents.append(Document(
            doc=f"{self.uri}#{number}", uri=self.uri, raw=utf8, utf8=utf8, errors=errors, record=number,
            id=record_id, url=url, host=site or host_of(url), language=language_of(language),
        ))
        found.rows.append(row)
        found.values.append(value)


def _errors(utf8: bytes) -> str:
    """Name the handler under which a text is decoded: that of lone surrogates where it has them and nothing worse."""
    try:
        utf8.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return "surrogateescape"
    return "surrogatepass" if _SURROGATE.search(utf8) else "surrogateescape"


def _as_str(value: Any) -> str | None:
    """Give a string as it is and a number in digits; None for null, true, lists and objects."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _lenient(value: bytes) -> Any:
    """Read a JSON value, a string too that has surrogates or other odd things in it."""
    try:
        return msgspec.json.decode(value)
    except _UNDECODABLE:
        pass
    try:
        text = unescape(value) if value.startswith(b'"') else value
    except NotJson:
        return None
    return text.decode("utf-8", "backslashreplace")
