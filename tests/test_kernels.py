"""The compiled twins give the bits of the NumPy stages on any bytes, and stay inside their arrays."""

import os
import random
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dedupe import kernels
from dedupe.config import Config
from dedupe.corpus.memory import sketch, sketch_all
from dedupe.cues import find_cues, load_cues
from dedupe.debris.features import features
from dedupe.debris.kinds import kinds_of
from dedupe.debris.sums import weighted_sums
from dedupe.debris.tokens import SharedWords, mix
from dedupe.debris.tokens import block_hashes as ordered_hashes
from dedupe.debris.tokens import token_hashes as debris_hashes
from dedupe.hashing import StreamHashes
from dedupe.kernels.fused import sketch_texts
from dedupe.kernels.windows import _has_equal
from dedupe.kernels.words import shared_counts
from dedupe.match import find_doubled, find_equal, find_near, find_runs
from dedupe.match.near import _bands
from dedupe.normalize import normalize
from dedupe.passages import winnowed_seeds
from dedupe.pipeline import clean_documents
from dedupe.records import Blocks, Document, Texts
from dedupe.segment import segment
from dedupe.shingle import block_hashes, token_hashes, word_shingles
from dedupe.sketch import signatures

SEEDS = Path(__file__).parent.parent / "seeds"
GOLDEN = Path(__file__).parent / "golden"

TEXTS = {
    "nothing": b"",
    "all of ASCII": b" ".join(b"a%cb %c" % (code, code) for code in range(128)) * 2,
    "spaces": b" \n\t\r\n",
    "punctuation": "*** … — ()".encode(),
    "one letter": b"a",
    "four tokens": b"one two three four",
    "five tokens": b"one two three four five",
    "a long word": b"a" * 70_000,
    "many short words": b"a b " * 9_000,
    "two lines": b"one two\nthree four five\n\nsix",
    "capitals and digits": "STRASSE Straße ½ ² Ⅷ ﬁn İstanbul ǅ".encode(),
    "composed": "éàü ñ Ångström Ṩ".encode(),
    "decomposed": unicodedata.normalize("NFD", "Céleste à l'été, Ångström, tiếng Việt").encode(),
    "mark first": "\u0301abc \u0301 d\u0301\u0327e".encode(),
    "marks out of order": "a\u0301\u0327 a\u0327\u0301".encode(),
    "more marks than are put in order": ("e" + "\u0301\u0327" * 40 + "o\u0308").encode(),
    "Hindi": "यह एक वाक्य है। ज़रूरत क\u093c".encode(),
    "Thai": "ภาษาไทยเขียนติดกัน ไม่มีช่องว่าง กำ".encode(),
    "Chinese": "我们在北京。㍿ 豈 abc中文def𠀀𠀁".encode(),
    "Japanese": "カタカナ ｶﾞﾊﾟ か゛が が 東京2020".encode(),
    "Korean": "한국어 \u1112\u1161\u11ab\uae00 각".encode() + "하\u11ab".encode(),
    "Arabic": "اللُّغَة العربية ﷺ ﻻ ـــ".encode(),
    "Hebrew": "שָׁלוֹם שׁ".encode(),
    "singletons": "Ω Å \u212a \u0958 \u2126\u0301 豈".encode(),
    "emoji": "👩‍👩‍👧 ok 🇩🇪 ✌️ 1️⃣".encode(),
    "no break": "U.S.\u00a0law soft\u00adhyphen zero\u200bwidth bidi\u202eabc".encode(),
    "control": b"a\x00b\x1bc\x7fd\x85",
    "other line ends": "one\rtwo\u2028three\u2029four\x0bfive\x0csix\u0085seven".encode(),
    "lone bytes": b"ab\x80cd\xffef\xc0\x80gh\xf5\x80\x80\x80",
    "cut characters": "é中𠀀".encode()[:-1] + b" x\xe4\xb8 \xf0\x9f\x98 z\xc3",
    "surrogates": b"a\xed\xa0\x80b\xed\xbf\xbfc",
    "surrogates that would be a letter together": "x\ud835\udc00y é".encode("utf-8", "surrogatepass"),
    "letters and none beyond the first plane": "aé𝐀b é😀c 😀😀 \U00010400é ö".encode(),
    "characters that become many": "ﷺ ö ﬃ ö ẖ ㍿ ö ŉ ⑽ öﬀ ΐ İı".encode(),
    "pieces full of each": ("é😀ö " * 90 + "ж" * 255 + "é" + " 😀" * 300 + "ﬃ" * 200 + "ö" * 400).encode(),
    "too long": b"a\xe0\x80\xafb\xf0\x80\x80\xafc\xf4\x90\x80\x80d",
    "first and last of each size": "\u0080\u07ff\u0800\uffff\U00010000\U0010ffff".encode(),
    "cues": "12 Comments\n۱۲ دیدگاه\n3.4 Kommentare\nAlso read: 5 things\nलोड हो रहा है ४५\nRead more"
    "\nShare this".encode(),
    "cues with numbers inside": "12 34 comments\n1,234 comments 5\n٣٤ تعليقات\n๑๒ ความคิดเห็น\n相关阅读：\n"
    "Copyright 2020".encode(),
    "said twice": ("Der Fluss steigt wieder anDer Fluss steigt wieder an\n" + "港口管理员说他在这个岗位上" * 2
                   + "\nРека снова поднимаетсяРека снова поднимаются\n" + "ab" * 40).encode(),
    "nearly equal": (
        "Rivers rise again in the north\nRivers rise again in the south\nRivers rose again in the north\n"
        "港口管理员说他在这个岗位上\n港口管理员说他在那个岗位上\nИванов пришёл домой\nИванова пришла домой"
    ).encode(),
    "forms": "A.B. at 12:30, 1/2/2024 me@site.org @you #tag [x](y) | a - b http://a.b/c \xc3. é.5 9.é".encode(),
    "a broken letter before marks": b"caf\xc3.5 \xc3@x \xe4\xb8]( 1\xc3/2 \xce#",
    "a mark after an invalid byte": b"e\xff\xcc\x81 e\xcc\x81",
}


