"""Near-duplicates of a corpus: bands that are held and bands that are shuffled name the same keepers."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from corpus_samples import as_lines, records
from hypothesis import given, settings
from hypothesis import strategies as st
from near_samples import chain, family, mixed, write_artefacts

from dedupe.cluster.components import Forest, Stars, contracted
from dedupe.config import Config
from dedupe.corpus import bands, connect, groups
from dedupe.corpus.near import find_near
from dedupe.corpus.tasks import Task, forget_run
from dedupe.engines.local import LocalEngine
from dedupe.errors import DedupeError

EVERYTHING = 1e-9  # bands are held whatever they take
NOTHING = 1e12


def search(artefacts, folder: Path, share, memory=1 << 20, max_edges=connect.MAX_EDGES, known=None):
    """Find keepers with bands held or shuffled; return the columns and the names of the steps."""
    forget_run()
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "SHARE_OF_BANDS", share)
        patch.setattr(groups, "_MIN_GROUP_SHINGLES", 2000)
        patch.setattr(connect, "MAX_EDGES", max_edges)
        with LocalEngine(folder, memory_bytes=memory) as engine:
            found = find_near(artefacts, Config(), engine, memory, known)
    columns = np.stack([found.keeper, found.resemblance, found.containment])
    return columns, set(engine.seconds)


def framed(chance: np.random.Generator) -> list[np.ndarray]:
    """Make articles in one frame, the frame alone and a part of it, and articles without: too many have the frame."""
    frame = chance.integers(0, 1 << 32, 200, dtype=np.uint32)
    bodies = [chance.integers(0, 1 << 32, chance.integers(60, 90), dtype=np.uint32) for _ in range(40)]
    return [*(np.concatenate([frame, body]) for body in bodies), frame, frame[:150], *bodies[::3],
            np.concatenate([frame[:80], bodies[1][:50]])]  # fmt: skip


CASES = {
    "a frame": framed(np.random.default_rng(8)),
    "none": [],
    "one": [np.arange(60)],
    "two without a word": [np.empty(0, np.uint32)] * 2,
    "copies alone": [np.arange(60)] * 50,
    "a chain": chain(np.random.default_rng(1), 120),
    "a clique": family(np.random.default_rng(2), 100, 150, 0.02),
    "all different": [np.arange(60) + 1000 * number for number in range(80)],
    **{f"mixed {seed}": mixed(seed) for seed in range(3)},
}


@pytest.mark.parametrize("name", CASES)
def test_held_and_shuffled_bands_and_stars_name_the_same_keepers(tmp_path: Path, name: str):
    """In one bucket or many, in one group or many, labelled on the driver or by stars."""
    artefacts = write_artefacts(tmp_path / "in", CASES[name], 3)
    expected, steps = search(artefacts, tmp_path / "held", EVERYTHING)
    assert "bands" not in steps
    for number, (memory, most) in enumerate([(1 << 24, 1 << 28), (300_000, 1 << 28), (300_000, 0)]):
        found, steps = search(artefacts, tmp_path / f"shuffled{number}", NOTHING, memory, most)
        assert (found == expected).all()
        assert ("bands" in steps) == (name not in ("none", "two without a word"))
        assert not list((tmp_path / f"shuffled{number}").glob("ties-star-*"))  # what the rounds left is gone
    if name == "a frame":  # by its rare probes an article is found in its page; by common ones the frame in a page
        assert (expected[0] != np.arange(len(artefacts))).sum() >= 15
    if name.startswith("mixed"):
        assert (expected[0] != np.arange(len(artefacts))).sum() > 50


def test_pairs_known_from_elsewhere_tie_documents_in_no_bucket(tmp_path: Path):
    """Half alike they share no bucket to speak of; a pair that is given is compared, and one of copies is none."""
    chance = np.random.default_rng(3)
    docs = [*family(chance, 60, 1, 0)] * 2 + [chance.integers(0, 1 << 32, 60) for _ in range(30)]
    docs += [np.concatenate([docs[9], chance.integers(0, 1 << 32, 9, dtype=np.uint32)])]
    artefacts = write_artefacts(tmp_path / "in", docs, 2)
    known = np.array([[0, 1], [9, 32], [32, 9], [4, 5]])
    expected, _ = search(artefacts, tmp_path / "held", EVERYTHING, known=known)
    found, _ = search(artefacts, tmp_path / "shuffled", NOTHING, known=known)
    assert (found == expected).all()
    assert expected[0, 9] == 32


def test_a_hundred_thousand_documents_in_the_same_buckets_take_no_pairs(tmp_path: Path):
    """A hot bucket is a row of members; edges are one a document and file, not one a pair."""
    chance = np.random.default_rng(4)
    root = chance.integers(0, 1 << 32, 24, dtype=np.uint32)
    docs = np.tile(root, (100_000, 1))
    docs[np.arange(100_000), chance.integers(0, 24, 100_000)] = chance.integers(0, 1 << 32, 100_000, dtype=np.uint32)
    artefacts = write_artefacts(tmp_path / "in", list(docs), 2)
    expected, _ = search(artefacts, tmp_path / "held", EVERYTHING, 1 << 28)
    found, _ = search(artefacts, tmp_path / "shuffled", NOTHING, 1 << 28)
    assert (found == expected).all()
    assert (expected[0] != np.arange(100_000)).sum() > 99_000
    for path in (tmp_path / "shuffled" / "ties").glob("*.npz"):
        with np.load(path) as held:
            assert len(held["child"]) == len(np.unique(held["child"])) < 100_000


def test_stars_that_do_not_come_to_an_end_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    artefacts = write_artefacts(tmp_path / "in", chain(np.random.default_rng(5), 300), 2)
    monkeypatch.setattr(connect, "MAX_ROUNDS", 2)
    with pytest.raises(DedupeError, match=r"did not come to an end in 2 rounds; give more --memory"):
        search(artefacts, tmp_path / "w", NOTHING, 300_000, 0)


def test_a_search_cut_short_between_stars_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What was shuffled before is not shuffled again, and the keepers are the same."""
    artefacts = write_artefacts(tmp_path / "in", mixed(7), 2)
    expected, _ = search(artefacts, tmp_path / "held", EVERYTHING)
    monkeypatch.setattr(connect, "MAX_ROUNDS", 1)
    with pytest.raises(DedupeError):
        search(artefacts, tmp_path / "w", NOTHING, 300_000, 0)
    assert (tmp_path / "w" / "ties-star-01-both").exists()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "w" / "bands").iterdir()}
    monkeypatch.undo()
    found, _ = search(artefacts, tmp_path / "w", NOTHING, 300_000, 0)
    assert (found == expected).all()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "w" / "bands").iterdir()} == times
    labels = (tmp_path / "w" / "ties" / "labels.npy").stat().st_mtime_ns
    search(artefacts, tmp_path / "w", NOTHING, 300_000, 0)
    assert (tmp_path / "w" / "ties" / "labels.npy").stat().st_mtime_ns == labels


