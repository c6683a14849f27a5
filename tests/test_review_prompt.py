"""The terminal's questions lead to the same decisions as the app, and no text reaches the terminal as a command."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_samples import write_ledger

from dedupe.decisions import read_decisions
from dedupe.review.prompt import review_in_terminal


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    write_ledger(tmp_path / "removals.jsonl", 4, seed=1, hostile=True)
    return tmp_path / "removals.jsonl"


def script(*answers: str) -> Callable[[str], str]:
    """Return a person who gives these answers, then closes the terminal."""
    left = list(answers)

    def ask(question: str) -> str:
        if not left:
            raise EOFError
        return left.pop(0)

    return ask


def verdicts(ledger: Path) -> list[str]:
    return [line.verdict for line in read_decisions(ledger.with_name("decisions.jsonl")).lines]


def test_each_answer_is_saved_at_once(ledger: Path) -> None:
    said: list[str] = []
    review_in_terminal(ledger, ask=script("y", "n", "s", "l", "q"), say=said.append)
    assert verdicts(ledger) == ["accept", "reject", "swap", "defer"]
    assert "[1 of " in said[0]
    assert "because: " in said[0]


def test_undo_asks_the_same_passage_again(ledger: Path) -> None:
    said: list[str] = []
    review_in_terminal(ledger, ask=script("u", "y", "u", "n"), say=said.append)
    assert verdicts(ledger) == ["accept", "withdraw", "reject"]
    assert "There is nothing to undo." in said
    shown = [text.split("\n")[1] for text in said if text.startswith("\n[")]
    assert shown[0] == shown[1] == shown[3] != shown[2]


def test_yes_to_all_decides_the_rest_and_can_be_taken_back(ledger: Path) -> None:
    num_all = review_in_terminal(ledger, ask=script("a", ""), say=lambda text: None)
    assert num_all > 30
    assert review_in_terminal(ledger, ask=script(), say=lambda text: None) == num_all
    other = ledger.with_name("other.jsonl")
    answers = script("n", "a", "u", "q")
    assert 0 < review_in_terminal(ledger, decisions_path=other, ask=answers, say=lambda text: None) < num_all


def test_an_unknown_answer_explains_the_keys(ledger: Path) -> None:
    said: list[str] = []
    review_in_terminal(ledger, ask=script("?", "x"), say=said.append)
    assert sum("undo the last answer" in text for text in said) == 2
    assert not ledger.with_name("decisions.jsonl").exists()


def test_a_terminal_receives_no_control_character_of_a_text(ledger: Path) -> None:
    """A pseudo-terminal reads what a real one would: all passages, the hostile ones among them."""
    program = "import sys; from dedupe.review.prompt import review_in_terminal as r; r(sys.argv[1])"
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program, str(ledger)], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"n\n" * 20)
    seen = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:
            break
        if not more:
            break
        seen += more
        if seen.count(b"May it go?") >= 20 and b"q\r\n" not in seen[-200:]:
            os.write(ours, b"q\n")
    process.wait(30)
    os.close(ours)
    text = seen.decode("utf-8", "strict")
    assert "[U+001B][31mred" in text
    assert "[U+202E]gnp" in text
    assert not re.search("[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", text)
