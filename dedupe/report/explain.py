"""Explain one removal: its text beside the kept copy with the words that differ marked, and the evidence.

Words only in what went stand as [-so-], words only in the kept copy as {+so+}, as `git diff --word-diff` shows
them; with `color` they are yellow and blue as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice

from dedupe.records import Removal
from dedupe.report.table import evidence_table, place_name
from dedupe.report.text import char_width, one_line, visible, word_pattern
from dedupe.report.view import lines_of

_SPACES_OR_ONE = re.compile(r"\s+|\S")
_MAX_WORDS = 2_000  # of either text in a comparison: its table takes words² / 8 bytes
_MAX_CHARS = 20_000
_MAX_LOST_SHOWN = 40
_GONE, _ADDED, _PLAIN = "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"


def explain(
    removal: Removal,
    kept_text: str | None = None,
    rest_of_text: str | None = None,
    *,
    width: int = 100,
    color: bool = False,
) -> str:
    """Describe a removal, or a repeat that stays, in lines of at most `width` (72 or more) columns.

    `kept_text` is the kept copy (`place_text` cuts it from its document), `rest_of_text` the cleaned document in
    which lost words are looked for; both are optional, and say less where they are missing.
    """
    doc = removal.place.doc
    lines, (start, end) = lines_of(removal.place, removal.text), removal.place.byte
    what = "removed" if removal.removed else "found and kept"
    parts = [
        one_line(f"{removal.id}: {removal.rule}, {what}, confidence {removal.confidence:.2f}", width),
        one_line(f"{doc}, {'lines' if '–' in lines else 'line'} {lines}, bytes {start} to {end}", width),
        "",
        f"what went ({_words(removal.num_words)}, {removal.num_words_lost} nowhere else)",
        *_side(removal.text, kept_text, "gone", width, color),
    ]
    if removal.kept is not None:
        parts += ["", one_line(f"what was kept: {place_name(removal.kept, doc)}", width)]
        if kept_text is not None:
            parts += _side(kept_text, removal.text, "added", width, color)
    else:
        parts += ["", "what was kept: no other copy; the passage went for what it is"]
    if removal.resemblance is not None or removal.containment is not None:
        parts += ["", _likeness(removal)]
    lost = lost_words(removal.text, [text for text in (kept_text, rest_of_text) if text is not None])
    if lost and (kept_text is not None or rest_of_text is not None):
        parts += ["", *_wrapped("words lost: " + " ".join(map(visible, lost)), width)]
    return "\n".join((*parts, "", evidence_table(removal.evidence, removal.confidence, width)))


def lost_words(text: str, others: Iterable[str]) -> list[str]:
    """List the words of `text` that stand in none of the `others`, in order, each once, at most 40 and "…".

    >>> lost_words("The tool, the Expert said", ["the tool said"])
    ['Expert']
    """
    word_of = word_pattern()
    known = {word.casefold() for other in others for word in word_of.findall(other)}
    lost: dict[str, str] = {}
    for match in word_of.finditer(text):
        word = match[0]
        if word.casefold() not in known:
            lost.setdefault(word.casefold(), word)
            if len(lost) > _MAX_LOST_SHOWN:
                return [*list(lost.values())[:_MAX_LOST_SHOWN], "…"]
    return list(lost.values())


def _words(number: int) -> str:
    return f"{number:,} word" + ("" if number == 1 else "s")


def _likeness(removal: Removal) -> str:
    named = (("resemblance", removal.resemblance), ("containment", removal.containment))
    return ", ".join(f"{name} {value:.2f}" for name, value in named if value is not None)


def _side(text: str, other: str | None, kind: str, width: int, color: bool) -> list[str]:
    """Write one of two texts in an indented column, its own words marked."""
    words, is_own = _marked(text[:_MAX_CHARS], other)
    opening, closing = ("[-", "-]") if kind == "gone" else ("{+", "+}")
    shown = "".join(_runs(words, is_own, opening, closing))
    lines = ["  " + line for line in _wrapped(shown, width - 2)]
    if sum(map(len, words)) < len(text):
        lines.append("  …")
    if not color:
        return lines
    start = _GONE if kind == "gone" else _ADDED
    # Marks may run over a line's end: every line opens and closes its own color.
    colored, inside = list[str](), False
    for line in lines:
        painted = (start if inside else "") + line.replace(opening, start + opening).replace(closing, closing + _PLAIN)
        inside = line.rfind(opening) > line.rfind(closing) or (inside and closing not in line)
        colored.append(painted + (_PLAIN if inside else ""))
    return colored


def _marked(text: str, other: str | None) -> tuple[list[str], list[bool]]:
    """Cut a text into words and what stands between; say of each word whether only this text has it."""
    cells = list(islice(_cells(text), 2 * _MAX_WORDS))
    is_own = [False] * len(cells)
    if other is None:
        return cells, is_own
    from rapidfuzz.distance import Indel

    rows = [row for row, cell in enumerate(cells) if not cell.isspace()]
    mine = [cells[row].casefold() for row in rows][:_MAX_WORDS]
    theirs = [cell.casefold() for cell in _cells(other) if not cell.isspace()]
    shared = set(theirs)
    for change in Indel.opcodes(mine, theirs[:_MAX_WORDS]):
        for at in range(change.src_start, change.src_end) if change.tag != "equal" else ():
            # Beyond the bound nothing is compared: a word that stands there is not called a difference.
            is_own[rows[at]] = len(theirs) <= _MAX_WORDS or mine[at] not in shared
    return cells, is_own


def _cells(text: str) -> Iterator[str]:
    """Cut a text into words, runs of white space, and single characters of all else, nothing left out."""
    done = 0
    for match in word_pattern().finditer(text):
        yield from _SPACES_OR_ONE.findall(text, done, match.start())
        yield match[0]
        done = match.end()
    yield from _SPACES_OR_ONE.findall(text, done)


def _runs(cells: list[str], is_own: list[bool], opening: str, closing: str) -> Iterator[str]:
    """Write cells, each run of own words (with the spaces between them) between marks."""
    inside = False
    for at, cell in enumerate(cells):
        if cell.isspace():
            ends = inside and not (at + 1 < len(cells) and is_own[at + 1])
            yield (closing if ends else "") + ("\n" if "\n" in cell else " ")
            inside = inside and not ends
            continue
        if is_own[at] != inside:
            yield opening if is_own[at] else closing
            inside = is_own[at]
        yield visible(cell)
    if inside:
        yield closing


def _wrapped(text: str, width: int) -> list[str]:
    """Break at spaces, and inside words longer than a line, by display width."""
    lines = list[str]()
    for paragraph in text.strip("\n").split("\n"):
        line, used = list[str](), 0
        for word in re.findall(r" |[^ ]+", paragraph):
            columns = sum(map(char_width, word))
            if used + columns > width and line:
                lines.append("".join(line).rstrip())
                line, used = [], 0
            if word == " " and not line:
                continue
            for piece in _pieces(word, width):
                if used + sum(map(char_width, piece)) > width:
                    lines.append("".join(line))
                    line, used = [], 0
                line.append(piece)
                used += sum(map(char_width, piece))
        if line:
            lines.append("".join(line).rstrip())
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    piece, used = list[str](), 0
    for character in word:
        columns = char_width(character)
        if used + columns > width:
            yield "".join(piece)
            piece, used = [], 0
        piece.append(character)
        used += columns
    yield "".join(piece)
