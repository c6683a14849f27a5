"""Passages that documents share: seeds, runs across edits, and whole runs of a corpus with planted quotations."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpus_samples import as_lines
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_passages import slow_passages

from dedupe.config import Config
from dedupe.corpus.spans import token_spans
from dedupe.corpus_api import clean_records
from dedupe.normalize import normalize, source_map
from dedupe.passages import (
    Pairs,
    Passage,
    choose_passages,
    count_shared,
    pair_seeds,
    passages_of_pairs,
    shared_passages,
    winnowed_seeds,
)
from dedupe.read import find_inputs
from dedupe.records import Texts
from dedupe.segment import segment
from dedupe.write import plan_outputs


def shingles_of(tokens: list[int]) -> np.ndarray:
    """Stand-ins for shingles: a hash of five tokens in a row."""
    return np.array([hash(tuple(tokens[at:at + 5])) & 0xFFFFFFFF for at in range(len(tokens) - 4)], np.uint32)


def starts(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum([len(each) for each in arrays])]).astype(np.int64)


def by_key(seed: np.ndarray, doc: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort seeds as a shuffle does."""
    order = np.lexsort((at, doc, seed))
    return seed[order], doc[order], at[order]


@given(st.lists(st.lists(st.integers(0, 50), max_size=60), min_size=1, max_size=4))
def test_seeds_of_a_document_do_not_depend_on_its_neighbors(documents: list[list[int]]):
    arrays = [shingles_of(tokens) for tokens in documents]
    seed, doc, at = winnowed_seeds(np.concatenate(arrays), starts(arrays))
    for number, array in enumerate(arrays):
        alone = winnowed_seeds(array, starts([array]))
        chosen = doc == number
        assert seed[chosen].tolist() == alone[0].tolist()
        assert at[chosen].tolist() == alone[2].tolist()


@settings(max_examples=50)
@given(st.integers(0, 200), st.integers(0, 200), st.integers(17, 40), st.randoms())
def test_equal_runs_of_seventeen_tokens_have_a_seed_in_common(before: int, after: int, size: int, chance):
    common = [chance.randrange(10**6) for _ in range(size)]
    documents = [[chance.randrange(10**6) for _ in range(count)] + common for count in (before, after)]
    documents = [[*tokens, *(chance.randrange(10**6) for _ in range(9))] for tokens in documents]
    arrays = [shingles_of(tokens) for tokens in documents]
    seed, doc, at = winnowed_seeds(np.concatenate(arrays), starts(arrays))
    pairs = pair_seeds(*by_key(seed, doc, at), np.array([1, 0]))
    assert {(int(one) - before, int(two) - after) for _, one, _, two in zip(*pairs, strict=True)} & {
        (step, step) for step in range(size)
    }


def test_a_seed_in_many_documents_makes_a_star_around_the_first():
    doc = np.arange(1000)
    found = pair_seeds(np.full(1000, 7, np.uint64), doc, doc * 2, 999 - doc)
    assert len(found[0]) == 999
    assert set(found[2].tolist()) == {999}
    assert set(found[3].tolist()) == {1998}


def test_a_seed_is_looked_for_in_the_first_few_documents_each_once():
    key, doc = np.full(6, 7, np.uint64), np.array([0, 1, 1, 2, 3, 4])
    found = pair_seeds(key, doc, np.arange(6), np.arange(5), 3)
    pairs = sorted(zip(found[0].tolist(), found[2].tolist(), found[3].tolist(), strict=True))
    assert pairs == [
        (1, 0, 0), (1, 0, 0), (2, 0, 0), (2, 1, 1), (3, 0, 0), (3, 1, 1), (3, 2, 3), (4, 0, 0), (4, 1, 1), (4, 2, 3),
    ]
    nobody = np.empty(0, np.int64)
    assert [len(each) for each in pair_seeds(np.empty(0, np.uint64), nobody, nobody, nobody, 3)] == [0] * 4


