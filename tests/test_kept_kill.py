"""An index that is killed while it is written holds the state before or after, nothing between; readers go on."""

from __future__ import annotations

import contextlib
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
from dedupe.kept.layout import read_manifest

_ROOT = Path(__file__).parents[1]
_OLD, _NEW = records(30, seed=11), [{**record, "id": f"new-{record['id']}"} for record in records(30, seed=12)]
_CHANGES = {
    "add": "index.add(records, merge=False)",
    "add and merge": "index.add(records)",
    "remove": "index.remove([f'doc-{number:05}' for number in range(0, 30, 2)])",
    "compact": "index.compact()",
}

# One process imports everything and makes a writer of each request by a fork. A writer says when it begins and when it
# is done; between it is killed, or stops before a rename it is told.
_SERVER = """
import json, os, sys, tempfile, time
import dedupe
rename = os.replace
with tempfile.TemporaryDirectory() as folder:  # all that is imported late
    dedupe.KeptIndex.build(folder + "/kept", [{"id": "a", "url": "https://a.example/", "text": "b"}]).remove(["a"])

def write(request):
    count = 0
    def counted(source, target):
        nonlocal count
        count += 1
        if count == request["stop_at"]:
            print("stopped", flush=True)
            time.sleep(60)
        rename(source, target)
    os.replace = counted
    folder, records = request["folder"], request["records"]
    index = None if request["change"].startswith("dedupe") else dedupe.KeptIndex.open(folder)
    print("begins", os.getpid(), flush=True)
    exec(request["change"])
    print("done", count, flush=True)

for line in sys.stdin:
    child = os.fork()
    if not child:
        write(json.loads(line))
        os._exit(0)
    print("ended", os.waitpid(child, 0)[1], flush=True)
"""


