"""Compare ways to find near-duplicate documents: is the answer right, how fast, how much memory.

    python benchmarks/near_duplicates.py --rivals-python RIVALS/bin/python --megabytes 20 100
    python benchmarks/near_duplicates.py --files --textdedup-python T/bin/python --datatrove-python D/bin/python

Question: a list of texts in, the documents to remove and their keepers out, word 5-shingles, 128 permutations,
resemblance at least .8. Each tool runs in a fresh process, on one thread, through the best path we know for it. With
`--files` the question is files to files: JSON lines in, those of the documents that stay out.

The answer is checked first, on a small corpus, against all pairs compared as Python sets:
- *wrong*: removals whose document and keeper (for tools that only flag: any other document) do not reach the threshold.
- *missed*: pairs at or above the threshold of which both stay. A tool that flags keepers too misses nothing by deleting
  every copy; the column *lost* counts clusters of which nothing stays.

What the figures do not show: the corpus is made by generate.py, so see there; tools that verify nothing are compared
with one that counts every pair; reading files is in the times of `--files` only, and loading compiled code only in
*first s*. *dedupe, clean* does far more than the question asks: it cleans every document and writes a ledger.
Rivals: pip install datasketch rensa gaoya FastSketchLSH xxhash, in an environment of their own; text-dedup and
"datatrove[processing,io]" in one each.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "rivals"))
from tokens import shingles  # noqa: E402  # the tools' own tokens, from the folder just added

OURS = {"dedupe, NumPy": {"DEDUPE_FAST": "0"}, "dedupe, numba": {"DEDUPE_FAST": "1"}}
RIVALS = ("datasketch_stream", "rensa_clusters", "rensa_flags", "fastsketch_flags", "gaoya_words")
FILE_RIVALS = ("textdedup_files", "datatrove_files")
SLOW = (*FILE_RIVALS, "dedupe, clean")  # measured once: they have nothing to load that would not be loaded again


@dataclass(frozen=True)
class Answer:
    tool: str
    megabytes_a_second: float
    first_seconds: float
    memory_megabytes: float
    removals: list[tuple[int, int]]


def ask(tool: str, corpus: Path, arguments: argparse.Namespace) -> Answer | None:
    """Run a tool in a process of its own; None if its package is missing."""
    rival = {"textdedup_files": arguments.textdedup_python, "datatrove_files": arguments.datatrove_python}
    python = sys.executable if tool.startswith("dedupe") else rival.get(tool, arguments.rivals_python)
    ours = ("ours_files" if arguments.files else "ours") if tool in OURS else "ours_clean"
    script = HERE / "rivals" / f"{ours if tool.startswith('dedupe') else tool}.py"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.json"
        command = [python, str(script), str(corpus), str(path), "--min-resemblance", str(arguments.min_resemblance)]
        repeat = 1 if tool in SLOW else arguments.repeat
        done = subprocess.run(
            [*command, "--repeat", str(repeat)], env=os.environ | OURS.get(tool, {}), capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            print(f"{tool}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}", file=sys.stderr)
            return None
        found = json.loads(path.read_text())
    megabytes = found["num_bytes"] / 1e6
    removals = [(doc, keeper) for doc, keeper in found["removals"]]
    return Answer(
        tool, megabytes / found["cpu_seconds"], found["first_cpu_seconds"], found["memory_bytes"] / 1e6, removals
    )


def true_pairs(texts: list[str], min_resemblance: float) -> dict[int, set[int]]:
    """Compare all pairs; the documents each one reaches the threshold with."""
    sets = [frozenset(shingles(text)) for text in texts]
    alike: dict[int, set[int]] = defaultdict(set)
    for one, two in combinations(range(len(sets)), 2):
        least, most = sorted((len(sets[one]), len(sets[two])))
        if least < min_resemblance * most or not least:
            continue
        common = len(sets[one] & sets[two])
        if common >= min_resemblance * (least + most - common):
            alike[one].add(two)
            alike[two].add(one)
    return alike


def judge(answer: Answer, alike: dict[int, set[int]]) -> str:
    wrong = sum((keeper not in alike[doc]) if keeper >= 0 else not alike[doc] for doc, keeper in answer.removals)
    gone = {doc for doc, _ in answer.removals}
    pairs = [(one, two) for one, others in alike.items() for two in others if one < two]
    missed = sum(one not in gone and two not in gone for one, two in pairs)
    lost = sum(doc in gone and others <= gone for doc, others in alike.items() if others and min(others) > doc)
    return (
        f"{1 - wrong / max(1, len(answer.removals)):9.4f} {1 - missed / max(1, len(pairs)):9.4f} "
        f"{len(answer.removals):9d} {lost:6d}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals-python", help="interpreter of an environment with the rivals")
    parser.add_argument("--files", action="store_true", help="from files to files")
    parser.add_argument("--textdedup-python", help="interpreter of an environment with text-dedup")
    parser.add_argument("--datatrove-python", help="interpreter of an environment with datatrove")
    parser.add_argument("--check-megabytes", type=float, default=4.0)
    parser.add_argument("--megabytes", type=float, nargs="*", default=[20.0])
    parser.add_argument("--min-resemblance", type=float, default=0.8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3, help="the fastest run of a process counts")
    parser.add_argument("--rounds", type=int, default=1, help="processes of each tool, turn about; medians are told")
    arguments = parser.parse_args()
    tools = [*OURS, *(RIVALS if arguments.rivals_python else ())]
    if arguments.files:
        pythons = (arguments.textdedup_python, arguments.datatrove_python)
        tools = [*OURS, "dedupe, clean", *(tool for tool, python in zip(FILE_RIVALS, pythons, strict=True) if python)]
    with tempfile.TemporaryDirectory() as folder:
        checked = [tool for tool in tools if tool != "dedupe, clean"]  # it takes articles inside longer pages, too
        is_right = check(checked, make(Path(folder), arguments.check_megabytes, arguments.seed + 1), arguments)
        for megabytes in arguments.megabytes:
            time_tools(tools, make(Path(folder), megabytes, arguments.seed), megabytes, arguments)
    return 0 if is_right else 1


def make(folder: Path, megabytes: float, seed: int) -> Path:
    corpus = folder / f"corpus-{megabytes}.jsonl"
    command = [sys.executable, str(HERE / "generate.py"), str(corpus), "--megabytes", str(megabytes)]
    subprocess.run([*command, "--seed", str(seed)], check=True)
    return corpus


def check(tools: list[str], corpus: Path, arguments: argparse.Namespace) -> bool:
    with corpus.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    alike = true_pairs(texts, arguments.min_resemblance)
    num_pairs = sum(map(len, alike.values())) // 2
    print(f"{len(texts)} documents, {num_pairs} pairs of resemblance {arguments.min_resemblance} and above\n")
    print(f"{'tool':20s} {'precision':>9s} {'recall':>9s} {'removals':>9s} {'lost':>6s}")
    is_right = True
    for tool in tools:
        answer = ask(tool, corpus, arguments)
        if answer is not None:
            line = judge(answer, alike)
            print(f"{tool:20s} {line}")
            precision, recall, _, lost = map(float, line.split())
            is_right &= tool not in OURS or (precision == 1 and recall >= 0.99 and lost == 0)
    print()
    return is_right


def time_tools(tools: list[str], corpus: Path, megabytes: float, arguments: argparse.Namespace) -> None:
    runs: dict[str, list[Answer]] = defaultdict(list)
    for _ in range(arguments.rounds):
        for tool in tools:
            answer = ask(tool, corpus, arguments)
            if answer is not None:
                runs[tool].append(answer)
    rates = {tool: median(each.megabytes_a_second for each in answers) for tool, answers in runs.items()}
    fastest = rates.get("dedupe, numba", 0.0)
    print(f"{megabytes:g} MB of text")
    print(f"{'tool':20s} {'MB/s/core':>9s} {'numba by':>9s} {'first s':>9s} {'memory MB':>9s} {'removals':>9s}")
    for tool, answers in runs.items():
        first = median(each.first_seconds for each in answers)
        memory = median(each.memory_megabytes for each in answers)
        print(
            f"{tool:20s} {rates[tool]:9.2f} {fastest / rates[tool]:9.1f} {first:9.2f} {memory:9.0f} "
            f"{len(answers[0].removals):9d}"
        )
    print(flush=True)


if __name__ == "__main__":
    sys.exit(main())