def test_what_is_quoted_all_over_shares_most():
    key = np.array([5, 5, 5, 6, 6, 8], np.uint64)
    docs, counts = count_shared(key, np.array([1, 2, 3, 1, 3, 2]))
    assert dict(zip(docs.tolist(), counts.tolist(), strict=True)) == {1: 2, 2: 1, 3: 2}


@settings(max_examples=60)
@given(st.integers(50, 90), st.lists(st.integers(9, 14), min_size=3, max_size=8))
def test_what_stands_between_two_edits_is_reached_without_a_seed(size: int, steps: list[int]):
    """Edits of one token, nine and more tokens apart; one seed anywhere is enough to find all that is equal."""
    quoted = list(range(1000, 1000 + size))
    edits = [at for at in np.cumsum(steps).tolist() if at < size - 9]
    changed = [-at if at in edits else token for at, token in enumerate(quoted)]
    one, two = shingles_of([*range(-500, -400), *changed]), shingles_of([*range(-300, -250), *quoted])
    bounds = [-1, *edits, size]
    begin, end = max(pairwise(bounds), key=lambda pair: pair[1] - pair[0])
    (passage,) = shared_passages(one, two, [(100 + begin + 1, 50 + begin + 1)], 40)
    assert passage == Passage((100, 100 + size), (50, 50 + size), size - len(edits))
    assert end - begin > 9


CASES = [
    ("the same", lambda text: text, 1),
    ("a word replaced", lambda text: [*text[:30], -1, *text[31:]], 1),
    ("two words put in", lambda text: [*text[:30], -1, -2, *text[30:]], 1),
    ("a clause left out", lambda text: [*text[:30], *text[40:]], 1),
    ("forty tokens between the halves", lambda text: [*text[:40], *range(-40, 0), *text[40:]], 0),
    ("the halves change places", lambda text: [*text[40:], *text[:40]], 0),
]


@pytest.mark.parametrize(("name", "edit", "expected"), CASES, ids=[case[0] for case in CASES])
def test_passages_are_followed_across_small_edits_only(name: str, edit, expected: int):
    quoted = list(range(1000, 1080))
    one = shingles_of([*range(100), *edit(quoted), *range(200, 300)])
    two = shingles_of([*range(500, 650), *quoted, *range(700, 800)])
    seed, doc, at = winnowed_seeds(np.concatenate([one, two]), starts([one, two]))
    _, at, _, source_at = pair_seeds(*by_key(seed, doc, at), np.array([1, 0]))
    found = shared_passages(one, two, list(zip(at.tolist(), source_at.tolist(), strict=True)), 60)
    assert len(found) == expected
    for passage in found:
        assert passage.source_span == (150, 230)
        assert passage.span == (100, 100 + len(edit(quoted)))


def test_one_phrase_all_over_two_documents_costs_little():
    phrase = list(range(40))
    one, two = shingles_of(phrase * 500), shingles_of(phrase * 500)
    seeds = [(at, 0) for at in range(0, len(one), 3)]
    assert shared_passages(one, two, seeds, 50)


def made_of_pieces(chance: random.Random, pool: list[int], num_words: int) -> list[int]:
    """Write a text of new words and of pieces of a pool, with words replaced and left out."""
    tokens: list[int] = []
    for _ in range(chance.randint(1, 6)):
        if chance.random() < 0.5:
            tokens += chance.choices(range(num_words), k=chance.randint(0, 60))
        else:
            at = chance.randrange(len(pool))
            piece = [each if chance.random() > 0.04 else -1 for each in pool[at:at + chance.randint(5, 200)]]
            tokens += [each for each in piece if chance.random() > 0.02]
    return tokens


