"""An index that is killed while it is written holds the state before or after, nothing between; readers go on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus_samples import records

import dedupe
from dedupe.errors import DedupeError

_ROOT = Path(__file__).parents[1]
_OLD, _NEW = records(30, seed=11), [{**record, "id": f"new-{record['id']}"} for record in records(30, seed=12)]
_CHANGES = {
    "add": "index.add(records)",
    "remove": "index.remove([f'doc-{number:05}' for number in range(0, 30, 2)])",
    "compact": "index.compact()",
}

# The writer says when it begins and when it is done; between it is killed, or stopped at a rename it is told.
_WRITER = """
import json, os, sys, time
import dedupe
folder, change, stop_at = sys.argv[1], sys.argv[2], int(sys.argv[3])
records = json.loads(sys.stdin.read())
index = dedupe.KeptIndex.open(folder)
count = 0
rename = os.replace
def counted(source, target):
    global count
    count += 1
    if count == stop_at:
        print("stopped", flush=True)
        time.sleep(60)
    rename(source, target)
os.replace = counted
print("begins", flush=True)
exec(change)
print("done", count, flush=True)
"""


def writer(folder, change, stop_at=0):
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(folder), _CHANGES[change], str(stop_at)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )  # fmt: skip
    process.stdin.write(json.dumps(_NEW))
    process.stdin.close()
    return process


def state(folder):
    """Tell a state by all that it answers; every file is compared with its checksum."""
    with dedupe.KeptIndex.open(folder) as index:
        index.check()
        found = [each.as_row() for each in index.query([*_OLD, *_NEW])]
        return len(index), index.info().num_segments, found


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """An index in three segments, one of which has documents that are gone."""
    folder = tmp_path_factory.mktemp("begun") / "kept"
    with dedupe.KeptIndex.build(folder, _OLD[:10]) as index:
        index.add(_OLD[10:20])
        index.add(_OLD[20:])
        index.remove(["doc-00001", "doc-00021"])
    return folder


@pytest.fixture(scope="module")
def states(begun, tmp_path_factory):
    """What each change makes of it, undisturbed, and how many renames and seconds that takes."""
    made = {}
    for change in _CHANGES:
        folder = shutil.copytree(begun, tmp_path_factory.mktemp(change) / "kept")
        process = writer(folder, change)
        assert process.stdout.readline() == "begins\n"
        began = time.monotonic()
        word, count = process.stdout.readline().split()
        took = time.monotonic() - began
        process.wait()
        process.stdout.close()
        assert (word, process.returncode) == ("done", 0)
        made[change] = (state(begun), state(folder), int(count), took)
    return made


@pytest.mark.parametrize("change", list(_CHANGES))
def test_killed_at_ten_random_moments_it_holds_the_state_before_or_after(begun, states, change, tmp_path):
    """The same index is killed again and again while it is written; each writer sweeps what the one before left."""
    before, after, _, seconds = states[change]
    assert before != after
    chance = random.Random(change)
    for number in range(10):
        folder = shutil.copytree(begun, tmp_path / f"kept-{number}")
        process = writer(folder, change)
        assert process.stdout.readline() == "begins\n"
        time.sleep(chance.random() * seconds * 1.1)
        killed(process)
        assert state(folder) in (before, after)
    with dedupe.KeptIndex.open(folder) as index:  # a killed writer leaves no lock, and what it left is swept
        index.add([_NEW[0]])
    named = dedupe.kept.layout.read_manifest(folder).file_names()
    assert {path.name for path in (folder / "segments").iterdir()} == named


@pytest.mark.parametrize("change", list(_CHANGES))
def test_killed_before_any_rename_it_holds_the_state_before(begun, states, change, tmp_path):
    """A rename puts a file in place; only that of the manifest, which comes last, makes the change count."""
    before, after, num_renames, _ = states[change]
    for number in {1, num_renames // 2 + 1, num_renames}:
        folder = shutil.copytree(begun, tmp_path / f"kept-{number}")
        process = writer(folder, change, stop_at=number)
        assert [process.stdout.readline() for _ in range(2)] == ["begins\n", "stopped\n"]
        killed(process)
        assert state(folder) == before
        process = writer(folder, change)
        assert process.wait() == 0
        process.stdout.close()
        assert state(folder) == after


def test_a_build_that_is_killed_leaves_no_index_and_is_begun_again(tmp_path):
    folder = tmp_path / "kept"
    code = _WRITER.replace("index = dedupe.KeptIndex.open(folder)", "").replace(
        "exec(change)", "dedupe.KeptIndex.build(folder, records)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), "", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
    )  # fmt: skip
    process.stdin.write(json.dumps(_NEW))
    process.stdin.close()
    assert [process.stdout.readline() for _ in range(2)] == ["begins\n", "stopped\n"]
    killed(process)
    with pytest.raises(DedupeError, match="no kept index here"):
        dedupe.KeptIndex.open(folder)
    with dedupe.KeptIndex.build(folder, _NEW) as index:
        assert len(index) == len(_NEW)
    named = dedupe.kept.layout.read_manifest(folder).file_names()
    assert {path.name for path in (folder / "segments").iterdir()} == named


def test_a_reader_sees_one_state_while_others_write_and_no_file_goes_from_under_it(begun, tmp_path):
    """A view that was opened before three writes and a compaction answers as before, from files that are kept."""
    folder = shutil.copytree(begun, tmp_path / "kept")
    reader = dedupe.KeptIndex.open(folder)
    expected = [each.as_row() for each in reader.query(_OLD)]
    for change in ("add", "remove", "compact"):
        process = writer(folder, change)
        assert process.wait() == 0
        process.stdout.close()
        assert [each.as_row() for each in reader.query(_OLD)] == expected
    assert len(list((folder / "segments").iterdir())) > 12
    reader.refresh()
    assert len(reader) == len(_OLD) + len(_NEW) - 2 - 15
    reader.close()
    with dedupe.KeptIndex.open(folder) as index:
        index.compact()
    assert len(list((folder / "segments").iterdir())) == 6


def test_there_is_one_writer_at_a_time(begun, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "kept")
    process = writer(folder, "add", stop_at=2)
    assert [process.stdout.readline() for _ in range(2)] == ["begins\n", "stopped\n"]
    with dedupe.KeptIndex.open(folder) as index:
        for change in (lambda: index.add(["a text"]), lambda: index.remove(["doc-00000"]), index.compact):
            with pytest.raises(DedupeError, match="another process is writing"):
                change()
        assert len(list(index.query(_OLD[:3]))) == 3
    killed(process)
