"""Blocks are the non-empty lines of each text, white space stripped; wrapped lines make paragraphs."""

from __future__ import annotations

import re
import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dedupe import kernels
from dedupe.records import Texts
from dedupe.segment import _compiled_lines, _filled_lines, segment, sentence_ends

_LINE_END = re.compile("\r\n|[\n\r\u2028\u2029]")
# What Unicode calls white space, the separators of ASCII, NUL, and marks that show nothing.
_BLANK = (
    "\0\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
    + "".join(map(chr, range(0x2000, 0x2010)))
    + "".join(map(chr, range(0x202A, 0x202F)))
)


def blocks_of(texts):
    """The blocks of each text, as bytes, and a check that their spans are what `Blocks` says."""
    batch = Texts.of(texts)
    doc_start, start, end = segment(batch)
    assert {array.dtype for array in (doc_start, start, end)} == {np.dtype(np.int64)}
    assert len(doc_start) == len(texts) + 1
    assert doc_start[0] == 0
    assert doc_start[-1] == len(start) == len(end)
    assert (start < end).all()
    assert (end[:-1] <= start[1:]).all()
    data = batch.data.tobytes()
    found = []
    for doc in range(len(texts)):
        rows = range(int(doc_start[doc]), int(doc_start[doc + 1]))
        assert all(batch.offsets[doc] <= start[row] and end[row] <= batch.offsets[doc + 1] for row in rows)
        found.append([data[start[row]:end[row]] for row in rows])
    return found


def slow_blocks(text):
    lines = _LINE_END.split(text.decode("utf-8", "surrogateescape"))
    stripped = (line.strip(_BLANK) for line in lines)
    return [line.encode("utf-8", "surrogateescape") for line in stripped if line]


_LINE_ENDS = ["\n", "\r", "\r\n", "\u2028", "\u2029"]
_PIECES = [*_LINE_ENDS, *_BLANK, "a", "b c", "é", "…", "北", "😀", "\u200b", "\u200f", "\u2027", "\u2010"]
_VALID = st.lists(st.sampled_from(_PIECES), max_size=40).map("".join).map(str.encode)
_BROKEN = st.lists(
    st.sampled_from([bytes([byte]) for byte in b"\xe2\x80\xa8\xc2\xa0\xef\xbb\xbf\xff \na"]), max_size=30
).map(b"".join)


@pytest.mark.parametrize("compiled", [False, True])
@given(texts=st.lists(st.one_of(_VALID, _BROKEN), max_size=6))
def test_blocks_are_the_stripped_lines_of_every_text(compiled, texts):
    """Every line end, every white space, broken characters, and texts that touch in the batch."""
    with kernels.switched(compiled):
        assert blocks_of(texts) == [slow_blocks(text) for text in texts]


_ANY = st.one_of(st.text(max_size=30).map(str.encode), st.binary(max_size=30))


@given(st.lists(_ANY, max_size=5))
def test_blocks_of_any_text_and_of_any_bytes_are_the_stripped_lines(texts):
    assert blocks_of(texts) == [slow_blocks(text) for text in texts]


@given(st.lists(st.one_of(_VALID, _BROKEN), max_size=6))
def test_blank_lines_are_found_alike_with_and_without_numba(texts):
    batch = Texts.of(texts)
    for one, two in zip(_filled_lines(batch), _compiled_lines(batch), strict=True):
        assert (one.dtype, one.tolist()) == (two.dtype, two.tolist())


@pytest.mark.parametrize("space", list(_BLANK), ids=lambda char: f"U+{ord(char):04X}")
@pytest.mark.parametrize("count", [1, 23, 24, 25, 300])
def test_margins_of_any_width_are_stripped(space, count):
    """Twenty-four characters are stripped in step; wider margins take the other path."""
    margin = space.encode() * count
    assert blocks_of([margin + "é x".encode() + margin + b"\n" + margin]) == [["é x".encode()]]


def test_texts_that_touch_without_a_line_end_stay_apart():
    assert blocks_of([b"one", b"two", b"", b"\n", b"three"]) == [[b"one"], [b"two"], [], [], [b"three"]]


def test_a_character_cut_in_two_by_the_end_of_a_text_is_not_put_together():
    """U+2028 is E2 80 A8, and U+00A0 is C2 A0: the halves belong to different texts."""
    assert blocks_of([b"a\xe2\x80", b"\xa8b"]) == [[b"a\xe2\x80"], [b"\xa8b"]]
    assert blocks_of([b"a\xc2", b"\xa0b", b"\xe3\x80", b"\x80"]) == [[b"a\xc2"], [b"\xa0b"], [b"\xe3\x80"], [b"\x80"]]


def test_a_batch_without_texts_or_with_empty_ones_has_no_blocks():
    assert blocks_of([]) == []
    assert blocks_of([b"", b""]) == [[], []]


