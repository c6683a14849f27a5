"""dedupe: lines in, `dedupe.near_duplicates`, the lines that stay out, byte for byte; DEDUPE_FAST as in ours.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from file_harness import ids_in, run

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import msgspec
import numpy

import dedupe
import dedupe.kernels

dedupe.kernels.MIN_SHINGLES = 0 if os.environ.get("DEDUPE_FAST", "1") == "1" else 1 << 62
assert numpy, "the imports of NumPy are in no tool's time"

BUFFER = 1 << 20  # bytes read or written at a time


class Row(msgspec.Struct, gc=False):
    text: str


def clean(corpus: Path, output: Path, min_resemblance: float) -> Callable[[], Iterable[str]]:
    with open(corpus, "rb", buffering=BUFFER) as file:
        lines = file.readlines()
    decode = msgspec.json.Decoder(Row).decode
    clusters = dedupe.near_duplicates((decode(line).text for line in lines), min_resemblance)
    gone = {member.index for cluster in clusters for member in cluster.members}
    with open(output / "clean.jsonl", "wb", buffering=BUFFER) as file:
        file.writelines(line for number, line in enumerate(lines) if number not in gone)
    return lambda: ids_in(output)


run(clean)
