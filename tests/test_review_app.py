"""The app answers one browser on this machine and nobody else, and every decision is on disk when it is answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledger_samples import write_ledger

from dedupe.decisions import Asked, Decision, Decisions, append_decisions, read_decisions
from dedupe.errors import DedupeError, InputError
from dedupe.review.answers import VERDICTS, Answers
from dedupe.review.overview import document, documents, overview
from dedupe.review.store import Store, index_text, open_store
from dedupe.review.verdicts import Review, decisions_beside

OWN = {"origin": "http://127.0.0.1:8123"}


@pytest.fixture
def ledger(tmp_path: Path) -> tuple[Path, dict[str, bytes]]:
    path = tmp_path / "removals.jsonl"
    return path, write_ledger(path, 40, seed=5, hostile=True)


@pytest.fixture
def store(ledger: tuple[Path, dict[str, bytes]]) -> Iterator[Store]:
    found = open_store(ledger[0])
    yield found
    found.close()


def rows_of(path: Path, *types: str) -> list[dict[str, Any]]:
    return [row for row in map(json.loads, path.read_bytes().split(b"\n")[:-1]) if row["type"] in types]


# Who may ask


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Any:
    pytest.importorskip("starlette")
    import warnings

    from dedupe.review.app import make_app

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # starlette's advice about which HTTP client to install
        from starlette.testclient import TestClient
    app = make_app(store, {}, tmp_path / "d.jsonl", 8123, "the-token")
    return TestClient(app, base_url="http://127.0.0.1:8123", follow_redirects=False)


def test_the_token_works_once_and_buys_a_cookie(client: Any) -> None:
    assert client.get("/").status_code == 401
    assert client.get("/?token=wrong").status_code == 401
    first = client.get("/?token=the-token")
    assert (first.status_code, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200
    client.cookies.clear()
    assert client.get("/?token=the-token").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:9999"}, 421),
        ({"host": "127.0.0.1"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://127.0.0.1:8123"}, 403),
        ({**OWN, "sec-fetch-site": "cross-site"}, 403),
        ({**OWN, "sec-fetch-site": "same-site"}, 403),
        ({}, 403),
        ({**OWN, "cookie": "dedupe_review_8123=guess"}, 401),
        (OWN, 200),
        ({**OWN, "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://localhost:8123", "host": "localhost:8123"}, 200),
    ],
)
def test_other_hosts_and_origins_are_refused(client: Any, headers: dict[str, str], status: int) -> None:
    """A page of another site, or a name of its own that points here, gets nothing, even in the same browser."""
    cookie = client.get("/?token=the-token").headers["set-cookie"].split(";")[0]
    client.cookies.clear()
    answer = client.post("/api/meta", json={}, headers={"cookie": cookie, **headers})
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_every_answer_forbids_what_the_page_does_not_need(client: Any) -> None:
    client.get("/?token=the-token")
    for path in ("/", "/main.js", "/style.css"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    for path in ("/app.py", "/..%2fapp.py", "/%2e%2e/ledger.py", "/nothing.js"):
        assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("nothing", {}),
        ("decide", {"cluster": 0, "verdict": "explode", "scope": "all", "row": 0}),
        ("decide", {"cluster": 0, "verdict": "accept", "scope": "planet", "row": 0}),
        ("decide", {"cluster": 1, "verdict": "accept", "scope": "all", "row": 0}),
        ("decide", {"cluster": 0, "verdict": "accept", "scope": "all", "row": 10**9}),
        ("bulk", {"filter": {}, "verdict": "swap"}),
        ("document", {}),
        ("rows", {"offset": "x"}),
        ("rows", {"filter": [1]}),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_and_changes_nothing(
    client: Any, tmp_path: Path, question: str, asked: dict[str, Any]
) -> None:
    client.get("/?token=the-token")
    answer = client.post(f"/api/{question}", json=asked, headers=OWN)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert not (tmp_path / "d.jsonl").exists()


def test_the_port_is_on_the_loopback_interface_only(ledger: tuple[Path, dict[str, bytes]], tmp_path: Path) -> None:
    """A server that is really started listens on 127.0.0.1, and says where."""
    pytest.importorskip("uvicorn")
    program = (
        "import sys; from dedupe.review.app import serve;"
        "serve(sys.argv[1], {}, store_path=sys.argv[2], announce=lambda url: print(url, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, ledger[0], tmp_path / "s"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().decode()
        assert address.startswith("http://127.0.0.1:")
        port = int(address.split(":")[2].split("/")[0])
        inodes = {os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir()}
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = [line[1] for line in lines if f"socket:[{line[9]}]" in inodes and int(line[1].split(":")[1], 16) == port]
        assert ours == [f"0100007F:{port:04X}"]
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()


# What a store answers


def test_facets_and_totals_are_those_of_a_plain_count(store: Store, ledger: tuple[Path, dict[str, bytes]]) -> None:
    """The oracle counts rows of the ledger in Python, for a filter over several facets."""
    answers = Answers(store, np.zeros(store.num_rows, np.int8), {})
    rows = rows_of(ledger[0], "removal", "kept")
    hosts = {row["doc"]: row["host"] for row in rows_of(ledger[0], "doc")}
    chosen = {"rule": ["excerpt", "site-boilerplate"], "lost": ["0"], "kind": ["removed"]}

    def passes(row: dict[str, Any], but: str = "") -> bool:
        return (
            (but == "rule" or row["rule"] in chosen["rule"])
            and (but == "lost" or row["num_words_lost"] == 0)
            and (but == "kind" or row["type"] == "removal")
        )

    answer = answers.view(chosen).answer
    left = [row for row in rows if passes(row)]
    assert answer["num_removals"] == len(left) > 0
    assert answer["num_clusters"] == len({row["fingerprint"] for row in left})
    assert answer["num_documents"] == len({row["doc"] for row in left})
    assert answer["num_words"] == sum(row["num_words"] for row in left)
    facets = {name: dict(found) for name, found in answer["facets"].items()}
    assert facets["rule"] == Counter(row["rule"] for row in rows if passes(row, "rule"))
    assert facets["host"] == Counter(hosts[row["doc"]] for row in left)
    assert sum(facets["lost"].values()) == sum(passes(row, "lost") for row in rows)
    assert sum(facets["kind"].values()) == sum(passes(row, "kind") for row in rows)


def test_the_list_begins_with_what_loses_most_words_on_most_documents(store: Store) -> None:
    answers = Answers(store, np.zeros(store.num_rows, np.int8), {})
    rows = answers.rows({"order": "risk"}, 0, 1000)
    keys = [(-row["num_lost"] * row["num_documents"], -row["num_words"]) for row in rows]
    assert keys == sorted(keys)
    assert keys[0][0] < 0
    assert [row["key"] for row in rows[7:9]] == [row["key"] for row in answers.rows({"order": "risk"}, 7, 2)]
    assert answers.position({"order": "risk"}, rows[5]["key"]) == 5
    assert answers.position({"order": "risk", "rule": ["shape"]}, rows[0]["key"]) == -1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("newsletter", "Subscribe to our newsletter"),
        ("NEWSL", "Subscribe to our newsletter"),
        ("免费 政府", ""),
        ("野家", "野家"),
        ("家野", ""),
        ("الحكومة", "الحكومة"),
        ("onerror", "<img src=x onerror"),
        ('" OR text:x', ""),
        ("NEAR(a b)", ""),
        ("\x00 ***", None),
    ],
)
def test_a_search_finds_words_and_no_query_is_a_command(store: Store, query: str, found: str | None) -> None:
    """What FTS5 would take for an operator is a word like any other; without a word in it, a query filters nothing."""
    answers = Answers(store, np.zeros(store.num_rows, np.int8), {})
    rows = answers.rows({"q": query}, 0, 1000)
    if found is None:
        assert len(rows) == answers.view({}).answer["num_clusters"]
    else:
        assert bool(rows) is bool(found)
        assert any(found in row["text"] for row in rows) or not found


def test_texts_of_scripts_without_spaces_are_found_by_any_part() -> None:
    assert index_text("abc 政府x") == "abc  政  府 x"


def test_a_store_is_built_again_when_its_ledger_changes(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    write_ledger(path, 3)
    first = open_store(path)
    num_rows, stamp = first.num_rows, (tmp_path / "l.jsonl.review.sqlite").stat().st_mtime_ns
    first.close()
    again = open_store(path)
    assert (tmp_path / "l.jsonl.review.sqlite").stat().st_mtime_ns == stamp
    again.close()
    write_ledger(path, 6)
    changed = open_store(path)
    assert changed.num_rows > num_rows
    changed.close()
    (tmp_path / "l.jsonl.review.sqlite").write_bytes(b"not a database")
    open_store(path).close()


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        open_store(tmp_path / "nothing")
    (tmp_path / "l.jsonl").write_bytes(b'{"type":"removal","doc":1}\n')
    with pytest.raises(InputError, match="line 1"):
        open_store(tmp_path / "l.jsonl")
    write_ledger(tmp_path / "l.jsonl", 2)
    with pytest.raises(DedupeError, match="index cannot be written"):
        open_store(tmp_path / "l.jsonl", tmp_path / "no" / "store")


def test_documents_and_near_duplicates_are_listed(store: Store, ledger: tuple[Path, dict[str, bytes]]) -> None:
    answers = Answers(store, np.zeros(store.num_rows, np.int8), ledger[1])
    docs = rows_of(ledger[0], "doc")
    listed = documents(answers, "", False, 0, 1000)
    assert Counter(item["doc"] for item in listed["items"]) == Counter(row["doc"] for row in docs)
    shares = [item["share"] for item in listed["items"]]
    assert shares == sorted(shares, reverse=True)
    near = documents(answers, "", True, 0, 1000)["items"]
    expected = {row["doc"]: row["near_duplicate_of"] for row in docs if "near_duplicate_of" in row}
    assert {item["doc"]: item["near"] for item in near} == expected != {}
    assert [item["near"]["doc"] for item in near] == sorted(keeper["doc"] for keeper in expected.values())
    assert documents(answers, "100%_\\", False, 0, 10)["total"] == 0
    figures = overview(answers)
    assert (
        sum(figures["confidence"])
        == sum(rule["removals"] for rule in figures["rules"])
        == len(rows_of(ledger[0], "removal"))
    )


def test_marks_of_a_document_count_as_the_browser_counts(store: Store, ledger: tuple[Path, dict[str, bytes]]) -> None:
    """Positions in the page are UTF-16 units; the hostile document has characters of two units."""
    answers = Answers(store, np.zeros(store.num_rows, np.int8), ledger[1])
    name = next(row["doc"] for row in rows_of(ledger[0], "doc") if "img" in row["doc"])
    found = document(answers, name)
    units = found["text"].encode("utf-16-le")
    assert len(found["marks"]) > 10
    for mark in found["marks"]:
        shown = units[2 * mark["start"] : 2 * mark["end"]].decode("utf-16-le")
        assert shown[:2000] == mark["text"]


# Deciding


def plain_status(store: Store, ledger: Path, decisions: Decisions) -> list[int]:
    """Return what `Decisions` says of every row, one after the other."""
    hosts = {row["doc"]: row["host"] for row in rows_of(ledger, "doc")}
    found = []
    for row in rows_of(ledger, "removal", "kept"):
        lost, alike = row["num_words_lost"], row["resemblance"]
        line = decisions.find(Asked(row["fingerprint"], hosts[row["doc"]], row["doc"], row["id"], lost, alike))
        found.append(VERDICTS.index(line.verdict) if line else 0)
    return found


def test_verdicts_in_the_app_are_those_of_the_next_run(
    store: Store, ledger: tuple[Path, dict[str, bytes]], tmp_path: Path
) -> None:
    """After every step of a long review the shown verdicts, the file read again, and `Decisions` itself agree."""
    path = tmp_path / "d.jsonl"
    review = Review(store, path)
    answers = Answers(store, review.status, {})
    rng = np.random.default_rng(7)
    filters = [
        {"rule": ["excerpt"]},
        {"host": ["daily-post.example"]},
        {"q": "subscribe"},
        {"lost": ["1"]},
        {"kind": ["kept"]},
    ]
    history = [review.status.copy()]
    for step in range(24):
        if step % 6 == 3:
            review.bulk(answers.view(filters[step // 6]).passed, ("accept", "reject")[step % 2])  # type: ignore[arg-type]
        elif step % 6 == 5:
            assert review.undo()
            history = history[:-1]
            assert (review.status == history[-1]).all()
        else:
            row = int(rng.integers(store.num_rows))
            verdict, scope = rng.choice(VERDICTS[1:]), rng.choice(["all", "host", "document", "removal"])
            if verdict == "swap" and review.why_no_swap(row):
                with pytest.raises(InputError, match="cannot be swapped"):
                    review.decide(int(store.cluster[row]), "swap", "all", row)
                verdict = "reject"
            review.decide(int(store.cluster[row]), str(verdict), str(scope), row)  # type: ignore[arg-type]
        answers.forget()
        if step % 6 != 5:
            history.append(review.status.copy())
        assert review.status.tolist() == plain_status(store, ledger[0], read_decisions(path)), step
        assert (Review(store, path).status == review.status).all(), step


def test_a_bulk_decision_covers_what_was_shown_and_nothing_else(store: Store, tmp_path: Path) -> None:
    review = Review(store, tmp_path / "d.jsonl")
    answers = Answers(store, review.status, {})
    passed = answers.view({"host": ["daily-post.example", "daily-mail.example"], "confidence": ["3", "4"]}).passed
    assert review.bulk(passed, "accept") == passed.sum() > 0
    assert ((review.status == 1) == passed).all()
    assert {line.scope for line in read_decisions(review.path).lines} > {"all"}
    assert review.bulk(np.zeros(store.num_rows, bool), "accept") == 0


def test_an_accept_is_bounded_by_what_it_saw_and_a_reject_is_not(store: Store, tmp_path: Path) -> None:
    review = Review(store, tmp_path / "d.jsonl")
    row = int(np.argmax(store.columns["lost"]))
    review.decide(int(store.cluster[row]), "accept", "removal", row)
    review.decide(int(store.cluster[row]), "reject", "all", row)
    accept, reject = read_decisions(review.path).lines
    assert accept.max_lost_words == store.columns["lost"][row]
    assert (reject.max_lost_words, reject.min_resemblance) == (None, None)
    assert review.status[row] == 1


def test_decisions_about_passages_that_are_gone_are_listed(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    append_decisions(
        path, [Decision(verdict="accept", fingerprint="p1:gone"), Decision(verdict="reject", fingerprint="x")]
    )
    review = Review(store, path)
    assert [line.fingerprint for line in review.unmatched] == ["p1:gone", "x"]
    assert not review.status.any()
    assert review.undo() is None


def test_decisions_go_beside_the_ledger() -> None:
    assert decisions_beside("run/removals.jsonl") == Path("run/decisions.jsonl")