@pytest.mark.parametrize(
    "text",
    [b"\n" * 200_000, b" " * 400_000, b" " * 200_000 + b"x" + b" " * 200_000, b"\r\n" * 100_000 + b"x",
     "\u3000".encode() * 100_000 + b"x", b"a \n" * 100_000, b"\xff" * 300_000, (b" " * 99 + b"\xc2\xa0\n") * 3000],
    ids=["line-ends", "spaces", "wide-margins", "crlf", "wide-spaces", "short-lines", "invalid", "blank-lines"],
)
def test_long_margins_and_many_lines_take_linear_time(text):
    assert blocks_of([text]) == [slow_blocks(text)]


PROSE = (
    "The ferry to the outer islands was taken out of service on Thursday evening after the crew found a crack "
    "in one of the two rudders. Passengers who were already on board waited for three hours in the saloon, "
    "where the cook handed out soup and bread. The company says that a smaller boat will carry the mail and "
    "the schoolchildren until the repair is done, which the yard expects to take eleven days, weather allowing."
)
SECOND = PROSE.replace("ferry", "bus").replace("rudders", "axles").replace("boat", "van")


def wrapped(paragraph, columns=72, **options):
    return textwrap.fill(paragraph, columns, break_long_words=False, break_on_hyphens=False, **options)


@pytest.mark.parametrize("line_end", _LINE_ENDS, ids=["LF", "CR", "CRLF", "U+2028", "U+2029"])
@pytest.mark.parametrize("columns", [60, 72, 100])
def test_wrapped_lines_are_joined_to_paragraphs(columns, line_end):
    text = f"{wrapped(PROSE, columns)}\n\n{wrapped(SECOND, columns)}\n".replace("\n", line_end)
    found = blocks_of([text.encode()])[0]
    assert [" ".join(block.decode().split()) for block in found] == [PROSE, SECOND]


def test_each_text_of_a_batch_is_judged_by_its_own_lines():
    loose, tight = PROSE.replace(". ", ".\n").encode(), wrapped(PROSE).encode()
    assert [len(blocks) for blocks in blocks_of([loose, tight, loose])] == [3, 1, 3]


def test_a_headline_above_a_wrapped_paragraph_is_a_block_of_its_own():
    text = f"Ferry out of service\n\n{wrapped(PROSE)}\n\n{wrapped(SECOND)}\n"
    assert [len(block) > 30 for block in blocks_of([text.encode()])[0]] == [False, True, True]


VERSE = """\
The miller's daughter counts the sacks that stand against the wall,
The miller counts the swallows' nests and will not sell at all,
The river counts the stones it moves from here down to the sea,
And I, who have no stones nor sacks, I count on you and me.
The winter counts the empty chairs and finds them all too few,
The baker counts the morning bells, the bells they count on dew."""
LISTING = "\n".join(f"- {word} goes into the bowl with the flour and a pinch of salt" for word in
                    ("butter", "sugar", "one egg", "vanilla", "the rest of the milk and the cream"))
CODE = """\
def total_of(orders: list[Order], taxes: dict[str, Decimal]) -> Decimal:
    total = Decimal(0)
    for order in orders:
        total += order.amount * (1 + taxes.get(order.country, Decimal(0)))
    if total < 0:
        raise ValueError(f"the total of {len(orders)} orders is {total}")
    return total.quantize(Decimal("0.01"))
"""


@pytest.mark.parametrize("text", [VERSE, LISTING, CODE, PROSE.replace(". ", ".\n"), f"{PROSE}\n{SECOND}\n{PROSE}"],
                         ids=["verse", "list", "code", "sentence-a-line", "paragraph-a-line"])
def test_lines_that_are_not_filled_to_a_width_stay_apart(text):
    assert blocks_of([text.encode()]) == [slow_blocks(text.encode())]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two?” Three", ["One.", " Two?”", " Three"]),
        ("No end", ["No end"]),
        ("他走了。她来了！好", ["他走了。", "她来了！", "好"]),
        ("वह गया। वह आई।", ["वह गया।", " वह आई।"]),
        ("هل جاء؟ نعم.", ["هل جاء؟", " نعم."]),
        ("It is 3.14 or v2.0.1", ["It is 3.14 or v2.0.1"]),
        ("(He left.) She stayed…", ["(He left.)", " She stayed…"]),
        ("Was it?! Yes.", ["Was it?!", " Yes."]),
    ],
)
def test_sentences_end_behind_final_marks_and_closing_quotes(text, sentences):
    ends = sentence_ends(text)
    assert [text[a:b] for a, b in zip([0, *ends], ends, strict=False)] == sentences


def test_an_empty_text_ends_where_it_begins():
    assert sentence_ends("") == [0]
