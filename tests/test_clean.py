"""Passages are taken out with their lines, and every place is that of the original file."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupe.clean import Cut, Layout, Places, apply, cut_blocks, line_starts, passages_of, without
from dedupe.decisions import passage_fingerprint as fingerprint
from dedupe.draft import Draft
from dedupe.pipeline import words_of
from dedupe.records import Decision, Document, Finding, Texts
from dedupe.segment import segment


def applied(document, cuts):
    return apply(document, cuts, (), False, words_of(*passages_of(document, cuts, ())))


def finding(span, kept=None):
    return Finding(span, "repeated-block", 0.9, (), None if kept is None else (None, kept))


def blocks_of(raw):
    _, start, end = segment(Texts.of([raw]))
    return list(zip(start.tolist(), end.tolist(), strict=True))


def cut_rows(raw, rows):
    """Take whole blocks out of a text."""
    blocks = blocks_of(raw)
    cuts = cut_blocks(raw, Layout(blocks, line_starts(raw)), [finding(blocks[row]) for row in rows])
    return without(raw, [cut.span for cut in cuts])


@pytest.mark.parametrize(
    ("raw", "rows", "left"),
    [
        (b"a\nb\nc\n", [1], b"a\nc\n"),
        (b"a\n\nb\n\nc\n", [1], b"a\n\nc\n"),
        (b"a\r\n\r\nb\r\n\r\nc", [1], b"a\r\n\r\nc"),
        (b"a\n\nb\n\nc\n", [0], b"b\n\nc\n"),
        (b"a\n\nb\n\nc\n", [2], b"a\n\nb\n"),
        (b"a\n\nb\n\nc", [1, 2], b"a\n"),
        (b"a\n\nb", [0, 1], b""),
        (b"\xef\xbb\xbfa\nb", [0], b"\xef\xbb\xbfb"),
        (b"  a  \n\t b\n", [0], b"\t b\n"),
        (b"\n\na\n\nb\n", [0], b"\n\nb\n"),
        ("a\u2028b\u2028c".encode(), [1], "a\u2028c".encode()),
    ],
)
def test_a_block_goes_with_its_lines_and_the_blank_ones_behind_it(raw, rows, left):
    """At the end of a text the blank lines before it go instead."""
    assert cut_rows(raw, rows) == left


_LINES = st.lists(st.sampled_from(["a", "é b", "北", "", " ", "\u00a0c\u00a0"]), max_size=8)


@given(_LINES, st.sampled_from(["\n", "\r\n", "\r", "\u2028"]), st.data())
def test_cutting_blocks_leaves_all_other_blocks_as_they_were(lines, line_end, data):
    raw = line_end.join(lines).encode()
    blocks = blocks_of(raw)
    rows = sorted(data.draw(st.sets(st.integers(0, len(blocks) - 1)))) if blocks else []
    left = cut_rows(raw, rows)
    kept = [raw[slice(*blocks[row])] for row in range(len(blocks)) if row not in rows]
    assert [left[slice(*block)] for block in blocks_of(left)] == kept


@given(st.text(max_size=30), st.data())
def test_places_count_code_points_bytes_and_lines_in_any_order_of_asking(text, data):
    raw = text.encode("utf-16-le", "surrogatepass")
    places = Places(Document("d", "d", raw, text.encode(), "utf-16-le", "surrogatepass"))
    ends = st.integers(0, len(text))
    for _ in range(3):
        low, high = sorted((data.draw(ends), data.draw(ends)))
        span = (len(text[:low].encode()), len(text[:high].encode()))
        place = places(span)
        assert place.char == (low, high)
        assert raw[slice(*place.byte)].decode("utf-16-le") == text[low:high]


def test_words_lost_are_those_that_stand_nowhere_in_what_is_left():
    raw = b"old boat\nnew boat, new sail\n"
    cleaned = applied(Document("d", "d", raw, raw), [Cut(finding((9, 27)), (9, 28))])
    assert cleaned.cleaned == b"old boat\n"
    assert (cleaned.removals[0].num_words, cleaned.removals[0].num_words_lost) == (4, 2)


def test_a_text_that_goes_whole_has_lost_all_its_words():
    raw = b"new boat"
    cleaned = applied(Document("d", "d", raw, raw), [Cut(finding((0, 8)), (0, 8))])
    assert (cleaned.cleaned, cleaned.removals[0].num_words, cleaned.removals[0].num_words_lost) == (b"", 2, 2)
    assert cleaned.removals[0].fingerprint == fingerprint(b"newboat", raw)


def test_fingerprints_name_the_canonical_stream_or_the_bytes_where_there_is_none():
    assert fingerprint(b"ab", b"A b!") == fingerprint(b"ab", b"ab")
    assert fingerprint(b"", b"***") == fingerprint(b"", b"* **") != fingerprint(b"", b"---")


@given(st.lists(st.lists(st.integers(0, 5), max_size=3, unique=True), max_size=4))
def test_cuts_of_several_rounds_are_those_of_the_original(rounds):
    """Each round sees the text the rounds before it left; all cuts together give the last text."""
    raw = "\n\n".join(f"line {at}é" for at in range(6)).encode()
    draft = Draft(Document("d", "d", raw, raw))
    for rows in rounds:
        blocks = blocks_of(draft.text)
        gone = tuple(finding(blocks[row]) for row in sorted(rows) if row < len(blocks))
        draft.update(blocks, Decision(gone, ()))
    spans = [cut.span for cut in draft.cuts]
    assert spans == sorted(spans)
    assert all(one[1] <= two[0] for one, two in pairwise(spans))
    assert without(raw, spans) == draft.text


def test_a_removal_cites_the_copy_that_is_left_after_all_rounds():
    """The second line goes as a copy of the third, then the third as a copy of the first."""
    raw = b"aa\nbb\ncc\n"
    draft = Draft(Document("d", "d", raw, raw))
    draft.update(blocks_of(raw), Decision((finding((3, 5), (6, 8)),), ()))
    draft.update(blocks_of(draft.text), Decision((finding((3, 5), (0, 2)),), ()))
    assert draft.text == b"aa\n"
    assert [cut.finding.kept for cut in draft.cited_cuts()] == [(None, (0, 2))] * 2
