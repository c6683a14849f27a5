"""Cleaning a corpus: the same bytes whatever the order, the sharding, the workers and the accidents."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_samples import HOSTILE, as_lines, records

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.errors import ConfigError, DedupeError, InputError
from dedupe.read import find_inputs
from dedupe.write import plan_outputs


def write_shards(folder: Path, lines: list[bytes], num_shards: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    size = -(-len(lines) // num_shards)
    paths = [folder / f"part-{number:02}.jsonl" for number in range(num_shards)]
    for number, path in enumerate(paths):
        path.write_bytes(b"".join(lines[number * size:(number + 1) * size]))
    return paths


def run(paths: list[Path], folder: Path, config: Config | None = None, jobs: int = 1, **more):
    inputs = find_inputs([os.path.relpath(path) for path in paths])
    return clean_records(
        inputs, plan_outputs(inputs, os.path.relpath(folder / "out")), config or Config(),
        report=os.path.relpath(folder / "report"), jobs=jobs, **more,
    )


def ledger_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "report" / "removals.jsonl").read_bytes().splitlines()]


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Everything a run leaves, but for the time it began."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    name = "report/removals.jsonl"
    head, _, rest = found[name].partition(b"\n")
    row = json.loads(head)
    del row["started"]
    found[name] = json.dumps(row).encode() + rest
    return found


def removals_of(folder: Path) -> dict[str, list[tuple]]:
    """What went from each document and its keeper, by the ids of the records."""
    ids, found, keepers = {}, {}, {}
    for row in ledger_of(folder):
        if row["type"] == "doc":
            ids[row["doc"]] = row["id"] + row["sha256_before"]
            keepers[row["doc"]] = row.get("near_duplicate_of", {}).get("doc")
        elif row["type"] == "removal":
            found.setdefault(row["doc"], []).append((tuple(row["char"]), row["rule"], row["confidence"]))
    return {ids[doc]: [*found.get(doc, []), ids.get(keepers[doc])] for doc in ids}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_menus_copies_and_cues_are_found_and_other_fields_stay(here: Path):
    made = records()
    run(write_shards(here / "in", as_lines(made), 3), here)
    written = [json.loads(line) for path in sorted((here / "out").iterdir()) for line in path.read_bytes().splitlines()]
    assert [record["id"] for record in written] == [record["id"] for record in made]
    for before, after in zip(made, written, strict=True):
        assert {**before, "text": 0} == {**after, "text": 0}
        assert "Home of paper" not in after["text"]
        assert " times on paper " not in after["text"]
        assert f"Title {before['n']} of the day" in after["text"] or "Title" not in after["text"]
    rows = ledger_of(here)
    summary = rows[-1]
    assert summary["num_documents"] == len(made)
    assert summary["rules"]["site-boilerplate"] > 200
    assert sum("near_duplicate_of" in row for row in rows) > 30


def test_the_ledger_counts_what_it_lists_and_every_example_says_the_same(here: Path):
    run(write_shards(here / "in", as_lines(records()), 2), here)
    rows = ledger_of(here)
    texts = {record["id"]: record["text"] for record in records()}
    ids = {row["doc"]: row["id"] for row in rows if row["type"] == "doc"}
    removals = [row for row in rows if row["type"] == "removal"]
    assert rows[-1]["num_removals"] == len(removals)
    assert rows[-1]["num_kept"] == sum(row["type"] == "kept" for row in rows)
    by_passage: dict[str, list[dict]] = {}
    for row in removals:
        assert texts[ids[row["doc"]]][slice(*row["char"])] == row["text"]
        by_passage.setdefault(row["fingerprint"], []).append(row)
        if row["rule"] == "site-boilerplate":
            kept = row["kept"]
            assert kept["doc"] != row["doc"]
            example = texts[ids[kept["doc"]]]
            passage = example[slice(*kept["char"])]
            assert example.encode()[slice(*kept["byte"])] == passage.encode()
            assert example.split("\n")[kept["line"][0] - 1].strip() == passage
            digitless = [
                "".join(char for char in text.casefold() if char.isalpha()) for text in (passage, row["text"])
            ]
            assert digitless[0] == digitless[1]
    clusters = {row["fingerprint"]: row for row in rows if row["type"] == "cluster"}
    assert list(clusters) == sorted(clusters)
    for name, group in by_passage.items():
        if len(group) > 1:
            assert clusters[name]["num_removals"] == len(group)
            assert clusters[name]["num_documents"] == len({row["doc"] for row in group})
        else:
            assert name not in clusters


def test_one_two_and_three_workers_write_the_same_bytes(here: Path):
    paths = write_shards(here / "in", as_lines(records()) + list(HOSTILE), 2)
    first: dict[str, bytes] = {}
    for jobs in (1, 2, 3):
        (here / "w").mkdir()
        run(paths, here / "w", jobs=jobs)
        found = bytes_of(here / "w")
        assert first in ({}, found)
        first = found
        (here / "w").rename(here / f"w{jobs}")


def test_the_order_of_inputs_and_the_size_of_shards_change_no_removal(here: Path):
    lines = as_lines(records())
    run(write_shards(here / "in", lines, 3), here / "a")
    run(list(reversed(write_shards(here / "in", lines, 3))), here / "b")
    assert bytes_of(here / "a")["out/part-01.jsonl"] == bytes_of(here / "b")["out/part-01.jsonl"]
    expected = removals_of(here / "a")
    for number, num_shards in enumerate((1, 7)):
        run(write_shards(here / f"in{num_shards}", lines, num_shards), here / f"c{number}")
        assert removals_of(here / f"c{number}") == expected
    shuffled = list(lines)
    random.Random(5).shuffle(shuffled)
    run(write_shards(here / "shuffled", shuffled, 4), here / "d")
    assert removals_of(here / "d") == expected


def test_little_memory_makes_many_groups_and_buckets_but_the_same_bytes(here: Path, monkeypatch: pytest.MonkeyPatch):
    paths = write_shards(here / "in", as_lines(records(80)), 2)
    (here / "w").mkdir()
    run(paths, here / "w")
    expected = bytes_of(here / "w")
    (here / "w").rename(here / "w1")
    (here / "w").mkdir()
    monkeypatch.setattr("dedupe.corpus.groups._MIN_GROUP_SHINGLES", 100)
    monkeypatch.setattr("dedupe.corpus.prepare.PIECE_BYTES", 5000)
    run(paths, here / "w", memory_bytes=30_000)
    assert bytes_of(here / "w") == expected


def test_cleaning_a_cleaned_corpus_removes_next_to_nothing(here: Path):
    run(write_shards(here / "in", as_lines(records()), 2), here / "a")
    totals = run(sorted((here / "a" / "out").iterdir()), here / "b")
    first = ledger_of(here / "a")[-1]["num_removals"]
    assert totals.num_removals <= first // 100


def test_dropped_near_duplicates_leave_their_keepers(here: Path):
    run(write_shards(here / "in", as_lines(records()), 2), here, Config(near_duplicates="drop"))
    rows = [row for row in ledger_of(here) if row["type"] == "doc"]
    keeper = {row["doc"]: row["near_duplicate_of"]["doc"] for row in rows if "near_duplicate_of" in row}
    left = {json.loads(line)["id"] for path in (here / "out").iterdir() for line in path.read_bytes().splitlines()}
    assert left == {row["id"] for row in rows if row["doc"] not in keeper}
    assert not set(keeper.values()) & set(keeper)


@pytest.mark.parametrize("keep", ["first", "newest", "n"])
def test_the_keeper_is_the_one_asked_for(here: Path, keep: str):
    """Of copies of one text: the first, the one with the latest date, the one with the largest field."""
    text = "\n\n".join(f"Paragraph {number} speaks of the river and of the town on the river." for number in range(9))
    rows = [{"id": str(n), "n": n % 3, "date": f"2026-11-0{1 + n % 4}", "text": text} for n in range(6)]
    run(write_shards(here / "in", as_lines(rows), 2), here, Config(keep=keep))
    kept = [row["id"] for row in ledger_of(here) if row["type"] == "doc" and "near_duplicate_of" not in row]
    assert kept in {"first": (["0"],), "newest": (["3"],), "n": (["2"], ["5"])}[keep]


def test_off_finds_no_near_duplicates(here: Path):
    totals = run(write_shards(here / "in", as_lines(records(60)), 1), here, Config(near_duplicates="off"))
    assert totals.num_near_duplicates == 0


def test_hostile_records_are_listed_and_pass_through(here: Path):
    lines = [*as_lines(records(20)), *HOSTILE]
    totals = run(write_shards(here / "in", lines, 1), here)
    written = (here / "out" / "part-00.jsonl").read_bytes().splitlines(keepends=True)
    assert written[20:] == list(HOSTILE)
    errors = [(row["uri"], row["record"]) for row in ledger_of(here) if row["type"] == "error"]
    bad = [at for at, line in enumerate(lines) if line in HOSTILE[:4] or line == b"[1, 2]\n"]
    assert [record for _, record in errors] == bad
    assert [record.record for record in totals.bad] == bad


def test_the_first_bad_record_ends_a_run_that_should_fail(here: Path):
    paths = write_shards(here / "in", [*as_lines(records(5)), b"not json\n"], 1)
    with pytest.raises(InputError, match=r"part-00.jsonl#5: .*--on-error skip"):
        run(paths, here, Config(on_error="fail"))
    assert not (here / "out" / "part-00.jsonl").exists()


def test_empty_inputs_give_empty_outputs(here: Path):
    paths = write_shards(here / "in", [], 2)
    totals = run(paths, here)
    assert totals.num_documents == 0
    assert [path.read_bytes() for path in sorted((here / "out").iterdir())] == [b"", b""]


def test_a_folder_of_texts_is_a_site_of_its_own(here: Path):
    folder = here / "in" / "paper"
    folder.mkdir(parents=True)
    for number, record in enumerate(records(12)):
        body = str(record["text"]).split("\n\n", 3)[3].rsplit("\n\n", 3)[0]
        page = f"The paper of our town\n\n{body}\n\nPrinted in the old mill by the bridge\n"
        (folder / f"{number}.txt").write_text(page)
    run([here / "in"], here)
    for path in (here / "out").rglob("*.txt"):
        assert "The paper of our town" not in path.read_text()
        assert "Printed in the old mill" not in path.read_text()


CHILD = """
import sys
from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.read import find_inputs
from dedupe.spare import spare_start
from dedupe.write import plan_outputs

