"""A run against an index: its documents count as kept, its pages count as pages, its passages as sources."""

from __future__ import annotations

import io
import json

import pytest
from corpus_samples import as_lines, prose, records

import dedupe
from dedupe import runs
from dedupe.errors import ConfigError

NUM_OLD = 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Old and new records of the same sites, and an index of the old ones."""
    work = tmp_path_factory.mktemp("against")
    made = records(100, seed=1)
    for number, record in enumerate(made):
        record["url"] = f"https://www.paper{number % 3}.org/{number}"
    (work / "old.jsonl").write_bytes(b"".join(as_lines(made[:NUM_OLD])))
    (work / "new.jsonl").write_bytes(b"".join(as_lines(made[NUM_OLD:])))
    dedupe.KeptIndex.build(work / "kept", paths=[str(work / "old.jsonl")]).close()
    return work


def run(folder, name, paths=("new.jsonl",), index="kept", config=None, **options):
    """Clean files of a folder; return the totals and the rows of the ledger by type."""
    against = None if index is None else str(folder / index)
    target = runs.Target(output=str(folder / f"out-{name}"), report=str(folder / f"run-{name}"))
    done = runs.clean_paths(
        [str(folder / path) for path in paths], config or dedupe.Config(), target,
        runs.Effort(against=against, **options), lambda message: None,
    )  # fmt: skip
    rows = {}
    for line in (folder / f"run-{name}" / "removals.jsonl").read_bytes().splitlines():
        row = json.loads(line)
        rows.setdefault(row["type"], []).append(row)
    return done, rows


def keepers(rows):
    return {row["id"]: row["near_duplicate_of"] for row in rows["doc"] if "near_duplicate_of" in row}


def test_frozen_a_new_document_goes_for_the_kept_one_it_matches_and_the_ledger_cites_it(folder):
    """What goes for a document of the index is just what the index answers; figures are the same."""
    done, rows = run(folder, "frozen")
    cited = {name: near for name, near in keepers(rows).items() if near["doc"].startswith("kept:")}
    with dedupe.KeptIndex.open(folder / "kept") as index:
        answers = {each.document.id: each for each in index.query(paths=[str(folder / "new.jsonl")], max_matches=64)}
    matched = {name for name, each in answers.items()
               if any(one.resemblance >= 0.8 or one.containment >= 0.8 for one in each.matches)}
    assert set(cited) == matched != set()
    for name, near in cited.items():
        figures = {each.kept.id: each for each in answers[name].matches}
        assert near["doc"] == f"kept:{figures[near['id']].kept.doc}"
        assert near["resemblance"] == round(figures[near["id"]].resemblance, 4)
    assert (done.revised, rows.get("revised")) == ([], None)


def test_frozen_and_then_added_is_the_whole_corpus_in_one_index(folder, tmp_path):
    """The run changes nothing in the index; adding what stays is another step."""
    before = (folder / "kept" / "manifest.json").read_bytes()
    run(folder, "unchanged")
    assert (folder / "kept" / "manifest.json").read_bytes() == before


def test_retroactive_lists_the_old_documents_that_would_go_and_no_one_goes_for_them(folder):
    """A longer new document is the keeper; whoever goes cites a document that stays."""
    done, rows = run(folder, "retroactive", against_mode="retroactive")
    revised = {row["doc"]: row for row in rows["revised"]}
    assert [row["doc"] for row in done.revised] == sorted(revised)
    assert revised
    texts = {json.loads(line)["id"]: json.loads(line)["text"]
             for name in ("old", "new") for line in (folder / f"{name}.jsonl").read_bytes().splitlines()}
    new_ids = {row["doc"]: row["id"] for row in rows["doc"]}
    gone = keepers(rows)
    for row in revised.values():
        keeper = new_ids[row["near_duplicate_of"]["doc"]]
        assert keeper not in gone
        near = row["near_duplicate_of"]
        assert near["resemblance"] >= 0.8 or near["containment"] >= 0.8
        assert len(texts[keeper]) >= 0.9 * len(texts[row["id"]])
    assert not {near["doc"] for near in gone.values()} & set(revised)
    _, frozen = run(folder, "frozen-too")
    assert len(keepers(frozen)) > len(gone)


def test_drop_leaves_out_what_the_index_has(folder):
    _, rows = run(folder, "drop", config=dedupe.Config(near_duplicates="drop"))
    left = (folder / "out-drop" / "new.jsonl").read_bytes().splitlines()
    assert len(left) == len(rows["doc"]) - len(keepers(rows))


def test_pages_of_the_index_count_for_the_lines_of_a_site(tmp_path):
    """One new page of a site: by itself nothing recurs; with the index, its frame does, and cites an old page."""
    import random

    chance = random.Random(4)
    frame = ["Home of the evening paper", "Editor in chief: A. Name", "Imprint and contact of the evening paper"]

    def page(number, lines):
        text = "\n\n".join([lines[0], lines[1], prose(chance, "en", 150), lines[2]])
        return {"id": f"p{number}", "url": f"https://evening.example/{number}", "text": text}

    old = [page(number, frame) for number in range(40)]
    old += [{**old[0], "id": f"copy{number}"} for number in range(5)]
    (tmp_path / "new.jsonl").write_bytes(b"".join(as_lines([page(99, frame)])))
    dedupe.KeptIndex.build(tmp_path / "kept", old).close()
    _, alone = run(tmp_path, "alone", index=None)
    _, rows = run(tmp_path, "against")
    went = [row for row in rows["removal"] if row["rule"] == "site-boilerplate"]
    assert [row["text"].strip() for row in went] == frame
    assert not [row for row in alone.get("removal", []) if row["rule"] == "site-boilerplate"]
    for row in went:
        documents = next(each for each in row["evidence"] if each["name"] == "documents")
        assert (documents["value"], documents["note"]) == (41, "of 41 documents of the site")  # copies count once
        source = old[int(row["kept"]["doc"].removeprefix("kept:added-0#"))]
        assert source["text"][slice(*row["kept"]["char"])] == row["text"].strip()


def test_versions_of_one_article_in_the_index_make_none_of_its_paragraphs_boilerplate(tmp_path):
    """Thirty crawls of one page, each with another counter, are one vote."""
    import random

    article = prose(random.Random(7), "en", 400)

    def version(number):
        return {"id": f"v{number}", "url": "https://daily.example/story",
                "text": f"Read by {'many ' * (number % 7)}people\n\n{article}"}

    dedupe.KeptIndex.build(tmp_path / "kept", [version(number) for number in range(30)]).close()
    (tmp_path / "new.jsonl").write_bytes(b"".join(as_lines([version(77)])))
    _, rows = run(tmp_path, "against")
    assert [row for row in rows.get("removal", []) if row["rule"] == "site-boilerplate"] == []
    assert keepers(rows)


def test_a_passage_that_stands_in_the_index_is_listed_with_its_source(tmp_path):
    import random

    chance = random.Random(9)
    shared = prose(chance, "en", 90)
    old = {"id": "old", "url": "https://a.example/1", "text": prose(chance, "en", 300) + "\n\n" + shared}
    new = {"id": "new", "url": "https://b.example/2",
           "text": prose(chance, "en", 300) + "\n\n" + shared + "\n\n" + prose(chance, "en", 300)}
    dedupe.KeptIndex.build(tmp_path / "kept", [old]).close()
    (tmp_path / "new.jsonl").write_bytes(b"".join(as_lines([new])))
    _, rows = run(tmp_path, "report")
    [row] = [row for row in rows["kept"] if row["rule"] == "shared-passage"]
    assert new["text"][slice(*row["char"])] == shared
    assert row["kept"]["doc"] == "kept:added-0#0"
    assert old["text"][slice(*row["kept"]["char"])] == shared
    _, rows = run(tmp_path, "goes", config=dedupe.Config(shared_passages="keep-first"))
    assert "".join(row["text"] for row in rows["removal"] if row["rule"] == "shared-passage").strip() == shared


def test_the_same_bytes_for_any_order_workers_and_deltas(folder, tmp_path):
    """An index made in deltas, and its compaction, give the ledger of one build."""
    _, expected = run(folder, "once")
    lines = (folder / "old.jsonl").read_bytes().splitlines(keepends=True)
    index = dedupe.KeptIndex.build(folder / "many", [json.loads(line) for line in lines[:20]])
    for low in (20, 40):
        index.add([json.loads(line) for line in lines[low:low + 20]])
    index.close()

    def plain(rows):
        text = json.dumps({kind: rows.get(kind) for kind in ("doc", "removal", "kept", "cluster", "summary")})
        for number in range(NUM_OLD):
            text = text.replace(f"kept:{(folder / 'old.jsonl').as_posix()}#{number}\"", f"kept:{number}\"")
            text = text.replace(f"kept:added-{number // 20}#{number % 20}\"", f"kept:{number}\"")
        return text.replace("out-many", "out-once")

    _, rows = run(folder, "many", index="many")
    assert plain(rows) == plain(expected)


def test_one_text_is_cleaned_against_an_index_too(folder):
    text = json.loads((folder / "old.jsonl").read_bytes().splitlines()[0])["text"]
    (folder / "one.txt").write_text(text)
    done, rows = run(folder, "one", paths=("one.txt",))
    assert rows["doc"][0]["near_duplicate_of"]["id"] == "doc-00000"
    assert done.num_near_duplicates == 1


@pytest.mark.parametrize("asked", ["file", "stdin", "named"])
def test_one_text_against_an_index_goes_to_standard_output_or_a_named_file(folder, monkeypatch, asked):
    """As without the index the same text, which the ledger says matches a kept document; dropped it is empty."""
    text = json.loads((folder / "old.jsonl").read_bytes().splitlines()[0])["text"] + "\n\n* * *\n\n* * *\n"
    monkeypatch.chdir(folder)
    (folder / "alone.txt").write_text(text)
    alone = io.BytesIO()
    runs.clean_paths(["alone.txt"], dedupe.Config(), runs.Target(stream=alone), runs.Effort(), lambda message: None)

    def against(near_duplicates):
        seen, config = io.BytesIO(), dedupe.Config(near_duplicates=near_duplicates)
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        target = runs.Target(stream=seen, output="cleaned.txt" if asked == "named" else None, report=f"run-{asked}")
        source = "-" if asked == "stdin" else "alone.txt"
        done = runs.clean_paths([source], config, target, runs.Effort(against="kept"), lambda message: None)
        assert done.num_near_duplicates == 1
        if asked != "named":
            return seen.getvalue()
        assert not seen.getvalue()
        return (folder / "cleaned.txt").read_bytes() if (folder / "cleaned.txt").exists() else b""

    assert against("report") == alone.getvalue()
    assert b'"near_duplicate_of":{"doc":"kept:' in (folder / f"run-{asked}" / "removals.jsonl").read_bytes()
    (folder / "cleaned.txt").unlink(missing_ok=True)
    assert against("drop") == b""


def test_what_takes_texts_one_by_one_says_that_it_cannot_ask_an_index(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for target in (runs.Target(in_place=True), runs.Target(show="diff")):
        with pytest.raises(ConfigError, match="without --against"):
            runs.clean_paths(["old.jsonl"], dedupe.Config(), target, runs.Effort(against="kept"), lambda message: None)


def test_an_index_with_other_settings_or_an_unknown_mode_is_refused(folder):
    with pytest.raises(ConfigError, match="in the index and"):
        run(folder, "wrong", config=dedupe.Config(num_perm=64))
    with pytest.raises(ConfigError, match="expected one of frozen, retroactive"):
        run(folder, "wrong", against_mode="thawed")
    with pytest.raises(ConfigError, match="keep is 'longest' in the index and 'newest' now"):
        run(folder, "wrong", config=dedupe.Config(keep="newest"), against_mode="retroactive")


def test_an_index_without_documents_changes_nothing(folder):
    dedupe.KeptIndex.build(folder / "empty").close()
    _, rows = run(folder, "empty", index="empty")
    _, expected = run(folder, "none", index=None)
    for kind in ("doc", "removal", "kept", "summary"):
        assert json.dumps(rows[kind]).replace("out-empty", "out-none") == json.dumps(expected[kind])
