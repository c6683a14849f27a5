"""Read a finished run again: report it in other forms, restore the originals, explain or compare.

The ledger and the cleaned files are all that is needed; nothing is decided here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from dedupe import decisions, report
from dedupe.compare import Comparison, lines_of
from dedupe.errors import ConfigError, InputError
from dedupe.formats import format_named
from dedupe.rebuild import CleanedFile, Rebuilder, files_of, originals, rebuilt, restored
from dedupe.records import Removal
from dedupe.version import VERSION
from dedupe.write import replacing

LEDGER = "removals.jsonl"
_REPORT_BYTES = 64 << 20  # of originals for a report, which has room for 16 million characters


@dataclass(frozen=True, slots=True)
class People:
    """Hold a decisions file, as bytes and as what they say."""

    raw: bytes
    lines: decisions.Decisions


def read_people(path: str | None) -> People:
    """Read a decisions file; None: nobody decided anything."""
    if path is None:
        return People(b"", decisions.Decisions())
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        name = report.visible(path)
        raise InputError(f"{name}: cannot be read: {error.strerror}; give a decisions.jsonl to --decisions") from error
    return People(raw, decisions.Decisions(decisions.parse_decisions(raw, report.visible(path))))


def ledger_path(run: str) -> Path:
    """Find the ledger of a run: the folder given to --report, or the ledger itself."""
    path = Path(run)
    found = path / LEDGER if path.is_dir() else path
    if not found.is_file():
        raise InputError(
            f"{report.visible(str(found))}: no such ledger; give the folder that was given to --report, or a {LEDGER}"
        )
    return found


FORMATS = ("table", "html", "markdown", "csv", "sarif", "patch")


def write_report(
    run: str, form: str, output: str | None, stream: BinaryIO | None = None, *, width: int = 100, color: bool = False,
    command: str | None = None, decided: bytes | None = None,
) -> None:
    """Write a run's ledger again in another form, to a file or a stream.

    `command`, `decided`: for HTML, the command that obeys saved decisions, and the decisions the page begins with;
    those beside the ledger where it is None.
    """
    if form not in FORMATS:
        raise ConfigError(f"--format is {form!r}; expected one of {', '.join(FORMATS)}")
    path = ledger_path(run)
    if form == "html":
        from dedupe.review.html import html_report

        if output is None:
            raise ConfigError("--format html writes a file; give it with -o, for example -o report.html")
        beside = path.with_name("decisions.jsonl")
        if decided is None and beside.is_file():
            decided = read_people(str(beside)).raw
        command = command or f"dedupe clean PATH --report {shlex.quote(run)} --decisions decisions.jsonl"
        html_report(path, originals(path, _REPORT_BYTES), Path(output), command=command, decisions=decided)
        return
    pieces = _report_pieces(path, form, width, color)
    if output is not None:
        with replacing(output) as file:
            file.writelines(pieces)
    elif stream is not None:
        stream.writelines(pieces)
        stream.flush()


def _report_pieces(path: Path, form: str, width: int, color: bool) -> Iterator[bytes]:
    if form == "patch":
        yield from _patches(path)
        return
    if form == "markdown":
        yield report.markdown(report.LedgerStream(path)).encode("utf-8", "replace")
        return
    ledger = report.read_ledger(path)
    if form == "table":
        text = report.table(ledger, width, color=color)
        yield (text + "\n\n" if text else "").encode("utf-8", "replace")
        yield "".join(f"{line}\n" for line in report.summary_lines(ledger)).encode("utf-8", "replace")
    elif form == "csv":
        yield from (line.encode("utf-8", "replace") for line in report.csv_lines(ledger))
    elif form == "sarif":
        yield from report.sarif(ledger, VERSION)


def _patches(path: Path) -> Iterator[bytes]:
    rebuilder = Rebuilder(path)
    for file, entries in files_of(path):
        if file.is_shard:
            raise ConfigError(f"{report.visible(file.uri)}: holds records, and a patch is for texts; give another form")
        for entry, cleaned in rebuilder.texts(file, entries):
            yield report.unified_diff(restored(entry, cleaned), cleaned, entry.removals, entry.row.uri)


def restore_run(
    run: str, cleaned: str | None, ids: Sequence[str], output: str | None, in_place: bool, stream: BinaryIO | None,
    form: str | None = None,
) -> int:
    """Put the originals of a run back, all of them or some removals; returns how many files were written.

    `cleaned`: where the cleaned text or shard is, for a run of one file that went to standard output ("-": read it).
    `form`: the format of shards whose names do not tell it. Every file is checked before the first is written.
    Raises: LedgerMismatchError: a cleaned file was changed since, and nothing was written.
    """
    path = ledger_path(run)
    files = _files_to_restore(path, run, ids)
    noun = "file" if any(file.is_shard for file in files.values()) else "document"
    if cleaned is not None and len(files) != 1:
        raise ConfigError(f"--cleaned goes with a run of one {noun}; this one has {len(files)}")
    if output is None and not in_place and len(files) != 1:
        raise ConfigError(
            f"{len(files)} {noun}s to restore, but standard output takes one; give -o DIR or --in-place"
        )
    with TemporaryDirectory(prefix="dedupe-") as folder:
        outputs = _places(files, output, in_place, cleaned, folder)
        if cleaned == "-":
            cleaned = _spooled(sys.stdin.buffer, folder)
        rebuilder = Rebuilder(path, None if form is None else format_named(form))
        for is_checked in (False, True):
            for file, entries in files_of(path):
                if file.uri in outputs:
                    there = file if cleaned is None else replace(file, place=cleaned)
                    rebuilder.write(there, entries, outputs[file.uri] if is_checked else None, ids or None)
        if output is None and not in_place and stream is not None:
            _send(outputs, stream)
    return len(outputs)


def _files_to_restore(path: Path, run: str, ids: Sequence[str]) -> dict[str, CleanedFile]:
    """List the files of a run, or those that have these removals.

    Raises: InputError: nothing has one of them.
    """
    files: dict[str, CleanedFile] = {}
    unknown = set(ids)
    for file, entries in files_of(path):
        known = {removal.id for entry in entries for removal in entry.removals if removal.id in ids} if ids else ids
        if known or not ids:
            files[file.uri] = file
            unknown.difference_update(known)
    if unknown:
        raise InputError(
            f"{report.visible(min(unknown))}: no such removal in {report.visible(run)}; "
            "ids are in: dedupe report --format csv"
        )
    return files


def _places(
    files: dict[str, CleanedFile], output: str | None, in_place: bool, cleaned: str | None, folder: str
) -> dict[str, str]:
    """Say where each original goes; one for standard output goes to `folder` first."""
    places = {}
    for uri, file in files.items():
        if in_place:
            place = cleaned or file.place
            if place is None or place == "-":
                raise ConfigError("--in-place needs a cleaned file; this one went to standard output, give -o FILE")
        elif output is None:
            place = os.path.join(folder, "original")
        elif len(files) == 1 and not os.path.isdir(output) and os.path.splitext(output)[1]:
            place = output
        else:
            name = [part for part in Path(uri).parts if part not in ("/", "..", "-")] or [_name_of_stdin(file)]
            place = os.path.join(output, *name)
        places[uri] = place
    return places


def _name_of_stdin(file: CleanedFile) -> str:
    return os.path.basename(file.place) if file.is_shard and file.place is not None else "stdin.txt"


def _spooled(stream: BinaryIO, folder: str) -> str:
    """Keep a stream in a file: what is checked first is read twice."""
    place = os.path.join(folder, "cleaned")
    with open(place, "wb") as file:
        shutil.copyfileobj(stream, file, 1 << 20)
    return place


def _send(places: dict[str, str], stream: BinaryIO) -> None:
    """Hand files to a stream."""
    for uri, place in places.items():
        if os.path.isdir(place):
            raise ConfigError(f"{report.visible(uri)}: is a folder of files; give -o DIR or --in-place")
        with open(place, "rb") as file:
            shutil.copyfileobj(file, stream, 1 << 20)
    stream.flush()


def compare_runs(first: str, second: str, stream: BinaryIO) -> bool:
    """Print which removals only one of two runs made, by document, and a summary; returns whether they differ."""
    found = Comparison()
    sides = (report.iter_entries(ledger_path(run)) for run in (first, second))
    for difference in found.differences(*sides):
        stream.writelines(f"{line}\n".encode("utf-8", "replace") for line in lines_of(difference))
    stream.writelines(f"{line}\n".encode() for line in found.summary())
    stream.flush()
    return found.num_different > 0


def explain_removal(run: str, removal_id: str, width: int, color: bool) -> str:
    """Describe one removal, or one repeat that stays, beside its kept copy."""
    path = ledger_path(run)
    for entry in report.iter_entries(path):
        for removal in (*entry.removals, *entry.kept):
            if removal.id == removal_id:
                kept, rest = _texts_of(path, removal)
                return report.explain(removal, kept, rest, width=width, color=color)
    raise InputError(
        f"{report.visible(removal_id)}: no such removal in {report.visible(run)}; "
        "ids are in: dedupe report --format csv"
    )


def _texts_of(path: Path, removal: Removal) -> tuple[str | None, str | None]:
    """Give the copy that was kept, and what is left of the document, where their cleaned files are still there."""
    doc, kept = removal.place.doc, removal.kept
    wanted = {doc} if kept is None else {doc, kept.doc}
    copy, rest = None, None
    for entry, cleaned, original in rebuilt(path, wanted):
        if kept is not None and entry.row.doc == kept.doc:
            copy = report.place_text(kept, original, entry.row.encoding)
        if entry.row.doc == doc:
            rest = cleaned.decode(entry.row.encoding, "replace")
        wanted.discard(entry.row.doc)
        if not wanted:
            break
    return copy, rest
