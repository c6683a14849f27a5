"""Compare how fast texts become MinHash signatures: word 5-shingles, 128 permutations, one thread.

    python benchmarks/signatures.py --rivals-python RIVALS/bin/python --megabytes 10

Texts in, 128 values a text out, each tool in fresh processes, turn about, through the best path we know for it.
The answer is checked before its time counts: over pairs of known resemblance, the mean distance between that and the
share of equal values is that of 128 fair draws, about .03 for pairs between .4 and .9; above .05 the run fails.

What this does not show: candidates and their verification (near_duplicates.py), and reading files.
Rivals: pip install rensa datasketch xxhash numpy, in an environment of their own.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "rivals"), str(HERE), str(HERE.parent)]

import harness  # noqa: F401, E402  # one thread, before numpy is imported
import near_duplicates  # noqa: E402
import numpy as np  # noqa: E402
from tokens import flat_hashes, shingle_texts, shingles  # noqa: E402

NUM_PERM = 128
MOST_ERROR = 0.05
TOOLS = {"dedupe, numba": True, "dedupe, NumPy": True, "rensa": False, "datasketch": False}  # whether it is ours


def ours(fast: bool):
    from dedupe import signatures
    from dedupe.corpus import memory

    memory.worthwhile = lambda _: fast  # one of the twins, whatever the size
    return lambda texts: signatures(texts, num_perm=NUM_PERM)


def rensa():
    from rensa import RMinHash

    def make(texts):
        values, starts = flat_hashes(texts)
        hashes = np.array(values, np.int64).view(np.uint64)
        return RMinHash.digest_matrix_from_flat_token_hashes(hashes, np.array(starts, np.uint64), NUM_PERM, 42)

    return make


def datasketch():
    import xxhash
    from datasketch import MinHash

    def make(texts):
        rows = ([shingle.encode() for shingle in shingle_texts(text)] for text in texts)
        found = MinHash.bulk(rows, num_perm=NUM_PERM, scheme="affine32", hashfunc=xxhash.xxh32_intdigest)
        return np.array([each.hashvalues for each in found])

    return make


def pairs(count: int = 300) -> tuple[list[str], list[float]]:
    """Make texts that are alike two by two, and count how much."""
    chance = random.Random(3)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=6)) for _ in range(9000)]
    texts, truth = [], []
    for _ in range(count):
        one = chance.choices(words, k=400)
        two = one.copy()
        for at in chance.sample(range(400), chance.randint(4, 50)):
            two[at] = chance.choice(words)
        sets = [set(shingles(" ".join(each))) for each in (one, two)]
        texts += [" ".join(one), " ".join(two)]
        truth.append(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
    return texts, truth


def child(tool: str, corpus: Path, repeat: int) -> None:
    """Check a tool and time it in this process."""
    rival = {"rensa": rensa, "datasketch": datasketch}.get(tool)
    make = rival() if rival else ours("numba" in tool)
    alike, truth = pairs()
    made = make(alike)
    rows = np.array(made.to_rows() if tool == "rensa" else made)
    error = float(np.abs((rows[::2] == rows[1::2]).mean(axis=1) - np.array(truth)).mean())
    with corpus.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    least = float("inf")
    for _ in range(repeat):
        began = time.process_time()
        make(texts)
        least = min(least, time.process_time() - began)
    print(json.dumps({"error": error, "rate": sum(len(text.encode()) for text in texts) / 1e6 / least}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals-python", help="interpreter of an environment with the rivals")
    parser.add_argument("--megabytes", type=float, default=10.0)
    parser.add_argument("--repeat", type=int, default=3, help="the fastest run counts, the first loads what it needs")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each tool, turn about; medians are told")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]), arguments.repeat)
        return 0
    tools = [tool for tool, is_ours in TOOLS.items() if is_ours or arguments.rivals_python]
    found: dict[str, list[dict]] = {tool: [] for tool in tools}
    with tempfile.TemporaryDirectory() as folder:
        corpus = near_duplicates.make(Path(folder), arguments.megabytes, seed=1)
        for _ in range(arguments.rounds):
            for tool in tools:
                python = sys.executable if TOOLS[tool] else arguments.rivals_python
                command = [python, __file__, "--repeat", str(arguments.repeat), "--child", tool, str(corpus)]
                found[tool].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    print(f"{arguments.megabytes:g} MB of text")
    print(f"{'tool':16s} {'MB/s/core':>9s} {'numba is faster by':>18s} {'error':>7s}")
    rates = {tool: float(np.median([each["rate"] for each in runs])) for tool, runs in found.items()}
    for tool, runs in found.items():
        print(f"{tool:16s} {rates[tool]:9.1f} {rates['dedupe, numba'] / rates[tool]:18.1f} {runs[0]['error']:7.4f}")
    return int(any(run["error"] > MOST_ERROR for runs in found.values() for run in runs))


if __name__ == "__main__":
    sys.exit(main())
