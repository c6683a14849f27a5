"""Answer what a whole run did: totals, plots, documents, near-duplicates, and one document with its removals."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from dedupe.review.answers import KINDS, Answers
from dedupe.review.ledger import Row, clean_text, removed_text, span

_NUM_BARS = 20
_MAX_MARKS = 20_000


def meta_of(answers: Answers, unmatched: list[Row]) -> Row:
    """Return what the page is told once: the run, its summary, what could not be read."""
    store = answers.store
    problems = store.database.execute("SELECT line FROM problem LIMIT 50")
    return {
        "mode": "app",
        "title": f"{store.ledger.resolve().parent.name}/{store.ledger.name}",
        "run": store.run,
        "summary": store.summary,
        "num_errors": store.num_errors,
        "num_rows": store.num_rows,
        "unmatched": unmatched,
        "errors": [msgspec.json.decode(line) for (line,) in problems],
        "num_near": store.database.execute("SELECT count(*) FROM near").fetchone()[0],
    }


def overview(answers: Answers) -> Row:
    """Return the figures of the plots; kept repeats are not counted."""
    store = answers.store
    columns, names = store.columns, store.names
    gone = columns["kind"] == 0
    rule, doc = columns["rule"][gone], columns["doc"][gone]
    sums = [np.bincount(rule, columns[name][gone], len(names["rules"])) for name in ("words", "lost")]
    per_rule = np.bincount(rule, minlength=len(names["rules"]))
    rules = [
        {"name": name, "removals": int(per_rule[at]), "words": int(sums[0][at]), "lost": int(sums[1][at])}
        for at, name in enumerate(names["rules"])
        if per_rule[at]
    ]
    share = document_shares(answers)
    known = columns["doc_before"] > 0
    return {
        "rules": sorted(rules, key=lambda entry: -int(entry["removals"])),
        "confidence": _histogram(columns["confidence"][gone] / 1000),
        "shares": _histogram(share[known]),
        "hosts": _hosts(answers, doc)[:_NUM_BARS],
        "num_hosts": len(np.unique(columns["doc_host"][known])),
        "num_words": int(sums[0].sum()),
        "num_lost": int(sums[1].sum()),
        "guarded": int(columns["doc_guard"].sum()),
    }


def document_shares(answers: Answers) -> Any:
    """Return for each document the share of its bytes that went, 0-1."""
    columns = answers.store.columns
    before = np.maximum(columns["doc_before"], 1)
    return np.where(columns["doc_before"] > 0, 1 - columns["doc_after"] / before, 0.0)


def _histogram(values: Any) -> list[int]:
    steps = np.clip((values * _NUM_BARS).astype(int), 0, _NUM_BARS - 1)
    return [int(count) for count in np.bincount(steps, minlength=_NUM_BARS)]


def _hosts(answers: Answers, docs_of_removals: Any) -> list[Row]:
    columns, names = answers.store.columns, answers.store.names["hosts"]
    host, known = columns["doc_host"], columns["doc_before"] > 0
    removals = np.bincount(host[docs_of_removals], minlength=len(names))
    documents = np.bincount(host[known], minlength=len(names))
    before, after = (np.bincount(host, columns[name], len(names)) for name in ("doc_before", "doc_after"))
    order = np.argsort(-removals, kind="stable")
    return [
        {
            "name": names[at],
            "documents": int(documents[at]),
            "removals": int(removals[at]),
            "before": int(before[at]),
            "after": int(after[at]),
        }
        for at in order.tolist()
        if removals[at]
    ]


def documents(answers: Answers, query: str, near: bool, offset: int, limit: int) -> Row:
    """Return documents, the largest share removed first, or near-duplicates by the document that stays for them."""
    store = answers.store
    like = "%" + query.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    if near:
        sql = "SELECT near.doc FROM near JOIN doc USING (doc) WHERE name LIKE ? ESCAPE '\\' ORDER BY keeper, near.doc"
        chosen = np.fromiter((doc for (doc,) in store.database.execute(sql, (like,))), np.int64)
    else:
        share = document_shares(answers)
        chosen = np.argsort(-share, kind="stable")
        if query:
            sql = "SELECT doc FROM doc WHERE name LIKE ? ESCAPE '\\'"
            found = np.fromiter((doc for (doc,) in store.database.execute(sql, (like,))), np.int64)
            chosen = chosen[np.isin(chosen, found)]
    counts = np.bincount(store.columns["doc"][store.columns["kind"] == 0], minlength=len(store.columns["doc_offset"]))
    items = [_document_row(answers, int(doc), int(counts[doc])) for doc in chosen[offset : offset + limit]]
    return {"total": len(chosen), "items": items}


def _document_row(answers: Answers, doc: int, num_removals: int) -> Row:
    store = answers.store
    row, before = store.doc_row(doc), int(store.columns["doc_before"][doc])
    return {
        "doc": row.get("doc"),
        "host": row.get("host") or "",
        "before": before,
        "num_removals": num_removals,
        "share": 1 - int(store.columns["doc_after"][doc]) / before if before else 0,
        "flags": " ".join(map(str, row.get("flags") or [])),
        "near": row.get("near_duplicate_of"),
    }


def document(answers: Answers, name: str) -> Row:
    """Return a document with everything found in it; `text` is None where it cannot be had.

    Positions are in UTF-16 units, as the page counts.
    """
    store = answers.store
    doc = store.doc_number(name)
    row: Row = {"doc": name} if doc is None else store.doc_row(doc)
    text = answers.text_of(row)
    found = [] if doc is None else np.flatnonzero(store.columns["doc"] == doc)[:_MAX_MARKS].tolist()
    lines = sorted(((store.removal(at), at) for at in found), key=lambda pair: (span(pair[0], "char"), pair[1]))
    units = _units(text)
    marks = [
        {
            "key": at,
            "cluster": int(store.cluster[at]),
            "kind": KINDS[int(store.columns["kind"][at])],
            "rule": line.get("rule", "unknown"),
            "status": int(answers.status[at]),
            "words": line.get("num_words", 0),
            "start": units(span(line, "char")[0]),
            "end": units(span(line, "char")[1]),
            "line": list(span(line, "line")),
            "text": clean_text(removed_text(line, row.get("encoding")))[:2000],
        }
        for line, at in lines
    ]
    return {
        "doc": name,
        "host": row.get("host") or "",
        "url": row.get("url"),
        "text": text,
        "marks": marks,
        "before": row.get("num_bytes_before", 0),
        "after": row.get("num_bytes_after", 0),
        "flags": " ".join(map(str, row.get("flags") or [])),
        "near": row.get("near_duplicate_of"),
    }


def _units(text: str | None) -> Any:
    """Return a function from code points to UTF-16 units."""
    if text is None or max(text, default="") <= "\uffff":
        return lambda point: point
    astral = np.cumsum(np.array([0, *(character > "\uffff" for character in text)]))
    return lambda point: int(point + astral[min(point, len(text))])