class Writer:
    """Ask the server for a writer and wait until it begins; `line` gives what it says."""

    server: subprocess.Popen[str]

    def __init__(self, folder, change, stop_at=0):
        request = {"folder": str(folder), "change": change, "stop_at": stop_at, "records": _NEW}
        self.server.stdin.write(json.dumps(request) + "\n")
        self.server.stdin.flush()
        word, pid = self.line().split()
        assert word == "begins"
        self.pid = int(pid)

    def line(self):
        return self.server.stdout.readline().strip()

    def kill(self):
        """Kill it, if it is still there, and wait for its end; say whether it was done."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        line = self.line()
        is_done = line.startswith("done")
        assert (self.line() if is_done else line).startswith("ended")
        return is_done

    def finish(self):
        """Wait until it is done; give the number of its renames."""
        word, count = self.line().split()
        assert (word, self.line()) == ("done", "ended 0")
        return int(count)


@pytest.fixture(scope="module", autouse=True)
def server():
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    words = [sys.executable, "-W", "ignore", "-c", _SERVER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        Writer.server = process
        yield
        process.stdin.close()


def state(folder):
    """Tell a state by all that it answers; every file is compared with its checksum."""
    with dedupe.KeptIndex.open(folder) as index:
        index.check()
        found = [each.as_row() for each in index.query([*_OLD, *_NEW])]
        return len(index), index.info().num_segments, found


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """An index in seven segments, two of which have documents that are gone: the next add merges them."""
    folder = tmp_path_factory.mktemp("begun") / "kept"
    with dedupe.KeptIndex.build(folder, _OLD[:6]) as index:
        for begin in range(6, 30, 4):
            index.add(_OLD[begin:begin + 4])
        index.remove(["doc-00001", "doc-00021"])
    return folder


@pytest.fixture(scope="module")
def states(begun, tmp_path_factory):
    """What each change makes of it, undisturbed, and how many renames and seconds that takes."""
    made = {}
    for name, change in _CHANGES.items():
        folder = shutil.copytree(begun, tmp_path_factory.mktemp(name.replace(" ", "-")) / "kept")
        writer = Writer(folder, change)
        began = time.monotonic()
        count = writer.finish()
        made[name] = (state(begun), state(folder), count, time.monotonic() - began)
    return made


@pytest.mark.parametrize("name", list(_CHANGES))
def test_killed_at_ten_random_moments_it_holds_the_state_before_or_after(begun, states, name, tmp_path):
    """Where it was done it is the state after; a killed writer leaves no lock, and what it left is swept."""
    before, after, _, seconds = states[name]
    assert before != after
    chance = random.Random(name)
    for number in range(10):
        folder = shutil.copytree(begun, tmp_path / f"kept-{number}")
        writer = Writer(folder, _CHANGES[name])
        time.sleep(chance.random() * seconds)
        is_done = writer.kill()
        assert state(folder) in ((after,) if is_done else (before, after))
        with dedupe.KeptIndex.open(folder) as index:
            index.remove(["doc-00003"])
        assert {path.name for path in (folder / "segments").iterdir()} == read_manifest(folder).file_names()


@pytest.mark.parametrize("name", list(_CHANGES))
def test_killed_before_any_rename_it_holds_the_state_before(begun, states, name, tmp_path):
    """A rename puts a file in place; only that of the manifest, which comes last, makes the change count."""
    before, after, num_renames, _ = states[name]
    for number in range(1, num_renames + 1):
        folder = shutil.copytree(begun, tmp_path / f"kept-{number}")
        writer = Writer(folder, _CHANGES[name], stop_at=number)
        assert writer.line() == "stopped"
        assert not writer.kill()
        assert state(folder) == before
    Writer(folder, _CHANGES[name]).finish()
    assert state(folder) == after


def test_a_build_that_is_killed_leaves_no_index_and_is_begun_again(tmp_path):
    folder = tmp_path / "kept"
    writer = Writer(folder, "dedupe.KeptIndex.build(folder, records)", stop_at=3)
    assert writer.line() == "stopped"
    assert not writer.kill()
    with pytest.raises(DedupeError, match="no kept index here"):
        dedupe.KeptIndex.open(folder)
    with dedupe.KeptIndex.build(folder, _NEW) as index:
        assert len(index) == len(_NEW)
    assert {path.name for path in (folder / "segments").iterdir()} == read_manifest(folder).file_names()


def test_a_reader_sees_one_state_while_others_write_and_no_file_goes_from_under_it(begun, tmp_path):
    """A view that was opened before two writes and a compaction answers as before, from files that are kept."""
    folder = shutil.copytree(begun, tmp_path / "kept")
    reader = dedupe.KeptIndex.open(folder)
    expected = [each.as_row() for each in reader.query(_OLD)]
    for change in _CHANGES.values():
        Writer(folder, change).finish()
        assert [each.as_row() for each in reader.query(_OLD)] == expected
    assert len(list((folder / "segments").iterdir())) > 12
    reader.refresh()
    assert len(reader) == len(_OLD) + len(_NEW) - 2 - 15
    reader.close()
    with dedupe.KeptIndex.open(folder) as index:
        index.compact()
    assert len(list((folder / "segments").iterdir())) == 6


def test_readers_that_open_while_one_writes_see_a_whole_state(begun, states, tmp_path):
    """Opened again and again while documents are added: the state before until there is the state after."""
    before, after, _, _ = states["add"]
    folder = shutil.copytree(begun, tmp_path / "kept")
    writer = Writer(folder, _CHANGES["add"])
    seen = [state(folder) for _ in range(4)]
    writer.finish()
    seen.append(state(folder))
    assert seen == [before] * seen.count(before) + [after] * seen.count(after)
    assert seen[-1] == after


def test_there_is_one_writer_at_a_time(begun, tmp_path):
    folder = shutil.copytree(begun, tmp_path / "kept")
    writer = Writer(folder, _CHANGES["add"], stop_at=2)
    assert writer.line() == "stopped"
    with dedupe.KeptIndex.open(folder) as index:
        for change in (lambda: index.add(["a text"]), lambda: index.remove(["doc-00000"]), index.compact):
            with pytest.raises(DedupeError, match="another process is writing"):
                change()
        assert len(list(index.query(_OLD[:3]))) == 3
    writer.kill()
