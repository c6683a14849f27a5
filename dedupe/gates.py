"""Tell whether a run stays within what a build allows: how much may go, and whether people have seen what goes.

Gates read a ledger document by document and say in one line each why they are shut. They change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dedupe.decide import is_decided
from dedupe.decisions import read_decisions
from dedupe.errors import ConfigError, InputError
from dedupe.records import Removal
from dedupe.report import Entry, iter_entries, visible

_SHARE = re.compile(r"(run=)?(\d+(?:\.\d+)?)(%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Say what fails a run. `max_document_fraction`, `max_run_fraction`: 0-1, of the bytes of any one document, and
    of all together, that may go. `undecided`: nothing may go that nobody decided on. `known`: the fingerprints that
    may go, named in messages by `baseline`."""

    max_document_fraction: float | None = None
    max_run_fraction: float | None = None
    undecided: bool = False
    known: frozenset[str] | None = None
    baseline: str = ""

    def __bool__(self) -> bool:
        limits = (self.max_document_fraction, self.max_run_fraction, self.known)
        return self.undecided or any(limit is not None for limit in limits)


def make_gates(fail_over: Sequence[str], fail_on_undecided: bool, fail_on_new: str | None) -> Gates:
    """Read what the command line says of gates; the baseline is read at once, since the run may replace it.

    >>> make_gates(["20%", "run=0.05"], False, None).max_run_fraction
    0.05

    Raises: ConfigError: a share is none. InputError: the baseline cannot be read.
    """
    fractions: dict[bool, float] = {}
    for share in fail_over:
        match = _SHARE.fullmatch(share.strip())
        fraction = -1.0 if match is None else float(match[2]) / (100 if match[3] else 1)
        if match is None or not 0 <= fraction <= 1:
            raise ConfigError(f"--fail-over is {share!r}; expected a share such as 20%, 0.2, or run=5%")
        fractions[bool(match[1])] = fraction
    return Gates(
        max_document_fraction=fractions.get(False), max_run_fraction=fractions.get(True), undecided=fail_on_undecided,
        known=None if fail_on_new is None else read_baseline(fail_on_new), baseline=visible(fail_on_new or ""),
    )  # fmt: skip


def read_baseline(path: str) -> frozenset[str]:
    """Read the fingerprints of what went in a run (a ledger or its folder), or that somebody decided on.

    Raises: InputError: it is neither a ledger nor a decisions file.
    """
    place = Path(path) / "removals.jsonl" if Path(path).is_dir() else Path(path)
    if _first_type(place) == "run":
        return frozenset(removal.fingerprint for entry in iter_entries(place) for removal in entry.removals)
    return frozenset(line.fingerprint for _, line in read_decisions(place).standing())


def _first_type(path: Path) -> str:
    """Give the type of a file's first row."""
    try:
        with open(path, "rb") as file:
            line = next((line for line in file if line.strip()), b"{}")
        row = msgspec.json.decode(line)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give a ledger or a decisions file") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is neither a ledger nor a decisions file ({error})") from error
    return str(row.get("type", "")) if isinstance(row, dict) else ""


def failures(ledger: Path, gates: Gates) -> list[str]:
    """Say in a line each which gates a ledger does not pass."""
    shares, undecided, new = _Shares(), _Passages(), _Passages()
    for entry in iter_entries(ledger):
        shares.add(entry, gates.max_document_fraction)
        for removal in entry.removals:
            if gates.undecided and not is_decided(removal.evidence):
                undecided.add(removal)
            if gates.known is not None and removal.fingerprint not in gates.known:
                new.add(removal)
    said = shares.lines(gates)
    if undecided.num_removals:
        said.append(f"--fail-on-undecided: nobody decided on {undecided}; decide with: dedupe review")
    if new.num_removals:
        said.append(f"--fail-on-new: {gates.baseline} does not have {new}")
    return said


class _Shares:
    """Find the documents of which too much went."""

    def __init__(self) -> None:
        self._before = self._after = self._num_over = 0
        self._worst, self._worst_doc = 0.0, ""

    def add(self, entry: Entry, limit: float | None) -> None:
        before, after = entry.row.num_bytes_before, entry.row.num_bytes_after
        self._before, self._after = self._before + before, self._after + after
        gone = (before - after) / before if before else 0.0
        self._num_over += limit is not None and gone > limit
        if gone > self._worst:
            self._worst, self._worst_doc = gone, entry.row.doc

    def lines(self, gates: Gates) -> list[str]:
        said = []
        if gates.max_document_fraction is not None and self._num_over:
            said.append(
                f"--fail-over {gates.max_document_fraction:.4g}: more went from {self._num_over:,} "
                f"document{'s' * (self._num_over != 1)}, most from {visible(self._worst_doc)} ({self._worst:.1%})"
            )
        gone = (self._before - self._after) / self._before if self._before else 0.0
        if gates.max_run_fraction is not None and gone > gates.max_run_fraction:
            said.append(f"--fail-over run={gates.max_run_fraction:.4g}: {gone:.1%} of all bytes went")
        return said


class _Passages:
    """Count removals and passages, and remember the first."""

    def __init__(self) -> None:
        self.num_removals = 0
        self._fingerprints: set[str] = set()
        self._first = ""

    def add(self, removal: Removal) -> None:
        self.num_removals += 1
        self._fingerprints.add(removal.fingerprint)
        self._first = self._first or f"{removal.id} in {visible(removal.place.doc)}"

    def __str__(self) -> str:
        removals = f"{self.num_removals:,} removal{'s' * (self.num_removals != 1)}"
        return f"{removals} ({len(self._fingerprints):,} different), the first {self._first}"
