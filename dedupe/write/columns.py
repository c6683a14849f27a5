"""Write Parquet, Arrow and `datasets` folders: schema, types, metadata and groups of rows as they came."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from typing import Any

from dedupe.errors import DedupeError
from dedupe.formats import DROP, Columns, Outcome, ShardReader, show_name
from dedupe.write.replace import replacing

# A group is held in memory to be written as one; a larger one is written as several.
MAX_GROUP_BYTES = 512 << 20
_SPLITS_FILE = "dataset_dict.json"
_LZ4_FRAME, _ZSTD_FRAME = b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"


class GroupSink:
    """Gather the pieces of each group of rows and hand them, put together, to `write_group(table, file)`."""

    def __init__(self, text_field: str | None, write_group: Any) -> None:
        self._text_field = text_field
        self._write_group = write_group
        self._pieces: list[Any] = []
        self._num_bytes = 0
        self._group: tuple[int, int] | None = None

    def write(self, rows: Columns, outcomes: Sequence[Outcome]) -> None:
        """Take one batch; its group is written when the next one begins."""
        place = (rows.file, rows.group)
        if place != self._group or self._num_bytes > MAX_GROUP_BYTES:
            self.flush()
            self._group = place
        piece = changed(rows, self._text_field or "", outcomes)
        self._pieces.append(piece)
        self._num_bytes += piece.nbytes

    def flush(self) -> None:
        """Write the group gathered so far."""
        if self._group is not None and self._pieces:
            self._write_group(self._pieces, self._group[0])
        self._pieces, self._num_bytes = [], 0


def changed(rows: Columns, text_field: str, outcomes: Sequence[Outcome]) -> Any:
    """Give the record batch with new texts in place and dropped rows left out; the same object where nothing is."""
    import numpy as np
    import pyarrow

    batch = rows.batch
    new = [(row, outcome) for row, outcome in zip(rows.rows, outcomes, strict=True) if isinstance(outcome, bytes)]
    if new:
        place = batch.schema.get_field_index(text_field)
        column = _replaced(batch.column(place), [row for row, _ in new], [text for _, text in new])
        batch = batch.set_column(place, batch.schema.field(place), column)
    dropped = [row for row, outcome in zip(rows.rows, outcomes, strict=True) if outcome is DROP]
    if dropped:
        keep = np.ones(batch.num_rows, np.bool_)
        keep[dropped] = False
        batch = batch.filter(pyarrow.array(keep))
    return batch


def _replaced(column: Any, rows: list[int], texts: list[bytes]) -> Any:
    """Put texts in a column, whatever kind of strings it has; bytes that are not UTF-8 are not looked at."""
    import numpy as np
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        values = _replaced(column.dictionary_decode(), rows, texts)
        return _encoded(values, kind)
    if types.is_string_view(kind) or types.is_binary_view(kind):
        wide = pyarrow.large_string() if types.is_string_view(kind) else pyarrow.large_binary()
        return _replaced(column.cast(wide), rows, texts).cast(kind)
    plain = pyarrow.large_binary() if types.is_large_string(kind) or types.is_large_binary(kind) else pyarrow.binary()
    mask = np.zeros(len(column), np.bool_)
    mask[rows] = True
    filled = compute.replace_with_mask(column.view(plain), pyarrow.array(mask), pyarrow.array(texts, plain))
    return filled.view(kind)


def _encoded(values: Any, kind: Any) -> Any:
    import pyarrow

    encoded = values.dictionary_encode()
    if len(encoded.dictionary) > 1 << (kind.index_type.bit_width - 1):
        raise DedupeError(f"{len(encoded.dictionary):,} different texts do not fit a column of type {kind}")
    return pyarrow.DictionaryArray.from_arrays(
        encoded.indices.cast(kind.index_type), encoded.dictionary, ordered=kind.ordered
    )


@contextlib.contextmanager
def parquet_sink(path: str, reader: ShardReader) -> Iterator[GroupSink]:
    """Write a Parquet file with the row groups, compression and encodings of the one that is read."""
    import pyarrow
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(reader.path) as source:
        schema, options = source.schema_arrow, _parquet_options(source.metadata)
    with replacing(path) as file, pyarrow.parquet.ParquetWriter(file, schema, **options) as writer:

        def write_group(pieces: list[Any], _: int) -> None:
            table = pyarrow.Table.from_batches(pieces, schema)
            if table.num_rows:
                writer.write_table(table, row_group_size=table.num_rows)

        sink = GroupSink(reader.text_field, write_group)
        yield sink
        sink.flush()


def _parquet_options(metadata: Any) -> dict[str, Any]:
    """Read from a file's metadata how it was written."""
    described = metadata.row_group(0) if metadata.num_row_groups else None
    columns = [described.column(at) for at in range(described.num_columns)] if described else []
    codecs = {column.path_in_schema: column.compression.lower().replace("uncompressed", "none") for column in columns}
    return {
        "version": metadata.format_version if metadata.format_version in ("1.0", "2.4") else "2.6",
        "compression": codecs or "snappy",
        "use_dictionary": [column.path_in_schema for column in columns
                           if any("DICTIONARY" in encoding for encoding in column.encodings)],
        "write_statistics": [column.path_in_schema for column in columns if column.is_stats_set],
        "store_schema": b"ARROW:schema" in (metadata.metadata or {}),
        "use_deprecated_int96_timestamps": any(column.physical_type == "INT96" for column in columns),
    }