def slow_labels(size, edges):
    """Relabel until nothing changes."""
    label = list(range(size))
    for _ in range(size):
        for one, two in edges:
            label[one] = label[two] = min(label[one], label[two])
    return label


EDGES = st.integers(1, 30).flatmap(lambda size: st.tuples(
    st.just(size), st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=40)))


@settings(max_examples=200)
@given(EDGES, st.integers(1, 9))
def test_a_forest_labels_by_the_least(given_edges, piece):
    size, edges = given_edges
    forest = Forest(size)
    pairs = np.array(edges, np.int64).reshape(-1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dedupe.cluster.components._MIN_HELD", 1)
        for begin in range(0, len(pairs), piece):
            forest.add(*pairs[begin:begin + piece].T)
    assert forest.labels().tolist() == slow_labels(size, edges)
    again = Forest(size, forest.labels())
    again.add(np.array([0]), np.array([size - 1]))
    assert again.labels().tolist() == slow_labels(size, [*edges, (0, size - 1)])


@settings(max_examples=100)
@given(st.lists(st.sets(st.integers(0, 40), min_size=2), max_size=12))
def test_buckets_shrink_to_one_edge_a_document_and_tie_the_same(sets):
    members = [place for each in sets for place in sorted(each)]
    child, root = contracted(np.array([len(each) for each in sets], np.int64), np.array(members, np.int64))
    label = slow_labels(41, [(min(each), place) for each in sets for place in each])
    assert dict(zip(child.tolist(), root.tolist(), strict=True)) == {
        place: least for place, least in enumerate(label) if place != least}


def star_labels(size, edges, piece):
    """Take turns of large and small stars on rows that come in pieces, until none is loose; count the rounds."""
    def pieces(rows):
        rows = sorted(rows)
        for begin in range(0, len(rows), piece):
            yield np.array(rows[begin:begin + piece], np.int64).T

    both = [(a, b) for one, two in edges for a, b in ((one, two), (two, one)) if one != two]
    for rounds in range(60):
        stars = Stars()
        if not sum([stars.num_loose(*rows) for rows in pieces(both)]):
            label = list(range(size))
            for node, other in both:
                label[node] = min(label[node], other)
            return label, rounds
        stars, down = Stars(), []
        for rows in pieces(both):
            down += zip(*(side.tolist() for side in stars.large(*rows)), strict=True)
        stars, both = Stars(), []
        for rows in pieces(down):
            both += [pair for one, two in zip(*(side.tolist() for side in stars.small(*rows)), strict=True)
                     for pair in ((one, two), (two, one))]
    raise AssertionError("no end")


@settings(max_examples=200)
@given(EDGES, st.integers(1, 50))
def test_stars_label_by_the_least_however_rows_are_cut(given_edges, piece):
    size, edges = given_edges
    assert star_labels(size, edges, piece)[0] == slow_labels(size, edges)


def test_stars_end_after_few_rounds_on_chains():
    size = 3000
    names = np.random.default_rng(6).permutation(size).tolist()
    label, rounds = star_labels(size, list(pairwise(names)), 10**9)
    assert set(label) == {0}
    assert rounds <= 15


def test_keys_of_two_bands_that_are_equal_by_chance_make_no_bucket(tmp_path: Path):
    """Documents 0 and 1 share band 2, document 5 has the same key in band 3."""
    from dedupe.corpus.tasks import run_here

    key = np.array([4, 9, 9, 9, 11], np.uint64)
    at = np.array([0, (2 << 40) + 0, (2 << 40) + 1, (3 << 40) + 5, 3], np.uint64)
    import pyarrow
    import pyarrow.parquet as parquet

    parquet.write_table(pyarrow.table({"key": key, "at": at}), tmp_path / "rows.parquet")
    made = bands.tie(Task("rows", "rows", str(tmp_path / "rows.parquet")), tmp_path, run_here)
    with np.load(tmp_path / "rows.npz") as held:
        assert (held["members"].tolist(), held["child"].tolist(), held["root"].tolist()) == ([0, 1], [1], [0])
    assert made.counts == {"edges": 1, "members": 2}


def test_texts_of_several_scripts_are_cleaned_into_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The whole of a run, with hostile records: bands shuffled and labels by stars, or all of it on the driver."""
    from corpus_samples import HOSTILE
    from spark_samples import bytes_of

    from dedupe.corpus_api import clean_records
    from dedupe.read import find_inputs
    from dedupe.write import plan_outputs

    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_bytes(b"".join([*as_lines(records(100)), *HOSTILE]))
    found = []
    for share, most in ((EVERYTHING, 1 << 28), (NOTHING, 0)):
        with monkeypatch.context() as patch:
            patch.setattr(groups, "SHARE_OF_BANDS", share)
            patch.setattr(groups, "_MIN_GROUP_SHINGLES", 2000)
            patch.setattr(connect, "MAX_EDGES", most)
            inputs = find_inputs(["in.jsonl"])
            clean_records(inputs, plan_outputs(inputs, "w/out"), Config(), report="w/report", memory_bytes=300_000)
        found.append(bytes_of(Path("w")))
        Path("w").rename(f"w{len(found)}")
    assert found[0] == found[1]
    assert found[0]["report/removals.jsonl"].count(b"near_duplicate_of") > 15


def test_a_task_carries_a_path_not_the_names_of_all_lots(tmp_path: Path):
    """However many lots there are; what a worker opens reads the same."""
    import pickle

    docs = mixed(3)
    sizes = []
    for num_lots in (2, 40):
        artefacts = write_artefacts(tmp_path / f"in-{num_lots:02}", docs, num_lots)
        sizes.append(len(pickle.dumps(artefacts)))
        forget_run()
        opened = pickle.loads(pickle.dumps(artefacts))
        chosen = np.array([len(docs) - 1, 5, 60, 5])
        assert (opened.shingles(chosen)[0] == np.concatenate([docs[at] for at in chosen])).all()
        assert (opened.signatures(chosen) == artefacts.signatures(np.arange(len(docs)))[chosen]).all()
    assert sizes[0] == sizes[1] < 500
