"""The live index in Redis: a real server on a free port, two processes at once, a server that dies, values that rot."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from corpus_samples import records
from test_live import ODD_IDS

import dedupe
from dedupe.errors import ConfigError, InputError, MissingDependencyError, StoreError

if os.environ.get("CI"):
    import redis
else:
    redis = pytest.importorskip("redis", reason="needs the package redis")

TEXTS = {str(record["id"]): str(record["text"]) for record in records(120)}
ITEMS = list(TEXTS.items())


class Server:
    """Run redis-server on a free port, every write on disk before it is confirmed."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self.words = [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", *options,
        ]  # fmt: skip
        self.client = redis.Redis.from_url(self.address)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            with suppress(redis.ConnectionError):
                self.client.ping()
                return
            time.sleep(0.05)
        raise AssertionError("redis-server did not come up in ten seconds")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.client.close()
        self.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not shutil.which("redis-server"):
        assert not os.environ.get("CI"), "redis-server is missing; .ci/run installs it"
        pytest.skip("redis-server is missing; Debian has it in the package redis-server")
    one = Server(tmp_path_factory.mktemp("redis"))
    yield one
    one.close()


@pytest.fixture
def empty(server):
    server.client.flushall()
    return server


def in_memory(items=ITEMS, min_resemblance=0.7):
    index = dedupe.LiveIndex(min_resemblance)
    index.insert_many(items)
    return index


def answers(index):
    return index.query_many(TEXTS.values())


def test_answers_are_those_of_memory(empty):
    """After insertions in batches and one by one, after removals, and from another client."""
    memory = dedupe.LiveIndex(0.7)
    with dedupe.LiveIndex(0.7, redis=empty.address) as shared, dedupe.LiveIndex(0.7, redis=empty.address) as other:
        for index in (memory, shared):
            assert index.insert_many(ITEMS[:100]) == 100
            assert [index.insert(*item) for item in ITEMS[98:]] == [False] * 2 + [True] * 20
        assert answers(shared) == answers(memory) == answers(other)
        assert any(len(found) > 1 for found in answers(shared))
        for index in (memory, shared):
            assert [index.remove(doc_id) for doc_id, _ in ITEMS[:30]] == [True] * 30
            assert not index.remove(ITEMS[0][0])
        assert answers(shared) == answers(memory) == answers(other)
        assert len(other) == len(memory) == 90
        assert ITEMS[0][0] not in other
        assert ITEMS[40][0] in other
        assert [shared.query(text) for _, text in ITEMS[:20]] == [memory.query(text) for _, text in ITEMS[:20]]


def test_batches_are_few_round_trips(empty):
    """120 documents go in by one transaction, and 120 queries ask twice."""
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        before = empty.client.info("commandstats")
        index.insert_many(ITEMS)
        answers(index)
        after = empty.client.info("commandstats")
    calls = {name: after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after}
    assert calls["cmdstat_exec"] == calls["cmdstat_watch"] == calls["cmdstat_mget"] == 1
    assert calls["cmdstat_sadd"] == 120 * 26
    assert calls["cmdstat_smembers"] <= 120 * 25
    assert calls["cmdstat_get"] <= 120


def test_nothing_is_left_when_everything_was_taken_out(empty):
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        index.insert_many(ITEMS)
        assert {key.split(b":")[0] for key in empty.client.scan_iter()} == {b"dedupe"}
        for doc_id in TEXTS:
            index.remove(doc_id)
        assert empty.client.keys() == [b"dedupe:about"]


def test_indexes_of_other_names_do_not_meet(empty):
    """Neither an index whose name begins with another's, nor keys of other programs."""
    empty.client.set("other", "program")
    with (
        dedupe.LiveIndex(0.7, redis=empty.address, namespace="a") as one,
        dedupe.LiveIndex(0.9, redis=empty.address, namespace="a.doc") as two,
    ):
        one.insert("x", TEXTS["doc-00000"])
        one.insert("ids", TEXTS["doc-00001"])
        two.insert("y", TEXTS["doc-00000"])
        assert [match.id for match in one.query(TEXTS["doc-00000"])] == ["x"]
        assert [match.id for match in two.query(TEXTS["doc-00000"])] == ["y"]
        assert (len(one), len(two)) == (2, 1)
    assert empty.client.get("other") == b"program"


@pytest.mark.parametrize("namespace", ["", "a:b", "a*", "é", "x" * 65, "a b", "nul\0"])
def test_names_that_could_meet_others_are_refused(namespace):
    with pytest.raises(ConfigError, match="expected 1 to 64 letters"):
        dedupe.LiveIndex(redis="redis://localhost:1", namespace=namespace)