@contextlib.contextmanager
def arrow_sink(path: str, reader: ShardReader) -> Iterator[GroupSink]:
    """Write an Arrow file or stream with the record batches and compression of the one that is read."""
    import pyarrow

    try:
        with replacing(path) as file, _ipc_writer(file, reader.path) as (writer, is_file):
            batches = _Unified(writer, reader.text_field if is_file else None)
            sink = GroupSink(reader.text_field, batches.write)
            yield sink
            sink.flush()
            batches.finish()
    except pyarrow.ArrowInvalid as error:
        raise DedupeError(f"{show_name(path)}: cannot be written: {error}; the file is as it was") from error


class _Unified:
    """Write record batches; where one dictionary must serve a whole file, hold them all and unify it at the end."""

    def __init__(self, writer: Any, text_field: str | None) -> None:
        self._writer, self._text_field = writer, text_field
        self._held: list[Any] = []

    def write(self, pieces: list[Any], _: int) -> None:
        """Write the pieces of one record batch."""
        import pyarrow

        schema = pieces[0].schema
        if self._text_field is not None and pyarrow.types.is_dictionary(schema.field(self._text_field).type):
            self._held.append(pyarrow.concat_batches(pieces))
        else:
            _write_batch(self._writer, pieces)

    def finish(self) -> None:
        """Write what was held."""
        import pyarrow

        if self._held:
            for batch in pyarrow.Table.from_batches(self._held).unify_dictionaries().to_batches():
                self._writer.write_batch(batch)


def _write_batch(writer: Any, pieces: list[Any]) -> None:
    import pyarrow

    writer.write_batch(pieces[0] if len(pieces) == 1 else pyarrow.concat_batches(pieces))


@contextlib.contextmanager
def _ipc_writer(file: Any, source_path: str) -> Iterator[tuple[Any, bool]]:
    """Open a writer of the same kind as `source_path`; tells whether that is the file kind, not the stream."""
    import pyarrow
    from pyarrow import ipc

    with pyarrow.memory_map(source_path) as source:
        is_file = source.read(6) == b"ARROW1"
        source.seek(0)
        schema = (ipc.open_file(source) if is_file else ipc.open_stream(source)).schema
        source.seek(8 if is_file else 0)
        options = ipc.IpcWriteOptions(compression=_ipc_compression(source))
    make = ipc.new_file if is_file else ipc.new_stream
    with make(file, schema, options=options) as writer:
        yield writer, is_file


