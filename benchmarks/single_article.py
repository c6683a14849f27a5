"""Measure one text at a time: the command on the seed article, `clean` on texts of 27 kB to 10 MB, and hostile shapes.

    python benchmarks/single_article.py                 # all of it, about two minutes on a quiet machine
    python benchmarks/single_article.py command clean   # some parts: command, imports, clean, shapes

Every figure comes from a fresh process; the answer is checked before its time counts. Times are medians; the ratio
to `python -c pass` says more than the milliseconds, which are of this machine on this day.

What this does not show: corpora (benchmarks/near_duplicates.py), how good the cleaning is (docs/quality.md), and
warm starts: the first run after an installation also compiles the modules.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
SEED = ROOT / "seeds" / "000_76ba97706a32af6b.txt"
COMMAND = [sys.executable, "-m", "dedupe", "clean", str(SEED), "--quiet"]
_NUM_STARTS = 15
_MB = 1_000_000
_SYLLABLES = [first + last for first in ("b", "br", "d", "f", "gr", "k", "l", "m", "pl", "st", "v") for last in "aeiou"]


def sentence(chance: random.Random) -> str:
    """Make up a sentence of invented words, eight to twenty of them."""
    words = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(chance.randint(8, 20))]
    return " ".join(words).capitalize() + "."


def document(num_bytes: int) -> tuple[str, int]:
    """Make a document of paragraphs with planted repeats; gives it and the number of headlines planted twice."""
    chance, parts, size, num_planted = random.Random(num_bytes), list[str](), 0, 0
    while size < num_bytes:
        headline = sentence(chance)[:-1]
        paragraphs = [" ".join(sentence(chance) for _ in range(4)) for _ in range(8)]
        new = [headline, headline, *paragraphs, "Also read:", f"https://example.org/{len(parts)}"]
        num_planted += 1
        parts += new
        size += sum(len(part) + 2 for part in new)
    return "\n\n".join(parts) + "\n", num_planted


def equal_lines() -> str:
    """100,000 times the same line."""
    return "The same line of an article, a hundred thousand times over.\n" * 100_000


def nearly_equal_lines() -> str:
    """100,000 lines that differ in two words each."""
    chance = random.Random(5)
    names = ["".join(chance.choices(_SYLLABLES, k=3)) for _ in range(2_000)]
    return "".join(
        f"The council of {chance.choice(names)} and the mayor of {chance.choice(names)} met again on Monday to talk.\n"
        for _ in range(100_000)
    )


def one_long_line() -> str:
    """One line of 10 MB."""
    chance, parts, size = random.Random(6), list[str](), 0
    while size < 10 * _MB:
        parts.append(sentence(chance))
        size += len(parts[-1]) + 1
    return " ".join(parts)


def one_word_lines() -> str:
    """A million lines of one word."""
    chance = random.Random(7)
    words = ["".join(chance.choices(_SYLLABLES, k=4)) for _ in range(50_000)]
    return "\n".join(chance.choices(words, k=1_000_000)) + "\n"


TEXTS = {
    "seed": lambda: SEED.read_text("utf-8"),
    "document of 1 MB": lambda: document(_MB)[0],
    "document of 10 MB": lambda: document(10 * _MB)[0],
    "100,000 equal lines": equal_lines,
    "100,000 nearly equal lines": nearly_equal_lines,
    "one line of 10 MB": one_long_line,
    "1,000,000 lines of one word": one_word_lines,
}


def measure(name: str, num_repeats: int) -> None:
    """Clean one text in this process and print a JSON line: sizes, median seconds, peak memory."""
    import dedupe

    text = TEXTS[name]()
    dedupe.clean("Also read:\n\nOne text, so that lists are loaded.\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(num_repeats):
        begin = time.perf_counter()
        result = dedupe.clean(text)
        seconds.append(time.perf_counter() - begin)
    assert result.restore() == text, f"{name}: the original does not come back"
    if name.startswith("document"):
        num_planted = text.count("\n\nAlso read:")
        assert len(result.removals) >= 3 * num_planted, f"{name}: planted repeats were missed"
        assert len(result.text) > 0.9 * len(text), f"{name}: prose is gone"
    print(json.dumps({
        "num_bytes": len(text.encode()), "seconds": statistics.median(seconds), "num_removals": len(result.removals),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "before_bytes": before * 1024,
    }))  # fmt: skip


def in_a_fresh_process(name: str, num_repeats: int = 1) -> dict[str, float]:
    """Run `measure` in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--measure", name, str(num_repeats)], env=_environment(), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def _environment() -> dict[str, str]:
    """Run this checkout with its modules compiled, as an installation has them, wherever bytecode may be written."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    rest = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**rest, "PYTHONPATH": paths, "PYTHONPYCACHEPREFIX": _bytecode_folder()}


@cache
def _bytecode_folder() -> str:
    folder = TemporaryDirectory(prefix="dedupe-")
    atexit.register(folder.cleanup)
    return folder.name


def _wall_and_processor(words: list[str]) -> tuple[float, float]:
    """Give the seconds of the clock and of the processor that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(words, env=_environment(), stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def command() -> None:
    """Time the command on the seed against an interpreter that does nothing, turn about."""
    commands = {"python -c pass": [sys.executable, "-c", "pass"], "dedupe clean seed": COMMAND}
    walls, processors = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for words in commands.values():
        _wall_and_processor(words)  # the first start compiles the modules
    for _ in range(_NUM_STARTS):
        for name, words in commands.items():
            wall, processor = _wall_and_processor(words)
            walls[name].append(wall)
            processors[name].append(processor)
    print("\n| command | wall, median (least) | processor, median |\n| --- | --: | --: |")
    for name in commands:
        print(f"| `{name}` | {_ms(statistics.median(walls[name]))} ({_ms(min(walls[name]))}) "
              f"| {_ms(statistics.median(processors[name]))} |")
    idle, full = (statistics.median(walls[name]) for name in commands)
    print(f"\nratio {full / idle:.1f}")


def imports() -> None:
    """Sum the time the command's imports take, by package, and name the rest of the run."""
    _wall_and_processor(COMMAND)
    done = subprocess.run([sys.executable, "-X", "importtime", *COMMAND[1:]], env=_environment(), capture_output=True,
                          text=True, check=True)  # fmt: skip
    own = defaultdict[str, int](int)
    for line in done.stderr.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and fields[0].strip().isdigit():
            own[fields[2].strip().split(".")[0]] += int(fields[0])
    print("\n| package | import |\n| --- | --: |")
    largest = sorted(own, key=lambda name: own[name], reverse=True)[:8]
    for name in largest:
        print(f"| {name} | {own[name] / 1000:.0f} ms |")
    rest = sum(own[name] for name in own if name not in largest)
    print(f"| {len(own) - len(largest)} others | {rest / 1000:.0f} ms |")


def clean() -> None:
    """Measure `clean` on the seed and on generated documents; ten times the text takes at most twelve times as long."""
    print("\n| text | bytes | removals | seconds | MB/s | peak memory |\n| --- | --: | --: | --: | --: | --: |")
    found = {name: _row(name, 9 if name == "seed" else 3) for name in list(TEXTS)[:3]}
    ratio = found["document of 10 MB"]["seconds"] / found["document of 1 MB"]["seconds"]
    print(f"\n10 MB takes {ratio:.1f} times 1 MB")


def shapes() -> None:
    """Measure texts that are hard on programs that compare lines with each other."""
    print("\n| text | bytes | removals | seconds | MB/s | peak memory |\n| --- | --: | --: | --: | --: | --: |")
    for name in list(TEXTS)[3:]:
        _row(name, 1)


def _row(name: str, num_repeats: int) -> dict[str, float]:
    found = in_a_fresh_process(name, num_repeats)
    print(f"| {name} | {found['num_bytes']:,} | {found['num_removals']:,} | {found['seconds']:.2f} "
          f"| {found['num_bytes'] / found['seconds'] / _MB:.2f} | {found['peak_bytes'] / _MB:,.0f} MB |", flush=True)
    return found


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


PARTS = {"command": command, "imports": imports, "clean": clean, "shapes": shapes}


def main() -> None:
    """Run the parts that were asked for."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
        return
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the start")
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()


if __name__ == "__main__":
    main()
