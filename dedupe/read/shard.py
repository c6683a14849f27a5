"""Open a shard of any format for reading in batches."""

from __future__ import annotations

from collections.abc import Iterator

from dedupe.config import Config
from dedupe.errors import InputError
from dedupe.formats import STDIN, Compression, Format, InputFile, RecordBatch, ShardReader, Spliced, show_name
from dedupe.read.find import find_inputs
from dedupe.read.text import read_text


def open_shard(file: InputFile | str, config: Config, *, records: frozenset[int] | None = None) -> ShardReader:
    """Open one input for reading; the format is that of `file`, or told by its name and first bytes.

    Nothing is read before the first batch is asked for. `records`: the numbers of those that are wanted; where the
    format lets a reader pass over others without a look inside, it does, so that they are not among the documents.
    Raises: InputError: it does not exist, is a folder of several files, or in a form that cannot be written back.
    """
    found = _single(file) if isinstance(file, str) else file
    path, uri, compression = found.path, found.uri, found.compression
    match found.format:
        case "jsonl":
            from dedupe.read.jsonl import JsonLinesReader

            return JsonLinesReader(path, uri, compression, config, records)
        case "csv" | "tsv":
            from dedupe.read.csv_rows import CsvReader

            return CsvReader(path, uri, found.format, compression, config)
        case "parquet":
            from dedupe.read.columns import ParquetReader

            return ParquetReader(path, uri, config)
        case "arrow":
            from dedupe.read.columns import ArrowReader

            return ArrowReader(path, uri, config)
        case "datasets":
            from dedupe.read.columns import DatasetsReader

            return DatasetsReader(path, uri, config)
        case "warc":
            from dedupe.read.warc import WarcReader

            return WarcReader(path, uri, compression, config)
        case "text":
            return TextReader(path, uri, compression, config, allow_binary=found.allow_binary)


def _single(path: str) -> InputFile:
    found = find_inputs([path])
    if len(found) != 1 or found[0].root is not None:
        raise InputError(f"{show_name(path)}: is {len(found)} files; open each of them")
    return found[0]


class TextReader:
    """Read a whole text as a shard of one record; see `ShardReader`."""

    format: Format = "text"
    delimiter = ""

    def __init__(
        self, path: str, uri: str, compression: Compression | None, config: Config, *, allow_binary: bool = False
    ) -> None:
        if compression is not None:
            raise InputError(f"{show_name(uri)}: is a compressed text; unpack it first")
        self.path, self.uri = path, uri
        self.compression: Compression | None = None
        self.text_field: str | None = None
        self.broken: str | None = None
        self.num_records = 0
        self._encoding, self._allow_binary = config.encoding, allow_binary

    def __iter__(self) -> Iterator[RecordBatch]:
        document = read_text(
            self.path, self._encoding, uri=self.uri or STDIN, allow_binary=self._allow_binary
        )
        self.num_records = 1
        whole = (0, len(document.raw))
        yield RecordBatch(0, 1, [document], [], Spliced(document.raw, [whole], [whole]))
