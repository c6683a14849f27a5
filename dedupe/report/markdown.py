"""Write a report in Markdown for a pull request: totals, then the removals that lose most, within a size.

Nothing scraped is live in it: texts stand in fenced code blocks, names in code spans, controls made visible, so that
no link, image, mention or HTML of a page works in the report.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator

from dedupe.records import Removal
from dedupe.report.table import error_lines, place_name, summary_lines
from dedupe.report.text import one_line, visible
from dedupe.report.view import DocRow, Entry, Source, entries, lines_of

MAX_CHARS = 65_536  # of a comment or description on GitHub; what is beyond is refused, not cut
_MOST_CANDIDATES = 2_000  # no report of this size holds more removals
_ROOM_FOR_NOTES = 500  # the heading of the list and the sentence on what was left out
_MAX_TEXT_CHARS = 600
_MAX_TEXT_LINES = 8


def markdown(source: Source, max_chars: int = MAX_CHARS, title: str = "What dedupe removed") -> str:
    """Write the report, at most `max_chars` UTF-16 units (2,000 or more), and say what it left out.

    Removals come in the order in which a wrong one would hurt most: words that stand nowhere else first, then by
    size, then by place.
    """
    gathered = _Gathered()
    summary = (*summary_lines(gathered.watch(source)), *error_lines(source))
    head = f"## {_escaped(title)}\n\n" + "".join(f"{_escaped(line)}\n\n" for line in summary)
    head += _rules_table(gathered)
    shown, size = list[str](), _size(head) + _ROOM_FOR_NOTES
    for row, item in gathered.ranked():
        section = _section(row, item)
        if size + _size(section) > max_chars:
            break
        shown.append(section)
        size += _size(section)
    num_left = gathered.num_removals - len(shown)
    note = ""
    if num_left:
        note = (
            f"\n*{num_left:,} of {gathered.num_removals:,} removals are not shown: a report like this holds "
            f"{max_chars:,} characters. Those shown lose the most words; `removals.jsonl` has them all, and "
            "`dedupe report --format html` shows them.*\n"
        )
    return head + ("### Removals, most words lost first\n\n" if shown else "") + "".join(shown) + note


class _Gathered:
    """Watch entries go by, keeping totals and the removals that lose most, so that memory stays bounded."""

    def __init__(self) -> None:
        self.num_removals = 0
        self.rules: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._heap: list[tuple[int, int, int, DocRow, Removal]] = []

    def watch(self, source: Source) -> Iterator[Entry]:
        for entry in entries(source):
            for item in entry.removals:
                self._add(entry.row, item)
            yield entry

    def _add(self, row: DocRow, item: Removal) -> None:
        self.num_removals += 1
        self.rules[item.rule] += 1
        self.words[item.rule] += item.num_words
        self.lost[item.rule] += item.num_words_lost
        # The running number is unique: rows and removals are never compared.
        ranked = (item.num_words_lost, item.num_words, -self.num_removals, row, item)
        if len(self._heap) < _MOST_CANDIDATES:
            heapq.heappush(self._heap, ranked)
        elif ranked[:3] > self._heap[0][:3]:
            heapq.heapreplace(self._heap, ranked)

    def ranked(self) -> list[tuple[DocRow, Removal]]:
        return [(row, item) for *_, row, item in sorted(self._heap, key=lambda entry: entry[:3], reverse=True)]


def _rules_table(gathered: _Gathered) -> str:
    if not gathered.rules:
        return ""
    rows = [
        f"| {_code(rule, in_table=True)} | {count:,} | {gathered.words[rule]:,} | {gathered.lost[rule]:,} |\n"
        for rule, count in sorted(gathered.rules.items(), key=lambda pair: (-pair[1], pair[0]))[:50]
    ]
    return "| rule | removals | words | words lost |\n| --- | ---: | ---: | ---: |\n" + "".join(rows) + "\n"


def _section(row: DocRow, item: Removal) -> str:
    lines = lines_of(item.place, item.text)
    kept = "no other copy" if item.kept is None else "kept copy: " + _code(place_name(item.kept, row.doc))
    return (
        f"- {_code(row.doc)}, {'lines' if '–' in lines else 'line'} {lines}: {_code(item.rule)}, confidence "
        f"{item.confidence:.2f}, {item.num_words:,} words, {item.num_words_lost:,} lost; {kept} ({_code(item.id)})\n\n"
        f"{_fenced(item.text)}\n"
    )


def _fenced(text: str) -> str:
    """Put a text into a code block of a list item, with a fence longer than any run of backticks in it.

    >>> print(_fenced("a ``` b"), end="")
      ````text
      a ``` b
      ````
    """
    head = text[: _MAX_TEXT_CHARS + 1]
    lines = [visible(line.rstrip()) for line in re.split(r"\r\n|\n|\r", head.strip("\r\n"))]
    if len(head) > _MAX_TEXT_CHARS or len(lines) > _MAX_TEXT_LINES:
        lines = lines[:_MAX_TEXT_LINES]
        lines[-1] += " …"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", "".join(lines))), default=0))
    return "".join(f"  {line}\n" for line in (f"{fence}text", *lines, fence))


def _code(text: str, in_table: bool = False) -> str:
    r"""Put a name into a code span.

    >>> _code("a`b"), _code("`")
    ('``a`b``', '`` ` ``')
    """
    shown = one_line(text, 200) or " "
    if in_table:
        shown = shown.replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def _escaped(text: str) -> str:
    r"""Escape what Markdown or HTML would act on in running text, mentions and numbers of issues included.

    >>> _escaped("<b> *x* @all #1")
    '\\<b\\> \\*x\\* \\@\u200ball \\#\u200b1'
    """
    escaped = re.sub(r"([\\`*_{}\[\]<>#|~!@&])", r"\\\1", visible(text))
    return re.sub(r"([@#])(?=\w)", "\\1\u200b", escaped).replace("://", ":\u200b//").replace("www.", "www\u200b.")


def _size(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
