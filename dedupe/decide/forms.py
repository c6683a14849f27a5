"""Know the forms of text that look like debris line by line and are none: lists, references, heads of articles."""

from __future__ import annotations

from functools import lru_cache

import regex

from dedupe.decide.page import SURE, Page
from dedupe.decide.together import goes_on

_LEAST_ALIKE = 3  # lines in a row of one form make a list
_REACH = 4
_VERY_SURE = 0.95
_HEAD_ROWS, _MAX_HEAD_ROWS = 3, 10
_LEAST_HEADLINE_TOKENS = 4
_LONG_WORD_BYTES = 4
_MAX_NAME_TOKENS = 4
_REFERENCE = regex.compile(r"\((?:1[89]|20)\d\d[a-z]?\)|\bet al\b|\bdoi\b|^\[\p{N}+\](?!:)|^(?:https?://|www\.)\S+$")
_RUNS = (
    (regex.compile(r"\p{L}[\p{L}\p{M}\p{N}]*+(?:[\s'’-]++\p{L}[\p{L}\p{M}\p{N}]*+)*+"), "a"),
    (regex.compile(r"\p{N}+"), "0"),
)
_COUNTED = regex.compile(r"^\W*a \(0\)\W*$")  # "March (12)": a menu of an archive, not a score
_RANKED = regex.compile(r"\s*+\p{Nd}{1,2}[.)]\s+\W?\p{L}")  # "3. Ferry runs aground"
_NAME = regex.compile(r"(?:\p{L}{1,4}\s+)?(?:\p{Lu}[\p{L}\p{M}.'’-]*+\s*+){2,4}")
_UNCASED_NAME = regex.compile(r"(?:\p{Lo}[\p{Lo}\p{M}.'’-]*+\s*+){2,4}")  # in scripts without capitals
_LINK = regex.compile(  # what links and tags add to their texts, and lines that only list addresses
    r"\]\([^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+(?:\s[^()\n]{0,200}+)?+\)|\]\[[^\[\]\s]{0,40}+\]"
    r"|\((?:https?:|//|mailto:)[^()\s]*+\)"
    r"|<[a-zA-Z/!][^<>]{0,500}+>|^\[\p{N}+\]:\s.*|!?\["
)
_ITEM = regex.compile(r"^\s*+(?:[-*+•]|\p{Nd}{1,3}[.)])\s")
_LINK_SIGN = regex.compile(r"\]\s?\(|\]\[|<a\b|\((?:https?:|//)|https?://")
_LEAST_WRITTEN_TOKENS = 2
_MAX_ITEMS = 30
_MAX_LINES = 8  # of one item
_DRAWN = regex.compile(r"[\u2500-\u257F].*[\u2500-\u257F]")
_STRONG_CUE = 0.5
_BLOCK_QUOTE = regex.compile(r">\s*+[\p{L}\p{N}\"“„«'‘]")
_LEAST_QUOTED_TOKENS = 4


def belongs(page: Page, row: int, gone: set[int], sureness: float) -> bool:
    """Say whether a block belongs to the text for its form, whatever single lines look like.

    References and lists under a text may go from a whole page, a wiki's with hundreds of them, or where the model's
    `sureness` is high; lists of data, quotations and tables drawn with lines from a whole page where it is very high,
    since some converters draw the frame of the page, too.
    """
    if is_written_list(page, row) or heads_article(page, row, gone):
        return True
    may_hold = not page.is_page or sureness < _VERY_SURE
    if may_hold and (is_listed(page, row) or is_block_quote(page, row) or is_drawn_table(page, row)):
        return True
    return not page.is_page and sureness < SURE and (is_reference(page, row) or is_list_under_text(page, row))


def is_listed(page: Page, row: int) -> bool:
    """Say whether a block stands among data: scores, times, results, subtitles. Menus have no numbers.

    Three lines in a row (two in an article) have the same form of words and numbers, or begin with the same form
    of numbers; or, in an article, three lines nearby are numbers of the same form. Headlines that a page counts are
    what others read most.
    """
    form = _form(page, row)
    if "0" not in form or _COUNTED.search(form):
        return False
    if page.is_page and page.num_tokens(row) > _LEAST_HEADLINE_TOKENS + 1 and _RANKED.match(page.text(row)):
        return False
    if "a" not in form:
        near = range(max(page.low, row - 2 * _REACH), min(page.high, row + 2 * _REACH + 1))
        return form.count("0") > 1 and not page.is_page and sum(_form(page, at) == form for at in near) >= _LEAST_ALIKE
    opening = form[:form.index("a") + 1] if form[0] == "0" else form
    alike, least = 1, _LEAST_ALIKE - (not page.is_page)
    for step in (-1, 1):
        at = row + step
        while alike < least and page.low <= at < page.high and _form(page, at).startswith(opening):
            alike, at = alike + 1, at + step
    return alike >= least


def is_written_list(page: Page, row: int) -> bool:
    """Say whether a block is an item without a link, beside another such item, of a document whose menus have links.

    Where Markdown says what is a link, a list of items that are none is what somebody wrote: steps, ingredients,
    answers of a poll. Once all menus of a page have gone nothing says so any more.
    """
    if not _is_written_item(page, row) or not page.has_linked_items:
        return False
    return any(_is_written_item(page, at) for at in _items_beside(page, row))


