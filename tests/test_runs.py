"""What the commands call: sizes, where outputs go, totals, and ledgers that are found or not."""

from __future__ import annotations

import io
import json

import pytest

from dedupe import Config, ConfigError, InputError, LedgerMismatchError
from dedupe.ledgers import explain_removal, ledger_path, restore_run, write_report
from dedupe.rebuild import originals
from dedupe.runs import Effort, Target, clean_paths, parse_bytes

_CLEAN = "\n\n".join(
    [
        "Council approves the new bridge over the river",
        "The town council voted on Tuesday to build a bridge over the river at the old mill, after years of talks.",
        "Work is to begin in the spring, the mayor said, and the road will be closed until the piers stand.",
    ]
) + "\n"  # fmt: skip
_DEBRIS = _CLEAN.replace("\n\n", "\n\nCouncil approves the new bridge over the river\n\n", 1)


def run(paths, config=None, **target):
    """Clean files as the command does; gives the totals, what went to the stream, and what was said."""
    stream, said = io.BytesIO(), []
    totals = clean_paths([str(path) for path in paths], config or Config(), Target(stream=stream, **target), Effort(),
                         said.append)
    return totals, stream.getvalue().decode(), said


@pytest.fixture
def article(tmp_path):
    place = tmp_path / "article.txt"
    place.write_text(_DEBRIS, "utf-8")
    return place


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [("20000000", 20_000_000), ("16384k", 1 << 24), ("1.5 GiB", 3 << 29), (" 2gb ", 2 << 30), ("1TB", 1 << 40),
     ("33554432B", 1 << 25)],
)  # fmt: skip
def test_sizes_are_powers_of_1024(text, num_bytes):
    assert parse_bytes(text) == num_bytes


@pytest.mark.parametrize("text", ["", "GB", "0", "15MB", "-1", "1XB", "1e9", "2 G B", "1..5G", "NaN", "１.５.G"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ConfigError, match="--memory is"):
        parse_bytes(text)


def test_totals_count_documents_removals_and_bytes(tmp_path, article):
    """A document without removals counts, but not as changed."""
    (tmp_path / "good.txt").write_text(_CLEAN, "utf-8")
    totals, out, _ = run([article, tmp_path / "good.txt"], show="nothing")
    assert (totals.num_documents, totals.num_changed, totals.num_removals) == (2, 1, 1)
    assert totals.num_bytes_before - totals.num_bytes_after == len(_DEBRIS) - len(_CLEAN)
    assert (out, totals.bad, totals.guarded) == ("", [], [])


def test_a_stream_gets_the_text_and_a_table_goes_to_who_asks(article):
    rows = []
    _, out, _ = run([article], table=rows.append)
    assert out == _CLEAN
    assert "repeated-block" in rows[0]


@pytest.mark.parametrize("show", ["diff", "nothing"])
def test_looking_only_writes_nothing(article, show):
    """Neither a diff nor a check touches the input."""
    _, out, _ = run([article], show=show)
    assert out.startswith("diff --git ") == (show == "diff")
    assert article.read_text("utf-8") == _DEBRIS
    assert [path.name for path in article.parent.iterdir()] == ["article.txt"]


def test_batches_of_many_bytes_come_in_order(tmp_path, monkeypatch):
    """Texts beyond one batch give the same ledger as in one."""
    for number in range(7):
        (tmp_path / f"{number}.txt").write_text(_DEBRIS + f"Number {number}.\n", "utf-8")
    paths = sorted(tmp_path.glob("*.txt"))
    run(paths, show="nothing", report=str(tmp_path / "one"))
    monkeypatch.setattr("dedupe.runs._BATCH_BYTES", 700)
    run(paths, show="nothing", report=str(tmp_path / "many"))
    one, many = ((tmp_path / name / "removals.jsonl").read_bytes().splitlines()[1:] for name in ("one", "many"))
    assert one == many
    assert [json.loads(line)["uri"][-5:] for line in one if b'"type":"doc"' in line] == [f"{n}.txt" for n in range(7)]


def test_a_ledger_is_found_by_its_folder_or_itself(tmp_path, article):
    run([article], report=str(tmp_path / "run"))
    assert ledger_path(str(tmp_path / "run")) == ledger_path(str(tmp_path / "run" / "removals.jsonl"))
    with pytest.raises(InputError, match="no such ledger"):
        ledger_path(str(tmp_path / "none"))


def test_originals_are_rebuilt_where_the_cleaned_files_are_still_there(tmp_path, article):
    """A cleaned file that was changed since is left out, and its restoring refused."""
    out = tmp_path / "out.txt"
    run([article], output=str(out), report=str(tmp_path / "run"))
    ledger = ledger_path(str(tmp_path / "run"))
    assert list(originals(ledger, 1 << 20).values()) == [_DEBRIS.encode()]
    out.write_text(_CLEAN + "more", "utf-8")
    assert originals(ledger, 1 << 20) == {}
    with pytest.raises(LedgerMismatchError):
        restore_run(str(ledger), None, [], None, True, None)
    assert out.read_text("utf-8") == _CLEAN + "more"


def test_a_removal_is_explained_without_its_texts_where_they_are_gone(tmp_path, article):
    """The ledger alone says what went and why; with the cleaned file the kept copy is shown too."""
    out = tmp_path / "out.txt"
    run([article], output=str(out), report=str(tmp_path / "run"))
    ledger = ledger_path(str(tmp_path / "run"))
    removal = next(json.loads(line) for line in ledger.read_bytes().splitlines() if b'"type":"removal"' in line)
    headline = _CLEAN.partition("\n")[0]
    assert explain_removal(str(ledger), removal["id"], 100, False).count(headline) == 2
    out.unlink()
    assert explain_removal(str(ledger), removal["id"], 100, False).count(headline) == 1


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "sarif", "patch"])
def test_a_report_is_the_same_in_a_file_and_on_a_stream(tmp_path, article, form):
    run([article], output=str(tmp_path / "out.txt"), report=str(tmp_path / "run"))
    stream = io.BytesIO()
    write_report(str(tmp_path / "run"), form, None, stream)
    write_report(str(tmp_path / "run"), form, str(tmp_path / "again"))
    assert (tmp_path / "again").read_bytes() == stream.getvalue() != b""
