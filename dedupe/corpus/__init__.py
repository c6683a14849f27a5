"""Clean corpora larger than memory, shard by shard, with what repeats across documents.

Reading order: `tasks` (what is asked of an engine), `lots` (units of work), `prepare` with `keeping` and `sites`
(texts to artefacts), `artefacts` (reading them), `near` with `containment` (near-duplicate documents), `outside`
(what was found, by document), `people` (decisions), `apply` (texts to cleaned shards), `parts` (the ledger),
`folder`, `run` (the order).
"""

from dedupe.corpus.run import CorpusTotals, run_corpus

__all__ = ["CorpusTotals", "run_corpus"]
