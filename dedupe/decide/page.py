"""See one document as the rules see it: blocks by row, with texts and neighborhoods looked up on demand."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import islice
from typing import TypeAlias

import regex

from dedupe.config import PRESETS
from dedupe.decide.weights import confidence
from dedupe.records import Evidence, Finding, Observed, Span

NEARBY_BLOCKS = 10
_LEAST_SCRIPT_BYTES = 200
_CODE_MARKS = (b"{", b"}", b'":"', b'","')
_SCRIPT_REACH, _WORD_REACH, _LETTER_REACH = 100, 25, 10  # one in so many bytes; words of prose have up to 12 letters
SURE = PRESETS["careful"]  # a line that goes even for who asks for certainty
PAGE = 0.6  # of the model's scale from article to whole page,
PAGE_BLOCKS = 60  # and long enough to have menus: articles with some debris have fewer blocks

_MARKED_LINE = regex.compile(
    r"(?:[-–—*•·‣▪►>»§#+|]|\p{Nd}{1,4}\s*[.):–-]\s|\p{Nd}{1,3}(?:\.\p{Nd}{1,3})+\.?\s|\(\p{L}?\p{N}*\)|\p{L}[.)]\s|(?:\p{L}[\p{L}\p{M}.'’-]*+\s?){1,3}[:：]\s*\S)"
)
_TABLE_OR_CODE = regex.compile(r"[\t|{}\\]|;$|=|::|</|^\s*[$>]\s|(?:\S\s{2,}\S.*){2}", regex.MULTILINE)
_YEAR_OR_DATE = regex.compile(
    r"\b(?:1[89]|20)\d\d\b|\b\d{1,2}[./]\d{1,2}[./]\d{2,4}\b|[\p{Nd}]{4}\s?[年년]|\b1[34]\d\d\b"
)
_ELLIPSIS = regex.compile(r"…|\.\.\.|\[…\]|⋯|。。。")
_GLUED = regex.compile(r"\p{Ll}\p{Lu}\p{Ll}|\p{Ll}{2}\p{Lu}{2}|\d\p{Lu}\p{Ll}|[.!?]\p{Lu}\p{Ll}|\p{Ll}[“\"]\p{Lu}")
_CAMEL_WORDS = regex.compile(
    r"(?<![\p{Lu}\p{Ll}])"
    r"(?:(?:Mc|Mac|De|Di|La|Le|Van|Du|Fitz|O’|O')\p{Lu}\p{Ll}+|i[A-Z]\p{Ll}+|\p{Lu}\p{Ll}{1,6}\p{Lu}\p{Ll}{1,6})"
    r"(?![\p{Lu}\p{Ll}])"
)
_ADDRESS = regex.compile(r"://|www\.|@|^\W?#|\w\.\w++/")
_DENSE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_QUOTED = regex.compile(r"[“„«「『\"‘‹].*[”“»」』\"’›]", regex.DOTALL)
_SENTENCE = regex.compile(r"(?<![.…])[.!?。！？।](?![.…])[\"'”’»)\]]*+(?:\s|$)")
_CASED = regex.compile(r"\p{Lu}|\p{Ll}")
_LINKED_ITEM = re.compile(rb"^[ \t]*+[-*+][ \t]++!?\[[^\n]{1,400}?\][(\[]", re.MULTILINE)
_LEAST_LINKED_ITEMS = 3
_URL = regex.compile(r"(?:https?://|www\.)\S+")


SourceMap: TypeAlias = Callable[[bytes], list[int]]


def _char_end(raw: bytes, start: int) -> int:
    """Find where the character that begins at `start` ends."""
    end = start + 1
    while end < len(raw) and raw[end] & 0xC0 == 0x80:
        end += 1
    return end


def is_script(raw: bytes) -> bool:
    """Say whether a long line is program or data: marks of code, hardly a space, hardly a letter beyond ASCII.

    >>> is_script(b'{"id":7,"tags":["bee","bloom"]},' * 9), is_script(b"Bees fly {far} over the hills. " * 9)
    (True, False)
    """
    if len(raw) < _LEAST_SCRIPT_BYTES:
        return False
    marks, spaces = (sum(raw.count(sign) for sign in signs) for signs in (_CODE_MARKS, (b" ", b"\t", b"\n")))
    beyond = len(raw) - len(raw.decode("ascii", "ignore"))
    size = len(raw)
    return marks * _SCRIPT_REACH >= size and spaces * _WORD_REACH < size and beyond * _LETTER_REACH <= size


class Page:
    """Hold the rows of one document in a batch; `low` to `high` are its blocks."""

    def __init__(self, seen: Observed, doc: int, source_map: SourceMap) -> None:
        self.seen, self.doc = seen, doc
        self._source_map = source_map
        self._maps: dict[int, list[int]] = {}
        self.low, self.high = int(seen.blocks.doc_start[doc]), int(seen.blocks.doc_start[doc + 1])
        likeness = 0.0 if seen.page_likeness is None else float(seen.page_likeness[doc])
        self.is_page = likeness >= PAGE and self.high - self.low > PAGE_BLOCKS
        self.origin = int(seen.texts.offsets[doc])
        self.rows = range(self.low, self.high)
        # Plain lists and bytes: the rules look at single blocks, where arrays are slow.
        rows = slice(self.low, self.high)
        self._data = seen.texts.data[self.origin:int(seen.texts.offsets[doc + 1])].tobytes()
        self._starts: list[int] = (seen.blocks.start[rows] - self.origin).tolist()
        self._ends = (seen.blocks.end[rows] - self.origin).tolist()
        bounds = seen.blocks.stream_start[self.low:self.high + 1]
        self._bounds = (bounds - bounds[0]).tolist() if len(bounds) else [0]
        self._stream = seen.blocks.stream[int(bounds[0]):int(bounds[-1])].tobytes() if len(bounds) else b""
        self._num_bytes: list[int] = seen.shapes.num_bytes[rows].tolist()
        self._num_tokens: list[int] = seen.shapes.num_tokens[rows].tolist()
        self._is_prose: list[bool] = seen.shapes.is_prose[rows].tolist()
        self._touches: list[bool] = seen.shapes.touches[rows].tolist()
        self._first: list[int] = seen.first[rows].tolist()
        self._categories: list[int] = seen.cues.category[rows].tolist()
        self._texts: dict[int, str] = {}
        self._letters: dict[int, float] = {}
        self._words: dict[int, frozenset[bytes]] = {}

    def holds(self, sign: bytes) -> bool:
        """Say whether the document has these bytes anywhere."""
        return sign in self._data

    def span(self, row: int) -> Span:
        """Give the bytes of a block, counted from the start of its document."""
        return self._starts[row - self.low], self._ends[row - self.low]

    def first(self, row: int) -> int:
        """Give the first block with the same stream, -1 where that is empty."""
        return self._first[row - self.low]

    @cached_property
    def copies(self) -> list[tuple[int, int]]:
        """List the blocks that equal an earlier one, with the first of those, in order."""
        pairs = zip(self.rows, self._first, strict=True)
        return [(row, other) for row, other in pairs if other >= 0 and other != row]

    @cached_property
    def has_linked_items(self) -> bool:
        """Say whether lists of the document are written with links, as converters of pages write menus."""
        return len(list(islice(_LINKED_ITEM.finditer(self._data), _LEAST_LINKED_ITEMS))) == _LEAST_LINKED_ITEMS

    @cached_property
    def row_of(self) -> dict[Span, int]:
        """Give the rows of blocks by their spans."""
        return dict(zip(zip(self._starts, self._ends, strict=True), self.rows, strict=True))

    def text(self, row: int) -> str:
        """Give the text of a block, invalid bytes replaced."""
        if row not in self._texts:
            self._texts[row] = self.raw(row).decode("utf-8", "replace")
        return self._texts[row]

    def text_of(self, span: Span) -> str:
        """Give the text of a span of the document, invalid bytes replaced."""
        return self._data[span[0]:span[1]].decode("utf-8", "replace")

    def raw(self, row: int) -> bytes:
        """Give the bytes of a block."""
        return self._data[self._starts[row - self.low]:self._ends[row - self.low]]

    def cut(self, row: int, begin: int, end: int) -> str:
        """Give the text between two positions of a block's stream, with what stands between its letters."""
        source = self._source(row)
        return self.raw(row)[source[begin]:source[end]].decode("utf-8", "replace")

    def gap(self, row: int, at: int) -> str:
        """Give what stands right before a position of a block's stream: spaces, marks, or nothing."""
        source, raw = self._source(row), self.raw(row)
        return raw[_char_end(raw, source[at - 1]):source[at]].decode("utf-8", "replace") if at else ""

    def halves(self, row: int, start: int, middle: int, end: int) -> tuple[Span, Span]:
        """Locate the two copies of a doubled text in the document; the second with its opening marks."""
        source, raw, origin = self._source(row), self.raw(row), self.span(row)[0]
        first_end = _char_end(raw, source[middle - 1])
        opening = raw[:source[start]] if start == 0 else b""
        cut = source[middle]
        if opening and raw[:cut].endswith(opening) and cut - len(opening) >= first_end:
            cut -= len(opening)
        if end == self.size(row):
            closing = raw[_char_end(raw, source[end - 1]):]
            cut = first_end + len(closing) if raw[first_end:cut].startswith(closing) else first_end
            stop = len(raw) if raw[first_end:].startswith(closing) or not closing else len(raw) - len(closing)
        else:
            stop = source[end]
        return (origin + source[start], origin + first_end), (origin + cut, origin + stop)

    def _source(self, row: int) -> list[int]:
        if row not in self._maps:
            self._maps[row] = self._source_map(self.raw(row))
        return self._maps[row]

    def stream(self, row: int) -> bytes:
        """Give the canonical stream of a block."""
        return self._stream[self._bounds[row - self.low]:self._bounds[row - self.low + 1]]

    def size(self, row: int) -> int:
        """Count the bytes of a block's stream."""
        return self._num_bytes[row - self.low]

    def letters(self, row: int) -> float:
        """Count the letters of a block; a Han, kana or Hangul character counts for two and a half.

        A Chinese text has about 0.4 times the characters of its English translation.
        """
        if row not in self._letters:
            text = self.stream(row).decode()
            self._letters[row] = len(text) if text.isascii() else len(text) + 1.5 * len(_DENSE.findall(text))
        return self._letters[row]

    def num_tokens(self, row: int) -> int:
        return self._num_tokens[row - self.low]

    def tokens(self, row: int) -> list[bytes]:
        """List the tokens of a block."""
        blocks = self.seen.blocks
        first, last = int(blocks.token_start[row]), int(blocks.token_start[row + 1])
        bounds = [*blocks.token_pos[first:last].tolist(), int(blocks.stream_start[row + 1])]
        stream, origin = self.stream(row), int(blocks.stream_start[row])
        return [stream[bounds[at] - origin:bounds[at + 1] - origin] for at in range(last - first)]

    def words(self, row: int) -> frozenset[bytes]:
        """Give the different tokens of a block, made once: thousands of teasers may quote one long block."""
        if row not in self._words:
            self._words[row] = frozenset(self.tokens(row))
        return self._words[row]

    def is_prose(self, row: int) -> bool:
        return self._is_prose[row - self.low]

    def is_script(self, row: int) -> bool:
        """Say whether a block is program or data that a converter left in a page: JavaScript, a style sheet, JSON."""
        return is_script(self.raw(row))

    def has_sentences(self, row: int) -> bool:
        """Say whether a block reads as prose and holds a whole sentence; long headlines and cut teasers do not.

        In scripts without capitals, where sentences may have no marks, all prose does.
        """
        if not self.is_prose(row) or self.is_script(row):
            return False
        text = self.text(row)
        return bool(_SENTENCE.search(text)) or not _CASED.search(text)

    def ends_sentence(self, row: int) -> bool:
        return bool(self.seen.shapes.ends_sentence[row])

    @cached_property
    def prose_rows(self) -> list[int]:
        """List the rows that read as prose, ascending."""
        return [row for row in self.rows if self._is_prose[row - self.low]]

    @cached_property
    def headline_streams(self) -> list[tuple[int, bytes]]:
        """List the rows and streams of short blocks that do not read as prose, the first few hundred."""
        rows = [row for row in self.rows[:400] if 12 <= self.size(row) <= 160 and not self.is_prose(row)]
        return [(row, self.stream(row)) for row in rows]

    @cached_property
    def prose_stream(self) -> bytes:
        """Give the canonical streams of all prose, parted by spaces."""
        return b" ".join(self.stream(row) for row in self.prose_rows)

    @cached_property
    def prose_fraction(self) -> float:
        """Give the share of the document's stream that reads as prose, 0-1."""
        total = sum(self._num_bytes)
        return sum(self._num_bytes[row - self.low] for row in self.prose_rows) / total if total else 0.0

    def prose_distance(self, row: int) -> int:
        """Count the blocks to the nearest prose on either side; a large number where there is none."""
        at = bisect_left(self.prose_rows, row)
        near = [abs(prose - row) for prose in self.prose_rows[max(0, at - 1):at + 2] if prose != row]
        return min(near, default=self.high - self.low + NEARBY_BLOCKS)

    def prose_after(self, row: int) -> bool:
        return len(self.prose_rows) > 0 and self.prose_rows[-1] > row

    def beside(self, row: int) -> list[int]:
        """Give the rows right before and right after, where the document has them."""
        return [at for at in (row - 1, row + 1) if self.low <= at < self.high]

    def touches(self, row: int, other: int) -> bool:
        """Say whether two neighboring blocks stand on neighboring lines, no blank line between."""
        second = max(row, other)
        return self.low < second < self.high and self._touches[second - self.low]

    @cached_property
    def has_blank_lines(self) -> bool:
        """Say whether at least a third of the blocks are set off by blank lines."""
        sample = list(self.rows[1:])[:200]
        apart = sum(not self.touches(row - 1, row) for row in sample)
        return apart * 3 >= len(sample)

    def in_stanza(self, row: int) -> bool:
        """Say whether a block stands among three or more short lines set apart as one group."""
        if self.is_prose(row) or not self.has_blank_lines:
            return False
        size = 1
        for step in (-1, 1):
            at = row
            while size < 5 and self.touches(at, at + step) and not self.is_prose(at + step):
                at, size = at + step, size + 1
        return size >= 3

    def is_marked_line(self, row: int) -> bool:
        """Say whether a block begins like a list entry, a speech or a quotation."""
        return bool(_MARKED_LINE.match(self.text(row)[:80])) and not _URL.match(self.text(row))

    def is_quoted(self, row: int) -> bool:
        """Say whether a block stands in quotation marks as a whole."""
        return bool(_QUOTED.fullmatch(self.text(row)))

    def is_table_or_code(self, row: int) -> bool:
        text = self.text(row)[:2000]
        return bool(_TABLE_OR_CODE.search(_URL.sub("", text)))

    def is_url(self, row: int) -> bool:
        return bool(_URL.fullmatch(self.text(row)))

    def category(self, row: int) -> str:
        """Name the cue category of a block, empty where it has none."""
        code = self._categories[row - self.low]
        return self.seen.categories[code] if code else ""

    def under_cue(self, row: int) -> bool:
        """Say whether a block follows a cue whose lines belong to it, directly or after an address."""
        above = row - 1
        if above >= self.low and self.is_url(above):
            above -= 1
        return above >= self.low and self.category(above) in self.seen.continued and not self.is_prose(above)


def propose(
    page: Page,
    rule: str,
    row: int,
    reasons: Sequence[Evidence],
    other: int | None = None,
    resemblance: float | None = None,
    containment: float | None = None,
) -> Finding:
    """Propose that a block goes, against the copy in block `other` where there is one."""
    return Finding(
        span=page.span(row),
        rule=rule,
        confidence=confidence(reasons),
        evidence=tuple(reasons),
        kept=None if other is None else (None, page.span(other)),
        resemblance=resemblance,
        containment=containment,
    )


def has_date(text: str) -> bool:
    """Look for a year or a numeric date, in any of several calendars and scripts."""
    return bool(_YEAR_OR_DATE.search(text))


def has_ellipsis(text: str) -> bool:
    return bool(_ELLIPSIS.search(text))


def is_glued(text: str) -> bool:
    """Look for words run together: a capital after a small letter, names like McDonald and iPhone apart.

    >>> is_glued("against IranProfessor Tim"), is_glued("Mr McDonald’s iPhone and YouTube")
    (True, False)
    """
    if not _GLUED.search(text):
        return False
    words = " ".join(word for word in text.split() if not _ADDRESS.search(word))
    return bool(_GLUED.search(_CAMEL_WORDS.sub(" ", words)))
