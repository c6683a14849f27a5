"""Show removals on a terminal: a table of what went and what was kept, and a summary.

Text from documents goes through `one_line`, so no control character reaches the terminal. Marks, not colors, tell
removals ("-") from repeats that stay ("="); colors, where `color` is set, are blue and yellow only, which color-blind
readers can tell apart. Whether to color (a terminal, NO_COLOR) is for the caller to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from dedupe.records import Place, Removal
from dedupe.report.text import one_line
from dedupe.report.view import Entry, Ledger, Source, entries, lines_of

_HEADERS = ("", "rule", "lines", "what went", "what was kept", "confidence")
_FIXED_COLUMNS = 44  # of a row besides the two texts: mark, rule (19), lines, confidence and the gaps between
_LEAST_TEXT_COLUMNS = 12
_BOLD, _BLUE, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[34m", "\x1b[33m", "\x1b[0m"


def table(
    source: Source, width: int = 100, *, color: bool = False, show_kept: bool = True, max_rows: int | None = None
) -> str:
    """Draw one table a document, those without a finding left out; no line is wider than `width` (80 or more) columns.

    `show_kept` lists the repeats that stay as well. After `max_rows` findings it says how many more there are.
    Of a `Ledger` read whole, what was kept is shown in words where the same words went or stayed elsewhere in it.
    """
    parts, left, num_hidden = list[str](), max_rows, 0
    for entry in entries(source):
        findings = sorted((*entry.removals, *(entry.kept if show_kept else ())), key=lambda item: item.place.byte)
        shown = findings if left is None else findings[:left]
        num_hidden += len(findings) - len(shown)
        left = None if left is None else left - len(shown)
        if shown:
            parts.append(_document_table(entry, shown, max(width, 80), color))
    if num_hidden:
        parts.append(f"… and {num_hidden:,} more; the ledger (removals.jsonl) has them all")
    return "\n\n".join(parts)


def _document_table(entry: Entry, findings: list[Removal], width: int, color: bool) -> str:
    from tabulate import tabulate

    text_columns = max(_LEAST_TEXT_COLUMNS, (width - _FIXED_COLUMNS - _lines_columns(findings)) // 2)
    rows = [_row(item, entry.row.doc, text_columns, color) for item in findings]
    title = one_line(entry.row.doc, width)
    body = tabulate(rows, _HEADERS, "simple", disable_numparse=True, colalign=("left",) * 5 + ("right",))
    return f"{_BOLD}{title}{_PLAIN}\n{body}" if color else f"{title}\n{body}"


def _lines_columns(findings: list[Removal]) -> int:
    return max(5, *(len(lines_of(item.place)) for item in findings))


def _row(item: Removal, doc: str, text_columns: int, color: bool) -> tuple[str, ...]:
    mark = "-" if item.removed else "="
    if color:
        mark = f"{_BOLD}{_YELLOW}-{_PLAIN}" if item.removed else f"{_BOLD}{_BLUE}={_PLAIN}"
    return (
        mark,
        one_line(item.rule, 19),
        lines_of(item.place),
        one_line(item.text, text_columns),
        kept_words(item, doc, text_columns),
        f"{item.confidence:.2f}",
    )


def kept_words(item: Removal, doc: str, columns: int) -> str:
    """Say what stays instead: the place of the kept copy, or why nothing does."""
    if not item.removed:
        reason = min(item.evidence, key=lambda reason: reason.weight, default=None)
        return one_line("stays: " + (reason.note or reason.name) if reason else "stays", columns)
    if item.kept is None:
        return "nothing" if not item.num_words_lost else one_line(f"nothing; {item.num_words_lost} words lost", columns)
    where = place_name(item.kept, doc)
    return one_line(where if not item.num_words_lost else f"{where}; {item.num_words_lost} words lost", columns)


def place_name(place: Place, doc: str) -> str:
    """Name a place for a reader who looks at document `doc`."""
    lines = lines_of(place)
    words = f"{'lines' if '–' in lines else 'line'} {lines}"
    return words if place.doc == doc else f"{words} of {place.doc}"


def summary_lines(source: Source) -> Iterator[str]:
    """Yield a few lines that sum a run up: totals, then rules by the number of their removals."""
    num_documents = num_changed = num_kept = num_words = num_words_gone = num_words_lost = 0
    rules: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    for entry in entries(source):
        num_documents += 1
        num_changed += entry.row.sha256_before != entry.row.sha256_after
        num_kept += len(entry.kept)
        num_words += entry.row.num_words_before
        num_words_gone += sum(item.num_words for item in entry.removals)
        num_words_lost += sum(item.num_words_lost for item in entry.removals)
        rules.update(item.rule for item in entry.removals)
        flags.update(entry.row.flags)
    yield (
        f"{_count(rules.total(), 'removal')} in {num_changed:,} of {_count(num_documents, 'document')}: "
        f"{num_words_gone:,} of {_count(num_words, 'word')} ({_percent(num_words_gone, num_words)}), "
        f"{num_words_lost:,} of them nowhere else; {_count(num_kept, 'repeat')} kept"
    )
    if rules:
        ordered = sorted(rules.items(), key=lambda pair: (-pair[1], pair[0]))
        yield "by rule: " + ", ".join(f"{one_line(rule, 30)} {count:,}" for rule, count in ordered)
    if flags["guard"]:
        yield f"left as they were, since too much would have gone: {_count(flags['guard'], 'document')} (flag guard)"
    yield from error_lines(source)


def error_lines(source: Source) -> Iterator[str]:
    """Yield how many records could not be cleaned, and the first five; nothing but a ledger read whole has them."""
    errors = source.errors if isinstance(source, Ledger) else ()
    if errors:
        yield f"passed through unchanged: {_count(len(errors), 'bad record')}"
    for record in islice(errors, 5):
        where = record.uri if record.record is None else f"{record.uri}#{record.record}"
        yield f"  {one_line(where, 60)}: {one_line(record.message, 120)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def evidence_table(reasons: Iterable[tuple[str, str, float, float]], confidence: float) -> str:
    """Draw reasons (name, note, value, weight) with their running sum, which the confidence follows from."""
    from tabulate import tabulate

    rows, total = list[tuple[str, ...]](), 0.0
    for name, note, value, weight in reasons:
        total += weight
        rows.append((one_line(name, 30), f"{value:g}", f"{weight:+.2f}", f"{total:+.2f}", one_line(note, 60)))
    body = tabulate(
        rows, ("evidence", "value", "weight", "sum", "note"), "simple", disable_numparse=True,
        colalign=("left", "right", "right", "right", "left"),
    )  # fmt: skip
    return f"{body}\nsum {total:+.2f} gives confidence {confidence:.2f}"
