"""The Spark engine: the same rows, files and cleaned corpora as on one machine, and a Spark that fails is noticed.

All tests share one session on two cores of this machine; tests/test_spark_faults.py has the cluster that is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from corpus_samples import as_lines, records
from near_samples import chain, family, write_artefacts
from spark_samples import COLUMNS, ORDER, ROOT, bytes_of, identical, no_rows, some_rows, write_corpus, write_number
from test_engine import fail_at_two, no_room, tasks

import dedupe
from dedupe.config import Config
from dedupe.corpus.near import find_near
from dedupe.corpus.tasks import forget_run
from dedupe.corpus_api import clean_records
from dedupe.engines.local import LocalEngine
from dedupe.engines.spark import SparkEngine, clean, open_session
from dedupe.engines.spark.files import fetch, send
from dedupe.engines.spark.session import parse_conf
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.read import find_inputs
from dedupe.write import plan_outputs

pytest.importorskip("pyspark")
pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")

LITTLE_MEMORY = 800_000  # makes buckets and groups many


@pytest.fixture(scope="module")
def session():
    """Open the one session of these tests; what executors import is in tests/."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    opened = open_session("local[2]", {
        "spark.driver.memory": "1g", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    })  # fmt: skip
    yield opened
    opened.stop()
    os.environ.pop("PYTHONPATH")
    if before is not None:
        os.environ["PYTHONPATH"] = before


@pytest.fixture
def small_lots(monkeypatch: pytest.MonkeyPatch):
    """Make a task of every shard; small ones are put together otherwise."""
    monkeypatch.setattr("dedupe.corpus.lots._LOT_BYTES", 1)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("num_partitions", "num_buckets"), [(1, 1), (7, 4), (None, 2)])
def test_rows_are_sorted_into_the_bytes_of_the_local_engine(session, tmp_path: Path, num_partitions, num_buckets):
    """Unsigned keys, numbers below zero and truth values come back as they were, whatever the partitions."""
    (tmp_path / "local").mkdir()
    (tmp_path / "spark").mkdir()
    with LocalEngine(tmp_path / "local") as engine:
        expected = engine.shuffle_sort("rows", some_rows, tasks(9), COLUMNS, ORDER, num_buckets)
    with SparkEngine(tmp_path / "spark", session, num_partitions=num_partitions) as engine:
        found = engine.shuffle_sort("rows", some_rows, tasks(9), COLUMNS, ORDER, num_buckets)
    assert [path.name for path in found] == [path.name for path in expected]
    assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]


def test_no_rows_make_empty_buckets(session, tmp_path: Path):
    (tmp_path / "local").mkdir()
    (tmp_path / "spark").mkdir()
    for work in ([], tasks(2)):
        with LocalEngine(tmp_path / "local") as engine:
            expected = engine.shuffle_sort(f"rows{len(work)}", no_rows, work, COLUMNS, ORDER, 2)
        found = SparkEngine(tmp_path / "spark", session).shuffle_sort(
            f"rows{len(work)}", no_rows, work, COLUMNS, ORDER, 2)
        assert [path.read_bytes() for path in found] == [path.read_bytes() for path in expected]


def test_only_buckets_that_are_missing_are_filled_again(session, tmp_path: Path):
    engine = SparkEngine(tmp_path, session)
    buckets = engine.shuffle_sort("rows", some_rows, tasks(4), COLUMNS, ORDER, 4)
    expected = [path.read_bytes() for path in buckets]
    times = [path.stat().st_mtime_ns for path in buckets]
    buckets[1].unlink()
    buckets[2].write_bytes(b"cut short")
    assert SparkEngine(tmp_path, session).shuffle_sort("rows", some_rows, tasks(4), COLUMNS, ORDER, 4) == buckets
    assert [path.read_bytes() for path in buckets] == expected
    assert [path.stat().st_mtime_ns == time for path, time in zip(buckets, times, strict=True)] == [True, False, False,
                                                                                                    True]


def test_tasks_are_done_once_and_in_order(session, tmp_path: Path):
    first = SparkEngine(tmp_path, session, num_partitions=2).map_files("stage", write_number, tasks(5))
    assert [each.counts["number"] for each in first] == [0, 1, 2, 3, 4]
    (tmp_path / "stage" / "t3").unlink()
    assert SparkEngine(tmp_path, session).map_files("stage", write_number, tasks(5)) == first
    assert LocalEngine(tmp_path).map_files("stage", write_number, tasks(5)) == first
    assert sorted((tmp_path / "stage" / "log").read_text().split()) == ["t0", "t1", "t2", "t3", "t3", "t4"]


