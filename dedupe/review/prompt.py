"""Ask about removals in a terminal, the most dangerous passages first: y, n, a, s, u, q.

The texts are hostile: whatever a terminal would obey is written out before it is printed.
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dedupe.decisions import Verdict
from dedupe.review.answers import Answers
from dedupe.review.ledger import Row, visible
from dedupe.review.store import open_store
from dedupe.review.verdicts import Review, decisions_beside

_HELP = """  y  yes, it may go, in later runs too        n  no, it stays, in later runs too
  a  yes to this and to all that follow       s  swap: the other copy goes
  l  later                                    u  undo the last answer
  q  quit; what was answered is saved         ?  this help"""
_VERDICTS: dict[str, Verdict] = {"y": "accept", "n": "reject", "s": "swap", "l": "defer"}
_MAX_CHARS = 1200


def review_in_terminal(
    ledger_path: str | os.PathLike[str],
    *,
    decisions_path: str | os.PathLike[str] | None = None,
    store_path: str | os.PathLike[str] | None = None,
    ask: Callable[[str], str] = input,
    say: Callable[[str], None] = print,
    width: int = 80,
) -> int:
    """Ask about each undecided passage; return how many removals are decided in the end.

    Args:
        ask: is given the question and returns the answer; the end of input (EOFError) quits.
        say: prints one text.

    Raises:
        InputError: the ledger or the decisions cannot be read, or a decision cannot be written.
    """
    store = open_store(ledger_path, store_path)
    try:
        review = Review(store, Path(decisions_path) if decisions_path else decisions_beside(ledger_path))
        answers = Answers(store, review.status, {})
        clusters = answers.view({"kind": ["removed"], "decision": ["undecided"], "order": "risk"}).clusters.tolist()
        _ask_all(clusters, review, answers, ask, say, width)
        return int(np.count_nonzero((review.status > 0) & (review.status < 4)))
    finally:
        store.close()


def _ask_all(
    clusters: list[int],
    review: Review,
    answers: Answers,
    ask: Callable[[str], str],
    say: Callable[[str], None],
    width: int,
) -> None:
    at, asked = 0, []
    while at < len(clusters):
        row = int(review.every(clusters[at])[0])
        say(_passage(review, answers, clusters[at], f"{at + 1} of {len(clusters)}", width))
        answer = _answer(ask)
        if answer == "q":
            break
        if answer == "a":
            passed = np.isin(review.store.cluster, np.array(clusters[at:]))
            say(f"{review.bulk(passed, 'accept'):,} removals accepted; the next answers to u take it back")
            asked.append(at)
            at = len(clusters)
            if _answer(ask, "Done. u to undo, anything else to end: ") != "u":
                break
            answer = "u"
        if answer == "u":
            say(f"Undone: {review.undo()}" if asked else "There is nothing to undo.")
            at = asked.pop() if asked else at
        elif answer == "s" and (reason := review.why_no_swap(row)) is not None:
            say(f"Nothing to swap: {reason}. n keeps it, y lets it go.")
        elif answer in _VERDICTS:
            review.decide(clusters[at], _VERDICTS[answer], "all", row)
            asked.append(at)
            at += 1
        else:
            say(_HELP)
    else:
        say("Every passage is decided.")


def _answer(ask: Callable[[str], str], question: str = "May it go? [y/n/a/s/l/u/q/?] ") -> str:
    try:
        return ask(question).strip()[:1].lower() or "?"
    except EOFError:
        return "q"


def _passage(review: Review, answers: Answers, cluster: int, place: str, width: int) -> str:
    """Return what is shown of a passage: rule, numbers, text, where it stands and why it went."""
    members = answers.members({}, cluster, 0, 1)
    shown: Row = members["items"][0]
    documents = len(np.unique(review.store.columns["doc"][review.every(cluster)]))
    lost = int(review.store.columns["lost"][review.every(cluster)].sum())
    text = visible(str(shown["removed"]["text"]).strip())
    if len(text) > _MAX_CHARS:
        text = text[:_MAX_CHARS] + f" … ({len(text) - _MAX_CHARS:,} more characters)"
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, max(width - 4, 20)) or [""]]
    reasons = ", ".join(visible(f"{one.get('name')} {one.get('weight', 0):+.1f}") for one in shown["evidence"][:6])
    kept = shown["kept"]
    return "\n".join(
        [
            "",
            f"[{place}] {visible(str(shown['rule']))}, {members['total']:,}× in {documents:,} "
            f"document{'s' * (documents != 1)}, confidence {shown['confidence']:.2f}, "
            f"{lost:,} words found nowhere else",
            *(f"  - {line}" for line in lines),
            f"  in {visible(str(shown['doc']))}, line {shown['line'][0]}"
            + (f"; kept in {visible(kept['doc'])}, line {kept['line'][0]}" if kept else "; no copy is kept"),
            f"  because: {reasons}",
        ]
    )
