"""Debris is judged by what a block looks like and where it stands, in any script, whatever the batch."""

from __future__ import annotations

import json
import random
import time
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dedupe.api import clean
from dedupe.cues import find_cues, load_cues
from dedupe.debris import (
    FEATURE_NAMES,
    Hints,
    block_hashes,
    explain,
    features,
    judge,
    junk_probability,
    kinds,
    load_model,
    trimmed,
    without_links,
)
from dedupe.debris.body import BODY_NAMES, best_runs, body_features, body_shares
from dedupe.debris.characters import look_at
from dedupe.debris.features import GROUPS
from dedupe.debris.layout import FAR, Layout
from dedupe.debris.model import NEIGHBOR_NAMES
from dedupe.debris.paragraphs import paragraph_starts
from dedupe.debris.strictness import LEVELS
from dedupe.normalize import normalize
from dedupe.records import Blocks, Texts
from dedupe.segment import segment

UNTOUCHED = Path(__file__).parent / "golden" / "untouched"
BODY = (
    "The council voted on Tuesday to keep the old bridge open for another year, the mayor said after the meeting.",
    "Engineers had warned in March that two of the seven arches were weak, but repairs would cost four million.",
    "Residents of both banks have used the bridge since 1871, and many of them came to the meeting to say so.",
    "“We will not let it go,” said one of them, who runs the bakery beside the northern arch of the bridge.",
    "The engineers will look at the arches again in spring, and the council will then vote on the repairs.",
)
MENU = ("Home", "News", "Sport", "Culture", "Weather", "Log in", "Subscribe", "Contact us", "Privacy Policy", "Cookies")
PAGE = "\n".join([*MENU, *BODY, "Share on Facebook", "Follow us on Twitter", "Terms of use", *MENU])


def pack(*texts: str | bytes) -> tuple[Texts, Blocks]:
    batch = Texts.of([text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass") for text in texts])
    return batch, normalize(batch, *segment(batch))


def hinted(texts: Texts, blocks: Blocks) -> Hints:
    table = load_cues()
    return Hints(cues=find_cues(texts, blocks, table), categories=table.categories, continued=frozenset({"also_read"}))


def lines_of(text: str, junk: np.ndarray, level: float) -> list[str]:
    texts, blocks = pack(text)
    raw = texts.data.tobytes()
    spans = zip(blocks.start.tolist(), blocks.end.tolist(), (junk >= level).tolist(), strict=True)
    return [raw[start:end].decode() for start, end, goes in spans if goes]


def test_every_sentence_of_an_article_stays_and_its_menu_goes() -> None:
    texts, blocks = pack(PAGE)
    gone = lines_of(PAGE, judge(texts, blocks, hinted(texts, blocks)).junk, 0.7)
    assert not set(gone) & set(BODY)
    assert {"Privacy Policy", "Log in", "Subscribe"} <= set(gone)


def test_an_article_without_debris_loses_nothing() -> None:
    text = "\n\n".join(BODY)
    texts, blocks = pack(text)
    assert lines_of(text, judge(texts, blocks, hinted(texts, blocks)).junk, 0.5) == []


@pytest.mark.parametrize("path", sorted(UNTOUCHED.glob("*.txt")), ids=lambda path: path.stem)
def test_texts_in_which_nothing_may_go_lose_nothing_at_standard(path: Path) -> None:
    texts, blocks = pack(path.read_bytes())
    junk = judge(texts, blocks, hinted(texts, blocks)).junk
    raw = texts.data.tobytes()
    gone = [raw[blocks.start[row] : blocks.end[row]].decode() for row in np.flatnonzero(junk >= 0.7)]
    assert gone == []


def test_a_page_is_more_page_like_than_its_article() -> None:
    article = "\n\n".join(["The old bridge stays open", *BODY[:2], "What comes next", *BODY[2:]])
    texts, blocks = pack(PAGE, article)
    page, article = judge(texts, blocks, hinted(texts, blocks)).page_likeness
    assert page > article + 0.2


def test_a_judgement_does_not_depend_on_the_rest_of_the_batch() -> None:
    texts, blocks = pack(PAGE)
    alone = judge(texts, blocks, hinted(texts, blocks))
    texts, blocks = pack("\n".join(BODY), PAGE, "", "Privacy Policy\nHome\n\nA line")
    among = judge(texts, blocks, hinted(texts, blocks))
    rows = slice(int(blocks.doc_start[1]), int(blocks.doc_start[2]))
    np.testing.assert_array_equal(among.logits[rows], alone.logits)
    np.testing.assert_array_equal(among.junk[rows], alone.junk)


def test_the_same_input_gives_the_same_bits() -> None:
    first, second = (judge(*pack(PAGE, "x")) for _ in range(2))
    assert first.junk.tobytes() == second.junk.tobytes()


ODD = ("", "\n \n", "x", "***", "\x00\x1b[31m\u202e", "a" * 3_000_000, "\n".join("a" * 5000))
ANY_BYTES = st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts_are_judged_without_fault(text: str) -> None:
    texts, blocks = pack(text)
    junk = junk_probability(texts, blocks)
    assert junk.shape == (len(blocks),)
    assert ((junk >= 0) & (junk <= 1)).all()


def test_no_texts_are_no_blocks() -> None:
    texts, blocks = pack()
    assert features(texts, blocks).shape == (0, len(FEATURE_NAMES))
    assert judge(texts, blocks).junk.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_BYTES, max_size=4))
