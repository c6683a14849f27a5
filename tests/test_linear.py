"""Texts made to be slow: sixteen times the text takes about sixteen times the time, not 256."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pytest

import dedupe
from dedupe.config import Config


def _words(num_bytes: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [f"w{chance.randrange(5000)}" for _ in range(num_bytes // 6)]


def teasers(num_bytes: int) -> str:
    """One long paragraph, and teasers that quote all places of it."""
    body = _words(num_bytes * 2 // 3, 1)
    quoted = (" ".join(body[at:at + 14]) + " …" for at in range(0, len(body) - 30, 30))
    return "\n\n".join([" ".join(body) + ".", *quoted])


def two_alike(num_bytes: int) -> str:
    """Two long paragraphs that differ in a word here and there."""
    one = _words(num_bytes // 2, 2)
    two = [word if at % 97 else "changed" for at, word in enumerate(one)]
    return f"{' '.join(one)}.\n\n{' '.join(two)}."


def nearly_equal_lines(num_bytes: int) -> str:
    """Lines that differ in two numbers each."""
    chance = random.Random(3)
    form = "The mayor of {} said that the bridge {} would be repaired before winter"
    return "\n".join(form.format(chance.randrange(10**6), chance.randrange(10**6)) for _ in range(num_bytes // 80))


def windows(num_bytes: int) -> str:
    """Every line begins a few words later in the same long sentence."""
    base = _words(18_000, 4)
    return "\n\n".join(" ".join(base[at % 2900:at % 2900 + 60]) for at in range(num_bytes // 360))


def marks_in_disorder(num_bytes: int) -> str:
    """One letter with thousands of accents; to put them in order takes the square of their number."""
    return "a" + "".join(random.Random(5).choices("\u0301\u0327\u0323\u0308", k=num_bytes // 2))


def seconds(text: str) -> float:
    """Measure the processor time of this process for a text."""
    begin = time.process_time()
    result = dedupe.clean(text, Config(preset="thorough"))
    spent = time.process_time() - begin
    assert result.restore() == text
    return spent


@pytest.mark.parametrize(("make", "num_bytes"), [
    (teasers, 30_000), (two_alike, 150_000), (nearly_equal_lines, 50_000), (windows, 15_000),
    (marks_in_disorder, 15_000),
])  # fmt: skip
def test_the_time_grows_with_the_text(make: Callable[[int], str], num_bytes: int):
    """The bound lies at the middle (geometric) of 16 and 256: a busy machine has four times as long."""
    seconds(make(1000))
    little = min(seconds(make(num_bytes)) for _ in range(2))
    much = seconds(make(16 * num_bytes))
    assert much < 64 * max(little, 0.01)
