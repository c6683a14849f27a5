"""Write the records of one input shard to one output shard, in order, and count them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Protocol

from dedupe.errors import DedupeError, InputError
from dedupe.formats import DROP, Outcome, RecordBatch, ShardReader, Spliced, show_name
from dedupe.write.compress import Output, compressed
from dedupe.write.replace import refuse_inputs, replacing
from dedupe.write.splice import Spell, csv_speller, json_speller, spliced
from dedupe.write.warc import spell_gzip_warc, spell_plain_warc


class _Sink(Protocol):
    """Take the rows of one batch after another."""

    def write(self, rows: Any, outcomes: Sequence[Outcome]) -> None: ...


class _SpliceSink:
    def __init__(self, output: Output, reader: ShardReader) -> None:
        self._output, self._reader = output, reader
        self._spell: Spell | None = None

    def write(self, rows: Spliced, outcomes: Sequence[Outcome]) -> None:
        self._spell = self._spell or _speller(self._reader, rows.content)
        self._output.write(b"".join(spliced(rows, outcomes, self._spell)))


@contextmanager
def _open_sink(path: str, reader: ShardReader) -> Iterator[_Sink]:
    """Open what writes the format of `reader`; its file is put in place when the block ends without an error."""
    if reader.format in ("parquet", "arrow", "datasets"):
        from dedupe.write import columns

        sinks = {"parquet": columns.parquet_sink, "arrow": columns.arrow_sink, "datasets": columns.datasets_sink}
        with sinks[reader.format](path, reader) as sink:
            yield sink
        return
    # the records of an archive are compressed one by one
    compression = None if reader.format == "warc" else reader.compression
    with replacing(path) as file, compressed(file, compression) as output:
        yield _SpliceSink(output, reader)


def _speller(reader: ShardReader, sample: bytes) -> Spell:
    match reader.format:
        case "jsonl":
            return json_speller(sample)
        case "csv" | "tsv":
            return csv_speller(reader.delimiter.encode())
        case "warc":
            return spell_plain_warc if reader.compression is None else spell_gzip_warc
        case _:
            return _whole


def _whole(old: bytes, text: bytes) -> bytes:
    return text


class ShardWriter:
    """Write a shard beside the one that is read; it appears under its name only when it is whole.

    Use as a context manager: an error inside leaves nothing behind.

    Raises: DedupeError: the path is the input and `in_place` is not given, or it cannot be written.
    """

    def __init__(self, path: str | os.PathLike[str], reader: ShardReader, *, in_place: bool = False) -> None:
        self.path = os.fspath(path)
        self.num_records = 0
        self.num_changed = 0
        self.num_dropped = 0
        self._reader = reader
        if not in_place:
            refuse_inputs([self.path], [reader.path])
        self._stack = ExitStack()
        self._sink: _Sink | None = None

    def write(self, batch: RecordBatch, outcomes: Sequence[Outcome]) -> None:
        """Write a batch: for each of its documents the new text in the document's encoding, None for unchanged,
        or DROP to leave the record out. Batches come as the reader gave them, all of them."""
        if batch.first != self.num_records or len(outcomes) != len(batch.documents):
            raise DedupeError(
                f"{show_name(self.path)}: got records from {batch.first} on with {len(outcomes)} outcomes for "
                f"{len(batch.documents)} documents; expected record {self.num_records} next; nothing was written"
            )
        if self._sink is None:
            self._sink = self._stack.enter_context(_open_sink(self.path, self._reader))
        self._sink.write(batch.rows, outcomes)
        self.num_records += batch.num_records
        self.num_dropped += sum(outcome is DROP for outcome in outcomes)
        self.num_changed += sum(isinstance(outcome, bytes) for outcome in outcomes)

    def close(self) -> None:
        """Check that every record read was written, then put the file in its place.

        Raises: DedupeError: records are missing, or the disk is full; nothing is put in place.
        """
        if self.num_records != self._reader.num_records:
            self.abort()
            raise DedupeError(
                f"{show_name(self.path)}: {self.num_records} of {self._reader.num_records} records were written; "
                "nothing was put in place"
            )
        if self._sink is None:
            self._sink = self._stack.enter_context(_open_sink(self.path, self._reader))
        self._stack.close()

    def abort(self) -> None:
        """Remove what was written so far."""
        error = InputError("the shard was given up")
        self._stack.__exit__(InputError, error, None)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._stack.__exit__(kind, error, trace)