def _ipc_compression(source: Any) -> str | None:
    """Tell by the first compressed buffer: its length in 8 bytes, then the mark of LZ4 or of Zstandard."""
    from pyarrow import ipc

    for message in ipc.MessageReader.open_stream(source):
        if message.type == "record batch" and message.body is not None:
            body = message.body.to_pybytes()
            for at in range(0, min(len(body), 1 << 16), 8):  # buffers begin at multiples of 8
                mark = body[at + 8:at + 12]
                if mark in (_LZ4_FRAME, _ZSTD_FRAME):
                    return "lz4" if mark == _LZ4_FRAME else "zstd"
            return None
    return None


@contextlib.contextmanager
def datasets_sink(path: str, reader: ShardReader) -> Iterator[GroupSink]:
    """Write a folder that `datasets.load_from_disk` reads, with the files of the one that is read."""
    path = os.path.realpath(path)
    parent, name = os.path.split(path)
    os.makedirs(parent, exist_ok=True)
    folder = os.path.join(parent, f".{name}.{secrets.token_hex(4)}.tmp")
    try:
        os.mkdir(folder)
        with open(os.path.join(reader.path, "state.json"), "rb") as file:
            state = json.load(file)
        names = [entry["filename"] for entry in state["_data_files"]]
        with contextlib.ExitStack() as stack:
            writers = _DataFiles(reader.path, folder, names, stack)
            sink = GroupSink(reader.text_field, writers.write)
            yield sink
            sink.flush()
            writers.finish()
        _write_state(reader.path, folder, state, names)
        _swap(folder, path)
        _copy_dict(reader.path, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DedupeError(f"{show_name(path)}: cannot be written: {reason}; nothing was changed") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _DataFiles:
    """Write data files one after another, those without rows too."""

    def __init__(self, source: str, folder: str, names: list[str], stack: contextlib.ExitStack) -> None:
        self._source, self._folder, self._names, self._stack = source, folder, names, stack
        self._writers: list[Any] = []

    def write(self, pieces: list[Any], file: int) -> None:
        """Write one record batch to file number `file`."""
        self._open_to(file)
        _write_batch(self._writers[file], pieces)

    def finish(self) -> None:
        """Make the files that got no rows."""
        self._open_to(len(self._names) - 1)

    def _open_to(self, file: int) -> None:
        while len(self._writers) <= file:
            name = self._names[len(self._writers)]
            output = self._stack.enter_context(replacing(os.path.join(self._folder, name)))
            writer, _ = self._stack.enter_context(_ipc_writer(output, os.path.join(self._source, name)))
            self._writers.append(writer)


def _write_state(source: str, folder: str, state: dict[str, Any], names: list[str]) -> None:
    """Copy what describes the data; the fingerprint follows the new bytes, as caches are looked up by it."""
    digest = hashlib.sha256()
    for name in names:
        with open(os.path.join(folder, name), "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    if "_fingerprint" in state:
        state["_fingerprint"] = digest.hexdigest()[:16]
    with open(os.path.join(folder, "state.json"), "w", encoding="utf-8") as output:
        json.dump(state, output, indent=2, sort_keys=True)
    shutil.copyfile(os.path.join(source, "dataset_info.json"), os.path.join(folder, "dataset_info.json"))


def _copy_dict(source: str, path: str) -> None:
    """Copy what names the splits of a `DatasetDict`, which stands beside the folders of its splits."""
    old, new = (os.path.join(os.path.dirname(os.path.realpath(folder)), _SPLITS_FILE) for folder in (source, path))
    if os.path.isfile(old) and not os.path.exists(new):
        shutil.copyfile(old, new)


def _swap(folder: str, path: str) -> None:
    """Put a folder in the place of another; the old one is gone only when the new one stands."""
    old = f"{folder}.old"
    had_old = os.path.isdir(path)
    if had_old:
        os.rename(path, old)
    try:
        os.rename(folder, path)
    except OSError:
        if had_old:
            os.rename(old, path)
        raise
    if had_old:
        shutil.rmtree(old, ignore_errors=True)
