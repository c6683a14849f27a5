"""Measure which share of a run the judgement of debris takes.

    python benchmarks/generate.py corpus.jsonl --megabytes 50 --seed 1
    python benchmarks/judgement_time.py corpus.jsonl

The corpus is cleaned once by one process with nothing changed but a clock around `judge`: the features and the model.
Times are of the processor, so that other work on the machine counts little. What this does not show: cues, which the
judgement reads but the rules ask for, too, and the rules, which take up what it says.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from dedupe import clean, pipeline
from dedupe.cli import app

_JUDGE = pipeline.judge
_WARM_UP = "The ferry ran again on Monday after three weeks of repairs.\n\nAlso read: Rivers rise\n"


class Clock:
    """Add up the seconds of the processor that `judge` takes."""

    seconds = 0.0

    def judge(self, *given: Any, **named: Any) -> Any:
        started = time.process_time()
        judged = _JUDGE(*given, **named)
        self.seconds += time.process_time() - started
        return judged


def run(corpus: Path) -> tuple[float, float]:
    """Clean a corpus and give the seconds of the run and those of the judgement."""
    clean(_WARM_UP)  # loads weights, cues and compiled kernels
    clock = Clock()
    pipeline.judge = clock.judge
    with tempfile.TemporaryDirectory() as folder:
        out, report = Path(folder) / "out", Path(folder) / "report"
        started = time.process_time()
        app(["clean", str(corpus), "-o", str(out), "--report", str(report), "--jobs", "1", "-q"], standalone_mode=False)
        return time.process_time() - started, clock.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    whole, judged = run(parser.parse_args().corpus)
    print(f"{whole:.1f} s, of which judgement {judged:.1f} s: {judged / whole:.0%} of the run, "
          f"{judged / (whole - judged):.0%} on top of the rest")


if __name__ == "__main__":
    main()