def test_any_bytes_give_finite_features(raws: list[bytes]) -> None:
    texts, blocks = pack(*raws)
    table = features(texts, blocks)
    assert table.shape == (len(blocks), len(FEATURE_NAMES))
    assert np.isfinite(table).all()


def test_features_have_one_name_each_and_the_weights_know_them_all() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES) == sum(map(len, GROUPS.values()))
    weights = json.loads(files("dedupe").joinpath("data", "weights.json").read_bytes())
    assert [row["name"] for row in weights["alone"]["inputs"]] == list(FEATURE_NAMES)
    assert [row["name"] for row in weights["among"]["inputs"]] == [*FEATURE_NAMES, *NEIGHBOR_NAMES]
    assert set(weights["source"]) == {"data", "date", "command"}


def test_higher_presets_need_more_in_every_regime() -> None:
    strict = load_model().strictness
    for needed in (strict.beside, strict.within, strict.unclear):
        for more in (0, strict.prose_more):
            assert (np.diff(needed + more, axis=0) > 0).all()
            assert len(needed) == len(LEVELS)


def test_what_stands_in_the_body_or_beside_an_unclear_one_needs_more() -> None:
    strict = load_model().strictness
    assert (strict.within[1:] >= strict.beside[1:]).all()
    assert (strict.unclear >= strict.beside).all()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("a", kinds.LOWER), ("É", kinds.UPPER), ("ж", kinds.LOWER), ("Ж", kinds.UPPER), ("ع", kinds.UNCASED),
     ("中", kinds.IDEOGRAPH), ("٣", kinds.DIGIT), ("。", kinds.END), ("؟", kinds.END), ("।", kinds.END),
     ("、", kinds.COMMA), ("：", kinds.COLON), ("»", kinds.QUOTE), ("—", kinds.DASH), ("•", kinds.BAR),
     ("】", kinds.BRACKET), ("©", kinds.SYMBOL), ("😀", kinds.PICTURE), ("\x07", kinds.NONE), ("\u3000", kinds.SPACE)],
)
def test_characters_of_all_scripts_have_their_kind(text: str, kind: int) -> None:
    assert kinds.kinds_of(np.frombuffer(text.encode(), np.uint8))[0] == kind


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [("He said “no.”", "ends_sentence", 1), ("他说：“不。”", "ends_sentence", 1), ("Он ушёл?", "ends_sentence", 1),
     ("Read more...", "ends_dots", 1), ("Read more…", "ends_sentence", 0), ("At 12:30 today", "times", 1),
     ("on 3/4/2020 here", "dates", 2), ("write to a@b.org", "mails", 1), ("https://example.org/a/b", "bare_url", 1),
     ("[a](https://example.org)", "markdown", 1), ("Über Uns", "title_share", 1), ("über uns", "title_share", 0),
     ("НОВОСТИ ДНЯ", "all_caps", 1), ("中文新聞", "no_case", 1),
     ("- a point", "starts_dash", 1), ("12 3", "mostly_digits", 1)],
)
def test_a_block_shows_what_it_holds(text: str, name: str, expected: float) -> None:
    value = features(*pack(text))[0, FEATURE_NAMES.index(name)]
    assert value == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["今天下午市议会决定再开放旧桥一年，市长在会后对记者说，维修费用将达到四百万元，居民们对此表示欢迎，并希望工程尽快开始。",
     "وقال رئيس البلدية بعد الاجتماع إن المجلس قرر إبقاء الجسر القديم مفتوحا لمدة عام آخر، ورحب السكان بالقرار.",
     BODY[0]],
)
def test_prose_is_known_without_spaces_or_latin_letters(text: str) -> None:
    assert look_at(*pack(text)).prose.tolist() == [True]


