"""A kept index gives exact answers, the same however it was made, and refuses what it cannot read."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import numpy as np
import pytest
from corpus_samples import HOSTILE, as_lines, prose, records

import dedupe
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.kept import layout, merge, search
from dedupe.records import Texts

NUM_DOCS = 150


@pytest.fixture(scope="module")
def made():
    """Records with copies, near copies, pages that hold an article, in several scripts."""
    return records(NUM_DOCS, seed=3)


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "kept"
    dedupe.KeptIndex.build(folder, made).close()
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    """An index of all records, to be changed."""
    return shutil.copytree(whole, tmp_path / "kept")


def rows(index, asked, **options):
    """Answers as they are printed, without the names of documents in the input, which tell of deltas."""
    found = [each.as_row() for each in index.query(asked, **options)]
    for row in found:
        for item in [*row["matches"], *row["passages"]]:
            item["kept"].pop("doc")
            item["kept"].pop("uri")
    return found


def shingles(text):
    """5-shingles of the words of a text, in Python."""
    from dedupe.hashing import StreamHashes
    from dedupe.normalize import normalize
    from dedupe.segment import segment
    from dedupe.shingle import token_hashes

    texts = Texts.of([text.encode("utf-8", "surrogatepass")])
    blocks = normalize(texts, *segment(texts))
    tokens = token_hashes(blocks, StreamHashes(blocks.stream)).tolist()
    return {tuple(tokens[at:at + 5]) for at in range(max(1, len(tokens) - 4))} if tokens else set()


def test_every_document_finds_itself_and_figures_are_exact(made, whole):
    """Oracle: resemblance and containment of sets of shingles in Python."""
    by_id = {record["id"]: shingles(record["text"]) for record in made}
    with dedupe.KeptIndex.open(whole) as index:
        found = list(index.query(made, max_matches=64))
    assert len(found) == NUM_DOCS
    for record, each in zip(made, found, strict=True):
        assert record["id"] in {match.kept.id for match in each.matches if match.same_text}
        mine = by_id[record["id"]]
        for match in each.matches:
            other = by_id[match.kept.id]
            assert match.resemblance == pytest.approx(len(mine & other) / len(mine | other))
            assert match.containment == pytest.approx(len(mine & other) / len(mine))
            assert match.kept_containment == pytest.approx(len(mine & other) / len(other))


def test_no_pair_that_resembles_is_missed_and_none_is_told_that_does_not(made, whole):
    """Oracle: all pairs. Bands find a pair at the bound with .99, so at most one in fifty may be missing."""
    by_id = {record["id"]: shingles(record["text"]) for record in made}
    expected = {
        (one, two) for one, mine in by_id.items() for two, other in by_id.items()
        if len(mine & other) / len(mine | other) >= 0.8
    }  # fmt: skip
    with dedupe.KeptIndex.open(whole) as index:
        told = {(record["id"], match.kept.id) for record, each in
                zip(made, index.query(made, max_matches=64), strict=True)
                for match in each.matches if match.resemblance >= 0.8}
    assert told <= expected
    assert len(expected - told) <= len(expected) // 50


def test_passages_are_given_with_their_places_on_both_sides(tmp_path):
    """Spans are bytes, characters and lines of both texts, and both say the same words there."""
    import random

    chance = random.Random(5)
    shared = " ".join(f"слово{number}" for number in range(70)) + "."
    old = prose(chance, "en", 200) + "\n\n" + shared + "\n\n" + prose(chance, "en", 200)
    new = prose(chance, "zh", 300) + "\n\n" + shared + "\n\n" + prose(chance, "el", 200)
    with dedupe.KeptIndex.build(tmp_path / "kept", [{"id": "old", "text": old}]) as index:
        [found] = index.query([{"id": "new", "text": new}])
        [bare] = index.query([{"id": "new", "text": new}], passages=False)
    [passage] = found.passages
    assert (found.matches, bare.passages) == ((), ())
    assert passage.kept.id == "old"
    for text, place in ((new, passage.place), (old, passage.kept_place)):
        assert text[slice(*place.char)] == shared
        assert text.encode()[slice(*place.byte)] == shared.encode()
        assert text.splitlines()[place.line[0] - 1:place.line[1] - 1] == [shared]
    assert (passage.num_tokens, passage.num_equal, passage.similarity) == (70, 70, 1.0)


def test_a_short_text_inside_a_long_one_is_found_both_ways_round(tmp_path):
    """Containment has no bucket in common; the windows tell."""
    import random

    chance = random.Random(6)
    article = prose(chance, "en", 150)
    page = prose(chance, "en", 700) + "\n\n" + article + "\n\n" + prose(chance, "en", 700)
    with dedupe.KeptIndex.build(tmp_path / "a", [{"id": "page", "text": page}]) as index:
        [inside] = index.query([article])
    with dedupe.KeptIndex.build(tmp_path / "b", [{"id": "article", "text": article}]) as index:
        [around] = index.query([page])
    assert [match.kept.id for match in inside.matches] == ["page"]
    assert [match.kept.id for match in around.matches] == ["article"]
    assert inside.matches[0].containment > 0.9
    assert around.matches[0].kept_containment == inside.matches[0].containment
    assert around.matches[0].containment == inside.matches[0].kept_containment < 0.3


def test_ten_deltas_answer_as_one_build_and_compact_to_the_same_files(made, whole, tmp_path):
    """What was added when, and what was removed and added again, leaves no trace."""
    asked = [*made, *records(60, seed=4)]
    order = np.random.default_rng(1).permutation(NUM_DOCS).tolist()
    index = dedupe.KeptIndex.build(tmp_path / "kept", [made[at] for at in order[:15]])
    for begin in range(15, NUM_DOCS, 15):
        index.add([made[at] for at in order[begin:begin + 15]], merge=False)
    again = [made[at] for at in order[40:50]]
    assert index.remove([record["id"] for record in again]) == (10, [])
    assert len(index) == NUM_DOCS - 10
    index.add(again, merge=False)
    assert index.info().num_segments == 11
    with dedupe.KeptIndex.open(whole) as one:
        expected = rows(one, asked)
        assert rows(index, asked) == expected
        index.compact()
        assert rows(index, asked) == expected
    assert (index.info().num_segments, index.info().num_gone) == (1, 0)
    index.check()
    index.close()
    other = shutil.copytree(whole, tmp_path / "whole")
    with dedupe.KeptIndex.open(other) as one:
        one.compact()
    kinds = ("bands", "seeds", "blocks")
    for kind in [f"*.{kind}.parquet" for kind in kinds] + ["*.shingles", "*.texts"]:
        [mine], [theirs] = ((folder / "segments").glob(kind) for folder in (tmp_path / "kept", other))
        assert mine.read_bytes() == theirs.read_bytes(), kind


def test_an_index_that_grows_by_small_deltas_stays_in_few_segments_and_answers_as_one_build(made, whole, tmp_path):
    """Thirty deltas with documents that are replaced, removed and added again: never more than eight segments and one
    file of what is gone, and a segment of which nothing is left is dropped."""
    order = np.random.default_rng(2).permutation(NUM_DOCS).tolist()
    index = dedupe.KeptIndex.build(tmp_path / "kept", [made[order[0]]])
    sizes = []
    for number, begin in enumerate(range(0, NUM_DOCS, 5)):
        index.add([made[at] for at in order[max(0, begin - 2):begin + 5]])  # two of the last ones again
        if number % 9 == 8:
            again = [made[at] for at in order[begin - 6:begin + 5:2]]
            assert index.remove([record["id"] for record in again]) == (len(again), [])
            index.add(again)
        sizes.append(index.info().num_segments)
        gone = list((tmp_path / "kept" / "segments").glob("*.gone.parquet"))
        assert len(gone) <= 1
    assert max(sizes) < 8
    assert len(index) == NUM_DOCS
    index.check()
    asked = [*made, *records(60, seed=4)]
    with dedupe.KeptIndex.open(whole) as one:
        assert rows(index, asked) == rows(one, asked)
    index.remove([record["id"] for record in made])
    assert (len(index), index.info().num_segments, index.info().num_bytes) == (0, 0, 0)


def test_the_same_deltas_make_the_same_files(made, tmp_path):
    """Which segments are merged follows from the documents alone."""
    for name in ("one", "two"):
        index = dedupe.KeptIndex.build(tmp_path / name, made[:5])
        for begin in range(5, 80, 5):
            index.add(made[begin:begin + 5])
        index.close()
    one, two = (sorted((tmp_path / name / "segments").iterdir()) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


@pytest.mark.parametrize(("fullness", "expected"), [
    ([0.001] * 7, []),
    ([0.001] * 8, [0, 1, 2, 3, 4, 5, 6, 7]),
    ([0.9, 0.3, *[0.001] * 7, 0.05], []),
    ([0.9, 0.3, *[0.001] * 8, 0.05], [2, 3, 4, 5, 6, 7, 8, 9]),
    ([*[0.015] * 8, *[0.05] * 7], list(range(15))),  # what the small ones make is the eighth of the next level
    ([0.6] * 20, []),  # at least half full: two of them may be two again
    ([0.2] * 9, list(range(9))),
])  # fmt: skip
def test_segments_of_a_level_are_merged_when_there_are_eight(fullness, expected):
    """By documents or by shingles, whichever fills a segment more."""
    share = np.array(fullness)
    docs, shingles = (share * merge.MAX_DOCS).astype(np.int64), (share * merge.MAX_SHINGLES).astype(np.int64)
    assert merge.crowded(docs, shingles // 3).tolist() == expected
    assert merge.crowded(docs // 3, shingles).tolist() == expected


def test_what_merges_makes_is_cut_where_a_segment_is_full(made, tmp_path, monkeypatch):
    """With segments of at most forty documents, those that are half full stay as they are."""
    monkeypatch.setattr(merge, "MAX_DOCS", 40)
    index = dedupe.KeptIndex.build(tmp_path / "kept", made[:4])
    for begin in range(4, NUM_DOCS, 4):
        index.add(made[begin:begin + 4])
    sizes = [each.num_docs for each in index.view.manifest.segments]
    assert max(sizes) == 32
    assert len(sizes) <= 4 + 8
    index.check()


def test_where_too_many_share_a_key_deltas_answer_as_one_build(tmp_path, monkeypatch):
    """With bounds of three, most buckets and windows of this corpus are full."""
    monkeypatch.setattr(search, "MAX_IN_BUCKET", 3)
    monkeypatch.setattr(search, "MAX_WITH_SEED", 3)
    made = [{**record, "id": f"{number}-{record['id']}"} for number in range(3) for record in records(40, seed=8)]
    asked = records(40, seed=8)
    with dedupe.KeptIndex.build(tmp_path / "one", made) as one:
        expected = rows(one, asked)
    with dedupe.KeptIndex.build(tmp_path / "many", made[::7]) as many:
        for begin in range(1, 7):
            many.add(made[begin::7])
        assert rows(many, asked) == expected


def test_a_document_with_a_known_id_takes_the_place_of_the_old_one(copy, made):
    """Within one batch and across them, the last counts; an id and the name of a file are never mixed up."""
    text = "This text stands here in place of what stood here before, and nobody misses the old one at all."
    first = dedupe.records.Document("x", "doc-00000", b"by name alone, not by id", b"by name alone, not by id")
    with dedupe.KeptIndex.open(copy) as index:
        twice = [{"id": "doc-00000", "text": each} for each in ("soon gone", text)]
        assert index.add([*twice, first]) == NUM_DOCS + 1
        [found] = index.query([text])
        assert [(match.kept.id, match.same_text) for match in found.matches] == [("doc-00000", True)]
        [old] = index.query([made[0]])
        assert "doc-00000" not in {match.kept.id for match in old.matches}
        assert index.add([first]) == NUM_DOCS + 1
        index.compact()
        assert len(index) == NUM_DOCS + 1


def test_documents_go_by_id_host_and_name_and_unknown_names_are_told(tmp_path):
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in files:
        path.write_text(f"The text of {path.name}, long enough to be told from the others by its words.")
    made = [{"id": f"n{number}", "url": f"https://{host}.example/{number}", "text": f"{number} {host} text of its own"}
            for number, host in enumerate(("one", "two", "two"))]
    with dedupe.KeptIndex.build(tmp_path / "kept", made) as index:
        index.add(paths=[str(path) for path in files])
        assert index.remove(hosts=["two.example", "three.example"]) == (2, ["three.example"])
        assert index.remove(["n0", "n0", "gone"]) == (1, ["gone"])
        assert index.remove(docs=[files[0].as_posix()]) == (1, [])
        assert index.remove(["n0"]) == (0, ["n0"])
        assert len(index) == 1
        index.compact()
        [left] = index.query(paths=[str(files[1])])
        assert left.matches[0].kept.uri == files[1].as_posix()
        index.remove(docs=[files[1].as_posix()])
        index.compact()
        assert (len(index), index.info().num_segments) == (0, 0)
        assert next(iter(index.query(["anything at all"]))).matches == ()


def test_hostile_records_are_kept_or_listed_and_never_crash(tmp_path):
    """NUL, escapes, lone surrogates, empty texts, broken UTF-8, a huge line, ids that look like paths."""
    lines = [*HOSTILE, *as_lines(records(5)), json.dumps({"id": "huge", "text": "x" * 3_000_000}).encode() + b"\n",
             json.dumps({"id": "../../etc/passwd", "text": "an id that would lead out of the folder"}).encode() + b"\n",
             json.dumps({"id": "nul\0id", "text": "an id with a zero byte in the middle of it"}).encode() + b"\n",
             json.dumps({"id": "", "text": "an id that is empty but is one"}).encode() + b"\n"]
    (tmp_path / "in.jsonl").write_bytes(b"".join(lines))
    with dedupe.KeptIndex.build(tmp_path / "kept", paths=[str(tmp_path / "in.jsonl")]) as index:
        assert {bad.record for bad in index.bad} >= {0, 1, 2, 3}
        before = len(index)
        answers = list(index.query(paths=[str(tmp_path / "in.jsonl")]))
        assert all(each.matches for each in answers if each.document.id in ("huge", "nul\0id", "", "../../etc/passwd"))
        assert not any(each.matches for each in answers if each.document.id in ("empty", "stars"))
        for each in answers:
            json.dumps(each.as_row())
        assert index.remove(["nul\0id", "", "../../etc/passwd"]) == (3, [])
        index.compact()
        assert len(index) == before - 3
        index.check()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "kept"]


def test_text_in_another_encoding_comes_back_as_it_was(tmp_path):
    """Places in a file of Latin-1 are its bytes, not those of UTF-8."""
    shared = " ".join(f"d\xe9j\xe0{number}" for number in range(60))
    (tmp_path / "old.txt").write_bytes(("caf\xe9 " * 3 + "\n\n" + shared + "\n\nfin\n").encode("latin-1"))
    config = dedupe.Config(encoding="latin-1")
    with dedupe.KeptIndex.build(tmp_path / "kept", config=config, paths=[str(tmp_path / "old.txt")]) as index:
        [found] = index.query(["\n\n".join([" ".join(f"w{n}" for n in range(90)), shared])])
    start, end = found.passages[0].kept_place.byte
    assert (tmp_path / "old.txt").read_bytes()[start:end].decode("latin-1") == shared


@pytest.mark.parametrize("change", [{"num_perm": 64}, {"seed": 2}, {"min_resemblance": 0.5}], ids=str)
def test_other_settings_are_refused_with_both_values(copy, change):
    with pytest.raises(ConfigError, match="in the index and") as caught:
        dedupe.KeptIndex.open(copy, dedupe.Config(**change))
    name, value = next(iter(change.items()))
    assert name in str(caught.value)
    assert str({"min_resemblance": 42}.get(name, value)) in str(caught.value)


def test_settings_that_change_no_hash_may_differ(copy):
    with dedupe.KeptIndex.open(copy, dedupe.Config(min_containment=0.9, preset="standard", keep="first")) as index:
        assert len(index) == NUM_DOCS


def test_another_normalization_is_refused_with_both_values(copy, monkeypatch):
    monkeypatch.setattr(layout, "normalization", lambda: "0123456789abcdef")
    with pytest.raises(ConfigError, match=r"normalization is [0-9a-f]{16} in the index and 0123456789abcdef now"):
        dedupe.KeptIndex.open(copy)


MANIFESTS = [
    ("newer", lambda content: {**content, "version": 2, "written_by": "9.0"}, r"format 2, written by dedupe 9\.0"),
    ("foreign", lambda content: {"hello": 1}, "no manifest of a kept index"),
    ("columns", lambda content: {**content, "schema": "feed"}, "columns feed"),
    ("settings", lambda content: {**content, "recipe": {**content["recipe"], "seed": 7}}, "do not match their hash"),
    ("parts", lambda content: {key: value for key, value in content.items() if key != "segments"}, "lacks"),
    ("way out", lambda content: {**content, "segments": [{**content["segments"][0], "name": "../../x"}]}, "is called"),
]


@pytest.mark.parametrize(("name", "change", "message"), MANIFESTS, ids=[name for name, *_ in MANIFESTS])
def test_a_manifest_that_cannot_be_used_is_told(copy, name, change, message):
    path = copy / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))
    with pytest.raises(InputError, match=message):
        dedupe.KeptIndex.open(copy)


def test_a_manifest_cut_short_and_a_folder_without_one_are_told(copy, tmp_path):
    path = copy / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="not valid JSON"):
        dedupe.KeptIndex.open(copy)
    with pytest.raises(InputError, match="no kept index here"):
        dedupe.KeptIndex.open(tmp_path / "nothing")


@pytest.mark.parametrize("kind", ["docs", "bands", "seeds", "blocks", "shingles", "texts"])
def test_a_damaged_file_is_told_by_its_name(copy, made, kind):
    """A changed byte in the middle: `check` always notices, and no query that reads it gives an answer."""
    [path] = (copy / "segments").glob(f"*.{kind}*")
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 4, len(content) // 2):
        content[at] ^= 0x55
    path.write_bytes(content)
    if kind == "docs":  # read when an index is opened
        with pytest.raises(DedupeError, match=r"docs\.parquet: .*damaged"):
            dedupe.KeptIndex.open(copy)
        return
    with dedupe.KeptIndex.open(copy) as index:
        with pytest.raises(DedupeError, match=f"{kind}.*does not match its checksum"):
            index.check()
        if kind != "blocks":  # which only site boilerplate is counted from
            with pytest.raises(DedupeError, match=f"{kind}.*damaged"):
                list(index.query([*made, *records(60, seed=4)]))


def test_a_file_that_is_cut_or_gone_is_noticed_when_opened(copy):
    [path] = (copy / "segments").glob("*.bands.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:-10])
    with pytest.raises(DedupeError, match="bytes, expected"):
        dedupe.KeptIndex.open(copy)
    path.unlink()
    with pytest.raises(DedupeError, match="cannot be read"):
        dedupe.KeptIndex.open(copy)


def test_a_folder_in_use_is_never_built_over(copy, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    for folder, message in ((copy, "holds an index already"), (tmp_path / "full", "is not empty")):
        with pytest.raises(InputError, match=message):
            dedupe.KeptIndex.build(folder, ["a text"])
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


def test_an_index_of_a_run_leaves_out_what_had_a_keeper(tmp_path, monkeypatch):
    from dedupe import runs

    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_bytes(b"".join(as_lines(records(60, seed=2))))
    target = runs.Target(output="out", report="run")
    config = dedupe.Config(min_resemblance=0.7)
    done = runs.clean_paths(["in.jsonl"], config, target, runs.Effort(), lambda message: None)
    with dedupe.KeptIndex.build("kept", paths=["run"]) as index:
        assert done.num_near_duplicates > 0
        assert len(index) == done.num_documents - done.num_near_duplicates
        assert index.config.min_resemblance == 0.7
        assert index.add(paths=["run"]) == len(index)  # the same documents again
    (tmp_path / "in.jsonl").unlink()
    with pytest.raises(InputError, match=r"in\.jsonl is not here"):
        dedupe.KeptIndex.build("other", paths=["run"])


def test_the_description_counts_what_is_there(copy):
    with dedupe.KeptIndex.open(copy) as index:
        index.remove(["doc-00003"])
        info = asdict(index.info())
        files = [path for path in (copy / "segments").iterdir() if path.is_file()]
        assert (info["num_docs"], info["num_gone"], info["num_segments"]) == (NUM_DOCS - 1, 1, 1)
        assert info["num_bytes"] == sum(path.stat().st_size for path in files)
        assert (info["num_sites"], info["generation"], info["recipe"]["num_perm"]) == (1, 2, 128)


@pytest.mark.parametrize("keep", ["votes", "newest", "first", "longest"])
def test_records_of_a_program_are_ranked_as_those_of_a_file(tmp_path, made, keep):
    """`keep` with the name of a field was obeyed for files alone."""
    rows = [{**each, "votes": at % 7, "date": f"2024-01-{at % 28 + 1:02}"} for at, each in enumerate(made[:40])]
    (tmp_path / "a.jsonl").write_bytes(b"".join(as_lines(rows)))
    config = dedupe.Config(keep=keep)
    with (
        dedupe.KeptIndex.build(tmp_path / "one", rows, config) as program,
        dedupe.KeptIndex.build(tmp_path / "two", config=config, paths=[str(tmp_path / "a.jsonl")]) as files,
    ):
        ranks = program.view.column("rank").tolist()
        assert ranks == files.view.column("rank").tolist()
        assert program.add([{**rows[0], "id": "new", "votes": 99, "date": "2030-01-01"}]) == len(files) + 1
        if keep in ("votes", "newest"):
            assert max(program.view.column("rank").tolist()) > max(ranks)


def test_one_text_in_place_of_many_is_refused(copy):
    """A text is an iterable of letters, and each would be a document or a name of its own."""
    with dedupe.KeptIndex.open(copy) as index:
        for wrong in ("a text", b"bytes", {"text": "a record"}):
            with pytest.raises(InputError, match="one document was given"):
                index.add(wrong)
            with pytest.raises(InputError, match="one document was given"):
                list(index.query(wrong))
        for names in ({"ids": "abc"}, {"hosts": "example.org"}, {"docs": "a.jsonl"}):
            with pytest.raises(InputError, match="expected a list of names"):
                index.remove(**names)
        assert len(index) == NUM_DOCS


@pytest.mark.parametrize("wrong", ["careful", {"preset": "careful"}, [], 0, False, dedupe.Config])
def test_settings_that_are_no_config_are_refused(tmp_path, copy, wrong):
    with pytest.raises(ConfigError, match="expected a Config"):
        dedupe.KeptIndex.build(tmp_path / "new", [], wrong)
    with pytest.raises(ConfigError, match="expected a Config"):
        dedupe.KeptIndex.open(copy, wrong)
