"""The local engine: tasks done once, rows sorted and none lost, failures named; in one process and several."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedupe.corpus.tasks import Made, Task, num_buckets_for, read_bucket, run_here, spreading
from dedupe.engines.division import divided
from dedupe.engines.local import LocalEngine
from dedupe.engines.shuffle import BucketTask, checked, fill_bucket
from dedupe.engines.sorting import row_order
from dedupe.errors import DedupeError

COLUMNS = {"key": "uint64", "value": "int64"}


def write_number(task, folder, spread):
    """Write the payload, and a line to a log of all that were done."""
    with open(folder / "log", "a") as log:
        log.write(f"{task.name}\n")
    (folder / task.name).write_text(str(task.payload))
    return Made({"number": task.payload}, (task.name,))


def square(number):
    return number * number, os.getpid()


def known_modules(_):
    import pyarrow

    kinds = pyarrow.array(np.arange(3)).type, pyarrow.array(["a"]).type
    return [str(kind) for kind in kinds], [name for name in ("pandas", "scipy") if sys.modules.get(name) is not None]


@spreading
def spread_modules(task, folder, spread):
    (folder / task.name).write_text(json.dumps(list(spread(known_modules, range(2)))))
    return Made({}, (task.name,))


@spreading
def spread_squares(task, folder, spread):
    done = list(spread(square, range(task.payload)))
    (folder / task.name).write_text(json.dumps([value for value, _ in done]))
    return Made({"processes": len({process for _, process in done} - {os.getpid()})}, (task.name,))


def fail_at_two(task, folder, spread):
    if task.payload == 2:
        until = time.monotonic() + 30  # another worker may still be at the first task, which would be done again
        while not (folder / "t0.done.json").exists() and time.monotonic() < until:
            time.sleep(0.01)
        raise DedupeError("number two cannot be done")
    return write_number(task, folder, spread)


def no_room(task, folder, spread):
    raise OSError(28, "No space left on device")


def kill_itself(task, folder, spread):
    if task.payload == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return Made()


def some_rows(task):
    chance = np.random.default_rng(task.payload)
    for _ in range(3):
        keys = chance.integers(0, 1 << 63, 50, dtype=np.uint64) << np.uint64(1)
        yield {"key": keys, "value": np.full(50, task.payload)}


def given_rows(task):
    yield {"key": np.array(task.payload, np.uint64), "value": np.arange(len(task.payload))}


def tasks(count: int) -> list[Task]:
    return [Task(f"t{number}", f"input {number}", number) for number in range(count)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_are_done_once_and_in_order(tmp_path: Path, jobs: int):
    with LocalEngine(tmp_path, jobs) as engine:
        first = engine.map_files("stage", write_number, tasks(5))
    assert [each.counts["number"] for each in first] == [0, 1, 2, 3, 4]
    (tmp_path / "stage" / "t3").unlink()
    (tmp_path / "stage" / "t1").write_text("cut short or grown")
    with LocalEngine(tmp_path, jobs) as engine:
        again = engine.map_files("stage", write_number, tasks(5))
    assert again == first
    log = (tmp_path / "stage" / "log").read_text().split()
    assert sorted(log) == ["t0", "t1", "t1", "t2", "t3", "t3", "t4"]


def test_few_tasks_spread_their_items_over_workers_in_order(tmp_path: Path):
    with LocalEngine(tmp_path, 2) as engine:
        (made,) = engine.map_files("stage", spread_squares, [Task("one", "one", 40)])
    assert made.counts["processes"] >= 1
    assert json.loads((tmp_path / "stage" / "one").read_text()) == [number * number for number in range(40)]


def test_workers_import_nothing_that_only_libraries_ask_for(tmp_path: Path):
    """pyarrow imports pandas for its first array, where it is installed: a third of a second in each process."""
    pytest.importorskip("pandas")
    with LocalEngine(tmp_path, 2) as engine:
        engine.map_files("stage", spread_modules, [Task("one", "one", 0)])
    assert json.loads((tmp_path / "stage" / "one").read_text()) == [[["int64", "string"], []]] * 2


def test_large_tasks_and_the_last_ones_are_spread_and_all_are_done(tmp_path: Path):
    sizes = [3, 50, 3, 3, 3, 2]
    works = [Task(f"t{at}", f"input {at}", 4 + at, size) for at, size in enumerate(sizes)]
    with LocalEngine(tmp_path, 2) as engine:
        made = engine.map_files("stage", spread_squares, works)
    assert [each.counts["processes"] >= 1 for each in made] == [size == 50 for size in sizes]
    for at in range(len(sizes)):
        done = json.loads((tmp_path / "stage" / f"t{at}").read_text())
        assert done == [number * number for number in range(4 + at)]


@given(st.lists(st.integers(0, 100), max_size=40), st.integers(2, 5))
def test_tasks_are_divided_so_that_no_worker_waits_long(sizes: list[int], jobs: int):
    works = [Task(str(at), "", None, size) for at, size in enumerate(sizes)]
    whole, shared = divided(works, jobs, spreads=True)
    assert sorted([*whole, *shared], key=lambda task: int(task.name)) == works
    busy = [0] * jobs
    for task in whole:
        busy[busy.index(min(busy))] += max(1, task.num_bytes)
    assert max(busy) <= 1.1 * sum(max(1, size) for size in sizes) / jobs
    assert divided(works, jobs, spreads=False)[1] == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_task_that_fails_ends_the_run_and_the_others_stay_done(tmp_path: Path, jobs: int):
    with pytest.raises(DedupeError, match="number two cannot be done"), LocalEngine(tmp_path, jobs) as engine:
        engine.map_files("stage", fail_at_two, tasks(6))
    with LocalEngine(tmp_path, jobs) as engine:
        made = engine.map_files("stage", write_number, tasks(6))
    assert len(made) == 6
    log = (tmp_path / "stage" / "log").read_text().split()
    assert sorted(set(log)) == [f"t{number}" for number in range(6)]
    assert log.count("t2") == log.count("t0") == 1


def test_a_full_disk_is_named_with_the_input(tmp_path: Path):
    with pytest.raises(DedupeError, match=r"input 0: No space left.*--resume"), LocalEngine(tmp_path) as engine:
        engine.map_files("stage", no_room, tasks(1))


def test_a_worker_that_dies_is_an_error_not_a_hang(tmp_path: Path):
    with pytest.raises(DedupeError, match=r"ended unexpectedly.*--jobs"), LocalEngine(tmp_path, 2) as engine:
        engine.map_files("stage", kill_itself, tasks(6))


@pytest.mark.parametrize(("jobs", "num_buckets"), [(1, 1), (1, 8), (2, 4)])
def test_rows_come_back_sorted_and_none_is_lost(tmp_path: Path, jobs: int, num_buckets: int):
    with LocalEngine(tmp_path, jobs) as engine:
        buckets = engine.shuffle_sort("rows", some_rows, tasks(7), COLUMNS, ("key", "value"), num_buckets)
    keys = np.concatenate([read_bucket(bucket, ["key"])[0] for bucket in buckets])
    values = np.concatenate([read_bucket(bucket, ["value"])[0] for bucket in buckets])
    assert len(buckets) == num_buckets
    assert (np.diff(keys.astype(np.float64)) >= 0).all()
    expected = [piece for task in tasks(7) for piece in some_rows(task)]
    assert sorted(zip(keys.tolist(), values.tolist(), strict=True)) == sorted(
        pair for piece in expected for pair in zip(piece["key"].tolist(), piece["value"].tolist(), strict=True)
    )


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(0, (1 << 64) - 1), max_size=20), min_size=1, max_size=4), st.sampled_from([1, 16]))
def test_any_keys_sort_as_one_list_would(tmp_path_factory, lists: list[list[int]], num_buckets: int):
    folder = tmp_path_factory.mktemp("rows")
    work = [Task(f"t{number}", "t", keys) for number, keys in enumerate(lists)]
    with LocalEngine(folder, memory_bytes=1) as engine:
        buckets = engine.shuffle_sort("rows", given_rows, work, COLUMNS, ("key",), num_buckets)
    found = [key for bucket in buckets for key in read_bucket(bucket, ["key"])[0].tolist()]
    assert found == sorted(key for keys in lists for key in keys)


def test_a_run_resumed_with_other_memory_loses_no_row(tmp_path: Path):
    """Less memory means more buckets; those that were done with fewer do not count."""
    found = []
    for num_buckets in (8, 2, 8, 16):
        with LocalEngine(tmp_path) as engine:
            buckets = engine.shuffle_sort("rows", some_rows, tasks(3), COLUMNS, ("key", "value"), num_buckets)
        found.append([key for bucket in buckets for key in read_bucket(bucket, ["key"])[0].tolist()])
    assert len(found[0]) == 3 * 150
    assert found.count(found[0]) == 4


def test_rows_out_of_order_or_out_of_place_are_noticed():
    """Whatever sorts, the writer looks at every pair of neighbors, also where two pieces meet."""
    keys, values = np.array([1, 5, 5, 9], np.uint64), np.array([4, 1, 2, 0])

    def look(rows, bucket=0, num_buckets=1, cut=2):
        order = np.array(rows)
        pieces = [{"key": keys[part], "value": values[part]} for part in (order[:cut], order[:0], order[cut:])]
        return sum(len(piece["key"]) for piece in checked(pieces, COLUMNS, ("key", "value"), bucket, num_buckets, "b"))

    assert [look([0, 1, 2, 3], cut=cut) for cut in range(5)] == [4] * 5
    for cut in range(5):
        for rows in ([1, 0, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2], [3, 2, 1, 0]):
            with pytest.raises(DedupeError, match="not sorted"):
                look(rows, cut=cut)
    with pytest.raises(DedupeError, match="another bucket"):
        look([0, 1, 2, 3], bucket=1, num_buckets=2)


def test_lost_rows_are_noticed(tmp_path: Path):
    with LocalEngine(tmp_path) as engine:
        engine.shuffle_sort("rows", some_rows, tasks(2), COLUMNS, ("key",), 2)
    source = str(tmp_path / "rows-rows" / "t0-into-0002.parquet")
    (tmp_path / "sources.json").write_text(json.dumps([source]))
    wanted = BucketTask(str(tmp_path / "sources.json"), 0, COLUMNS, ("key",), 2, 10**6)
    with pytest.raises(DedupeError, match="expected 1000000"):
        fill_bucket(Task("x", "rows 0", wanted), tmp_path, run_here)


def test_buckets_are_parquet_anyone_can_read(tmp_path: Path):
    with LocalEngine(tmp_path) as engine:
        (bucket,) = engine.shuffle_sort("rows", some_rows, tasks(1), COLUMNS, ("key",), 1)
    assert parquet.read_table(bucket).column_names == ["key", "value"]


def test_buckets_follow_the_memory():
    assert num_buckets_for(0, 16, 1 << 20) == 1
    assert num_buckets_for(10**9, 16, 1 << 30) >= 64


COLUMN_KINDS = {
    "hashes": lambda chance, size: chance.integers(0, 1 << 64, size, dtype=np.uint64),
    "few values far up": lambda chance, size: chance.integers(0, 3, size, dtype=np.uint64) << np.uint64(61),
    "hashes that differ at both ends": lambda chance, size: (
        chance.integers(0, 4, size, dtype=np.uint64) << np.uint64(60) | chance.integers(0, 4, size, dtype=np.uint64)
    ),
    "any whole numbers": lambda chance, size: chance.integers(-(1 << 63), (1 << 63) - 1, size),
    "small numbers": lambda chance, size: chance.integers(-5, 5, size).astype(np.int32),
    "flags": lambda chance, size: chance.integers(0, 2, size).astype(np.bool_),
}


@settings(max_examples=300)
@given(st.lists(st.sampled_from(sorted(COLUMN_KINDS)), min_size=1, max_size=4), st.integers(0, 80), st.integers(0, 99))
def test_rows_are_ordered_as_by_lexsort(kinds: list[str], size: int, seed: int):
    """Packed bits, ties in them, and rows that agree in everything, which stay in order."""
    chance = np.random.default_rng(seed)
    columns = [COLUMN_KINDS[kind](chance, size) for kind in kinds]
    assert row_order(columns).tolist() == np.lexsort(columns[::-1]).tolist()


def test_many_rows_are_ordered_as_by_lexsort():
    """So many that the bits of a hash beside the number of the row do not tell all of them apart."""
    chance = np.random.default_rng(3)
    hashes = chance.integers(0, 1 << 64, 50_000, dtype=np.uint64)
    hashes[1::2] = hashes[::2] ^ np.uint64(1)
    columns = [hashes[chance.permutation(50_000)], chance.integers(0, 9, 50_000), chance.integers(0, 9, 50_000)]
    assert np.array_equal(row_order(columns), np.lexsort(columns[::-1]))