def test_a_task_that_fails_is_told_in_its_own_words_and_the_others_stay_done(session, tmp_path: Path):
    engine = SparkEngine(tmp_path, session)
    with pytest.raises(DedupeError, match=r"^number two cannot be done$"):
        engine.map_files("stage", fail_at_two, tasks(4))
    assert sorted((tmp_path / "stage" / "log").read_text().split()) == ["t0", "t1", "t3"]


def test_a_full_disk_is_left_to_spark_and_then_named(session, tmp_path: Path):
    with pytest.raises(DedupeError, match=r"Spark gave up: input 0: No space left.*--resume"):
        SparkEngine(tmp_path, session).map_files("stage", no_room, tasks(1))


class NoSort(SparkEngine):
    """Stand for a Spark whose optimizer thinks that a sort before a Python function is of no use."""

    def _sorted(self, rows, order):
        return rows


class FewerRows(SparkEngine):
    """Stand for a Spark that loses rows when it repeats part of a shuffle."""

    def _sorted(self, rows, order):
        return super()._sorted(rows.where("value <> 3"), order)


class OtherRows(SparkEngine):
    """Stand for a Spark that loses some rows and repeats as many others."""

    def _sorted(self, rows, order):
        lost = rows.where("value < 900")
        return super()._sorted(lost.unionByName(lost).unionByName(lost).coalesce(1), order)


@pytest.mark.parametrize(("broken", "words"), [
    (NoSort, "not sorted"), (FewerRows, "149 rows arrived and 150 were sent"),
    (OtherRows, "150 rows arrived and 150 were sent, or others in their place"),
])  # fmt: skip
def test_a_spark_that_drops_the_sort_or_rows_is_caught(session, tmp_path: Path, broken, words):
    with pytest.raises(DedupeError, match=words):
        broken(tmp_path, session).shuffle_sort("rows", some_rows, tasks(1), COLUMNS, ORDER, 1)
    mended = SparkEngine(tmp_path, session).shuffle_sort("rows", some_rows, tasks(1), COLUMNS, ORDER, 1)
    (tmp_path / "local").mkdir()
    expected = LocalEngine(tmp_path / "local").shuffle_sort("rows", some_rows, tasks(1), COLUMNS, ORDER, 1)
    assert mended[0].read_bytes() == expected[0].read_bytes()


def run(paths, folder: Path, engine=None, config: Config | None = None, **more):
    inputs = find_inputs([os.path.relpath(path) for path in paths])
    return clean_records(
        inputs, plan_outputs(inputs, os.path.relpath(folder / "out")), config or Config(),
        report=os.path.relpath(folder / "report"), engine=engine, **more,
    )


def interrupted(engine, stage: str):
    """Stop when a stage begins, as a driver does that is killed there."""
    go_on = engine.map_files

    def map_files(name, function, tasks):
        if name == stage:
            raise KeyboardInterrupt
        return go_on(name, function, tasks)

    engine.map_files = map_files
    return engine


@pytest.mark.usefixtures("small_lots")
def test_a_corpus_is_cleaned_into_the_same_bytes(session, here: Path, monkeypatch: pytest.MonkeyPatch):
    """Copies, the seed, golden texts, hostile lines; in 7, 1 and 2 partitions, in many buckets, and resumed.

    Spark begins, this machine goes on, Spark again, and again with other partitions.
    """
    paths = write_corpus(here / "in", 60, 80)
    run(paths, here / "w")
    expected = bytes_of(here / "w")
    assert sum(b"near_duplicate_of" in line for line in expected["report/removals.jsonl"].splitlines()) > 80
    (here / "w").rename(here / "local")
    monkeypatch.setattr("dedupe.corpus.groups._MIN_GROUP_SHINGLES", 2000)
    monkeypatch.setattr("dedupe.corpus.groups.SHARE_OF_BANDS", 1000)

    def engine(stage: str, num_partitions: int | None = None):
        def make(folder):
            made = LocalEngine(folder) if num_partitions is None else SparkEngine(
                folder, session, num_partitions=num_partitions)
            return interrupted(made, stage)

        return make

    work = here / "w" / "report" / ".dedupe-work"
    for stage, num_partitions in (("recurring", 7), ("shared", None), ("apply", 1)):
        with pytest.raises(KeyboardInterrupt):
            run(paths, here / "w", engine(stage, num_partitions), memory_bytes=LITTLE_MEMORY, resume=work.exists())
    assert len(list((work / "bands").glob("*.parquet"))) >= 1  # the bands of near-duplicates are shuffled, too
    assert len(list((work / "seeds").glob("*.parquet"))) >= 2  # of those that come twice
    run(paths, here / "w", engine("", 2), memory_bytes=LITTLE_MEMORY, resume=True)
    assert bytes_of(here / "w") == expected


