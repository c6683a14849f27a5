"""datatrove 0.10: its four steps with the local executor, one task, bands as ours.

Its word tokenizers are slow (spaCy's) or want downloads; here it gets one that splits as ours does, by one pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.word_tokenizers import WordTokenizer
from file_harness import ids_in, run
from tokens import tokens

BANDS = {0.7: (25, 5), 0.8: (21, 6)}


class Words(WordTokenizer):
    def word_tokenize(self, text: str) -> list[str]:
        return tokens(text)

    def sent_tokenize(self, text: str) -> list[str]:
        raise NotImplementedError("MinHash asks for words only")

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        raise NotImplementedError("MinHash asks for words only")


def clean(corpus: Path, output: Path, min_resemblance: float) -> Callable[[], Iterable[str]]:
    bands, rows = BANDS[min_resemblance]
    config = MinhashConfig(n_grams=5, num_buckets=bands, hashes_per_bucket=rows)
    reader = JsonlReader(str(corpus.parent), glob_pattern=corpus.name)
    paths = {name: str(output / name) for name in ("signatures", "buckets", "ids", "out")}
    steps = [
        [reader, MinhashDedupSignature(paths["signatures"], config=config, language=Words())],
        [MinhashDedupBuckets(paths["signatures"], paths["buckets"], config=config)],
        [MinhashDedupCluster(paths["buckets"], paths["ids"], config=config)],
        [reader, MinhashDedupFilter(paths["ids"]), JsonlWriter(paths["out"], compression=None)],
    ]
    for number, pipeline in enumerate(steps):
        tasks = bands if number == 1 else 1
        LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=str(output / f"logs{number}")).run()
    return lambda: ids_in(output / "out")


if __name__ == "__main__":
    run(clean)
