"""Join the lines of wrapped paragraphs where a document mixes them with lists, menus and link lists.

`segment` joins lines only where a whole text is wrapped, because a wrong join would cut wrongly. Here a
wrong join only blurs a judgement, so single paragraphs are joined too: greedily filled lines of one
width, which most of a document's candidate lines agree on.
"""

from __future__ import annotations

import numpy as np

from dedupe.records import Blocks, Flags, Offsets, Texts

MIN_COLUMNS, MAX_COLUMNS = 48, 100  # widths that tools wrap to: 72-80, rarely 100
_MIN_WIDTH = 64
_MIN_PAIRS, _MIN_FRACTION = 4, 0.4


def paragraph_starts(texts: Texts, blocks: Blocks) -> Offsets:
    """List the blocks that begin a paragraph: int64 (num_paragraphs,), ascending."""
    size = len(blocks.start)
    pairs = np.flatnonzero(_may_continue(texts, blocks))
    if len(pairs) < _MIN_PAIRS:
        return np.arange(size)
    is_start = np.concatenate([(texts.data & 0xC0) != 0x80, [True]])
    num_before = np.concatenate([[0], np.cumsum(is_start)])
    columns = num_before[blocks.end[pairs - 1]] - num_before[blocks.start[pairs - 1]]
    pairs, columns = pairs[columns <= MAX_COLUMNS], columns[columns <= MAX_COLUMNS]
    word = np.minimum(_word_end(texts, blocks, pairs), blocks.end[pairs])
    fitting = columns + 1 + num_before[word] - num_before[blocks.start[pairs]]
    doc = np.searchsorted(blocks.doc_start, pairs, side="right") - 1
    joined = pairs[_filled(doc, columns, np.minimum(fitting, MAX_COLUMNS + 1))]
    return np.delete(np.arange(size), joined)


def join(blocks: Blocks, first: Offsets) -> Blocks:
    """Make blocks of the paragraphs that begin at rows `first`."""
    last = np.append(first[1:], len(blocks.start)) - 1
    return Blocks(
        doc_start=np.searchsorted(first, blocks.doc_start),
        start=blocks.start[first], end=blocks.end[last],
        stream=blocks.stream, stream_start=np.append(blocks.stream_start[first], blocks.stream_start[-1]),
        token_pos=blocks.token_pos, token_start=np.append(blocks.token_start[first], blocks.token_start[-1]),
    )


def _may_continue(texts: Texts, blocks: Blocks) -> Flags:
    """Mark blocks that stand right under a line of plausible width in the same document: bool (num_blocks,)."""
    marked = np.zeros(len(blocks.start), np.bool_)
    if len(marked) < 2:
        return marked
    size = blocks.end - blocks.start
    gap = blocks.start[1:] - blocks.end[:-1]
    marked[1:] = (gap <= 4) & (size[:-1] >= MIN_COLUMNS) & (size[:-1] <= 3 * MAX_COLUMNS)
    marked[blocks.doc_start[:-1][blocks.doc_start[:-1] < len(marked)]] = False
    rows = np.flatnonzero(marked)
    for step in (1, 2, 3):
        at = blocks.end[rows - 1] + step
        marked[rows] &= ~((at < blocks.start[rows]) & (texts.data[np.minimum(at, len(texts.data) - 1)] == 0x0A))
    return marked


def _word_end(texts: Texts, blocks: Blocks, rows: Offsets) -> Offsets:
    """Find the first space behind each row's start, or the end of the batch."""
    spaces = np.append(np.flatnonzero(texts.data <= 0x20), len(texts.data))
    return spaces[np.searchsorted(spaces, blocks.start[rows])]


def _filled(doc: Offsets, columns: Offsets, fitting: Offsets) -> Flags:
    """Choose by document the width that most pairs agree on, and mark the pairs that do."""
    names, row = np.unique(doc, return_inverse=True)
    votes = np.zeros((len(names), MAX_COLUMNS + 2), np.int64)
    np.add.at(votes, (row, columns), 1)
    np.add.at(votes, (row, np.maximum(fitting, columns)), -1)
    votes = np.cumsum(votes, axis=1)
    width = votes.argmax(axis=1)
    most = votes.max(axis=1)
    enough = (width >= _MIN_WIDTH) & (most >= _MIN_PAIRS) & (most >= _MIN_FRACTION * np.bincount(row))
    return np.asarray(enough[row] & (columns <= width[row]) & (width[row] < fitting))