def test_shared_words_do_not_count_the_block_itself() -> None:
    texts, blocks = pack("\n".join([BODY[0], "council bridge", "zebra quagga", *BODY[1:]]))
    shared = features(texts, blocks)[:, FEATURE_NAMES.index("shared_long")]
    assert shared[[1, 2]].tolist() == [1, 0]
    assert 0 < shared[0] < 1


def test_lines_of_a_wrapped_paragraph_share_one_description() -> None:
    wrapped = (
        "[1]: https://example.org/a\n\nThe council voted on Tuesday to keep the old bridge open for another year,\n"
        "the mayor said after the meeting, and the engineers who had warned in March\n"
        "that two of the seven arches were weak will look at all of the arches again\n"
        "in spring, when the snow has gone and the river is low enough for the boats\n"
        "that carry them under the bridge, one after another, for three days or four.\n\nShare\n"
    )
    texts, blocks = pack(wrapped)
    first = paragraph_starts(texts, blocks)
    assert first.tolist() == [0, 1, len(blocks) - 1]
    assert len(np.unique(features(texts, blocks)[1:-1], axis=0)) == 1


def test_equal_blocks_hash_alike_in_other_batches_whatever_their_digits() -> None:
    _, blocks = pack("12 comments\nabc", "x\n\n34 comments")
    hashes = block_hashes(blocks)
    assert hashes[0] == hashes[3]
    assert len(set(hashes.tolist())) == 3


def test_distances_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(3)
    bounds = np.array([0, 0, 7, 8, 30])
    marked = rng.random(30) < 0.3
    before, after, _ = Layout(bounds).distances(marked)
    for doc in range(4):
        rows = range(bounds[doc], bounds[doc + 1])
        for row in rows:
            assert before[row] == min((row - other for other in rows if other < row and marked[other]), default=FAR)
            assert after[row] == min((other - row for other in rows if other > row and marked[other]), default=FAR)


def test_the_best_runs_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(5)
    for bounds in ([0], [0, 0, 1], [0, 6, 6, 7, 19], [0, 25]):
        counts = rng.integers(-9, 9, bounds[-1])
        through, most = best_runs(counts, Layout(np.array(bounds)))
        for first, end in pairwise(bounds):
            spans = [(at, to) for at in range(first, end) for to in range(at + 1, end + 1)]
            for row in range(first, end):
                assert through[row] == max(counts[at:to].sum() for at, to in spans if at <= row < to)
                assert most[row] == max(counts[at:to].sum() for at, to in spans)


def test_sums_of_the_longest_batches_do_not_mix_documents() -> None:
    counts, size = np.full(300_000, 9 * 25 * 256), 100_000
    counts[::3] *= -1
    through, most = best_runs(counts, Layout(np.arange(0, len(counts) + 1, 3)))
    np.testing.assert_array_equal(most, np.full(3 * size, 2 * 9 * 25 * 256))
    np.testing.assert_array_equal(through.reshape(size, 3), np.tile([9 * 25 * 256, *[2 * 9 * 25 * 256] * 2], (size, 1)))


def test_the_body_of_a_page_is_its_article() -> None:
    texts, blocks = pack(PAGE, "Home\nNews\nSport", "")
    layout = Layout(blocks.doc_start)
    table = features(texts, blocks, hinted(texts, blocks))
    logits = np.where(table[:, FEATURE_NAMES.index("prose")] > 0, -3, 3).astype(np.float32)
    columns = body_features(logits, table, np.zeros(len(blocks)), layout)
    inside, above, away, cost = (columns[BODY_NAMES.index(f"{name}")] for name in (
        "in_body", "above_body", "to_body", "body_cost",
    ))  # fmt: skip
    num_above, num_inside, num_below = len(MENU), len(BODY), 3 + len(MENU)
    rest = [False] * 3
    assert inside.tolist() == [False] * num_above + [True] * num_inside + [False] * num_below + rest
    assert above.tolist() == [True] * num_above + [False] * (num_inside + num_below) + rest
    assert np.exp2(away[:num_above]).round().tolist() == list(range(num_above + 1, 1, -1))
    assert (np.diff(cost[:num_above]) < 0).all()
    assert body_shares(logits, table, layout).tolist() == [1, 0, 0]


def test_lines_that_recur_on_the_host_are_likelier_debris() -> None:
    texts, blocks = pack("\n".join([*BODY[:3], "Our seven promises to readers", *BODY[3:]]))
    row, size = 3, len(blocks)
    known, fresh = np.zeros(size, np.int64), np.zeros(size, np.int64)
    known[row] = 4
    recurs, new = (judge(texts, blocks, Hints(host_count=count)).logits[row] for count in (known, fresh))
    assert recurs > new


