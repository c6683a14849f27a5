"""Read WARC and WET archives: the plain texts in them, and the bytes of every record to be written back."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import partial
from io import SEEK_END
from typing import Any

from dedupe.config import Config
from dedupe.errors import ConfigError, InputError, MissingDependencyError
from dedupe.formats import (
    BATCH_BYTES,
    BATCH_RECORDS,
    HEAD_BYTES,
    Compression,
    Format,
    RecordBatch,
    Spliced,
    error_handler,
    show_name,
)
from dedupe.read.encoding import resolve_encoding, to_utf8
from dedupe.read.fields import host_of
from dedupe.read.find import unreadable
from dedupe.records import BadRecord, Document

_TEXT_TYPE = "text/plain"
_DATE = re.compile(rb"(?im)^WARC-Date:([^\r\n]*)")
_LENGTH = re.compile(rb"(?im)^Content-Length:[ \t]*([0-9]{1,18})")
_BLANK_LINE = b"\r\n\r\n"
_PACKED_BYTES, _UNPACKED_BYTES = 1 << 16, 1 << 20  # at a time, where only the end of a member is sought


class WarcReader:
    """Read an archive, plain or with one gzip member a record; see `ShardReader`.

    Conversion records (WET) and plain-text responses and resources are documents. Responses of other types are
    listed as bad: HTML has to be extracted first. Records about the crawl are passed over.
    """

    format: Format = "warc"
    delimiter = ""

    def __init__(self, path: str, uri: str, compression: Compression | None, config: Config) -> None:
        if compression not in (None, "gz"):
            raise InputError(f"{show_name(uri)}: archives are read plain or with gzip; unpack it first")
        self.path, self.uri = path, uri
        self.compression: Compression | None = compression
        self.text_field: str | None = None
        self.broken: str | None = None
        self.num_records = 0
        self._texts: tuple[Any, ...] = ()

    def __iter__(self) -> Iterator[RecordBatch]:
        try:
            from fastwarc import ArchiveIterator, WarcRecordType
        except ImportError:
            raise MissingDependencyError("fastwarc", "warc", "reading WARC files") from None
        self._texts = (WarcRecordType.conversion, WarcRecordType.resource, WarcRecordType.response)
        try:
            with open(self.path, "rb") as archive, open(self.path, "rb") as source:
                yield from self._batches(ArchiveIterator(archive, parse_http=False), source)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _batches(self, records: Any, source: Any) -> Iterator[RecordBatch]:
        """Gather records until BATCH_BYTES of texts are together; a record ends where the next begins."""
        pending = _Pending(0)
        begins = -1
        for record in self._records(records):
            if record.stream_pos <= begins:
                raise InputError(
                    f"{show_name(self.uri)}: has several records in one gzip member; write it again with "
                    "'fastwarc recompress', or unpack it"
                )
            begins = record.stream_pos
            if pending.num_bytes >= BATCH_BYTES or len(pending.records) >= BATCH_RECORDS:
                yield self._batch(pending, source, begins)
                pending = _Pending(begins)
            pending.add(begins, self._read(record))
        end = self._checked_end(pending, source)
        yield self._batch(pending, source, None, end)

    def _records(self, records: Any) -> Iterator[Any]:
        """Give records until one begins as none does: what stands from there on is passed through."""
        try:
            yield from records
        except OSError as error:
            if error.errno is not None:  # of the disk, not of what is on it
                raise
            self.broken = f"cannot be read behind record {self.num_records - 1}: {error}"

    def _checked_end(self, pending: _Pending, source: Any) -> int | None:
        """Find where the last record ends, and say so where the archive ends before it does or something is behind it;
        fastwarc passes both over."""
        begin, size = max([pending.begin, *(begin for begin, _ in pending.records)]), source.seek(0, SEEK_END)
        end = (_record_end if self.compression is None else _member_end)(source, begin)
        if end is None and size > begin:
            self.broken = self.broken or f"is cut off in record {max(0, self.num_records - 1)}"
            if pending.records and not isinstance(pending.records[-1][1], BadRecord):
                pending.records[-1] = (begin, BadRecord(self.uri, self.num_records - 1, "is cut off"))
        elif end is not None and end < size:
            self.broken = self.broken or f"has something behind record {self.num_records - 1} that is no record"
        return end

    def _batch(self, pending: _Pending, source: Any, end: int | None, last: int | None = None) -> RecordBatch:
        """Make a batch of the records up to byte `end`; None: of all that is left. `last`: where the last one ends."""
        source.seek(pending.begin)
        content = source.read() if end is None else source.read(end - pending.begin)
        begins = [begin - pending.begin for begin, _ in pending.records]
        begins.append(len(content) if last is None else last - pending.begin)
        documents, bad, rows = [], [], []
        for number, (_, found) in enumerate(pending.records):
            if isinstance(found, Document):
                documents.append(found)
                rows.append((begins[number], begins[number + 1]))
            elif found is not None:
                bad.append(found)
        first = self.num_records - len(pending.records)
        return RecordBatch(
            first, len(pending.records), documents, bad,
            Spliced(content, rows, rows, partial(self._members, content, rows)),
        )  # fmt: skip

    def _members(self, content: bytes, rows: list[tuple[int, int]], at: int) -> dict[str, str]:
        """Give the day a record was made."""
        start, end = rows[at]
        head = content[start : min(end, start + HEAD_BYTES)]
        if self.compression is not None:
            head = zlib.decompressobj(wbits=31).decompress(head, HEAD_BYTES)
        found = _DATE.search(head.partition(_BLANK_LINE)[0])
        return {} if found is None else {"warc_date": found[1].decode("ascii", "replace").strip()}

    def _read(self, record: Any) -> Document | BadRecord | None:
        number = self.num_records
        self.num_records += 1
        if not record.headers.get("Content-Length"):
            return BadRecord(self.uri, number, "is cut off, or does not say how long it is")
        if record.record_type not in self._texts:
            return None
        conversion, _, response = self._texts
        media = record.headers.get("Content-Type") or ""
        if record.record_type == response:
            record.parse_http()
            headers = record.http_headers
            if headers is None:
                return BadRecord(self.uri, number, "is a response without HTTP headers")
            media = headers.get("Content-Type") or ""
            packed = headers.get("Content-Encoding") or headers.get("Transfer-Encoding")
            if packed:
                return BadRecord(self.uri, number, f"its content is sent as {packed}; expected plain text")
        is_converted = record.record_type == conversion and not media
        if not is_converted and media.partition(";")[0].strip().lower() != _TEXT_TYPE:
            found = media or "of unknown type"
            return BadRecord(self.uri, number, f"is {found}; expected text/plain, so extract its text first")
        expected = record.content_length
        raw = record.reader.read()
        if len(raw) < expected:
            self.broken = f"record {number} ends early: {len(raw):,} of {expected:,} bytes"
            return BadRecord(self.uri, number, "is cut off")
        return self._document(record, number, raw, media)

    def _document(self, record: Any, number: int, raw: bytes, media: str) -> Document | BadRecord:
        charset = media.lower().partition("charset=")[2].partition(";")[0].strip(" \"'") or "utf-8"
        try:
            codec = resolve_encoding(raw, charset)
        except ConfigError:
            codec = "utf-8"
        utf8 = to_utf8(raw, codec)
        if utf8 is None:
            return BadRecord(self.uri, number, f"cannot be read as {codec} and written back the same")
        url = record.headers.get("WARC-Target-URI")
        return Document(
            doc=f"{self.uri}#{number}", uri=self.uri, raw=raw, utf8=utf8, encoding=codec, errors=error_handler(codec),
            record=number, id=record.record_id, url=url, host=host_of(url),
        )


def _record_end(source: Any, begin: int) -> int | None:
    """Find where a record of a plain file ends, with the blank lines behind it; None: where the file is cut off."""
    size, head = source.seek(0, SEEK_END), b""
    source.seek(begin)
    while _BLANK_LINE not in head and (more := source.read(HEAD_BYTES)):
        head += more
    head, blank, _ = head.partition(_BLANK_LINE)
    length = _LENGTH.search(head)
    end = begin + len(head) + len(blank) + (int(length[1]) if length is not None else 0)
    if not blank or end > size:
        return None
    source.seek(end)
    behind = source.read(HEAD_BYTES)
    return int(end + len(behind) - len(behind.lstrip(b"\r\n")))


def _member_end(source: Any, begin: int) -> int | None:
    """Find where a gzip member ends; None: where the file is cut off, or it is none."""
    source.seek(begin)
    packed, inside = b"", zlib.decompressobj(wbits=31)
    try:
        while not inside.eof and (packed or (packed := source.read(_PACKED_BYTES))):
            inside.decompress(packed, _UNPACKED_BYTES)
            packed = inside.unconsumed_tail
    except zlib.error:
        return None
    return source.tell() - len(inside.unused_data) if inside.eof else None


class _Pending:
    """Gather the records of a batch from byte `begin` of the file on."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self.num_bytes = 0
        self.records: list[tuple[int, Document | BadRecord | None]] = []

    def add(self, begin: int, found: Document | BadRecord | None) -> None:
        """Take one more record that begins at byte `begin`."""
        self.records.append((begin, found))
        self.num_bytes += len(found.raw) if isinstance(found, Document) else 0
