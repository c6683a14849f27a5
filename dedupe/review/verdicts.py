"""Keep the verdict on every row of a store while somebody decides: what holds, what a decision covers, and undoing it.

A decision made here covers no more than what its maker saw: a whole cluster is one line for every site, part of one is
a line for each host that is in it entirely, and a line for each removal of the others.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.decisions import Decision, Decisions, Scope, Verdict, append_decisions, read_decisions
from dedupe.errors import InputError
from dedupe.review.answers import VERDICTS
from dedupe.review.ledger import removed_text
from dedupe.review.store import Ints, Store, fingerprint_number

_RANKS: tuple[Scope, ...] = ("all", "host", "document", "removal")
_MAX_QUOTED = 20_000  # lines of one operation that still quote their passage; reading more texts takes seconds


@dataclass(slots=True)
class _Operation:
    label: str
    first: int  # position of its first line among the decisions
    rows: Ints
    before: NDArray[np.int8]
    decided: set[int]  # clusters that had no line before it


@dataclass(slots=True)
class Review:
    """Hold the decisions of a store; `status` is a code of `VERDICTS` a row. Every change is on disk at once."""

    store: Store
    path: Path
    decisions: Decisions = field(init=False)
    status: NDArray[np.int8] = field(init=False)
    unmatched: list[Decision] = field(default_factory=list)
    _operations: list[_Operation] = field(default_factory=list)
    _decided: set[int] = field(default_factory=set)  # clusters with a line of their own

    def __post_init__(self) -> None:
        self.decisions = read_decisions(self.path) if self.path.exists() else Decisions()
        self.status = np.zeros(self.store.num_rows, np.int8)
        fingerprints = list(dict.fromkeys(line.fingerprint for line in self.decisions.lines))
        plain: list[tuple[int, Decision]] = []
        for fingerprint, cluster in zip(fingerprints, self._clusters(fingerprints), strict=True):
            lines = self.decisions.about(fingerprint)
            if cluster < 0:
                self.unmatched += [line for line in lines if line.verdict != "withdraw"]
            elif len(lines) == 1 and lines[0].scope in ("all", "host") and lines[0].verdict != "withdraw":
                plain.append((cluster, lines[0]))
            else:
                self._refresh(cluster, fingerprint)
        self._apply(plain)

    def _clusters(self, fingerprints: list[str]) -> list[int]:
        """Return the cluster of each fingerprint, -1 where the ledger has none."""
        if not len(self.store.fingerprints):
            return [-1] * len(fingerprints)
        wanted = np.array([fingerprint_number(one) for one in fingerprints], np.uint64)
        order = np.argsort(self.store.fingerprints)
        at = order[np.minimum(np.searchsorted(self.store.fingerprints, wanted, sorter=order), len(order) - 1)]
        found: list[int] = np.where(self.store.fingerprints[at] == wanted, at, -1).tolist()
        return found

    def _apply(self, lines: list[tuple[int, Decision]]) -> None:
        """Apply decisions that stand alone for their clusters, all of them in one pass."""
        num, columns, cluster = len(self.store.fingerprints), self.store.columns, self.store.cluster
        host, hosts = np.full(num, -1, np.int32), {name: at for at, name in enumerate(self.store.names["hosts"])}
        code, most, least = np.zeros(num, np.int8), np.full(num, 2**31 - 1, np.int32), np.full(num, -1, np.int16)
        for at, line in lines:
            code[at] = VERDICTS.index(line.verdict)
            if line.max_lost_words is not None:
                most[at] = min(line.max_lost_words, 2**31 - 1)
            if line.min_resemblance is not None:
                least[at] = round(1000 * line.min_resemblance)
            if line.scope == "host":
                host[at] = hosts.get(str(line.host), len(hosts))
            self._decided.add(at)
        within = (columns["lost"] <= most[cluster]) & (columns["resemblance"] >= least[cluster])
        within &= (host[cluster] < 0) | (host[cluster] == columns["doc_host"][columns["doc"]])
        np.copyto(self.status, code[cluster], where=within & (code[cluster] > 0))

    @property
    def can_undo(self) -> bool:
        return bool(self._operations)

    def every(self, cluster: int) -> Ints:
        start, end = self.store.member_start[cluster : cluster + 2]
        return self.store.members[start:end]

    def decide(self, cluster: int, verdict: Verdict, scope: Scope, row: int) -> int:
        """Decide on what a scope around one row covers of its cluster; return how many rows that is.

        Raises:
            InputError: the verdict or the scope is unknown, the row is not the cluster's or cannot be swapped, or
                nothing can be written.
        """
        if verdict not in VERDICTS or scope not in _RANKS or self.store.cluster[row] != cluster:
            raise InputError(f"cannot decide {verdict!r} for {scope!r} on row {row} of cluster {cluster}")
        if verdict == "swap":
            self._refuse_swaps([row])
        rows = self.every(cluster)
        docs, hosts = self.store.columns["doc"], self.store.columns["doc_host"]
        covered = {
            "all": rows,
            "host": rows[hosts[docs[rows]] == hosts[docs[row]]],
            "document": rows[docs[rows] == docs[row]],
            "removal": rows[rows == row],
        }[scope]
        self._carry_out([(cluster, scope, covered)], verdict)
        return len(covered)

    def bulk(self, passed: NDArray[np.bool_], verdict: Verdict, scope: Scope | None = None) -> int:
        """Decide on every row that passes a filter; return how many rows that is.

        Without a scope nothing else is covered; with one, all that it covers and is within the bounds of these rows.
        """
        groups = self._groups(passed, scope, verdict)
        if not groups:
            return 0
        if scope is not None:
            self._decided.update(cluster for cluster, _, _ in groups)  # rows beside those of the filter may change
        self._carry_out(groups, verdict)
        return sum(len(part) for _, _, part in groups)

    def planned(self, passed: NDArray[np.bool_], verdict: Verdict, scope: Scope | None = None) -> list[Decision]:
        """Return the lines that `bulk` would append."""
        groups = self._groups(passed, scope, verdict)
        return self._lines(groups, verdict) if groups else []

    def why_no_swap(self, row: int) -> str | None:
        """Say why swapping a row would leave both copies, None where it would not."""
        line = self.store.removal(row)
        kept = line.get("kept")
        if not isinstance(kept, dict):
            return "it has no copy that stays"
        if kept.get("doc") != line.get("doc"):
            return "its copy stands in another document, and a swap takes nothing from there"
        return None

    def _refuse_swaps(self, rows: Iterable[int]) -> None:
        """Raise InputError where rows cannot be swapped."""
        reasons = [self.why_no_swap(row) for row in rows]
        bad = Counter(reason for reason in reasons if reason is not None)
        if bad and len(reasons) == 1:
            raise InputError(f"it cannot be swapped: {next(iter(bad))}; reject it where it is to stay")
        if bad:
            why = "; ".join(f"{number:,}: {reason}" for reason, number in sorted(bad.items()))
            raise InputError(
                f"{sum(bad.values()):,} of {len(reasons):,} cannot be swapped ({why}); nothing was decided, "
                "reject what is to stay"
            )

    def _groups(
        self, passed: NDArray[np.bool_], scope: Scope | None, verdict: Verdict
    ) -> list[tuple[int, Scope, Ints]]:
        store = self.store
        rows = store.members[passed[store.members]]
        if not len(rows):
            return []
        if verdict == "swap":
            self._refuse_swaps(rows.tolist())
        groups: list[tuple[int, Scope, Ints]] = []
        sizes = np.diff(store.member_start).tolist()
        for cluster, part in _runs(store.cluster[rows], rows):
            if scope is not None:
                groups += ((cluster, scope, each) for each in self._by_target(part, scope))
            elif len(part) == sizes[cluster]:
                groups.append((cluster, "all", part))
            else:
                groups += self._cover(cluster, part)
        return groups

    def _by_target(self, part: Ints, scope: Scope) -> list[Ints]:
        """Return the rows of each host, document or removal."""
        docs = self.store.columns["doc"][part]
        keys = {"all": np.zeros(len(part), int), "host": self.store.columns["doc_host"][docs], "document": docs,
                "removal": part}[scope]  # fmt: skip
        order = np.argsort(keys, kind="stable")
        return [rows for _, rows in _runs(keys[order], part[order])]

    def _cover(self, cluster: int, part: Ints) -> Iterable[tuple[int, Scope, Ints]]:
        """Yield groups that together cover a part of a cluster, and nothing else."""
        docs, host_of = self.store.columns["doc"], self.store.columns["doc_host"]
        every = self.every(cluster)
        hosts = host_of[docs[part]]
        order = np.argsort(hosts, kind="stable")
        sizes = np.bincount(host_of[docs[every]])
        for host, rows in _runs(hosts[order], part[order]):
            if len(rows) == sizes[host]:
                yield cluster, "host", rows
            else:
                yield from ((cluster, "removal", rows[at : at + 1]) for at in range(len(rows)))

    def _carry_out(self, groups: list[tuple[int, Scope, Ints]], verdict: Verdict) -> None:
        lines = self._lines(groups, verdict)
        append_decisions(self.path, lines)
        touched = {cluster: line.fingerprint for (cluster, _, _), line in zip(groups, lines, strict=True)}
        fresh = [part for cluster, _, part in groups if cluster not in self._decided]
        others = dict.fromkeys(cluster for cluster, _, _ in groups if cluster in self._decided)
        rows = np.concatenate([*fresh, *(self.every(cluster) for cluster in others)])
        num_covered = sum(len(part) for _, _, part in groups)
        label = f"{verdict} of {num_covered:,} removal{'s' * (num_covered != 1)}"
        self._operations.append(
            _Operation(label, len(self.decisions), rows, self.status[rows], set(touched) - self._decided)
        )
        self.decisions.extend(lines)
        if fresh:
            self.status[np.concatenate(fresh)] = VERDICTS.index(verdict)
        for cluster in others:
            self._refresh(cluster, touched[cluster])
        self._decided.update(touched)

    def _lines(self, groups: list[tuple[int, Scope, Ints]], verdict: Verdict) -> list[Decision]:
        """Return a line for each group, bounded by the most words lost and the least resemblance in it."""
        rows = np.concatenate([rows for _, _, rows in groups])
        starts = np.cumsum([0, *(len(rows) for _, _, rows in groups[:-1])])
        most = np.maximum.reduceat(self.store.columns["lost"][rows], starts).tolist()
        least = np.minimum.reduceat(self.store.columns["resemblance"][rows], starts).tolist()
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        bounded = verdict in ("accept", "swap")
        quoted = len(groups) <= _MAX_QUOTED
        return [
            Decision(
                verdict=verdict,
                scope=scope,
                at=now,
                max_lost_words=most[at] if bounded else None,
                min_resemblance=least[at] / 1000 if bounded and least[at] >= 0 else None,
                **self._names(cluster, scope, int(part[0]), quoted),
            )
            for at, (cluster, scope, part) in enumerate(groups)
        ]

    def _names(self, cluster: int, scope: Scope, row: int, quoted: bool) -> dict[str, Any]:
        """Return the fields that name what a line is about: fingerprint, scope's target, the text's beginning."""
        store = self.store
        fields: dict[str, Any] = {"fingerprint": f"p1:{int(store.fingerprints[cluster]):016x}"}
        if quoted or scope == "removal" or not store.plain_fingerprints:
            line = store.removal(row)
            fields["fingerprint"] = str(line.get("fingerprint") or line.get("id"))
            fields["text"] = removed_text(line, None).strip()[:80]
            if scope == "removal":
                fields["removal"] = str(line.get("id"))
        if scope == "host":
            fields["host"] = store.names["hosts"][store.columns["doc_host"][store.columns["doc"][row]]]
        elif scope != "all":
            fields["doc"] = store.doc_name(store.columns["doc"][row])
        return fields

    def undo(self) -> str | None:
        """Take the latest operation back by further lines; return what it was called, None where there is none.

        Raises:
            InputError: the decisions cannot be written.
        """
        if not self._operations:
            return None
        operation = self._operations[-1]
        made, earlier = self.decisions.lines[operation.first :], Decisions(self.decisions.lines[: operation.first])
        append_decisions(self.path, [line for last in made for line in _back(last, earlier)])
        self._operations.pop()
        self.decisions = earlier
        self.status[operation.rows] = operation.before
        self._decided -= operation.decided
        return operation.label

    def _refresh(self, cluster: int, fingerprint: str) -> None:
        """Work a cluster's verdicts out from all its decisions: by scope, the latest line that is not out of bounds."""
        rows, columns = self.every(cluster), self.store.columns
        lost, alike = columns["lost"][rows], columns["resemblance"][rows]
        best = np.zeros((len(_RANKS), len(rows)), np.int8)
        for line in self.decisions.about(fingerprint):
            covers = self._covers(line, rows)
            if line.verdict == "withdraw":
                best[_RANKS.index(line.scope)][covers] = 0
                continue
            if line.max_lost_words is not None:
                covers = covers & (lost <= line.max_lost_words)
            if line.min_resemblance is not None:
                covers = covers & (alike >= round(1000 * line.min_resemblance))
            best[_RANKS.index(line.scope)][covers] = VERDICTS.index(line.verdict)
        status = best[0]
        for narrower in best[1:]:
            status = np.where(narrower > 0, narrower, status)
        self.status[rows] = status
        self._decided.add(cluster)

    def _covers(self, line: Decision, rows: Ints) -> NDArray[np.bool_]:
        docs = self.store.columns["doc"][rows]
        if line.scope == "host":
            names = self.store.names["hosts"]
            host = names.index(line.host) if line.host in names else -1
            return np.asarray(self.store.columns["doc_host"][docs] == host)
        doc = self.store.doc_number(line.doc) if line.doc is not None else None
        near = docs == doc if line.doc is not None else np.ones(len(rows), bool)
        if line.scope == "removal":
            return np.array(
                [
                    bool(here) and self.store.removal(row).get("id") == line.removal
                    for row, here in zip(rows, near, strict=True)
                ]
            )
        return near if line.scope == "document" else np.ones(len(rows), bool)


def _back(line: Decision, earlier: Decisions) -> list[Decision]:
    """Return the lines that bring back what held for a line's key before it: a withdrawal, then what was said."""
    withdrawal = Decision(
        verdict="withdraw",
        fingerprint=line.fingerprint,
        scope=line.scope,
        host=line.host,
        doc=line.doc,
        removal=line.removal,
    )
    return [withdrawal, *(other for other in earlier.about(line.fingerprint) if other.key == line.key)]


def _runs(keys: Ints, values: Ints) -> Iterable[tuple[int, Ints]]:
    """Yield (key, values) of each run of equal keys."""
    starts = np.concatenate(([0], np.flatnonzero(keys[1:] != keys[:-1]) + 1, [len(keys)]))
    for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        yield int(keys[start]), values[start:end]


def decisions_beside(ledger: str | os.PathLike[str]) -> Path:
    """Return where decisions about a ledger go when nobody says: `decisions.jsonl` beside it."""
    return Path(ledger).with_name("decisions.jsonl")