def test_who_opens_an_index_must_have_its_settings(empty):
    with dedupe.LiveIndex(0.7, redis=empty.address):
        pass
    with pytest.raises(ConfigError, match=r"was made with min_resemblance 0\.7 and not 0\.8, bands 25 and not 21"):
        dedupe.LiveIndex(0.8, redis=empty.address)
    with pytest.raises(ConfigError, match="seed 1 and not 2"):
        dedupe.LiveIndex(0.7, seed=2, redis=empty.address)


def test_settings_are_asked_again_when_a_server_began_anew(empty):
    """A server without a disk forgets; the first who writes then says what the index is."""
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        empty.client.flushall()
        with dedupe.LiveIndex(0.8, redis=empty.address), pytest.raises(ConfigError, match="another namespace"):
            index.insert("a", "one two")
        empty.client.flushall()
        assert index.insert("a", "one two")
        assert empty.client.get("dedupe:about")


@pytest.mark.parametrize("doc_id", ODD_IDS)
def test_odd_ids_come_back(empty, doc_id):
    with dedupe.LiveIndex(redis=empty.address) as index:
        assert index.insert(doc_id, "one two three")
        assert [match.id for match in index.query("one two three")] == [doc_id]
        assert doc_id in index
        assert index.remove(doc_id)
        assert len(index) == 0


COME_AND_GO = """
import sys
sys.path.insert(0, sys.argv[3])
from test_live_redis import ITEMS
import dedupe
mine = ITEMS[int(sys.argv[2])::2]
with dedupe.LiveIndex(0.7, redis=sys.argv[1]) as index:
    for _ in range(3):
        index.insert_many(mine)
        for doc_id, _ in mine:
            index.remove(doc_id)
    print(sum(index.insert(*item) for item in mine))
"""

ALL_AT_ONCE = """
import sys
sys.path.insert(0, sys.argv[3])
from test_live_redis import ITEMS
import dedupe
with dedupe.LiveIndex(0.7, redis=sys.argv[1]) as index:
    print(sum(index.insert_many(ITEMS[at:at + 5]) for at in range(0, len(ITEMS), 5)))
"""


@pytest.mark.parametrize("work", [COME_AND_GO, ALL_AT_ONCE], ids=["come and go", "all at once"])
def test_two_processes_at_once_make_what_one_makes(empty, work):
    """Each takes its documents out of buckets that the other puts its own in; or both put in the same documents."""
    words = [sys.executable, "-c", work, empty.address]
    here = str(Path(__file__).parent)
    both = [subprocess.Popen([*words, str(number), here], stdout=subprocess.PIPE) for number in (0, 1)]
    new = [int(process.communicate(timeout=120)[0]) for process in both]
    assert sum(new) == len(ITEMS)
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        assert len(index) == len(ITEMS)
        assert answers(index) == answers(in_memory())


KEEP_INSERTING = """
import sys
sys.path.insert(0, sys.argv[2])
from test_live_redis import ITEMS
import dedupe
index = dedupe.LiveIndex(0.7, redis=sys.argv[1])
while True:
    for at in range(0, len(ITEMS), 10):
        index.insert_many(ITEMS[at:at + 10])
        print(at, flush=True)
    for doc_id, _ in ITEMS:
        index.remove(doc_id)
"""


@pytest.mark.parametrize("kill_after", [0.0, 0.03, 0.11])
def test_a_server_killed_in_the_middle_gives_a_clear_error_and_then_goes_on(empty, kill_after):
    """The process that inserts says what is wrong; with the server back, the same calls give the right answers."""
    words = [sys.executable, "-c", KEEP_INSERTING, empty.address, str(Path(__file__).parent)]
    worker = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert worker.stdout.readline()
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        time.sleep(kill_after)
        empty.kill()
        _, complaint = worker.communicate(timeout=60)
        try:
            assert worker.returncode == 1
            last = complaint.decode().strip().splitlines()[-1]
            assert last.startswith("dedupe.errors.StoreError: the Redis server at 127.0.0.1:")
            assert "call again" in last
            for call in (
                lambda: index.insert("x", "one two"), lambda: index.query("one two"), lambda: index.remove("x"),
                lambda: len(index), lambda: "x" in index,
            ):
                with pytest.raises(StoreError, match=rf"server at 127\.0\.0\.1:{empty.port} cannot be reached"):
                    call()
        finally:
            empty.start()
        stored = {doc_id for doc_id in TEXTS if doc_id in index}
        assert len(index) == len(stored)
        assert answers(index) == answers(in_memory([item for item in ITEMS if item[0] in stored]))  # none half in
        index.insert_many(ITEMS)
        assert answers(index) == answers(in_memory())


def test_a_connection_that_broke_while_idle_is_made_again(empty):
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        index.insert_many(ITEMS)
        empty.kill()
        empty.start()
        assert index.query(ITEMS[0][1]) == in_memory().query(ITEMS[0][1])


def test_no_server_is_said_at_once(empty):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(StoreError, match=rf"127\.0\.0\.1:{port} cannot be reached: .*see that it runs"):
            dedupe.LiveIndex(redis=f"redis://:secret@127.0.0.1:{port}/0")