def by_stages(text, num_perm):
    texts = Texts.of([text])
    blocks = normalize(texts, *segment(texts))
    hashes = StreamHashes(blocks.stream)
    shingles, start = word_shingles(blocks, token_hashes(blocks, hashes))
    content = hashes.spans(np.zeros(1, np.int64), np.array([len(blocks.stream)]))
    return shingles.tolist(), int(content[0]), signatures(shingles, start, num_perm, fast=False)[0].tolist()


def fused(texts, num_perm):
    return rows_of(sketch_texts(Texts.of(texts), num_perm))


def rows_of(found):
    """Shingles, content hash and signature of each text, as plain lists."""
    bounds = zip(found.shingle_start, found.shingle_start[1:], strict=False)
    shingles = [found.shingles[begin:end].tolist() for begin, end in bounds]
    return list(zip(shingles, found.content_hash.tolist(), found.signatures.tolist(), strict=True))


def direct(texts, num_perm):
    """What NumPy makes of texts without streams between."""
    return rows_of(sketch(Texts.of(texts), num_perm, fast=False))


def fused_strings(texts, num_perm):
    """What the compiled pass makes of texts that come as strings, where they can: some are UTF-16 then."""
    return rows_of(sketch_all(map(as_string, texts), num_perm))


def as_string(text):
    try:
        return text.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return text


@pytest.mark.parametrize("ways", [fused, fused_strings, direct])
@pytest.mark.parametrize("name", TEXTS)
def test_the_fused_pass_gives_the_bits_of_the_stages(name, ways):
    assert ways([TEXTS[name]], 8) == [by_stages(TEXTS[name], 8)]


@pytest.mark.parametrize("ways", [fused, fused_strings, direct])
def test_texts_of_a_batch_do_not_touch_each_other(ways):
    names = list(TEXTS)
    for batch in (names, names[::-1], names * 2):
        assert ways([TEXTS[name] for name in batch], 8) == [by_stages(TEXTS[name], 8) for name in batch]


@pytest.mark.parametrize("ways", [fused, fused_strings, direct])
def test_long_texts_and_long_words_give_the_bits_of_the_stages(ways):
    """Texts that are cut, with few and with many letters beyond ASCII; words longer than any table of powers."""
    chance = random.Random(5)
    words = [w for text in TEXTS.values() for w in text.decode("utf-8", "replace").split()] + ["Straße", "naïve"] * 9
    texts = [
        b"the river rose by two meters " * 30_000,
        " ".join(chance.choices(words, k=120_000)).encode(),
        b"a" * 700_000 + b" b " + b"c" * 16_384 + b" " + b"d" * 16_383,
        "ж".encode() * 300_000 + b"." + "é".encode() * 9_000,
        b"".join(b"e" * size + b" " for size in range(16_370, 16_400)),
    ]
    assert ways(texts, 2) == [by_stages(text, 2) for text in texts]


