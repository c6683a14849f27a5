"""Clean corpora larger than memory, shard by shard, with what repeats across documents.

Reading order:

    tasks, lots            what is asked of an engine; units of work
    prepare, artefacts     texts to artefacts, with `keeping` and `sites`; reading them
    near                   near-duplicate documents: `bands` and `connect` where bands are shuffled, `containment` and
                           `inside` for articles inside pages, `groups` and `settle` for the keepers
    boilerplate, learned   what recurs on a site, with `forms`; looking it up
    shared, passage        passages that documents share, with `sole` and `spans`; findings of them
    locate                 where examples and sources stand
    outside, people        all that was found, by document; decisions
    apply, parts           texts to cleaned shards; the ledger
    folder, run            the folder of a run; the order of all this

`memory` does near-duplicates of texts at hand without any of it.
"""

from dedupe.corpus.run import CorpusTotals, run_corpus

__all__ = ["CorpusTotals", "run_corpus"]
