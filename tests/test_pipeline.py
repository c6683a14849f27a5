"""Whatever a text holds, cleaning it keeps its promises: nothing is lost that the removals do not hold."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scraped_texts import BIO, HEADLINES, NUM_TEXTS, PROSE, raw_texts, tries

from dedupe.config import PRESETS, Config
from dedupe.debris import trimmed, without_links
from dedupe.hashing import distinct
from dedupe.normalize import normalize
from dedupe.pipeline import as_read, clean_documents
from dedupe.plain import read_again
from dedupe.records import Blocks, Document, Texts
from dedupe.segment import segment

CONFIGS = {preset: Config(preset=preset) for preset in PRESETS}
_PRESETS = st.sampled_from(sorted(PRESETS))
_ANY_BYTES = st.one_of(
    raw_texts(), raw_texts(), raw_texts(), st.binary(max_size=60), st.text(max_size=40).map(str.encode)
)

_BATCH = st.lists(raw_texts(), min_size=NUM_TEXTS, max_size=NUM_TEXTS)
_ANY_BATCH = st.lists(_ANY_BYTES, min_size=NUM_TEXTS, max_size=NUM_TEXTS)


def document(raw, name="doc"):
    return Document(name, name, raw, raw)


def clean(raw, preset="careful"):
    return clean_documents([document(raw)], CONFIGS[preset])[0]


def restored(cleaned):
    pieces, at = [], 0
    for removal in cleaned.removals:
        pieces += [cleaned.cleaned[at : removal.output_byte], removal.raw]
        at = removal.output_byte
    return b"".join([*pieces, cleaned.cleaned[at:]])


def spans(cleaned):
    return [removal.place.byte for removal in cleaned.removals]


@tries(80)
@given(_ANY_BATCH, _PRESETS)
def test_putting_the_removals_back_gives_the_original(raws, preset):
    for cleaned in clean_documents([document(raw, f"d{at}") for at, raw in enumerate(raws)], CONFIGS[preset]):
        assert restored(cleaned) == cleaned.document.raw


@tries(40)
@given(_BATCH, _PRESETS)
def test_what_is_kept_and_what_is_removed_make_up_the_document(raws, preset):
    """Spans ascend, do not overlap, hold what they say, and where they stood in the output is right."""
    for cleaned in clean_documents([document(raw) for raw in raws], CONFIGS[preset]):
        raw, at, output = cleaned.document.raw, 0, b""
        for removal in cleaned.removals:
            start, end = removal.place.byte
            assert at <= start < end <= len(raw)
            assert removal.raw == raw[start:end]
            output += raw[at:start]
            assert removal.output_byte == len(output)
            assert removal.output_char == len(output.decode("utf-8", "surrogateescape"))
            assert removal.removed
            assert 0 < removal.confidence <= 1
            at = end
        assert not any(kept.removed for kept in cleaned.kept)
        assert cleaned.cleaned == output + raw[at:]


@tries(40)
@given(_BATCH, _PRESETS)
def test_places_count_bytes_characters_and_lines_of_the_original(raws, preset):
    for cleaned in clean_documents([document(raw) for raw in raws], CONFIGS[preset]):
        raw = cleaned.document.raw
        for removal in (*cleaned.removals, *cleaned.kept):
            text = removal.text
            assert text.encode("utf-8", "surrogateescape") == removal.raw
            for place in filter(None, (removal.place, removal.kept)):
                (start, end), chars = place.byte, place.char
                assert chars == tuple(len(raw[:at].decode("utf-8", "surrogateescape")) for at in (start, end))
                assert place.line[0] < place.line[1]


@tries(40)
@given(_BATCH, _PRESETS)
def test_cleaning_a_cleaned_text_removes_nothing_more(raws, preset):
    once = clean_documents([document(raw) for raw in raws], CONFIGS[preset])
    twice = clean_documents([document(cleaned.cleaned) for cleaned in once], CONFIGS[preset])
    for before, after in zip(once, twice, strict=True):
        if "guard" not in before.flags:
            assert [removal.text for removal in after.removals] == []


@tries(60)
@given(_BATCH, _PRESETS)
def test_every_repeat_that_goes_cites_a_copy_that_stays(raws, preset):
    for cleaned in clean_documents([document(raw) for raw in raws], CONFIGS[preset]):
        gone = spans(cleaned)
        for removal in cleaned.removals:
            if removal.kept is not None:
                low, high = removal.kept.byte
                assert removal.kept.doc == cleaned.document.doc
                assert low < high
                left = (high - low) - sum(max(0, min(high, end) - max(low, start)) for start, end in gone)
                # Of a copy that says itself twice the second half may have gone.
                assert left >= 0.4 * (high - low), (removal.text, cleaned.document.raw[low:high])


@tries(40)
@given(st.lists(_ANY_BYTES, min_size=2, max_size=8), st.randoms(use_true_random=False), _PRESETS)
def test_the_result_of_a_document_depends_on_no_other(raws, random, preset):
    """Alone, in a batch, and in the same batch shuffled."""
    documents = [document(raw, f"d{at}") for at, raw in enumerate(raws)]
    alone = [clean_documents([each], CONFIGS[preset])[0] for each in documents]
    assert clean_documents(documents, CONFIGS[preset]) == alone
    order = random.sample(range(len(raws)), len(raws))
    shuffled = clean_documents([documents[at] for at in order], CONFIGS[preset])
    assert shuffled == [alone[at] for at in order]


@tries(15)
@given(st.lists(raw_texts(), min_size=5, max_size=5), _PRESETS)
def test_results_are_records_that_survive_pickling(raws, preset):
    cleaned = clean_documents([document(raw) for raw in raws], CONFIGS[preset])
    assert pickle.loads(pickle.dumps(cleaned)) == cleaned


SCRAPED = "\n\n".join([HEADLINES[0], PROSE[0], HEADLINES[0], "Also read:", PROSE[1], BIO, PROSE[5], BIO, ""])


def test_a_repeated_headline_a_bio_and_a_cue_go_and_the_rest_keeps_its_spacing():
    cleaned = clean(SCRAPED.encode())
    assert cleaned.cleaned.decode() == "\n\n".join([HEADLINES[0], PROSE[0], PROSE[1], BIO, PROSE[5]]) + "\n"
    assert [removal.rule for removal in cleaned.removals] == ["repeated-block", "cue", "repeated-block"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\u2028", "\u2029"])
def test_the_same_goes_whatever_the_line_ends(line_end):
    cleaned = clean(SCRAPED.replace("\n", line_end).encode())
    expected = "\n\n".join([HEADLINES[0], PROSE[0], PROSE[1], BIO, PROSE[5]]) + "\n"
    assert cleaned.cleaned.decode() == expected.replace("\n", line_end)


def test_a_byte_order_mark_stays_in_front():
    raw = b"\xef\xbb\xbf" + "\n\n".join(["Also read:", PROSE[0], PROSE[1]]).encode()
    cleaned = clean(raw)
    assert cleaned.cleaned == b"\xef\xbb\xbf" + f"{PROSE[0]}\n\n{PROSE[1]}".encode()


def test_a_document_in_another_encoding_is_cut_in_its_own_bytes():
    text = SCRAPED.replace("harbour", "härbour")
    for encoding in ("utf-16-le", "cp1252"):
        raw = text.encode(encoding)
        errors = "surrogatepass" if encoding.startswith("utf") else "surrogateescape"
        each = Document("doc", "doc", raw, text.encode(), encoding, errors)
        cleaned = clean_documents([each], CONFIGS["careful"])[0]
        assert restored(cleaned) == raw
        assert cleaned.cleaned.decode(encoding) == clean(text.encode()).cleaned.decode()
        assert all(removal.raw == removal.text.encode(encoding) for removal in cleaned.removals)


def test_no_documents_and_empty_documents_have_empty_results():
    assert clean_documents([], CONFIGS["careful"]) == []
    assert [each.cleaned for each in clean_documents([document(b""), document(b"\n\n")], CONFIGS["careful"])] == [
        b"",
        b"\n\n",
    ]


def clean_in_a_child(raw):
    return clean(raw)


def test_other_processes_give_the_same_results():
    """Spawned, so nothing of this process is inherited."""
    raws = [SCRAPED.encode(), b"", SCRAPED[::-1].encode()]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(clean_in_a_child, raws) == [clean(raw) for raw in raws]


@pytest.mark.parametrize(
    "text",
    [
        "Same line here again\n" * 20_000,
        "".join(f"Caption number {at} of the gallery\n" for at in range(20_000)),
        "word " * 60_000,
        "a" * 300_000,
        "\n" * 100_000,
        "北" * 60_000,
        "ab" * 100_000 + "\n" + "ab" * 100_000,
        (PROSE[0] + "\n") * 2000,
        "Also read:\n" * 5000,
        "“" * 50_000,
        "https://example.org/" + "a-" * 50_000,
        "Pros\nCons\n" * 5000,
        "x\ty\tz\n" * 10_000,
        "(" * 100_000,
        "A " * 30_000 + "\n" + "A " * 30_000,
    ],
    ids=[
        "equal-lines",
        "numbered-lines",
        "one-line",
        "one-word",
        "blank",
        "han",
        "two-runs",
        "paragraphs",
        "cues",
        "quotes",
        "address",
        "alternating",
        "table",
        "brackets",
        "letters",
    ],
)
def test_hostile_texts_come_back_in_time(text):
    cleaned = clean(text.encode(), "thorough")
    assert restored(cleaned) == text.encode()


def test_blocks_of_the_seed_are_found_where_they_stand():
    """The whole seed document, its own lines as they stand in the file."""
    raw = (Path(__file__).parents[1] / "seeds" / "000_76ba97706a32af6b.txt").read_bytes()
    cleaned = clean(raw)
    _, start, end = segment(Texts.of([raw]))
    blocks = list(zip(start.tolist(), end.tolist(), strict=True))
    whole = [removal for removal in cleaned.removals if removal.rule != "doubled"]
    assert whole
    for removal in whole:
        low, high = removal.place.byte
        inside = [block for block in blocks if low <= block[0] and block[1] <= high]
        assert len(inside) == 1
        assert raw[low:high].decode().strip() == raw[inside[0][0]:inside[0][1]].decode().strip()


@pytest.mark.parametrize("others", [0, 1, 9])
def test_blocks_begin_where_they_begin_whatever_else_is_in_the_batch(others):
    """A control character at the edge of a block, beside texts with links."""
    held = [b"\x01word\x02\n", *[b"[Home](http://a.b/c)\n"] * others, "\x01слово\n".encode()]
    texts = Texts.of(held)
    _, blocks = as_read(texts, normalize(texts, *segment(texts)))
    spans = [texts.data[low:high].tobytes() for low, high in zip(blocks.start, blocks.end, strict=True)]
    assert (spans[0], spans[-1]) == (b"\x01word\x02", "\x01слово".encode())


_LINKED = st.sampled_from([
    "word ", "é", "e\u0301", "\u0301", "北京", "\n", "\n\n", " ", "ﬁ", "[Home](http://a.b/c)", "<b>x</b>", "- [a][b]",
    "<br>", "\u1112\u1161", "](", "12",
])  # fmt: skip


@given(st.lists(st.lists(_LINKED, max_size=10).map("".join).map(str.encode), min_size=1, max_size=6))
def test_only_texts_with_links_are_read_again_and_all_blocks_are_as_if_all_were(held):
    """Marks that open a text, texts without a block, and links that begin or end one."""
    texts = Texts.of(held)
    blocks, plain = normalize(texts, *segment(texts)), without_links(texts)
    blanked = np.flatnonzero(plain.data != texts.data)
    docs = distinct(np.searchsorted(texts.offsets, blanked, side="right") - 1)
    whole = normalize(plain, blocks.doc_start, *trimmed(plain, blocks.start, blocks.end))
    some = read_again(plain, blocks, docs)
    for name in Blocks.__struct_fields__:
        one, two = getattr(some, name), getattr(whole, name)
        assert (one.dtype, one.tolist()) == (two.dtype, two.tolist()), name