@pytest.mark.parametrize("seed", range(40))
def test_passages_of_many_pairs_are_those_of_the_plain_way(seed: int):
    """Two to a thousand different words, equal documents, seeds that are none: all pairs at once give the same."""
    chance = random.Random(seed)
    num_words, min_tokens = chance.choice([2, 5, 30, 1000]), chance.choice([10, 50])
    pool = chance.choices(range(num_words), k=chance.choice([60, 300]))
    docs = [shingles_of(made_of_pieces(chance, pool, num_words)) for _ in range(5)]
    docs = [each for each in docs if len(each)] * 2
    start, size = starts(docs)[:-1], np.array([len(each) for each in docs])
    rows, expected = [], []
    pairs = [(one, two) for one in range(len(docs)) for two in range(len(docs)) if one != two and chance.random() < 0.5]
    for number, (one, two) in enumerate(pairs):
        places: dict[int, list[int]] = {}
        for at, value in enumerate(docs[two].tolist()):
            places.setdefault(value, []).append(at)
        equal = [(at, other) for at, value in enumerate(docs[one].tolist()) for other in places.get(value, [])[:4]]
        wrong = [(chance.randrange(size[one]), chance.randrange(size[two])) for _ in range(3)]
        seeds = chance.sample(equal, len(equal) // 3) + wrong
        rows += [(number, *each) for each in seeds]
        found = slow_passages(docs[one].tolist(), docs[two].tolist(), seeds, min_tokens)
        expected += [(number, *each) for each in found]
    one, two = np.array(pairs, np.int64).reshape(-1, 2).T
    chance.shuffle(rows)
    every = Pairs(np.concatenate([*docs, np.empty(0, np.uint32)]), start[one], size[one], start[two], size[two])
    found = passages_of_pairs(every, *np.array(rows, np.int64).reshape(-1, 3).T, min_tokens)
    columns = (found.pair, found.start, found.end, found.source_start, found.source_end, found.num_equal)
    assert list(zip(*(each.tolist() for each in columns), strict=True)) == expected


def test_a_hundred_thousand_seeds_of_two_long_documents_are_extended_at_once():
    """A shift for every seed, one long run, and seeds that are none: bounded work, and the run is found whole."""
    chance = np.random.default_rng(1)
    one, two = chance.integers(0, 1 << 32, (2, 1_000_000), dtype=np.uint32)
    one[200_000:500_000] = two[300_000:600_000]
    at = chance.integers(0, 1_000_000, (2, 100_000))
    at[1, :50] = at[0, :50] + 100_000  # most of one shift
    at[0, :50] %= 900_000
    at[1, :50] = at[0, :50] + 100_000
    at[:, 50] = 200_007, 300_007
    pairs = Pairs(np.concatenate([one, two]), *(np.array([each]) for each in (0, 1_000_000, 1_000_000, 1_000_000)))
    found = passages_of_pairs(pairs, np.zeros(100_000, np.int64), *at, 50)
    assert [(int(found.start[0]), int(found.end[0]), int(found.num_equal[0]))] == [(200_000, 500_004, 300_004)]


def test_of_a_hundred_thousand_passages_of_one_document_each_token_is_told_about_once():
    found = [(at, at, Passage((at, at + 60), (0, 60), 60)) for at in range(0, 600_000, 6)]
    chosen = choose_passages(found)
    assert 10_000 <= len(chosen) <= 20_000


def test_passages_told_already_are_not_told_again():
    long, inside, other = Passage((0, 90), (0, 90), 90), Passage((10, 70), (5, 65), 60), Passage((80, 150), (0, 70), 70)
    assert choose_passages([(1, 1, inside), (2, 2, long), (3, 3, other)]) == [(2, 2, long), (3, 3, other)]


def corpus(folder: Path) -> tuple[list[dict], list[tuple[int, str]]]:
    """Plant re-wrapped, re-punctuated, slightly edited quotations of earlier articles in later ones."""
    chance = random.Random(3)
    words = ["".join(chance.choices("abcdefghijklmnoprstuvw", k=chance.randint(2, 9))) for _ in range(3000)]

    def sentences(count: int) -> list[str]:
        return [" ".join(chance.choices(words, k=chance.randint(8, 20))).capitalize() + "." for _ in range(count)]

    rows, planted = [], []
    for number in range(60):
        rows.append({"id": str(number), "url": f"https://s{number}.example/", "sentences": sentences(30)})
    for number in range(60):
        source = chance.choice(rows[:60])["sentences"]
        at = chance.randrange(len(source) - 6)
        quote = " ".join(source[at:at + 6])
        style = number % 4
        if style == 1:
            quote = quote.replace(" ", "\n", 3).replace(" ", "  ", 5)
        elif style == 2:
            quote = quote.replace(".", " —").upper()
        elif style == 3:
            tokens = quote.split(" ")
            tokens[len(tokens) // 2] = "changed"
            quote = " ".join(tokens)
        text = " ".join(sentences(8)) + "\n\n" + quote + "\n\n" + " ".join(sentences(8))
        rows.append({"id": f"q{number}", "url": f"https://q{number}.example/", "text": text})
        planted.append((60 + number, quote))
    for row in rows[:60]:
        found = row.pop("sentences")
        row["text"] = "\n\n".join(" ".join(found[at:at + 5]) for at in range(0, 30, 5))
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(b"".join(as_lines(rows)))
    return rows, planted


def run(folder: Path, config: Config) -> list[dict]:
    inputs = find_inputs([str(folder / "in")])
    clean_records(inputs, plan_outputs(inputs, str(folder / "out")), config, report=str(folder / "report"))
    return [json.loads(line) for line in (folder / "report" / "removals.jsonl").read_bytes().splitlines()]


def test_planted_quotations_are_found_whole_with_their_sources(tmp_path: Path):
    rows, planted = corpus(tmp_path / "in")
    ledger = run(tmp_path, Config(min_containment=1.0))
    texts = {row["doc"]: rows[number]["text"] for number, row in enumerate(r for r in ledger if r["type"] == "doc")}
    found: dict[str, list[dict]] = {}
    for row in ledger:
        if row["type"] == "kept" and row["rule"] == "shared-passage":
            for one, two in ((row, row["kept"]), (row["kept"], row)):
                found.setdefault(one["doc"], []).append({"char": one["char"], "other": two})
    hits = told = right = 0
    docs = list(texts)
    for number, quote in planted:
        start = rows[number]["text"].index(quote)
        wanted = set(range(start, start + len(quote)))
        covered = {at for each in found.get(docs[number], []) for at in range(*each["char"])}
        hits += len(wanted & covered) > 0.8 * len(wanted)
        told += len(covered)
        right += len(wanted & covered)
        assert len(wanted & covered) >= 0.9 * len(wanted), number
    assert hits == len(planted)
    assert right >= 0.95 * told


def test_a_passage_cites_the_text_it_repeats(tmp_path: Path):
    rows, _ = corpus(tmp_path / "in")
    ledger = run(tmp_path, Config(min_containment=1.0))
    texts = {row["doc"]: rows[number]["text"] for number, row in enumerate(r for r in ledger if r["type"] == "doc")}
    for row in ledger:
        if row["type"] == "kept" and row["rule"] == "shared-passage":
            letters = [
                [char for char in texts[each["doc"]][slice(*each["char"])].casefold() if char.isalnum()]
                for each in (row, row["kept"])
            ]
            common = sum(one == two for one, two in zip(*letters, strict=False))
            same_words = set("".join(letters[0])) and abs(len(letters[0]) - len(letters[1])) < 100
            assert same_words
            assert common > 0


def test_keep_first_takes_whole_blocks_and_off_finds_nothing(tmp_path: Path):
    corpus(tmp_path / "in")
    ledger = run(tmp_path, Config(shared_passages="keep-first", min_containment=1.0))
    gone = [row for row in ledger if row["type"] == "removal" and row["rule"] == "shared-passage"]
    assert len(gone) >= 30
    for row in gone:
        assert row["kept"]["doc"] != row["doc"]
    ledger = run(tmp_path, Config(shared_passages="off", min_containment=1.0))
    assert not [row for row in ledger if row.get("rule") == "shared-passage"]


def test_a_passage_is_told_of_a_document_from_which_other_things_go(tmp_path: Path):
    chance = random.Random(9)
    quote = " ".join(f"{chance.choice('abcdefgh')}word{chance.randrange(999)}" for _ in range(80)).capitalize() + "."
    own = [
        " ".join(f"{chance.choice('klmnop')}own{chance.randrange(999)}" for _ in range(90)).capitalize() + "."
        for _ in range(8)
    ]
    rows = [
        {"id": str(n), "url": f"https://s{n}.example/", "text": "\n\n".join([*own[4 * n:][:4], "Also read:", quote])}
        for n in range(2)
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"".join(as_lines(rows)))
    ledger = run(tmp_path, Config())
    assert [row["text"].strip() for row in ledger if row["type"] == "removal"] == ["Also read:"] * 2
    (passage,) = [row["text"] for row in ledger if row.get("rule") == "shared-passage"]
    assert passage.endswith(quote)


ODD_PIECES = [
    "word", "é", "e\u0301", "北京", "กำ้", "ﬁ", "½", "한", "각", "\u200d", "—", ". ", "\n", "\r\n", " ", "\u2028",
    "\uff76\uff9e", "ß", "🙂", "\udcff",
]  # fmt: skip


@given(st.lists(st.lists(st.sampled_from(ODD_PIECES), max_size=60).map("".join), min_size=1, max_size=4))
def test_tokens_are_found_where_a_block_by_itself_has_them(documents: list[str]):
    """Marks, ligatures, broken characters: all blocks read together say the same as each by itself."""
    texts = Texts.of([each.encode("utf-8", "surrogateescape") for each in documents])
    blocks = normalize(texts, *segment(texts))
    row = np.repeat(np.arange(len(blocks)), np.diff(blocks.token_start))
    doc = np.searchsorted(blocks.doc_start, row, side="right") - 1
    at = np.arange(len(row)) - blocks.token_start[blocks.doc_start[doc]]
    spans = token_spans(texts, blocks, doc, at, at + 1)
    for token in range(len(row)):
        start, end = int(blocks.start[row[token]]), int(blocks.end[row[token]])
        plain = source_map(texts.data[start:end].tobytes())
        expected = start + plain[int(blocks.token_pos[token] - blocks.stream_start[row[token]])]
        assert spans[token][0] + int(texts.offsets[doc[token]]) == expected
        alone = slice(token, token + 1)
        assert spans[alone] == token_spans(texts, blocks, doc[alone], at[alone], at[alone] + 1)


@pytest.mark.parametrize(("num_tokens", "num_found"), [(60, 1), (50, 1), (44, 0), (30, 0)])
def test_a_passage_has_fifty_tokens_with_the_rest_of_its_sentences(tmp_path: Path, num_tokens: int, num_found: int):
    chance = random.Random(num_tokens)

    def words(count: int) -> str:
        return " ".join(f"{chance.choice('abcdefgh')}{chance.randrange(10**5)}x" for _ in range(count)).capitalize()

    quote = words(num_tokens) + "."
    rows = [
        {"id": str(n), "url": f"https://s{n}.example/", "text": f"{words(60)}.\n\n{quote}\n\n{words(70)}."}
        for n in range(2)
    ]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"".join(as_lines(rows)))
    found = [row["text"] for row in run(tmp_path, Config()) if row.get("rule") == "shared-passage"]
    assert [text.strip() for text in found] == [quote] * num_found


@pytest.mark.parametrize("seed", [2, 3])
def test_edited_quotations_in_six_languages_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int):
    """A small version of benchmarks/passages.py, with its floors."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    import passages

    rows, planted = passages.make_corpus(60, seed, 0.03)
    found = passages.score(planted, passages.reported(passages.run(rows, tmp_path)))
    assert found.num_planted >= 80
    assert found.found >= passages.FLOORS["found"]
    assert found.recall >= passages.FLOORS["recall"]
    assert found.precision >= passages.FLOORS["precision"]