if __name__ == "__main__":
    spare_start()
    inputs = find_inputs(["in"])
    clean_records(inputs, plan_outputs(inputs, "w/out"), Config(), report="w/report", jobs=2, resume=True)
"""

# Forks before Arrow has threads, so that a run costs no start. Every run is killed at a later rename or deletion than
# the one before, counted from its own beginning: on odd turns right before it, on even ones right after it.
FORKS = """
import os, signal, sys
from dedupe.spare import spare_start
spare_start()
import numpy.random, pyarrow.dataset, pyarrow.parquet
import dedupe, dedupe.read.jsonl
from dedupe.config import Config
from dedupe.corpus.sites import registrable
from dedupe.corpus_api import clean_records
from dedupe.read import find_inputs
from dedupe.write import plan_outputs

def kill_around(function, counted, wanted, before):
    def call(*given, **named):
        counted.append(1)
        if before and len(counted) == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        done = function(*given, **named)
        if len(counted) == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        return done
    return call

def run(wanted, before):
    counted = []
    for name in ("replace", "unlink", "rmdir"):
        setattr(os, name, kill_around(getattr(os, name), counted, wanted, before))
    inputs = find_inputs(["in"])
    clean_records(inputs, plan_outputs(inputs, "w/out"), Config(), report="w/report", resume=True)