def _items_beside(page: Page, row: int) -> list[int]:
    """Give the rows before and after an item, past lines in which the sentence of an item goes on."""
    above, below = row - 1, row + 1
    while row - above < _MAX_LINES and goes_on(page, above - 1):
        above -= 1
    while below - row < _MAX_LINES and goes_on(page, below - 1):
        below += 1
    return [at for at in (above, below) if page.low <= at < page.high]


def is_list_under_text(page: Page, row: int) -> bool:
    """Say whether a block is an item, beside another, of a list right under a paragraph or a line with a colon."""
    if not _is_written_item(page, row):
        return False
    top = row
    while top > page.low and row - top < _MAX_ITEMS and _is_written_item(page, top - 1):
        top -= 1
    above = top - 1
    beside = top < row or (row + 1 < page.high and _is_written_item(page, row + 1))
    return beside and above >= page.low and (page.is_prose(above) or page.text(above).endswith((":", "：")))


def _is_written_item(page: Page, row: int) -> bool:
    if page.num_tokens(row) < _LEAST_WRITTEN_TOKENS:
        return False
    text = page.text(row)[:1000]
    return bool(_ITEM.match(text)) and not _LINK_SIGN.search(text)


def is_block_quote(page: Page, row: int) -> bool:
    """Say whether a block is a line of a passage set off as a quotation, as mails and Markdown do."""
    return page.num_tokens(row) >= _LEAST_QUOTED_TOKENS and bool(_BLOCK_QUOTE.match(page.text(row)))


def is_drawn_table(page: Page, row: int) -> bool:
    """Say whether a block and one beside it are rows of a table whose columns are parted by drawn lines."""
    return all(any(_DRAWN.search(page.text(at)[:400]) for at in rows) for rows in ([row], page.beside(row)))


def _form(page: Page, row: int) -> str:
    return _form_of(page.text(row)[:400])


@lru_cache(maxsize=1 << 10)
def _form_of(text: str) -> str:
    """Write each run of words as one letter and each number as one digit; addresses of links are left out.

    "Norwich 3, Leeds United 1" and "York 0, Hull 12" are both "a 0, a 0".
    """
    text = _LINK.sub("", text)[:160].strip()
    for run, mark in _RUNS:
        text = run.sub(mark, text)
    return text


def is_reference(page: Page, row: int) -> bool:
    """Say whether a block stands among references: years in brackets, "et al.", addresses on their own lines."""
    if not _REFERENCE.search(page.text(row)[:1000]):
        return False
    near = range(max(page.low, row - _REACH), min(page.high, row + _REACH + 1))
    dated = sum(bool(_REFERENCE.search(page.text(other)[:1000])) and not page.is_url(other) for other in near)
    return dated >= _LEAST_ALIKE


def heads_article(page: Page, row: int, gone: set[int]) -> bool:
    """Say whether a block is a headline of the article, or a name before it: the author."""
    first = next((prose for prose in page.prose_rows if prose not in gone), page.low)
    num_tokens, is_cue = page.num_tokens(row), bool(page.seen.cues.strength[row] >= _STRONG_CUE)
    if row < first and row - page.low < _HEAD_ROWS and num_tokens >= 3:
        return not is_cue and (not page.is_page or _shares_words(page, row))
    if page.is_page or is_cue:
        return False
    in_head = row - page.low < _MAX_HEAD_ROWS and page.prose_after(row)
    if in_head and num_tokens >= _LEAST_HEADLINE_TOKENS and _shares_words(page, row):
        return True
    if num_tokens > 2 * _MAX_NAME_TOKENS:
        return False
    plain = _LINK.sub("", page.text(row))
    is_name = page.category(row) == "byline" or bool(_NAME.fullmatch(plain))
    is_name = is_name or bool(_UNCASED_NAME.fullmatch(plain) and _is_under_headline(page, row, gone))
    near_prose = any(page.is_prose(below) for below in range(row + 1, min(page.high, row + _REACH + 1)))
    return is_name and (in_head or near_prose)


def _is_under_headline(page: Page, row: int, gone: set[int]) -> bool:
    """Say whether the nearest block above that stays shares words with the paragraphs, as headlines do."""
    above = next((at for at in range(row - 1, page.low - 1, -1) if at not in gone), None)
    return above is not None and page.num_tokens(above) >= _LEAST_HEADLINE_TOKENS and _shares_words(page, above)


def _shares_words(page: Page, row: int) -> bool:
    """Say whether half of the longer words of a block begin words in the paragraphs of the document.

    Two thirds of a word are compared: endings change with the grammar of the sentence.
    """
    words = [token for token in page.tokens(row) if len(token) >= _LONG_WORD_BYTES] or page.tokens(row)
    stems = [word[:max(_LONG_WORD_BYTES, len(word) * 2 // 3)] for word in words]
    return sum(stem in page.prose_stream for stem in stems) * 2 >= len(stems)
