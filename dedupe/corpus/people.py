"""Hand people's decisions to the workers of a run, and gather which of them were of use.

The file is copied into the folder of what was found; each process reads it once. Which lines matched travels home
among the counts of a lot, so that a run that is resumed knows it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dedupe.corpus.tasks import Manifest, once_a_run
from dedupe.decisions import Decisions, parse_decisions
from dedupe.write import replacing

OF_USE = "decision:"  # how a count is called that tells of a line; its position in the file follows
_NAME = "decisions.jsonl"


def write_decisions(folder: Path, decisions: bytes) -> None:
    """Put the bytes of a decisions file where workers look for it; none is an empty file."""
    with replacing(str(folder / _NAME)) as file:
        file.write(decisions)


@once_a_run
def open_decisions(folder: str) -> Decisions:
    """Read the decisions of a run."""
    path = Path(folder) / _NAME
    return Decisions(parse_decisions(path.read_bytes(), str(path)))


def decisions_of_use(manifests: Sequence[Manifest]) -> set[int]:
    """Gather the positions of all lines that matched anything."""
    return {int(name[len(OF_USE):]) for each in manifests for name in each.counts if name.startswith(OF_USE)}
