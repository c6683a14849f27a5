"""dedupe: `dedupe.near_duplicates`; the environment variable DEDUPE_FAST is 0 for NumPy alone, 1 for numba."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from harness import run

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy

import dedupe
import dedupe.kernels

dedupe.kernels.MIN_SHINGLES = 0 if os.environ.get("DEDUPE_FAST", "1") == "1" else 1 << 62
assert numpy, "the imports of NumPy are in no tool's time"


def find(texts: list[str], min_resemblance: float) -> list[tuple[int, int]]:
    clusters = dedupe.near_duplicates(texts, min_resemblance)
    return [(member.index, cluster.keeper) for cluster in clusters for member in cluster.members]


run(find)
