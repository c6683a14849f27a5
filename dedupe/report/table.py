"""Show removals on a terminal: a table of what went and what was kept, and a summary.

Text from documents goes through `one_line`, so no control character reaches the terminal. Marks, not colors, tell
removals ("-") from repeats that stay ("="); colors, where `color` is set, are blue and yellow only, which color-blind
readers can tell apart. Whether to color (a terminal, NO_COLOR) is for the caller to know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from dedupe.records import Cleaned, Evidence, Place, Removal
from dedupe.report.reading import LedgerStream
from dedupe.report.reasons import meaning_of
from dedupe.report.text import char_width, cut, one_line
from dedupe.report.view import Entry, Ledger, Source, entries, entry_of, lines_of, place_text

TextOf: TypeAlias = Callable[[Place], str | None]

_HEADERS = ("", "rule", "lines", "what went", "what was kept", "confidence")
_FIXED_COLUMNS = 24  # of a row besides rule, lines and the two texts: mark, confidence, the gaps between
_LEAST_TEXT_COLUMNS = 15  # what the heading of a column takes, as are the two below
_LEAST_LINES_COLUMNS, _LEAST_RULE_COLUMNS, _MOST_RULE_COLUMNS = 7, 6, 19
_EVIDENCE_COLUMNS = 24 + 10 + 8 + 8 + 8  # name, value, weight, sum, the gaps between
_BOLD, _BLUE, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[34m", "\x1b[33m", "\x1b[0m"


def table(
    source: Source,
    width: int = 100,
    *,
    color: bool = False,
    show_kept: bool = True,
    max_rows: int | None = None,
    text_of: TextOf | None = None,
) -> str:
    """Draw one table a document, those without a finding left out; no line is wider than `width` (80 or more) columns.

    `show_kept` lists the repeats that stay as well. After `max_rows` findings it says how many more there are.
    The words of a kept copy are shown where they are at hand: in the same `Cleaned` document, or from `text_of`,
    which gives the text at a place of an original or None; else only where the copy stands.
    """
    parts, left, num_hidden = list[str](), max_rows, 0
    for item in source.entries if isinstance(source, Ledger) else source:
        entry, words_at = (item, text_of) if isinstance(item, Entry) else (entry_of(item), _text_in(item, text_of))
        findings = sorted((*entry.removals, *(entry.kept if show_kept else ())), key=lambda item: item.place.byte)
        shown = findings if left is None else findings[:left]
        num_hidden += len(findings) - len(shown)
        left = None if left is None else left - len(shown)
        if shown:
            parts.append(_document_table(entry, shown, max(width, 80), color, words_at))
    if num_hidden:
        parts.append(f"… and {num_hidden:,} more; the ledger (removals.jsonl) has them all")
    return "\n\n".join(parts)


def _text_in(cleaned: Cleaned, otherwise: TextOf | None) -> TextOf:
    """Give the function that cuts places out of a document in memory."""
    document = cleaned.document

    def text_of(place: Place) -> str | None:
        if place.doc == document.doc:
            return place_text(place, document.raw, document.encoding)
        return otherwise(place) if otherwise else None

    return text_of


def _document_table(entry: Entry, findings: list[Removal], width: int, color: bool, text_of: TextOf | None) -> str:
    from tabulate import tabulate

    kept = [one_line(_kept(item, entry.row.doc, text_of), width) for item in findings]
    columns = _columns(findings, kept, width)
    rows = [_row(item, words, columns, color) for item, words in zip(findings, kept, strict=True)]
    title = one_line(entry.row.doc, width)
    body = tabulate(rows, _HEADERS, "simple", disable_numparse=True, colalign=("left",) * 5 + ("right",))
    return f"{_BOLD}{title}{_PLAIN}\n{body}" if color else f"{title}\n{body}"


def _columns(findings: list[Removal], kept: list[str], width: int) -> tuple[int, int, int]:
    """Share the width out: columns for the rule, what went and what was kept; rules are cut before texts are."""
    lines = max(_LEAST_LINES_COLUMNS, *(len(lines_of(item.place, item.text)) for item in findings))
    longest = max(len(one_line(item.rule, _MOST_RULE_COLUMNS)) for item in findings)
    rest = width - _FIXED_COLUMNS - lines
    rule = max(_LEAST_RULE_COLUMNS, min(_MOST_RULE_COLUMNS, longest, rest - 2 * _LEAST_TEXT_COLUMNS))
    widest = max(sum(map(char_width, words)) for words in kept)
    kept_columns = max(_LEAST_TEXT_COLUMNS, min(widest, (rest - rule) // 2))
    return rule, max(_LEAST_TEXT_COLUMNS, rest - rule - kept_columns), kept_columns


def _row(item: Removal, kept: str, columns: tuple[int, int, int], color: bool) -> tuple[str, ...]:
    mark = "-" if item.removed else "="
    if color:
        mark = f"{_BOLD}{_YELLOW}-{_PLAIN}" if item.removed else f"{_BOLD}{_BLUE}={_PLAIN}"
    return (
        mark,
        one_line(item.rule, columns[0]),
        lines_of(item.place, item.text),
        one_line(item.text, columns[1]),
        cut(kept, columns[2]),
        f"{item.confidence:.2f}",
    )


def _kept(item: Removal, doc: str, text_of: TextOf | None) -> str:
    """Say what stays instead: how many words are lost, where the kept copy is and, where at hand, its words."""
    if not item.removed:
        against = [reason for reason in item.evidence if reason.name != "base" and reason.weight < 0]
        reason = min(against, key=lambda reason: reason.weight, default=None)
        return "stays: " + (meaning_of(reason.name, reason.note) if reason else "not sure enough")
    lost = f"{_count(item.num_words_lost, 'word')} lost; " if item.num_words_lost else ""
    if item.kept is None:
        return lost + "no other copy"
    words = text_of(item.kept) if text_of else None
    return lost + place_name(item.kept, doc) + (f": {words}" if words else "")


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
        yield f"held back, since too much would have gone: {_count(flags['guard'], 'document')} (flag guard)"
    yield from error_lines(source)


def error_lines(source: Source) -> Iterator[str]:
    """Yield how many records could not be cleaned, and the first five; nothing but a ledger that was read has them."""
    errors = source.errors if isinstance(source, Ledger | LedgerStream) else ()
    if errors:
        yield f"passed through unchanged: {_count(len(errors), 'bad record')}"
    for record in islice(errors, 5):
        where = record.uri if record.record is None else f"{record.uri}#{record.record}"
        yield f"  {one_line(where, 60)}: {one_line(record.message, 120)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"


def evidence_table(reasons: Iterable[Evidence], confidence: float, width: int = 100) -> str:
    """Draw reasons with the running sum of their weights, which the confidence follows from."""
    from tabulate import tabulate

    rows, total = list[tuple[str, ...]](), 0.0
    note_columns = max(10, width - _EVIDENCE_COLUMNS)
    for reason in reasons:
        total += reason.weight
        numbers = f"{reason.value:.4g}", _signed(reason.weight), _signed(total)
        rows.append((one_line(reason.name, 24), *numbers, one_line(meaning_of(reason.name, reason.note), note_columns)))
    body = tabulate(
        rows, ("evidence", "value", "weight", "sum", "meaning"), "simple", disable_numparse=True,
        colalign=("left", "right", "right", "right", "left"),
    )  # fmt: skip
    return f"{body}\nsum {_signed(total)} gives confidence {confidence:.2f}"


def _signed(number: float) -> str:
    return f"{number:+.2f}" if abs(number) < 10_000 else f"{number:+.0e}"
