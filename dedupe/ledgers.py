"""Read a finished run again: report it in other forms, restore the originals, explain or compare.

The ledger and the cleaned files are all that is needed; nothing is decided here.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dedupe import decisions, report
from dedupe.compare import Comparison, lines_of
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.read import read_text
from dedupe.records import Removal
from dedupe.version import VERSION
from dedupe.write import replacing, write_text

LEDGER = "removals.jsonl"


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
        html_report(path, originals(path), Path(output), command=command, decisions=decided)
        return
    pieces = _report_pieces(path, form, width, color)
    if output is not None:
        with replacing(output) as file:
            file.writelines(pieces)
    elif stream is not None:
        stream.writelines(pieces)
        stream.flush()


def _report_pieces(path: Path, form: str, width: int, color: bool) -> Iterator[bytes]:
    ledger = report.read_ledger(path)
    if form == "table":
        text = report.table(ledger, width, color=color)
        yield (text + "\n\n" if text else "").encode("utf-8", "replace")
        yield "".join(f"{line}\n" for line in report.summary_lines(ledger)).encode("utf-8", "replace")
    elif form == "markdown":
        yield report.markdown(ledger).encode("utf-8", "replace")
    elif form == "csv":
        yield from (line.encode("utf-8", "replace") for line in report.csv_lines(ledger))
    elif form == "sarif":
        yield from report.sarif(ledger, VERSION)
    else:
        for entry in ledger.entries:
            cleaned = _cleaned_bytes(entry, None)
            original = _restored(entry, cleaned, None)
            yield report.unified_diff(original, cleaned, entry.removals, entry.row.uri)


def originals(path: Path) -> dict[str, bytes]:
    """Rebuild the originals of a run whose cleaned files are still there; others are left out."""
    texts = {}
    for entry in report.read_ledger(path).entries:
        try:
            texts[entry.row.doc] = _restored(entry, _cleaned_bytes(entry, None), None)
        except DedupeError:
            continue
    return texts


def restore_run(
    run: str, cleaned: str | None, ids: Sequence[str], output: str | None, in_place: bool, stream: BinaryIO | None
) -> int:
    """Put the originals of a run back, all of them or some removals; returns how many documents were written.

    `cleaned`: where the cleaned text is, for a run of one document that went to standard output ("-": read it).
    Raises: LedgerMismatchError: a cleaned text was changed since, and nothing was written.
    """
    entries = [entry for entry in report.read_ledger(ledger_path(run)).entries if _concerns(entry, ids)]
    known = {removal.id for entry in entries for removal in entry.removals}
    unknown = [each for each in ids if each not in known]
    if unknown:
        raise InputError(f"{report.visible(unknown[0])}: no such removal in {report.visible(run)}; see: dedupe report")
    if cleaned is not None and len(entries) != 1:
        raise ConfigError(f"--cleaned goes with a run of one document; this one has {len(entries)}")
    if output is None and not in_place and len(entries) != 1:
        raise ConfigError(
            f"{len(entries)} documents to restore, but standard output takes one; give -o DIR or --in-place"
        )
    texts = [_restored(entry, _cleaned_bytes(entry, cleaned), ids or None) for entry in entries]
    for entry, text in zip(entries, texts, strict=True):
        _put_back(entry, text, output, in_place, cleaned, stream, single=len(entries) == 1)
    return len(texts)


def _concerns(entry: report.Entry, ids: Sequence[str]) -> bool:
    return not ids or any(removal.id in ids for removal in entry.removals)


def _cleaned_bytes(entry: report.Entry, cleaned: str | None) -> bytes:
    """Read the cleaned text of a document from where the run wrote it, or from where the user says."""
    place = cleaned or entry.row.output
    if place is None:
        raise InputError(
            f"{report.visible(entry.row.doc)}: its cleaned text went to standard output; "
            "say where it is with --cleaned FILE"
        )
    return read_text(place, "latin-1", allow_binary=True).raw


def _restored(entry: report.Entry, cleaned: bytes, ids: Sequence[str] | None) -> bytes:
    row = entry.row
    wanted = None if ids is None else [each.id for each in entry.removals if each.id in ids]
    return report.restore(cleaned, entry.removals, row.sha256_after, row.sha256_before, wanted, row.output or row.doc)


def _put_back(
    entry: report.Entry, text: bytes, output: str | None, in_place: bool, cleaned: str | None,
    stream: BinaryIO | None, *, single: bool,
) -> None:
    if in_place:
        place = cleaned or entry.row.output
        if place is None or place == "-":
            raise ConfigError("--in-place needs a cleaned file; this text was not in one, give -o FILE")
        write_text(place, text, in_place=True)
    elif output is None:
        if stream is not None:
            stream.write(text)
            stream.flush()
    elif single and not os.path.isdir(output) and os.path.splitext(output)[1]:
        write_text(output, text)
    else:
        name = [part for part in Path(entry.row.uri).parts if part not in ("/", "..", "-")] or ["stdin.txt"]
        write_text(os.path.join(output, *name), text)


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
    ledger = report.read_ledger(ledger_path(run))
    for entry in ledger.entries:
        for removal in (*entry.removals, *entry.kept):
            if removal.id == removal_id:
                kept, rest = _texts_of(entry, removal)
                return report.explain(removal, kept, rest, width=width, color=color)
    raise InputError(
        f"{report.visible(removal_id)}: no such removal in {report.visible(run)}; list them with: dedupe report"
    )


def _texts_of(entry: report.Entry, removal: Removal) -> tuple[str | None, str | None]:
    try:
        cleaned = _cleaned_bytes(entry, None)
        original = _restored(entry, cleaned, None)
    except DedupeError:
        return None, None
    encoding = entry.row.encoding
    kept = report.place_text(removal.kept, original, encoding) if removal.kept is not None else None
    return kept, cleaned.decode(encoding, "replace")