def test_near_duplicates_are_tied_by_stars_on_spark(session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Buckets, edges, stars and documents inside longer ones: the keepers of a search in memory."""
    monkeypatch.setattr("dedupe.corpus.connect.MAX_EDGES", 0)
    chance = np.random.default_rng(1)
    docs = [*chain(chance, 12), *family(chance, 80, 30, 0.1), *family(chance, 90, 1, 0)]
    docs.append(np.concatenate([docs[-1], chance.integers(0, 1 << 32, 300, dtype=np.uint32)]))
    artefacts = write_artefacts(tmp_path / "in", docs, 2)
    columns, steps = [], set()
    for name, share in (("held", 1e-9), ("shuffled", 1e12)):
        monkeypatch.setattr("dedupe.corpus.groups.SHARE_OF_BANDS", share)
        forget_run()
        (tmp_path / name).mkdir()
        engine = LocalEngine(tmp_path / name) if name == "held" else SparkEngine(tmp_path / name, session)
        found = find_near(artefacts, Config(), engine, 60_000)
        columns.append(np.stack([found.keeper, found.resemblance, found.containment]))
        steps = set(engine.seconds)
    assert (columns[0] == columns[1]).all()
    assert (columns[0][0] != np.arange(len(docs))).sum() > 30
    assert {"bands", "ties", "ties-star-01-down", "stars-rows", "probe-hits", "inside"} <= steps


@pytest.mark.usefixtures("small_lots")
def test_a_run_against_an_index_cites_it_as_on_one_machine(session, here: Path):
    """Executors open the index by its whole path; its documents, pages and passages count."""
    made = records(40, seed=1)
    for number, record in enumerate(made):
        record["url"] = f"https://www.paper{number % 2}.org/{number}"
    dedupe.KeptIndex.build("kept", made[:25]).close()
    (here / "in").mkdir()
    for number in range(2):
        (here / "in" / f"{number}.jsonl").write_bytes(b"".join(as_lines(made[25 + number::2])))
    found = []
    for engine in (None, lambda folder: SparkEngine(folder, session)):
        run([here / "in"], here / "w", engine, against="kept", against_mode="retroactive")
        found.append(bytes_of(here / "w"))
        (here / "w").rename(here / f"w{len(found)}")
    assert found[0] == found[1]
    assert found[0]["report/removals.jsonl"].count(b'"kept:') > 20


def frame_of(session, rows, num_partitions):
    made = session.createDataFrame([(row["id"], row["url"], row["text"], n) for n, row in enumerate(rows)],
                                   "name string, address string, body string, n int")
    return made.repartition(num_partitions, "n")


@pytest.mark.parametrize(("near_duplicates", "num_partitions", "num_shards"), [("drop", 5, 2)])
def test_a_dataframe_is_cleaned_like_the_same_records_on_one_machine(
    session, here: Path, near_duplicates, num_partitions, num_shards
):
    """However it is partitioned: the cleaned texts, the removals and the other columns by the ids of rows."""
    config = Config(near_duplicates=near_duplicates)
    rows = [*records(60), *identical(8)]
    (here / "in").mkdir()
    (here / "in" / "all.jsonl").write_bytes(b"".join(as_lines(rows)))
    run([here / "in"], here / "w", config=config)
    written = [json.loads(line) for line in (here / "w" / "out" / "all.jsonl").read_bytes().splitlines()]
    ledger = [json.loads(line) for line in (here / "w" / "report" / "removals.jsonl").read_bytes().splitlines()]
    ids = {row["doc"]: row["id"] for row in ledger if row["type"] == "doc"}
    number = {row["id"]: n for n, row in enumerate(rows)}
    wanted = sorted(
        (ids[row["doc"]], row["char"], row["rule"], row["text"], ids[row["kept"]["doc"]] if row["kept"] else None)
        for row in ledger if row["type"] == "removal"
    )
    frame = frame_of(session, rows, num_partitions)
    cleaned, removals = clean(
        frame, config, text="body", id="name", url="address", num_shards=num_shards,
        folder=str(here / "work"),
    )
    assert cleaned.schema == frame.schema
    assert {row["name"]: row["body"] for row in cleaned.collect()} == {row["id"]: row["text"] for row in written}
    assert all(row["n"] == number[row["name"]] for row in cleaned.collect())
    found = [
        (row["document"], row["char"], row["rule"], row["text"], row["kept_document"]) for row in removals.collect()
    ]
    assert sorted(found) == wanted
    assert (here / "work" / "removals.jsonl").exists()


def test_a_dataframe_that_cannot_be_told_apart_is_refused(session, tmp_path: Path):
    def make(*ids):
        rows = [(each, "Some words.", None) for each in ids]
        return session.createDataFrame(rows, "id string, text string, url string")

    with pytest.raises(InputError, match="two rows have the id 'b'"):
        clean(make("a", "b", "c", "b"), folder=str(tmp_path / "two"), num_shards=3)
    with pytest.raises(InputError, match="no id"):
        clean(make("a", None), folder=str(tmp_path / "none"), num_shards=2)
    with pytest.raises(ConfigError, match="no column 'body'; the DataFrame has id, text, url"):
        clean(make("a"), text="body")
    (tmp_path / "two" / "x").touch()
    with pytest.raises(ConfigError, match="not empty"):
        clean(make("a"), folder=str(tmp_path / "two"))


def test_files_with_an_address_are_copied_in_by_spark_once_and_out(session, tmp_path: Path):
    """`file:` is an address like hdfs: or s3a:; names keep their place below it, strange ones too."""
    source, copies = tmp_path / "data", tmp_path / "copies"
    names = ["a.jsonl", "deep/er/b.jsonl", "odd [1] {x},y.jsonl"]
    for number, name in enumerate(names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b'{"text": "number %d \xff"}\n' % number)
    (source / "_SUCCESS").touch()
    found = fetch(session, source.as_uri(), copies, lambda uri, reason: None)
    assert [os.path.relpath(file.path, copies) for file in found] == sorted(names)
    assert [file.uri.startswith("file:/") for file in found] == [True] * 3
    for name in names:
        assert (copies / name).read_bytes() == (source / name).read_bytes()
    inodes = [(copies / name).stat().st_ino for name in names]
    os.utime(source / names[0], (1, 1))
    fetch(session, source.as_uri(), copies, lambda uri, reason: None)
    again = [(copies / name).stat().st_ino for name in names]
    assert [one == two for one, two in zip(inodes, again, strict=True)] == [False, True, True]
    send(session, copies, (tmp_path / "sent").as_uri())
    sent = {path.relative_to(tmp_path / "sent").as_posix() for path in (tmp_path / "sent").rglob("*") if path.is_file()}
    assert sent == set(names)
    assert (tmp_path / "sent" / names[2]).read_bytes() == (source / names[2]).read_bytes()
    with pytest.raises(DedupeError, match="nowhere"):
        fetch(session, (tmp_path / "nowhere").as_uri(), copies, lambda uri, reason: None)


def test_the_command_cleans_addresses_on_spark(session, here: Path):
    """In this process, so that the session is the one of these tests; the ledger names documents by address."""
    from dedupe import runs

    paths = write_corpus(here / "in")[:2]
    run(paths, here / "w")
    effort = runs.Effort(engine="spark", master="local[2]")
    addresses = [path.as_uri() for path in paths]
    target = runs.Target(output=(here / "out").as_uri(), report=str(here / "report"))
    totals = runs.clean_paths(addresses, Config(), target, effort, lambda message: None)
    assert totals.num_documents > 100
    for path in paths:
        assert (here / "out" / path.name).read_bytes() == (here / "w" / "out" / path.name).read_bytes()
    docs = [json.loads(line) for line in (here / "report" / "removals.jsonl").read_bytes().splitlines()]
    assert {row["uri"] for row in docs if row["type"] == "doc"} == {f"file:{path}" for path in paths}
    assert sorted(path.name for path in (here / "report").iterdir()) == ["removals.jsonl", "report.html", "report.md"]


def test_addresses_need_a_report_folder(here: Path):
    from dedupe import runs

    effort, target = runs.Effort(engine="spark"), runs.Target(output="s3a://bucket/out")
    with pytest.raises(ConfigError, match="give --report DIR"):
        runs.clean_paths(["s3a://bucket/in"], Config(), target, effort, lambda message: None)


def command(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    names = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run([sys.executable, "-m", "dedupe", *words], env=names, capture_output=True, text=True)


def test_what_is_missing_is_named(here: Path):
    (here / "a.jsonl").write_text('{"text": "one"}\n')
    words = ("clean", "a.jsonl", "-o", "out")
    done = command(*words, "--engine", "spark", PATH=str(here), JAVA_HOME="")
    assert (done.returncode, "needs Java 17" in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    (here / "pyspark.py").write_text("raise ImportError")
    done = command(*words, "--engine", "spark", PYTHONPATH=f"{here}{os.pathsep}{ROOT}")
    assert (done.returncode, "pip install 'dedupe-text[spark]'" in done.stderr) == (2, True)
    done = command(*words, "--engine", "ray")
    assert (done.returncode, "expected local or spark" in done.stderr) == (2, True)
    done = command(*words, "--master", "yarn")
    assert (done.returncode, "give --engine spark too" in done.stderr) == (2, True)
    with pytest.raises(ConfigError, match="expected KEY=VALUE"):
        parse_conf(["spark.executor.memory"])
