"""The canonical stream and its tokens are the same on every path, and say where each byte came from."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedupe import normalize as module
from dedupe.code_points import canonical_of_code
from dedupe.normalize import canonical_by_codes, canonical_many, normalize, source_map, stream_of, tokens_of
from dedupe.records import Texts
from dedupe.segment import segment

LETTER = module.LETTER
# One text a script, with what its writing makes hard: case, marks, no spaces, digits, composed and not.
SCRIPTS = {
    "Latin": "Straße ÉTÉ ﬁne İstanbul Ⅻ x² ǅ Łódź’s co-operate",
    "Greek": "ΌΣΟΣ ΣΊΣΥΦΟΣ, ᾄδω ϐιβλίο",
    "Cyrillic": "Ёлка ПРИВЕТ, й й ў",
    "Arabic": "قَالَ الرَّجُلُ: «لا» ١٢٣ ﷲ ﻼ",
    "Hebrew": "שָׁלוֹם, עוֹלָם! ״צה״ל״",
    "Devanagari": "क़लम हिन्दी में: १२३ क्षि।",
    "Bengali": "বাংলা ড়া ড়া, ৪৫",
    "Tamil": "தமிழ் கொ கொ",
    "Thai": "ภาษาไทยน้ำ กำ ๑๒๓ abcไทย",
    "Lao": "ພາສາລາວ ຳ ນ້ຳ",
    "Khmer": "ភាសាខ្មែរ ១២",
    "Myanmar": "မြန်မာဘာသာ ကို",
    "Han": "北京abc大学123，㍿ 神 神々",
    "Kana": "カタカナ ｱｲｳ がぎ か\u3099 ー々",
    "Hangul": "한국어 한국 각ᆨ ㄱ",
    "Ethiopic": "ሰላም ለዓለም።",
    "Georgian": "საქართველო ᲡᲐᲥ",
    "Emoji": "a😀b 👩‍👩‍👧 1️⃣ 🇩🇪 ẍ̧",
    "Invisible": "so\u00adft zero\u200bwidth no\u00a0break \ufeff bidi\u202eabc var\ufe0fy",
}
_CHARS = st.one_of(
    st.characters(),
    st.sampled_from("aB1 .-\n\u00a0é\u0301\u0308\u0327\u3099ßſİıΣςﬁ½Åกำ้ไ北がカ\uff76\uff9e한ᄒ각ᆨ가ᅡ\u200d\ufe0f"),
    st.sampled_from("\u0344\u0958\u0f73\ufffd"),
    st.characters(categories=["M"]),
)
_TEXT = st.text(_CHARS, max_size=40)
_ENCODED = _TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
_BYTES = st.one_of(_ENCODED, st.lists(st.one_of(_ENCODED, st.binary(max_size=3)), max_size=6).map(b"".join))


def slow_stream(text):
    """NFKC and case folding of the whole text at once, letters, digits and marks only."""
    text = regex.sub(r"[\ufe00-\ufe0f\U000e0100-\U000e01ef]", "", text)
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return regex.sub(r"[^\p{L}\p{N}\p{M}]", "", folded)


_UNSPACED = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Han}\p{Hiragana}\p{Katakana}\u3099\u30fc\uff70]")


def slow_tokens(text):
    """Walk over the composed text: who begins a token, who goes on with it, who ends it."""
    tokens, before = [], "gap"
    for char in unicodedata.normalize("NFC", text):
        folded = slow_stream(char)
        is_mark = bool(regex.match(r"\p{M}", char))
        kind = "mark" if is_mark else "single" if _UNSPACED.match(char) else "letter"
        if not folded:
            kind = "gap"
        elif before == "gap" or kind == "single" or (kind == "letter" and before == "single"):
            tokens.append(folded)
        else:
            tokens[-1] += folded
        before = "single" if kind == "mark" and before == "single" else kind
    return tokens


def stream_of_bytes(raw):
    return module._canonical(np.frombuffer(raw, np.uint8), 0)[0].tobytes()


def by_codes(raw):
    stream, token_pos, source, last = canonical_by_codes(raw.decode("utf-8", "surrogateescape"), 0)
    return stream.tobytes(), token_pos.tolist(), char_starts(raw, source), last


def char_starts(raw, source):
    """Source offsets may point at any byte of a character; say which character each is in."""
    text = raw.decode("utf-8", "surrogateescape")
    starts = np.cumsum([0, *(len(char.encode("utf-8", "surrogateescape")) for char in text)])
    return (np.searchsorted(starts, source, side="right") - 1).tolist()


@settings(max_examples=1000)
@given(_BYTES.filter(bool))
@example("ǅ".encode())
@example("İ".encode())
@example("a\u0301".encode())
@example(b"\xed\xa0\x80x")
@example(b"\xc3")
def test_every_path_makes_the_same_of_a_text(raw):
    """The in-place and the ASCII path against the plain one, over all of Unicode and broken bytes."""
    stream, token_pos, source, last = module._canonical(np.frombuffer(raw, np.uint8), 0)
    assert (stream.tobytes(), token_pos.tolist(), char_starts(raw, source), last) == by_codes(raw)
    assert (np.diff(source) >= 0).all()


@given(_BYTES.filter(bool))
def test_the_kind_before_a_piece_decides_whether_its_first_word_goes_on(raw):
    """A piece that follows a letter has the tokens it would have behind that letter."""
    stream, token_pos, _, last = module._canonical(np.frombuffer(b"." + raw, np.uint8), LETTER)
    after_dot = module._canonical(np.frombuffer(raw, np.uint8), 0)
    assert (stream.tobytes(), token_pos.tolist(), last) == (
        after_dot[0].tobytes(), after_dot[1].tolist(), after_dot[3])
    for byte in (b"a", b"7"):
        if raw[0] < 0x80:
            joined = module._canonical(np.frombuffer(byte + raw, np.uint8), 0)
            piece = module._canonical(np.frombuffer(raw, np.uint8), LETTER)
            assert joined[0].tobytes()[1:] == piece[0].tobytes()
            assert [at - 1 for at in joined[1].tolist()[1:]] == piece[1].tolist()


@pytest.mark.parametrize("script", SCRIPTS)
def test_streams_are_folded_letters_digits_and_marks(script):
    text = SCRIPTS[script]
    assert stream_of(text).decode() == slow_stream(text)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_composed_and_decomposed_texts_have_one_stream_and_the_same_tokens(script, form):
    text, other = SCRIPTS[script], unicodedata.normalize(form, SCRIPTS[script])
    assert stream_of(other) == stream_of(text)
    assert tokens_of(other.encode()) == tokens_of(text.encode())


@given(st.text(st.characters(categories=["L", "N", "Z", "P"]), max_size=30))
def test_decomposing_any_text_changes_no_stream(text):
    assert stream_of(unicodedata.normalize("NFD", text)) == stream_of(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize("script", [name for name in SCRIPTS if name not in ("Emoji", "Invisible")])
def test_tokens_are_runs_and_single_characters_of_unspaced_scripts(script):
    assert [token.decode() for token in tokens_of(SCRIPTS[script].encode())] == slow_tokens(SCRIPTS[script])


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("U.S. – É", ["u", "s", "é"]),
        ("don’t", ["don", "t"]),
        ("北京大学", ["北", "京", "大", "学"]),
        ("abc北def", ["abc", "北", "def"]),
        ("น้ำ", ["น้", "ํา"]),
        ("ก้า", ["ก้", "า"]),
        ("½ cup", ["12", "cup"]),
        ("…", []),
        ("", []),
        ("हिन्दी", ["हिन्दी"]),
    ],
)
def test_tokens_of_small_texts(text, tokens):
    assert [token.decode() for token in tokens_of(text.encode())] == tokens


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("U.S. growth", "US growth"),
        ("USa front", "US—a front"),
        ("no\u00a0break and thin\u2009space", "no break and thin space"),
        ("PlanUS-Backed", "Plan US-Backed"),
        ("re-\nwrapped   lines", "re-wrapped lines"),
        ("“Quoted” text…", '"quoted" text...'),
        ("ﬁne ﬂow", "FINE FLOW"),
        ("STRASSE", "Straße"),
        ("ｆｕｌｌ　ｗｉｄｔｈ１２", "full width12"),
        ("ΌΣΟΣ", "όσος"),
        ("half-width ｶﾞ ﾊﾟ", "half-width ガ パ"),
        ("soft\u00adhyphen", "softhyphen"),
    ],
)
def test_texts_that_differ_in_spaces_marks_case_or_width_have_one_stream(one, two):
    assert stream_of(one) == stream_of(two)


def test_the_canonical_form_of_a_character_is_its_own_canonical_form():
    """Every character but those of the large uniform scripts (Han, Hangul) and private ones."""
    codes = [*range(0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x20000), *range(0xE0000, 0xE0200)]
    changed = []
    for code in codes:
        once = canonical_of_code(code)[1]
        twice = b"".join(canonical_of_code(ord(char))[1] for char in once.decode())
        if once != twice:
            changed.append((hex(code), once.decode(), twice.decode()))
    assert changed == []


@settings(max_examples=300)
@given(_BYTES)
def test_the_source_of_every_stream_byte_is_the_character_that_made_it(raw):
    """Each piece of the text between two sources makes exactly the bytes that name it."""
    stream, source = stream_of_bytes(raw), np.array(source_map(raw))
    assert len(source) == len(stream) + 1
    assert source[-1] == len(raw)
    assert (np.diff(source) >= 0).all()
    sizes = [len(char.encode("utf-8", "surrogateescape")) for char in raw.decode("utf-8", "surrogateescape")]
    assert set(source.tolist()) <= set(np.cumsum([0, *sizes]).tolist())
    for begin, end in pairwise(sorted(set(source.tolist()))):
        made = stream[int(np.searchsorted(source[:-1], begin)):int(np.searchsorted(source[:-1], end))]
        assert stream_of_bytes(raw[begin:end]) == made


@pytest.mark.parametrize(
    ("text", "stream", "source"),
    [
        ("", "", [0]),
        ("—", "", [3]),
        ("A b", "ab", [0, 2, 3]),
        ("ß", "ss", [0, 0, 2]),
        ("½", "12", [0, 0, 2]),
        ("e\u0301x", "éx", [0, 0, 3, 4]),
        ("(北)", "北", [1, 1, 1, 5]),
        ("ﷲ", "الله", [0] * 8 + [3]),
    ],
)
def test_source_maps_of_small_texts(text, stream, source):
    assert (stream_of(text).decode(), source_map(text.encode())) == (stream, source)


def blocks_of(texts):
    batch = Texts.of(texts)
    return normalize(batch, *segment(batch))


def by_document(blocks):
    """Streams and tokens of every block, a list a document."""
    stream, found = blocks.stream.tobytes(), []
    for low, high in pairwise(blocks.doc_start.tolist()):
        rows = []
        for row in range(low, high):
            first, last = int(blocks.token_start[row]), int(blocks.token_start[row + 1])
            bounds = [*blocks.token_pos[first:last].tolist(), int(blocks.stream_start[row + 1])]
            begin, end = int(blocks.stream_start[row]), int(blocks.stream_start[row + 1])
            rows.append((stream[begin:end], [stream[a:b] for a, b in pairwise(bounds)]))
            assert b"".join(rows[-1][1]) == rows[-1][0]  # every stream byte belongs to one token
        found.append(rows)
    assert int(blocks.stream_start[-1]) == len(stream)
    assert int(blocks.token_start[-1]) == len(blocks.token_pos)
    return found


@settings(max_examples=300)
@given(st.lists(_BYTES, max_size=5))
def test_a_text_has_the_same_streams_and_tokens_in_any_batch(texts):
    alone = [by_document(blocks_of([text]))[0] for text in texts]
    assert by_document(blocks_of(texts)) == alone
    assert by_document(blocks_of(texts[::-1])) == alone[::-1]


@given(st.lists(_BYTES, max_size=4))
def test_the_stream_of_a_block_is_that_of_its_text(texts):
    batch = Texts.of(texts)
    blocks = blocks_of(texts)
    data, rows = batch.data.tobytes(), [row for doc in by_document(blocks) for row in doc]
    for start, end, (stream, tokens) in zip(blocks.start.tolist(), blocks.end.tolist(), rows, strict=True):
        assert stream_of_bytes(data[start:end]) == stream
        assert tokens_of(data[start:end]) == tokens


@settings(max_examples=300)
@given(st.lists(_BYTES, max_size=5))
def test_passages_looked_up_together_have_the_forms_they_have_alone(passages):
    blocks = canonical_many(passages)
    stream, bounds, tokens = blocks.stream.tobytes(), blocks.stream_start.tolist(), blocks.token_start.tolist()
    assert [stream[a:b] for a, b in pairwise(bounds)] == [stream_of_bytes(each) for each in passages]
    assert [b - a for a, b in pairwise(tokens)] == [len(tokens_of(each)) for each in passages]


@pytest.mark.parametrize("chunk_bytes", [1, 2, 7, 64])
def test_where_the_work_is_cut_into_chunks_changes_nothing(chunk_bytes, monkeypatch):
    texts = [f"{text}\n{text[::-1]}\r\n".encode() for text in SCRIPTS.values()]
    texts += [b"a" * 50, b"", "é".encode() * 40, b"\xff\xfe word \xe2\x80", "e\u0301".encode() * 9000]
    whole = blocks_of(texts)
    monkeypatch.setattr(module, "_CHUNK_BYTES", chunk_bytes)
    cut = blocks_of(texts)
    for name in ("stream", "stream_start", "token_pos", "token_start", "doc_start", "start", "end"):
        assert getattr(cut, name).tolist() == getattr(whole, name).tolist()


@pytest.mark.parametrize(
    "raw",
    [b"\x00" * 100_000, b"\xff" * 100_000, "\u0301".encode() * 100_000, ("a" + "\u0301" * 50_000).encode(),
     "\u1100".encode() * 50_000, b"x" * 300_000, "ﷺ".encode() * 20_000, "😀".encode() * 50_000],
    ids=["nul", "invalid", "marks", "marks-on-a-letter", "jamo", "one-word", "expanding", "emoji"],
)
def test_hostile_texts_go_through_in_linear_time(raw):
    blocks = blocks_of([raw])
    assert blocks.stream.tobytes() == stream_of_bytes(raw)
    assert len(source_map(raw)) == len(blocks.stream) + 1
