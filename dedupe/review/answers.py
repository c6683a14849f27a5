"""Answer the front end's questions from a store: the list under a filter, its facets, one passage, one document.

Every answer has the shape that `front/island.js` gives from a file, so that one front end serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dedupe.report.reasons import with_meanings
from dedupe.review.ledger import Row, clean_text, decode_document, number, removed_text, span
from dedupe.review.store import Ints, Store

VERDICTS = ("undecided", "accept", "reject", "swap", "defer")
MIXED = 5
KINDS = ("removed", "kept")
CONFIDENCE_STEPS = (500, 700, 800, 900, 970)  # thousandths; lower bounds, the first step begins at 0
LOST_STEPS = (1, 5, 20)
CONTEXT_CHARS = 160
_MAX_LIST_CHARS = 300
_MAX_VARIANTS = 10
_MAX_COMPARED = 20_000  # rows of a cluster whose texts are told apart


@dataclass(slots=True)
class View:
    """What a filter leaves: clusters in order, with the sums of their rows that pass."""

    passed: NDArray[np.bool_]
    clusters: Ints
    sums: dict[str, Ints]
    answer: dict[str, Any]


@dataclass(slots=True)
class Answers:
    """Answer from a store, its verdicts (a code of `VERDICTS` for each row) and what texts there are."""

    store: Store
    status: NDArray[np.int8]
    texts: Mapping[str, bytes]
    codes: dict[str, tuple[Ints, list[str]]] = field(init=False)
    _views: dict[str, View] = field(default_factory=dict)

    def __post_init__(self) -> None:
        columns, names = self.store.columns, self.store.names
        self.codes = {
            "decision": (self.status, list(VERDICTS)),
            "kind": (columns["kind"], list(KINDS)),
            "lost": (_steps(columns["lost"], LOST_STEPS), [str(at) for at in range(len(LOST_STEPS) + 1)]),
            "rule": (columns["rule"], names["rules"]),
            "confidence": (
                _steps(columns["confidence"], CONFIDENCE_STEPS),
                [str(at) for at in range(len(CONFIDENCE_STEPS) + 1)],
            ),
            "language": (columns["doc_language"][columns["doc"]], names["languages"]),
            "host": (columns["doc_host"][columns["doc"]], names["hosts"]),
        }

    def forget(self) -> None:
        """Drop what was worked out for filters: verdicts have changed."""
        self._views.clear()

    def view(self, filter_: Mapping[str, Any]) -> View:
        """Return what a filter leaves; the last few are remembered."""
        key = repr(
            sorted((name, sorted(value) if isinstance(value, list) else value) for name, value in filter_.items())
        )
        if key not in self._views:
            if len(self._views) >= 2:
                del self._views[next(iter(self._views))]
            self._views[key] = self._make_view(filter_)
        return self._views[key]

    def _make_view(self, filter_: Mapping[str, Any]) -> View:
        found = self.store.matching_texts(str(filter_.get("q") or ""))
        rows: Any = slice(None) if found is None else np.flatnonzero(found[self.store.text])
        fails = np.zeros(len(self.status[rows]), np.uint8)
        failing: dict[str, NDArray[np.bool_]] = {}
        for name, (codes, keys) in self.codes.items():
            wanted = filter_.get(name)
            if isinstance(wanted, list) and wanted:
                failing[name] = ~np.isin(np.array(keys), [str(key) for key in wanted])[codes[rows]]
                fails += failing[name]
        good = fails == 0
        facets = {}
        for name, (codes, keys) in self.codes.items():
            chosen = good | (failing[name] & (fails == 1)) if name in failing else good
            counts = np.bincount(codes[rows][chosen], minlength=len(keys))
            facets[name] = [[key, int(count)] for key, count in zip(keys, counts, strict=False) if count]
        passed = np.zeros(self.store.num_rows, bool)
        passed[rows] = good
        sums = self._sum(passed)
        clusters = sums["cluster"][_order(sums, str(filter_.get("order") or "risk"))]
        answer = self._totals(passed, sums) | {"num_clusters": len(clusters), "facets": facets}
        return View(passed, clusters, sums, answer)

    def _sum(self, passed: NDArray[np.bool_]) -> dict[str, Ints]:
        """Return sums of the rows that pass for each cluster that has any, ascending; "doubt": least confidence."""
        store, columns = self.store, self.store.columns
        rows = store.members if passed.all() else store.members[passed[store.members]]
        cluster, doc = store.cluster[rows], columns["doc"][rows]
        if not len(rows):
            names = ("cluster", "rows", "docs", "words", "lost", "doubt", "first", "status_min", "status_max")
            return {name: np.zeros(0, np.int64) for name in names}
        starts = np.concatenate(([0], np.flatnonzero(cluster[1:] != cluster[:-1]) + 1))
        new_doc = np.ones(len(rows), bool)
        new_doc[1:] = (doc[1:] != doc[:-1]) | (cluster[1:] != cluster[:-1])
        status = self.status[rows]
        return {
            "cluster": cluster[starts],
            "rows": np.diff(np.append(starts, len(rows))).astype(np.int32),
            "docs": np.add.reduceat(new_doc.astype(np.int32), starts),
            "words": np.add.reduceat(columns["words"][rows].astype(np.int64), starts),
            "lost": np.add.reduceat(columns["lost"][rows].astype(np.int64), starts),
            "doubt": np.minimum.reduceat(columns["confidence"][rows], starts),
            "first": rows[starts],
            "status_min": np.minimum.reduceat(status, starts),
            "status_max": np.maximum.reduceat(status, starts),
        }

    def _totals(self, passed: NDArray[np.bool_], sums: dict[str, Ints]) -> dict[str, int]:
        status = self.status[passed]
        docs = np.zeros(len(self.store.columns["doc_offset"]), bool)
        docs[self.store.columns["doc"][passed]] = True
        return {
            "num_removals": int(passed.sum()),
            "num_documents": int(docs.sum()),
            "num_words": int(sums["words"].sum()),
            "num_lost": int(sums["lost"].sum()),
            "num_decided": int(((status > 0) & (status < VERDICTS.index("defer"))).sum()),
        }

    def rows(self, filter_: Mapping[str, Any], offset: int, limit: int) -> list[Row]:
        """Return the list's rows from `offset` on."""
        view = self.view(filter_)
        return [self._summary(view, int(cluster)) for cluster in view.clusters[offset : offset + limit]]

    def position(self, filter_: Mapping[str, Any], cluster: int) -> int:
        """Return where a cluster stands in the list, -1 where the filter leaves it out."""
        found = np.flatnonzero(self.view(filter_).clusters == cluster)
        return int(found[0]) if len(found) else -1

    def _summary(self, view: View, cluster: int) -> Row:
        at = int(np.searchsorted(view.sums["cluster"], cluster))
        sums = {name: int(values[at]) for name, values in view.sums.items()}
        line = self.store.removal(sums["first"])
        hosts = self.codes["host"][0][self._members(view, cluster)]
        every = self.store.member_start[cluster + 1] - self.store.member_start[cluster]
        return {
            "key": cluster,
            "fingerprint": line.get("fingerprint"),
            "rule": line.get("rule", "unknown"),
            "text": clean_text(removed_text(line, None))[:_MAX_LIST_CHARS].strip(),
            "num_removals": sums["rows"],
            "num_documents": sums["docs"],
            "num_in_run": sums["docs"] if sums["rows"] == every else self._num_docs(cluster),
            "num_lost": sums["lost"],
            "num_words": sums["words"],
            "confidence": sums["doubt"] / 1000,
            "status": MIXED if sums["status_min"] != sums["status_max"] else sums["status_min"],
            "kept": line.get("type") == "kept",
            "doc": line.get("doc"),
            "num_hosts": len(np.unique(hosts)),
        }

    def _num_docs(self, cluster: int) -> int:
        return len(np.unique(self.store.columns["doc"][self.every(cluster)]))

    def every(self, cluster: int) -> Ints:
        """Return all rows of a cluster, ascending."""
        start, end = self.store.member_start[cluster : cluster + 2]
        return self.store.members[start:end]

    def _members(self, view: View, cluster: int) -> Ints:
        rows = self.every(cluster)
        return rows[view.passed[rows]]

    def members(self, filter_: Mapping[str, Any], cluster: int, offset: int, limit: int) -> Row:
        """Return some of a cluster's rows that pass the filter, with their texts and contexts."""
        rows = self._members(self.view(filter_), cluster)
        return {"total": len(rows), "items": [self._removal(int(row)) for row in rows[offset : offset + limit]]}

    def variants(self, filter_: Mapping[str, Any], cluster: int) -> Row:
        """Return the different texts of a cluster, the most frequent first."""
        rows = self._members(self.view(filter_), cluster)[:_MAX_COMPARED]
        texts, first, counts = np.unique(self.store.text[rows], return_index=True, return_counts=True)
        order = np.argsort(-counts, kind="stable")[:_MAX_VARIANTS]
        items = [[clean_text(removed_text(self.store.removal(rows[first[at]]), None)), int(counts[at])] for at in order]
        return {"total": len(texts), "items": items}

    def _removal(self, row: int) -> Row:
        line = self.store.removal(row)
        doc = self.store.doc_row(int(self.store.columns["doc"][row]))
        text = self.text_of(doc)
        removed = _passage(str(line.get("doc", "")), text, span(line, "char"))
        removed["text"] = clean_text(removed_text(line, doc.get("encoding")))
        kept = None
        if isinstance(line.get("kept"), dict):
            where: Row = line["kept"]
            other = str(where.get("doc", ""))
            kept_text = text if other == line.get("doc") else self.text_of(self._doc_row(other))
            kept = _passage(other, kept_text, span(where, "char")) | {"line": list(span(where, "line"))}
        return {
            "key": row,
            "id": line.get("id"),
            "cluster": int(self.store.cluster[row]),
            "fingerprint": line.get("fingerprint"),
            "doc": line.get("doc"),
            "host": doc.get("host") or "",
            "url": doc.get("url"),
            "rule": line.get("rule", "unknown"),
            "flags": " ".join(map(str, doc.get("flags") or [])),
            "kind": KINDS[int(self.store.columns["kind"][row])],
            "status": int(self.status[row]),
            "confidence": number(line, "confidence", 1.0),
            "evidence": with_meanings(line.get("evidence") or []),
            "resemblance": line.get("resemblance"),
            "containment": line.get("containment"),
            "words": int(number(line, "num_words")),
            "lost": int(number(line, "num_words_lost")),
            "line": list(span(line, "line")),
            "removed": removed,
            "kept": kept,
        }

    def _doc_row(self, name: str) -> Row:
        found = self.store.doc_number(name)
        return {"doc": name} if found is None else self.store.doc_row(found)

    def text_of(self, doc: Row) -> str | None:
        """Return a document's text, None where it cannot be had."""
        raw = self.texts.get(str(doc.get("doc", "")))
        return None if raw is None else decode_document(raw, doc.get("encoding"))


def _passage(doc: str, text: str | None, where: tuple[int, int]) -> Row:
    if text is None:
        return {"doc": doc, "text": None, "before": "", "after": ""}
    start, end = where
    return {
        "doc": doc,
        "text": text[start:end],
        "before": text[max(0, start - CONTEXT_CHARS) : start],
        "after": text[end : end + CONTEXT_CHARS],
    }


def _steps(values: Ints, bounds: tuple[int, ...]) -> Ints:
    return np.searchsorted(np.array(bounds), values, side="right").astype(np.uint8)


def _order(sums: dict[str, Ints], order: str) -> Ints:
    """Return the positions of clusters in the order asked for; ties stay in the order of the ledger."""
    keys: dict[str, Callable[[], Ints]] = {
        "risk": lambda: (
            -(np.minimum(sums["lost"] * sums["docs"], 1 << 34) << 28) - np.minimum(sums["words"], (1 << 28) - 1)
        ),
        "documents": lambda: -sums["docs"],
        "words": lambda: -sums["words"],
        "doubt": lambda: sums["doubt"],
    }
    return np.argsort(keys[order](), kind="stable") if order in keys else np.arange(len(sums["cluster"]))