ALPHABET = st.sampled_from(
    "aZ9٣५ .\n-@]éß½\u0301\u0327\u093cक中かﾞกำ한\u1100\u1161\u11a8ـلا\ufe0f\u200d👩Ω\u2126\u00a0\x00"
)
BYTES = st.one_of(
    st.text(ALPHABET, max_size=60).map(str.encode),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=40),
    st.tuples(st.binary(max_size=3), st.text(ALPHABET, max_size=20), st.binary(max_size=3)).map(
        lambda parts: parts[0] + parts[1].encode() + parts[2]
    ),
)


@given(st.lists(BYTES, max_size=5))
@example([b"", b"\xcc\x81", b"e"])
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_the_bits_of_the_stages(texts):
    assert fused(texts, 4) == fused_strings(texts, 4) == direct(texts, 4) == [by_stages(text, 4) for text in texts]


def test_every_character_by_itself_and_between_letters_gives_the_bits_of_the_stages():
    codes = [code for code in range(0x80, 0x110000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    sample = codes[::101]
    texts = [f"{chr(code)} a{chr(code)}b {chr(code)}{chr(code)}".encode() for code in sample]
    texts += [text + b" with so many plain words that it goes in place" * 2 for text in texts]
    assert fused(texts, 1) == fused_strings(texts, 1) == direct(texts, 1) == [by_stages(text, 1) for text in texts]


def test_the_seed_and_an_empty_batch():
    texts = [path.read_bytes() for path in sorted(SEEDS.glob("*.txt"))]
    assert fused(texts, 128) == fused_strings(texts, 128) == direct(texts, 128)
    assert direct(texts, 128) == [by_stages(text, 128) for text in texts]
    assert fused([], 128) == fused_strings([], 128) == direct([], 128) == []


def test_read_only_texts_and_texts_in_the_middle_of_a_buffer_work():
    texts = Texts.of([b"one two three", b"four five six seven eight"])
    assert not texts.data.flags.writeable
    middle = sketch_texts(Texts(texts.data, texts.offsets[1:]), 4)
    assert middle.signatures.tolist() == sketch_texts(texts, 4).signatures[1:].tolist()
    middle = sketch(Texts(texts.data, texts.offsets[1:]), 4, fast=False)
    assert rows_of(middle) == direct([b"four five six seven eight"], 4)


def observed(texts):
    """Give what the stages with a compiled twin make of a batch, as plain lists."""
    batch = Texts.of(texts)
    blocks = normalize(batch, *segment(batch))
    hashes = StreamHashes(blocks.stream)
    doc_of = np.repeat(np.arange(len(batch)), np.diff(blocks.doc_start))
    first = find_equal(blocks, block_hashes(blocks, hashes), doc_of)
    runs = find_runs(blocks, hashes, doc_of, first)
    words = SharedWords(blocks, debris_hashes(blocks), doc_of, first % 3 != 1)
    spans = hashes.spans(blocks.stream_start[:-1], blocks.stream_start[1:])
    hits = find_cues(batch, blocks, load_cues())
    doubled, near = find_doubled(blocks), find_near(blocks, doc_of, first)
    short = np.flatnonzero(np.diff(blocks.stream_start) >= 12)
    bands = _bands(blocks, short) if len(short) else short
    parts = [
        bands, near.block, near.other, near.resemblance, hits.category, hits.kind, hits.strength, hits.phrase,
        np.array([(each.block, each.start, each.middle, each.end, each.similarity) for each in doubled]),
        blocks.start, blocks.end, ordered_hashes(blocks), blocks.stream, blocks.stream_start, blocks.token_pos,
        blocks.token_start, spans, kinds_of(batch.data),
        features(batch, blocks), words.all, words.long, words.pairs, debris_hashes(blocks), runs.block, runs.other,
        runs.start, runs.other_start, runs.size,
    ]  # fmt: skip
    return [(part.dtype, part.shape, part.tolist()) for part in parts]


def both_ways(texts):
    results = []
    for on in (True, False):
        with kernels.switched(on):
            results.append(observed(texts))
    return results


@pytest.mark.parametrize("name", TEXTS)
def test_the_fused_look_at_a_text_gives_the_bits_of_the_stages(name):
    compiled, plain = both_ways([TEXTS[name]])
    assert compiled == plain


def test_looking_at_a_batch_where_texts_touch_gives_the_bits_of_the_stages():
    for batch in (list(TEXTS.values()), list(TEXTS.values())[::-1]):
        compiled, plain = both_ways(batch)
        assert compiled == plain


@given(st.lists(BYTES, max_size=5), st.integers(1, 3))
@settings(max_examples=200, deadline=None)
def test_looking_at_any_bytes_gives_the_bits_of_the_stages(texts, times):
    compiled, plain = both_ways([b"\n".join([text, *texts] * times) for text in texts])
    assert compiled == plain


@pytest.mark.parametrize("path", sorted([*SEEDS.glob("*.txt"), *GOLDEN.glob("cleaned/*/input.txt")]), ids=str)
def test_cleaning_with_kernels_gives_the_same_bytes_and_reasons(path):
    """One text by itself, and among others that are glued from its lines."""
    raw = path.read_bytes()
    lines = raw.splitlines(keepends=True)
    texts = [raw, b"".join(lines[::2] + lines), b"".join(lines[::-1])]
    documents = [Document(str(number), "x", text, text) for number, text in enumerate(texts)]
    with kernels.switched(True):
        compiled = clean_documents(documents, Config(preset="thorough"))
    with kernels.switched(False):
        assert clean_documents(documents, Config(preset="thorough")) == compiled


def test_words_made_to_crowd_a_table_are_sorted_instead():
    """Their hashes agree in the bits that choose a slot; looking for each would pass all others."""
    wanted, found, number = 3000, [], 0
    batch = 1 << 20
    while len(found) < wanted:
        keys = np.arange(number, number + batch, dtype=np.uint64)
        hashes = mix(keys)
        found += keys[(hashes >> np.uint64(20)) & np.uint64(8191) == 0].tolist()
        number += batch
    tokens = mix(np.array(found[:wanted], np.uint64))
    rows = np.arange(wanted + 1)
    blocks = Blocks(
        np.array([0, 2]), np.array([0, 5]), np.array([4, 9]), np.full(wanted, 97, np.uint8),
        np.array([0, wanted // 2, wanted]), rows[:-1], np.array([0, wanted // 2, wanted]),
    )  # fmt: skip
    assert shared_counts(blocks, tokens, np.ones(2, np.bool_)) is None
    with kernels.switched(True):
        assert SharedWords(blocks, tokens, np.zeros(2, np.int64), np.ones(2, np.bool_)).all.tolist() == [0, 0]


def test_kernels_for_texts_are_turned_on_by_large_inputs_only(monkeypatch):
    with kernels.switched(False):
        assert not kernels.turn_on(kernels.MIN_TEXT_BYTES - 1)
        assert not kernels.are_on()
        assert kernels.turn_on(kernels.MIN_TEXT_BYTES)
        assert kernels.turn_on(1)  # once loaded they stay
        assert kernels.are_on()
    with kernels.switched(False):
        monkeypatch.setattr(kernels.importlib.util, "find_spec", lambda name: None)
        assert not kernels.turn_on(kernels.MIN_TEXT_BYTES)


def test_large_inputs_wait_for_kernels_that_no_run_has_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert kernels.must_compile(kernels.MIN_TEXT_BYTES)
    assert not kernels.must_compile(kernels.MIN_TEXT_BYTES - 1)
    with monkeypatch.context() as without:
        without.setattr(kernels.importlib.util, "find_spec", lambda name: None)
        assert not kernels.must_compile(kernels.MIN_TEXT_BYTES)
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    done = subprocess.run([sys.executable, "-m", "dedupe.kernels"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"the kernels of \d+ modules are ready after \d+ s\n", done.stdout)
    assert not kernels.must_compile(kernels.MIN_TEXT_BYTES)


def test_kernels_are_used_where_they_pay(monkeypatch):
    assert kernels.worthwhile(1)  # loaded by this module
    monkeypatch.delitem(sys.modules, "dedupe.kernels.minhash")
    assert not kernels.worthwhile(kernels.MIN_SHINGLES - 1)
    assert kernels.worthwhile(kernels.MIN_SHINGLES)


def test_without_numba_the_error_says_what_to_install():
    program = (
        "import sys; sys.modules['numba'] = None\n"
        "import numpy as np\n"
        "from dedupe.sketch import signatures\n"
        "from dedupe.errors import MissingDependencyError\n"
        "shingles, start = np.arange(9, dtype=np.uint32), np.array([0, 9])\n"
        "assert signatures(shingles, start, 4).shape == (1, 4)\n"
        "try: signatures(shingles, start, 4, fast=True)\n"
        "except MissingDependencyError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "dedupe-text[fast]" in done.stdout


@pytest.mark.skipif("NUMBA_BOUNDSCHECK" in os.environ, reason="this is the run it asks for")
def test_no_kernel_reads_or_writes_outside_its_arrays(tmp_path):
    names = ["test_kernels.py", "test_sketch.py", "test_cluster.py"]
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_OPT": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    which = "fused or touch or equal_those or random_buckets or looking or seeds_of"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-k", which]
    tests = [str(Path(__file__).parent / name) for name in names]
    done = subprocess.run([*command, *tests], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_every_cue_is_found_by_both():
    """Each phrase of the lists by itself, at both ends of a line, and with other numbers in it."""
    table = load_cues()
    phrases = [phrase for phrase in table.phrases[::7] if "\n" not in phrase]
    lines = [
        form.format(phrase) for phrase in phrases
        for form in ("{}", "{}: one two", "one two {}", "12 {} 3.4", "{}٣ ５")
    ]
    batch = Texts.of(["\n\n".join(lines).encode()])
    blocks = normalize(batch, *segment(batch))
    found = []
    for on in (True, False):
        with kernels.switched(on):
            hits = find_cues(batch, blocks, table)
            found.append([column.tolist() for column in (hits.category, hits.kind, hits.strength, hits.phrase)])
    assert found[0] == found[1]
    assert sum(row >= 0 for row in found[0][3]) > len(phrases)


@pytest.mark.parametrize("size", [30, 31, 45, 46, 8_161, 8_162, 8_176, 8_200, 16_293, 16_294, 20_000])
def test_shared_runs_of_blocks_of_any_length_are_those_of_the_stages(size):
    """Long blocks are winnowed in pieces of some 8,130 windows, whose edges nothing shows."""
    chance = np.random.default_rng(size)
    letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz", np.uint8)
    one, two = (chance.choice(letters, size).tobytes() for _ in range(2))
    shared = one[size // 3:size // 3 + 60]
    texts = [b"\n\n".join(parts) for parts in ([one, two + shared], [two, one], [shared, one + two, one[:50]], [one])]
    compiled, plain = both_ways(texts)
    assert compiled == plain
    assert len(plain[-1][2]) > 0 or size < 46


def test_keys_that_crowd_a_table_are_left_to_sorting():
    keys = np.arange(1, 4_000, dtype=np.uint64)  # all of one slot
    table = np.empty(1 << 14, np.uint64)
    assert _has_equal(keys, 0, len(keys), table)
    assert not _has_equal(mix(keys), 0, len(keys), table)
    assert _has_equal(np.append(mix(keys), mix(keys[:1])), 0, len(keys) + 1, table)
    assert _has_equal(mix(keys), 0, len(keys), table[:16])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3) | st.integers(0, 1 << 32), max_size=70), max_size=5), st.integers(0, 2))
def test_seeds_of_passages_are_those_of_the_stages(documents, repeats):
    """Few different shingles, so that windows are equal; empty documents, and such as are shorter than a window."""
    held = [each * 3**repeats for each in documents]
    shingles = np.array([value % (1 << 32) for each in held for value in each], np.uint32)
    start = np.concatenate([[0], np.cumsum([len(each) for each in held])]).astype(np.int64)
    found = []
    for on in (False, True):
        with kernels.switched(on):
            found.append([each.tolist() for each in winnowed_seeds(shingles, start)])
    assert found[0] == found[1]


@pytest.mark.parametrize("num_rows", [0, 1, 2, 3, 17, 1_023, 1_024, 1_025, 3_000])
def test_weighed_sums_round_as_those_of_the_stages(num_rows):
    chance = np.random.default_rng(num_rows)
    columns = (10 ** chance.uniform(-6, 6, (90, num_rows))).astype(np.float32)
    weights = chance.normal(size=(2, 90))
    found = []
    for on in (False, True):
        with kernels.switched(on):
            found.append(weighted_sums(columns, weights).tobytes())
    assert found[0] == found[1]
    one_by_one = np.array([sum(columns.astype(np.float64) * each[:, None]) for each in weights])
    assert np.allclose(np.frombuffer(found[0]), one_by_one.ravel(), rtol=1e-9)
