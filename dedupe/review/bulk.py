"""Decide on everything a filter leaves, from a script: the same lines that the page writes for a whole filter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dedupe.decisions import Decision, Scope, Verdict
from dedupe.errors import ConfigError, InputError
from dedupe.review.ledger import read_rows, visible
from dedupe.review.store import Store, fingerprint_number, open_store
from dedupe.review.verdicts import Review, decisions_beside

_RANGE = 1000  # confidences are kept in thousandths


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Say which removals are meant: those that pass every part that is given; within a part, any of its values.

    Repeats that stay are meant only where `kept` says so, or a fingerprint or an id names them.
    """

    rules: Sequence[str] = ()
    hosts: Sequence[str] = ()
    fingerprints: Sequence[str] = ()
    ids: Sequence[str] = ()
    min_confidence: float | None = None
    max_lost_words: int | None = None
    search: str = ""
    kept: bool = False


def decide_on(
    ledger: str | os.PathLike[str],
    filter_: Filter,
    verdict: Verdict,
    *,
    scope: Scope | None = None,
    decisions_path: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
) -> tuple[int, list[Decision]]:
    """Decide on what passes a filter; return the number of removals and the lines that were, or would be, appended.

    `scope` None: whatever covers these removals and no others. Otherwise a line for each passage and target of the
    scope; bounds are those of the removals that pass.

    Raises:
        InputError: the ledger cannot be read, it has no removal of an id, some cannot be swapped, or nothing can be
            written.
        ConfigError: no rule has a name that was given, or the least confidence is none.
    """
    store = open_store(ledger)
    try:
        _check(filter_, store.names["rules"])
        review = Review(store, Path(decisions_path) if decisions_path else decisions_beside(ledger))
        passed = select(store, filter_)
        first = len(review.decisions)
        if dry_run:
            return int(passed.sum()), review.planned(passed, verdict, scope)
        num_removals = review.bulk(passed, verdict, scope)
        return num_removals, review.decisions.lines[first:]
    finally:
        store.close()


def _check(filter_: Filter, rules_found: Sequence[str]) -> None:
    """Refuse what is misspelled; a rule that took nothing in this run is none of that."""
    from dedupe.report.sarif import RULES

    for name in filter_.rules:
        if name not in RULES and name not in rules_found:
            raise ConfigError(f"--rule is {visible(name)!r}; expected one of {', '.join(RULES)}")
    least = filter_.min_confidence
    if least is not None and not 0 <= least <= 1:
        raise ConfigError(f"--min-confidence is {least}; expected a number from 0 to 1")


def select(store: Store, filter_: Filter) -> NDArray[np.bool_]:
    """Return bool (num_rows,): the rows of a store that pass."""
    columns, names = store.columns, store.names
    passed = np.ones(store.num_rows, bool)
    if not (filter_.kept or filter_.ids or filter_.fingerprints):
        passed &= columns["kind"] == 0
    if filter_.rules:
        passed &= np.isin(columns["rule"], _numbers(names["rules"], filter_.rules))
    if filter_.hosts:
        passed &= np.isin(columns["doc_host"][columns["doc"]], _numbers(names["hosts"], filter_.hosts))
    if filter_.fingerprints:
        wanted = np.array([fingerprint_number(one) for one in filter_.fingerprints], np.uint64)
        passed &= np.isin(store.fingerprints, wanted)[store.cluster]
    if filter_.min_confidence is not None:
        passed &= columns["confidence"] >= round(_RANGE * filter_.min_confidence)
    if filter_.max_lost_words is not None:
        passed &= columns["lost"] <= filter_.max_lost_words
    found = store.matching_texts(filter_.search)
    if found is not None:
        passed &= found[store.text]
    if filter_.ids:
        passed &= _rows_of(store, filter_.ids)
    return passed


def _numbers(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [number for number, name in enumerate(names) if name in wanted]


def _rows_of(store: Store, ids: Sequence[str]) -> NDArray[np.bool_]:
    """Return which rows have one of some ids; the ledger is read once."""
    wanted, found, known = set(ids), np.zeros(store.num_rows, bool), set[str]()
    row = 0
    for _, line in read_rows(store.ledger):
        if line.get("type") in ("removal", "kept"):
            if line.get("id") in wanted:
                found[row] = True
                known.add(str(line["id"]))
            row += 1
    missing = sorted(wanted - known)
    if missing:
        where = visible(str(store.ledger))
        raise InputError(f"{visible(missing[0])}: no such removal in {where}; ids are in: dedupe report --format csv")
    return found
