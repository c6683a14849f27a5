"""Rebuild the originals of a run from its cleaned files and its ledger, file after file.

A file of a run is a text, one document, or a shard of records. The records of a cleaned shard stand in the order of the
ledger, less those that were left out as near-duplicates. Every text is checked against the ledger's hashes, before and
after; what is around the texts of a shard comes back as it stands in the cleaned one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from dedupe import report
from dedupe.config import Config
from dedupe.errors import DedupeError, InputError, LedgerMismatchError
from dedupe.formats import Format, Outcome, RecordBatch, ShardReader
from dedupe.read import find_inputs, open_shard, read_text
from dedupe.records import Document
from dedupe.write import ShardWriter, write_text

_FIELDS = ("encoding", "text_field", "id_field", "url_field", "site_field")


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """Name a file of a run. `uri`: what it was read as; `place`: where its cleaned form is, None: on stdout."""

    uri: str
    place: str | None
    is_shard: bool


def files_of(ledger: Path) -> Iterator[tuple[CleanedFile, Iterator[report.Entry]]]:
    """Yield the files of a run with their documents, which must be taken before the next file is."""
    for key, entries in groupby(report.iter_entries(ledger), _file_of):
        yield CleanedFile(*key), entries


def _file_of(entry: report.Entry) -> tuple[str, str | None, bool]:
    row = entry.row
    return row.uri, row.output, row.doc.removeprefix(row.uri).startswith("#")


class Rebuilder:
    """Read the cleaned files of a run as the run read its inputs.

    `form`: the format of shards whose name does not tell it.
    """

    def __init__(self, ledger: Path, form: Format | None = None) -> None:
        run = next(report.iter_ledger(ledger))
        assert isinstance(run, report.Run)  # iter_ledger sees to it
        self._config = Config(**{name: run.config[name] for name in _FIELDS if run.config.get(name) is not None})
        self._drops = run.config.get("near_duplicates") == "drop"
        self._form = form

    def texts(
        self, file: CleanedFile, entries: Iterator[report.Entry]
    ) -> Iterator[tuple[report.Entry, bytes]]:
        """Yield the documents of a file with their cleaned texts, those left out excepted.

        Raises: DedupeError: the file cannot be read, or has other records than the ledger.
        """
        if not file.is_shard:
            yield from ((entry, read_text(place_of(file), "latin-1", allow_binary=True).raw) for entry in entries)
            return
        for batch, held in self._batches(self._reader(file), file, entries):
            for entry, document in zip(held, batch.documents, strict=True):
                yield entry, document.raw

    def write(
        self, file: CleanedFile, entries: Iterator[report.Entry], output: str | None,
        ids: Collection[str] | None = None,
    ) -> None:
        """Write a file with its originals, or with some removals put back; `output` None: only see that it works.

        Raises: LedgerMismatchError: a text or the ledger was changed since. InputError: the file cannot be read, or
            documents were left out of it. Nothing is written.
        """
        if not file.is_shard:
            for entry, cleaned in self.texts(file, entries):
                text = restored(entry, cleaned, ids)
                if output is not None:
                    write_text(output, text, in_place=True)
            return
        reader = self._reader(file)
        with nullcontext() if output is None else ShardWriter(output, reader, in_place=True) as writer:
            for batch, held in self._batches(reader, file, entries, whole=ids is None):
                outcomes = [_outcome(*pair, ids) for pair in zip(held, batch.documents, strict=True)]
                if writer is not None:
                    writer.write(batch, outcomes)

    def _reader(self, file: CleanedFile) -> ShardReader:
        place = place_of(file)
        (found, *more) = find_inputs([place])
        if more or found.root is not None:
            raise InputError(f"{report.visible(place)}: is a folder of several files; expected the cleaned file")
        if found.format == "text":
            if self._form is None:
                raise InputError(f"{report.visible(place)}: its name does not tell what it holds; give --format")
            found = replace(found, format=self._form)
        return open_shard(found, self._config)

    def _batches(
        self, reader: ShardReader, file: CleanedFile, entries: Iterator[report.Entry], *, whole: bool = False
    ) -> Iterator[tuple[RecordBatch, list[report.Entry]]]:
        """Yield the batches of a cleaned shard with the entry of each document; `whole`: none may be left out."""
        written = (entry for entry in entries if not self._is_left_out(entry, whole))
        place, num_records = place_of(file), 0
        for batch in reader:
            held = [entry for _, entry in zip(batch.documents, written, strict=False)]
            if len(held) < len(batch.documents):
                raise _other_file(place, f"more than the {num_records + len(held):,} documents of the ledger")
            num_records += len(held)
            yield batch, held
        if reader.broken is not None:
            raise InputError(f"{report.visible(place)}: {reader.broken}")
        if next(written, None) is not None:
            raise _other_file(place, f"{num_records:,} documents, and the ledger more")

    def _is_left_out(self, entry: report.Entry, whole: bool) -> bool:
        if not self._drops or entry.row.near_duplicate_of is None:
            return False
        if whole:
            raise InputError(
                f"{report.visible(entry.row.doc)}: was left out as a near-duplicate, so no cleaned file and no ledger "
                "has its text; take the file from the input, or put back single removals with --id"
            )
        return True


def place_of(file: CleanedFile) -> str:
    """Say where the cleaned form of a file is.

    Raises: InputError: nobody knows.
    """
    if file.place is None:
        raise InputError(
            f"{report.visible(file.uri)}: its cleaned text went to standard output; say where it is with --cleaned FILE"
        )
    return file.place


def restored(entry: report.Entry, cleaned: bytes, ids: Collection[str] | None = None) -> bytes:
    """Give the original of a document, or its cleaned text with those of its removals put back that are in `ids`."""
    row = entry.row
    wanted = None if ids is None else [each.id for each in entry.removals if each.id in ids]
    name = f"{row.output or row.uri}{row.doc.removeprefix(row.uri)}"
    return report.restore(cleaned, entry.removals, row.sha256_after, row.sha256_before, wanted, name)


def _outcome(entry: report.Entry, document: Document, ids: Collection[str] | None) -> Outcome:
    """Say what becomes of a record of a cleaned shard."""
    if ids is not None and not any(removal.id in ids for removal in entry.removals):
        return None
    text = restored(entry, document.raw, ids)
    return None if text == document.raw else text


def _other_file(place: str, found: str) -> LedgerMismatchError:
    return LedgerMismatchError(
        f"{report.visible(place)}: has {found}; use the cleaned file as it was written, and the ledger of the same run"
    )


def originals(ledger: Path, max_bytes: int) -> dict[str, bytes]:
    """Rebuild the originals of the first documents whose cleaned files are still there, up to `max_bytes` of them."""
    found: dict[str, bytes] = {}
    for entry, _, original in rebuilt(ledger):
        max_bytes -= len(original)
        if max_bytes < 0:
            break
        found[entry.row.doc] = original
    return found


def rebuilt(
    ledger: Path, docs: Collection[str] | None = None
) -> Iterator[tuple[report.Entry, bytes, bytes]]:
    """Yield documents with cleaned text and original, where both can be had; only these `docs` and what is beside them.

    A shard that does not fit the ledger is given up at the first record that does not.
    """
    rebuilder = Rebuilder(ledger)
    for file, entries in files_of(ledger):
        if docs is not None and not any(doc.startswith(file.uri) for doc in docs):
            continue
        try:
            for entry, cleaned in rebuilder.texts(file, entries):
                yield entry, cleaned, restored(entry, cleaned)
        except DedupeError:
            continue
