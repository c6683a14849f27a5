"""Read Parquet, Arrow and Hugging Face `datasets` folders, in record batches that the writer puts together again."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

from dedupe.config import Config
from dedupe.errors import ConfigError, InputError
from dedupe.formats import BATCH_BYTES, BATCH_RECORDS, Columns, Compression, Format, RecordBatch, show_name
from dedupe.read.fields import FieldNames, choose_fields, host_of, language_of
from dedupe.read.find import unreadable
from dedupe.records import BadRecord, Document


class _ColumnsReader:
    """Share what the readers of columns have in common: choosing fields and making documents of rows."""

    format: Format
    delimiter = ""

    def __init__(self, path: str, uri: str, config: Config) -> None:
        self.path, self.uri = path, uri
        self.compression: Compression | None = None  # these formats compress inside
        self.text_field: str | None = None
        self.broken: str | None = None
        self.num_records = 0
        self._config = config
        self._fields: FieldNames | None = None

    def __iter__(self) -> Iterator[RecordBatch]:
        import pyarrow

        try:
            for batch, group, file in self._batches():
                yield self._read(batch, group, file)
        except pyarrow.ArrowInvalid as error:
            raise _broken(self.uri, error) from error
        except OSError as error:
            if error.errno is None:  # pyarrow's own, about the content
                raise _broken(self.uri, error) from error
            raise unreadable(self.path, error) from error

    def _batches(self) -> Iterator[tuple[Any, int, int]]:
        """Give record batches of about BATCH_BYTES with the number of their group and of their file."""
        raise NotImplementedError

    def _read(self, batch: Any, group: int, file: int) -> RecordBatch:
        if self._fields is None:
            self._fields = _choose(self.uri, batch.schema, self._config)
            self.text_field = self._fields.text
        fields, first = self._fields, self.num_records
        self.num_records += batch.num_rows
        urls = _strings(batch, fields.url)
        ids, sites = _strings(batch, fields.id), _strings(batch, fields.site)
        languages = _strings(batch, fields.language)
        documents: list[Document] = []
        bad: list[BadRecord] = []
        rows: list[int] = []
        for row, text in enumerate(_texts(batch.column(fields.text))):
            number = first + row
            if text is None:
                bad.append(BadRecord(self.uri, number, f"has null in the field {fields.text!r}; expected text"))
                continue
            rows.append(row)
            documents.append(Document(
                doc=f"{self.uri}#{number}", uri=self.uri, raw=text, utf8=text, record=number,
                id=ids[row], url=urls[row], host=sites[row] or host_of(urls[row]),
                language=language_of(languages[row]),
            ))
        return RecordBatch(first, batch.num_rows, documents, bad, Columns(batch, rows, group, file))


class ParquetReader(_ColumnsReader):
    """Read a Parquet file, row group by row group; see `ShardReader`."""

    format: Format = "parquet"

    def _batches(self) -> Iterator[tuple[Any, int, int]]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                described = file.metadata.row_group(group)
                row_bytes = max(1, described.total_byte_size // max(1, described.num_rows))
                num_rows = min(BATCH_RECORDS, max(1, BATCH_BYTES // row_bytes))
                for batch in file.iter_batches(num_rows, row_groups=[group], use_threads=False):
                    yield batch, group, 0


class ArrowReader(_ColumnsReader):
    """Read an Arrow file or stream, or a Feather file; see `ShardReader`."""

    format: Format = "arrow"

    def _batches(self) -> Iterator[tuple[Any, int, int]]:
        yield from _arrow_batches(self.path, 0, 0)


class DatasetsReader(_ColumnsReader):
    """Read a folder written by Hugging Face `Dataset.save_to_disk`, its files one after another; see `ShardReader`."""

    format: Format = "datasets"

    def _batches(self) -> Iterator[tuple[Any, int, int]]:
        group = 0
        for number, name in enumerate(_data_files(self.path, self.uri)):
            for batch, last, _ in _arrow_batches(os.path.join(self.path, name), group, number):
                yield batch, last, number
                group = last + 1


def _data_files(folder: str, uri: str) -> list[str]:
    """List the data files of a folder in their order."""
    try:
        with open(os.path.join(folder, "state.json"), "rb") as file:
            state = json.load(file)
        names = [entry["filename"] for entry in state["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        reason = "state.json does not list the data files; save the data set again"
        raise InputError(f"{show_name(uri)}: {reason}") from error
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise InputError(f"{show_name(uri)}: keeps a selection of rows beside the data; save it with flatten_indices()")
    for name in names:
        if not isinstance(name, str) or os.path.basename(name) != name:
            raise InputError(f"{show_name(uri)}: state.json names the file {name!r} outside of the folder")
    return names


def _arrow_batches(path: str, group: int, file: int) -> Iterator[tuple[Any, int, int]]:
    import pyarrow
    import pyarrow.ipc

    with pyarrow.memory_map(path) as source:
        head = source.read(6) if source.size() else b""
        source.seek(0)
        if head.startswith(b"FEA1"):
            raise InputError(f"{show_name(path)}: is Feather version 1; write it again as version 2")
        if head == b"ARROW1":
            opened = pyarrow.ipc.open_file(source)
            batches: Iterator[Any] = (opened.get_batch(number) for number in range(opened.num_record_batches))
        else:
            batches = iter(pyarrow.ipc.open_stream(source))
        for number, batch in enumerate(batches, group):
            for piece in _cut(batch):
                yield piece, number, file


def _cut(batch: Any) -> Iterator[Any]:
    """Cut a large record batch into pieces of about BATCH_BYTES."""
    num_rows = min(BATCH_RECORDS, max(1, batch.num_rows * BATCH_BYTES // max(1, batch.nbytes)))
    if num_rows >= batch.num_rows:
        yield batch
        return
    for start in range(0, batch.num_rows, num_rows):
        yield batch.slice(start, num_rows)


def _choose(uri: str, schema: Any, config: Config) -> FieldNames:
    texts = [field.name for field in schema if _holds_text(field.type, config.text_field == field.name)]
    names = list(schema.names)
    if len(set(names)) < len(names):
        raise ConfigError(f"{show_name(uri)}: has two columns of one name; rename one")
    chosen = choose_fields(uri, texts, names, config)
    if chosen.text not in texts:
        raise ConfigError(
            f"{show_name(uri)}: the field {chosen.text!r} is {schema.field(chosen.text).type}; expected strings"
        )
    return chosen


def _holds_text(kind: Any, asked: bool) -> bool:
    """Tell whether a column holds strings; columns of bytes count where they were asked for."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    strings = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    return strings or (asked and (types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)))


def _texts(column: Any) -> list[bytes | None]:
    """Give the bytes of each text; they are not decoded, so that invalid UTF-8 passes."""
    import pyarrow

    if pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pyarrow.types.is_string_view(column.type):
        column = column.cast(pyarrow.large_string())
    if pyarrow.types.is_string(column.type):
        column = column.view(pyarrow.binary())
    elif pyarrow.types.is_large_string(column.type):
        column = column.view(pyarrow.large_binary())
    texts: list[bytes | None] = column.to_pylist()
    return texts


def _strings(batch: Any, name: str | None) -> list[str | None]:
    if name is None:
        return [None] * batch.num_rows
    return [None if value is None else value if isinstance(value, str) else str(value)
            for value in batch.column(name).to_pylist()]


def _broken(uri: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split())
    return InputError(f"{show_name(uri)}: cannot be read: {reason}; the file is broken or not what its name says")
