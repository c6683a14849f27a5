"""Keep an index of documents alive: put documents in, take them out, ask which ones a text nearly equals.

    index.py    `LiveIndex`: texts in, verified matches out
    memory.py   the store of one process: datasketch's MinHashLSH, and the shingles of each document
    shared.py   the store that processes share: the same buckets in Redis, a batch a transaction
    entry.py    a document as stores see it, and its shingles as bytes
"""

from dedupe.live.index import LiveIndex, Match

__all__ = ["LiveIndex", "Match"]