@pytest.mark.parametrize("address", ["localhost:6379", "http://localhost", "redis://localhost:port", "redis://h/?x=1"])
def test_what_is_no_address_is_said(address):
    with pytest.raises(ConfigError, match="expected redis://HOST:PORT/DATABASE"):
        dedupe.LiveIndex(redis=address)


def test_a_server_that_refuses_is_quoted_without_the_password(tmp_path, server):
    empty = Server(tmp_path, "--maxmemory", "1")
    try:
        with pytest.raises(StoreError, match=r"refused a command: .*(OOM|maxmemory).*; mend that"):
            dedupe.LiveIndex(redis=empty.address)
        empty.client.config_set("maxmemory", "0")
        empty.client.config_set("requirepass", "right")
        for address in (empty.address, empty.address.replace("//", "//:hunter2@")):
            with pytest.raises(StoreError, match="refused a command") as caught:
                dedupe.LiveIndex(redis=address)
            assert "hunter2" not in str(caught.value)
        with dedupe.LiveIndex(redis=empty.address.replace("//", "//:right@") + "?decode_responses=True") as index:
            assert index.insert("a", "one two three")
            assert index.query("one two three") == [dedupe.Match("a", 1.0, 1.0)]
    finally:
        empty.close()


class Trap:
    """Run when it is unpickled."""

    def __reduce__(self):
        return os.abort, ()


ROTTEN = [
    b"", b"dsh1", b"text", pickle.dumps(Trap()), b"dsh1\0\0\0\0\1\2\3\4", b"dsh1\0\0\0\0\1\2\3", "shortened", "a list",
]  # fmt: skip


@pytest.mark.parametrize("rotten", ROTTEN, ids=lambda value: ascii(value)[:20])
def test_rotten_shingles_are_named_and_never_run(empty, rotten):
    """Every call that reads them says which key it is; with the key deleted, all is well again."""
    text, key = TEXTS["doc-00000"], b"dedupe:doc:doc-00000"
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        index.insert_many(ITEMS)
        if rotten == "shortened":
            empty.client.set(key, empty.client.get(key)[:-4])
        elif rotten == "a list":
            empty.client.delete(key)
            empty.client.rpush(key, "x")
        else:
            empty.client.set(key, rotten)
        for call in (lambda: index.query(text), lambda: index.remove("doc-00000")):
            with pytest.raises(StoreError, match="WRONGTYPE" if rotten == "a list" else "dedupe:doc:doc-00000"):
                call()
        empty.client.delete(key)
        assert index.insert("doc-00000", text)
        assert answers(index) == answers(in_memory())


@pytest.mark.parametrize("rotten", [b"{", b"\xff", b"[1]", pickle.dumps(Trap()), b"{}", b'{"schema": "live/9"}'])
def test_rotten_settings_are_named_and_never_run(empty, rotten):
    empty.client.set("dedupe:about", rotten)
    with pytest.raises((StoreError, ConfigError), match=r"dedupe:about|was made with schema"):
        dedupe.LiveIndex(redis=empty.address)


def test_strangers_in_a_bucket_do_not_matter_unless_they_are_no_ids(empty):
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        index.insert("a", TEXTS["doc-00000"])
        bucket = next(key for key in empty.client.scan_iter() if key.startswith(b"dedupe:band:"))
        empty.client.sadd(bucket, b"nobody")
        assert [match.id for match in index.query(TEXTS["doc-00000"])] == ["a"]
        empty.client.sadd(bucket, b"\xff\xfe")
        with pytest.raises(StoreError, match="an id is not UTF-8"):
            index.query(TEXTS["doc-00000"])


def test_another_text_under_an_id_stores_nothing_of_its_batch(empty):
    with dedupe.LiveIndex(0.7, redis=empty.address) as index:
        index.insert("a", TEXTS["doc-00000"])
        with pytest.raises(InputError, match="id 'a' is in the index with another text"):
            index.insert_many([("b", TEXTS["doc-00001"]), ("a", TEXTS["doc-00002"])])
        assert len(index) == 1
        assert "b" not in index


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "import dedupe\n"
        "try:\n    dedupe.LiveIndex(redis='redis://localhost')\n"
        "except dedupe.MissingDependencyError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'dedupe-text[redis]'" in done.stdout
    assert issubclass(MissingDependencyError, dedupe.DedupeError)


def test_the_example_of_its_page_runs(empty):
    page = (Path(__file__).parents[1] / "docs" / "live-index.md").read_text("utf-8")
    (example,) = re.findall(r"^```python\n# redis\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    here = example.replace("redis://localhost:6379/0", empty.address)
    assert here != example
    exec(compile(here, "docs/live-index.md", "exec"), {"dedupe": dedupe, "article": TEXTS["doc-00000"]})
    assert {key.split(b":")[0] for key in empty.client.scan_iter()} == {b"news"}
