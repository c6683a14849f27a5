"""dedupe: `clean --near-duplicates drop`, which cleans every document and tells of it in a ledger as well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from file_harness import ids_in, run

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from dedupe.config import Config
from dedupe.corpus_api import clean_records
from dedupe.read import find_inputs
from dedupe.write import plan_outputs


def clean(corpus: Path, output: Path, min_resemblance: float) -> Callable[[], Iterable[str]]:
    inputs = find_inputs([str(corpus)])
    # an article inside a page is a near-duplicate by default, too: here only resemblance is asked for
    config = Config(near_duplicates="drop", min_resemblance=min_resemblance, min_containment=1.0)
    clean_records(inputs, plan_outputs(inputs, str(output)), config, report=f"{output}-report")
    return lambda: ids_in(output)


if __name__ == "__main__":
    run(clean)