def test_an_explanation_names_what_moved_the_judgement() -> None:
    texts, blocks = pack(PAGE)
    judged = judge(texts, blocks, hinted(texts, blocks))
    found = explain(judged, [8], 0)[0]
    assert len(found) == 5
    assert all(one.name in (*FEATURE_NAMES, *NEIGHBOR_NAMES) for one in found)
    assert [abs(one.weight) for one in found] == sorted((abs(one.weight) for one in found), reverse=True)


def test_no_more_of_an_article_goes_than_articles_lose() -> None:
    titles = [f"Related headline number {word}" for word in ("one", "two", "three", "four", "five", "six", "seven")]
    texts, blocks = pack("\n\n".join([*BODY, *titles]))
    junk = judge(texts, blocks, hinted(texts, blocks)).junk
    size = blocks.end - blocks.start
    assert (size * (junk >= 0.7)).sum() <= 0.5 * size.sum()
    assert not (junk[: len(BODY)] >= 0.5).any()


def test_the_references_and_the_body_of_the_seed_stay_at_standard() -> None:
    raw = (Path(__file__).parent.parent / "seeds" / "000_76ba97706a32af6b.txt").read_bytes()
    texts, blocks = pack(raw)
    junk = judge(texts, blocks, hinted(texts, blocks)).junk
    gone = {raw[: blocks.start[row]].count(b"\n") + 1 for row in np.flatnonzero(junk >= 0.7)}
    body = {11, 13, *range(17, 26, 2), *range(29, 42, 2), 45, 47, *range(52, 81), *range(111, 138), *range(166, 187)}
    assert not gone & body
    assert {86, 143, 158} <= gone  # "Link to the source"


def test_addresses_of_links_and_tags_are_no_text() -> None:
    raw = b"- [Home](/a-long-address/of-words) <b>now</b>\n![A bridge](b.jpg)\nNews (https://example.org/news) [7][8]"
    texts, blocks = pack(raw)
    plain = without_links(texts)
    assert len(plain.data) == len(raw)
    read = normalize(plain, blocks.doc_start, *trimmed(plain, blocks.start, blocks.end))
    words = [read.stream[low:high].tobytes() for low, high in pairwise(read.stream_start.tolist())]
    assert words == [b"homenow", b"abridge", b"news7"]
    links = features(plain, read)[:, FEATURE_NAMES.index("markdown")]
    assert np.exp2(links) - 1 == pytest.approx([1, 1, 2])


def test_texts_without_links_are_read_as_they_are() -> None:
    texts, _ = pack(PAGE, "1 < 2, and 3 (in brackets) [1]")
    assert without_links(pack(PAGE)[0]).data.tobytes() == PAGE.encode()
    assert without_links(texts).data.tobytes() == texts.data.tobytes()


@pytest.mark.parametrize("piece", ["](", "[[", "<a", "(http", "](a)", "[a](b \"", "](<"])
def test_pieces_of_links_cost_no_more_than_their_length(piece: str) -> None:
    texts = Texts.of([(piece * (400_000 // len(piece))).encode()])
    begun = time.process_time()
    assert len(without_links(texts).data) == len(texts.data)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("syllables", [
    [first + last for first in ("b", "br", "d", "f", "gr", "k", "l", "m", "pl", "st", "v") for last in "aeiou"],
    [first + last for first in ("б", "бр", "д", "ф", "гр", "к", "л", "м", "пл", "ст", "в") for last in "аеиоу"],
    [first + last for first in ("β", "βρ", "δ", "φ", "γρ", "κ", "λ", "μ", "πλ", "στ", "ν") for last in "αεηου"],
])
def test_careful_takes_no_paragraph_of_a_long_text_that_has_debris_all_over(syllables):
    """Many articles in one text, each with its headline again and a cue: what stands once and is prose stays."""
    chance = random.Random(3)

    def sentence() -> str:
        words = ["".join(chance.choices(syllables, k=chance.randint(1, 3))) for _ in range(chance.randint(8, 20))]
        return " ".join(words).capitalize() + "."

    blocks, prose = [], []
    for number in range(120):
        headline = sentence()[:-1]
        body = [" ".join(sentence() for _ in range(4)) for _ in range(8)]
        prose += body
        blocks += [headline, headline, *body, "Also read:", f"https://example.org/{number}"]
    left = set(clean("\n\n".join(blocks)).text.split("\n"))
    assert [paragraph for paragraph in prose if paragraph not in left] == []