dedupe.clean("Also read:\\nthe lists of cues and suffixes") and registrable("example.org")
kills = 0
while True:
    child = os.fork()
    if not child:
        run(1 + 3 * kills, kills % 2 == 0)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    if status != signal.SIGKILL:
        break
    kills += 1
print(status, kills)
"""


def whole_and_killed(here: Path, num_records: int) -> tuple[dict[str, bytes], dict[str, str]]:
    write_shards(here / "in", as_lines(records(num_records)), 6)
    (here / "w").mkdir()
    run([here / "in"], here / "w")
    expected = bytes_of(here / "w")
    (here / "w").rename(here / "whole")
    return expected, {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_killed_again_and_again_ends_in_the_same_bytes(here: Path):
    """Real processes, killed with SIGKILL at random moments; their workers are left to notice."""
    expected, environment = whole_and_killed(here, 400)
    (here / "child.py").write_text(CHILD)
    chance = random.Random(11)
    killed = 0
    for attempt in range(12):
        child = subprocess.Popen([sys.executable, "child.py"], env=environment, stderr=subprocess.PIPE)
        try:
            child.wait(chance.uniform(0.6, 3.0) if attempt < 5 else 120)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            killed += 1
            child.communicate()
            continue
        assert child.returncode == 0, child.communicate()[1].decode()
        child.communicate()
        break
    assert killed >= 2
    assert bytes_of(here / "w") == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_killed_around_any_rename_or_deletion_ends_in_the_same_bytes(here: Path):
    """Twenty kills and more, temporary files left behind among them."""
    expected, environment = whole_and_killed(here, 30)
    (here / "forks.py").write_text(FORKS)
    done = subprocess.run(
        [sys.executable, "forks.py"], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    status, kills = map(int, done.stdout.split())
    assert status == 0, done.stderr
    assert kills >= 20
    assert bytes_of(here / "w") == expected


def test_what_a_killed_run_left_beside_the_outputs_is_gone_after_the_next(here: Path):
    """Temporary files of this run's outputs only, and only those with a temporary name."""
    paths = write_shards(here / "in", as_lines(records(10)), 1)
    (here / "out").mkdir()
    for name in (".part-00.jsonl.0123abcd.tmp", ".other.jsonl.0123abcd.tmp", ".part-00.jsonl.tmp"):
        (here / "out" / name).touch()
    run(paths, here)
    left = sorted(path.name for path in (here / "out").iterdir())
    assert left == [".other.jsonl.0123abcd.tmp", ".part-00.jsonl.tmp", "part-00.jsonl"]


