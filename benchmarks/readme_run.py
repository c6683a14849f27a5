"""Run the README's command on the seed article and put what it says, shortened, into README.md.

    python benchmarks/readme_run.py            # writes the block between the seed-run comments
    python benchmarks/readme_run.py --check    # exit code 1 where README.md is out of date

What this does not show: how well other articles are cleaned; docs/quality.md does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- seed-run:[^>]*-->\n).*?(<!-- /seed-run -->)", re.DOTALL)
SEED = "seeds/000_76ba97706a32af6b.txt"

# Rows of the table that tell the most, by the line of the seed they are about; the others become "…".
_TELLING_LINES = (3, 5, 15, 82, 84, 86, 90, 94, 95, 99, 109, 188, 198)
# Lines of the seed for the example: the headline's copies, the teaser, and the paragraph that stays whole.
_EXAMPLE_LINES = (1, 3, 5, 9, 15, 35, 84)
_EXAMPLE_COLUMNS = 72
_COLUMNS = "100"


def command() -> list[str]:
    """Give the words after `dedupe` of the first shell block of README.md."""
    block = re.search(r"^```sh\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert block is not None, "README.md has no ```sh block"
    return block[1].strip().rpartition("/dedupe ")[2].split()


def run() -> tuple[str, bytes]:
    """Run the command in a folder of its own that sees `seeds`; gives what it said and the cleaned text."""
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": paths, "COLUMNS": _COLUMNS, "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "seeds").symlink_to(ROOT / "seeds")
        words = command()
        done = subprocess.run(
            [sys.executable, "-m", "dedupe", *words], cwd=folder, env=environment, capture_output=True, check=True
        )
        return done.stderr.decode(), (Path(folder) / words[words.index("-o") + 1]).read_bytes()


def shortened(said: str) -> str:
    """Keep the headings, the telling rows and the last line."""
    lines = [line.rstrip() for line in said.splitlines()]
    kept: list[str] = []
    for line in lines[1:-1]:
        row = re.match(r"([-=]) +\S+ +(\d+)(?:–\d+)? ", line)
        if row is None or int(row[2]) in _TELLING_LINES:
            kept.append(line)
        elif kept[-1] != "…":
            kept.append("…")
    return "\n".join([*kept, lines[-1]])


def example(cleaned: bytes) -> str:
    """Show lines of the seed, cut short, each with a mark of whether it went."""
    before = (ROOT / SEED).read_text("utf-8").split("\n")
    left = cleaned.decode("utf-8").split("\n")
    rows = []
    for number in _EXAMPLE_LINES:
        text = before[number - 1]
        gone = number not in _places(before, left)
        cut = text if len(text) <= _EXAMPLE_COLUMNS else text[: _EXAMPLE_COLUMNS - 1] + "…"
        rows.append(f"{'-' if gone else ' '} {number:3} {cut}")
    return "\n".join(rows)


def _places(before: list[str], left: list[str]) -> set[int]:
    """Give the numbers of the lines of `before` that are left, matching both from the top."""
    places, at = set[int](), 0
    for line in left:
        if not line:
            continue
        number = next((place for place in range(at, len(before)) if before[place] == line), None)
        if number is not None:
            places.add(number + 1)
            at = number + 1
    return places


def block() -> str:
    """Make what stands between the comments."""
    said, cleaned = run()
    return (
        f"```text\n{shortened(said)}\n```\n\n"
        "A few lines of the article, by number; those marked `-` are gone. Line 35 stays whole, since the teaser "
        f"quotes it:\n\n```text\n{example(cleaned)}\n```\n"
    )


def updated(readme: str, made: str) -> str:
    """Put a block between the comments."""
    assert BLOCK.search(readme), "README.md has no seed-run comments"
    return BLOCK.sub(lambda found: found[1] + made + found[2], readme)


def main() -> int:
    """Write README.md, or check it."""
    readme = README.read_text("utf-8")
    wanted = updated(readme, block())
    if "--check" in sys.argv[1:]:
        return int(wanted != readme)
    README.write_text(wanted, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
