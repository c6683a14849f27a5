"""Read WARC and WET archives: the plain texts in them, and the bytes of every record to be written back."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from dedupe.config import Config
from dedupe.errors import ConfigError, InputError, MissingDependencyError
from dedupe.formats import BATCH_BYTES, HEAD_BYTES, Compression, Format, RecordBatch, Spliced, error_handler, show_name
from dedupe.read.encoding import resolve_encoding, to_utf8
from dedupe.read.fields import host_of
from dedupe.read.find import unreadable
from dedupe.records import BadRecord, Document

_TEXT_TYPE = "text/plain"
_DATE = re.compile(rb"(?im)^WARC-Date:([^\r\n]*)")


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
        for record in records:
            if record.stream_pos <= begins:
                raise InputError(
                    f"{show_name(self.uri)}: has several records in one gzip member; write it again with "
                    "'fastwarc recompress', or unpack it"
                )
            begins = record.stream_pos
            if pending.num_bytes >= BATCH_BYTES:
                yield self._batch(pending, source, begins)
                pending = _Pending(begins)
            pending.add(begins, self._read(record))
        yield self._batch(pending, source, None)

    def _batch(self, pending: _Pending, source: Any, end: int | None) -> RecordBatch:
        source.seek(pending.begin)
        content = source.read() if end is None else source.read(end - pending.begin)
        begins = [begin - pending.begin for begin, _ in pending.records] + [len(content)]
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
        found = _DATE.search(head.partition(b"\r\n\r\n")[0])
        return {} if found is None else {"warc_date": found[1].decode("ascii", "replace").strip()}

    def _read(self, record: Any) -> Document | BadRecord | None:
        number = self.num_records
        self.num_records += 1
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