def test_a_run_cut_short_goes_on_with_other_memory_and_workers(here: Path, monkeypatch: pytest.MonkeyPatch):
    """How work is cut depends on the memory; what was cut otherwise is done again."""
    monkeypatch.setattr("dedupe.corpus.groups._MIN_GROUP_SHINGLES", 100)
    paths = write_shards(here / "in", as_lines(records(80)), 2)
    (here / "w").mkdir()
    run(paths, here / "w")
    expected = bytes_of(here / "w")
    (here / "w").rename(here / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("dedupe.corpus.run.write_keys", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(paths, here / "w", memory_bytes=30_000)
    assert (here / "w" / "report" / ".dedupe-work" / "stars").exists()
    run(paths, here / "w", memory_bytes=1 << 30, resume=True)
    assert bytes_of(here / "w") == expected


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_waits_for_the_workers_of_one_that_was_killed(here: Path):
    """A worker holds a lock until it ends, however busy it is."""
    from dedupe.corpus.folder import open_folder

    script = (
        "import sys, time; from pathlib import Path; from dedupe.corpus.folder import join_workers;"
        "join_workers(Path(sys.argv[1])); print('in', flush=True); time.sleep(1); Path(sys.argv[1], 'late').touch()"
    )
    (here / "work").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-c", script, "work"], stdout=subprocess.PIPE, env=environment
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"in\n"
        with open_folder(here / "work", "a", resume=False):
            assert worker.wait(10) == 0
            assert not (here / "work" / "late").exists(), "written before the folder was emptied"


FULL = """
import resource, signal, sys
from dedupe.cli import main

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv[1:2] = []
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs limits on the size of files")
def test_a_run_that_finds_no_room_says_so_and_goes_on_when_there_is_some(here: Path):
    """The system refuses to write more than so many bytes to a file; wherever that happens, nothing is lost."""
    expected, environment = whole_and_killed(here, 60)
    (here / "full.py").write_text(FULL)
    messages = []
    for most_bytes in (1_000, 8_000, 30_000, 120_000, 1 << 30):
        options = ["clean", "in", "-o", "w/out", "--report", "w/report", "--resume"]
        done = subprocess.run(
            [sys.executable, "full.py", str(most_bytes), *options],
            env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        if not done.returncode:
            break
        assert done.returncode == 2
        messages.append(done.stderr.strip().splitlines()[-1])
        assert "File too large" in messages[-1]
        assert "make room" in messages[-1]
        assert "--resume" in messages[-1]
    assert len(messages) >= 3
    assert {name: content for name, content in bytes_of(here / "w").items() if name in expected} == expected


def test_two_runs_do_not_share_a_folder(here: Path):
    from dedupe.corpus.folder import open_folder

    with (
        open_folder(here / "work", "a", resume=False),
        pytest.raises(DedupeError, match="another run"),
        open_folder(here / "work", "a", resume=False),
    ):
        pass


def test_a_run_is_resumed_only_with_its_own_settings(here: Path):
    from dedupe.corpus.folder import open_folder

    with contextlib.suppress(ZeroDivisionError), open_folder(here / "work", "a", resume=False):
        (here / "work" / "kept").touch()
        raise ZeroDivisionError
    with contextlib.suppress(ZeroDivisionError), open_folder(here / "work", "a", resume=True):
        assert (here / "work" / "kept").exists()
        raise ZeroDivisionError
    with pytest.raises(ConfigError, match="other inputs or settings"), open_folder(here / "work", "b", resume=True):
        pass
    with open_folder(here / "work", "b", resume=False):
        assert not (here / "work" / "kept").exists()
    assert not (here / "work").exists()


def test_work_in_progress_is_gone_after_a_run(here: Path):
    run(write_shards(here / "in", as_lines(records(10)), 1), here)
    assert sorted(path.name for path in (here / "report").iterdir()) == ["removals.jsonl"]


def test_small_files_are_worked_on_together(tmp_path):
    """A folder of texts took nine times the work of the same records in one file: each was a batch of its own."""
    from dedupe.corpus.lots import make_lots
    from dedupe.corpus.prepare import PrepareTask, prepare
    from dedupe.corpus.tasks import Task
    from dedupe.read import find_inputs

    (tmp_path / "in").mkdir()
    for number in range(60):
        (tmp_path / "in" / f"{number:02}.txt").write_text(f"The text of the page with the number {number}.\n" * number)
    inputs = find_inputs([str(tmp_path / "in")])
    [lot] = make_lots(inputs, [None] * len(inputs))
    batches = []

    def spread(function, items):
        for item in items:
            batches.append(item)
            yield function(item)

    made = prepare(Task(lot.name, lot.label, PrepareTask(lot, Config())), tmp_path, spread)
    assert made.counts["docs"] == 60
    assert [len(documents) for documents, _ in batches] == [60]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(tmp_path / f"{lot.name}.docs.parquet")
    assert table.column("file").to_pylist() == list(range(60))
