"""Keep an index of documents on disk, and ask it what it has of new ones.

    probe.py     samples that tell whether an index and this version treat texts alike
    layout.py    the folder: manifest, names, columns; what must agree between index and program
    locks.py     one writer at a time, files kept while somebody reads
    files.py     Parquet tables and flat files with checksums
    segment.py   documents in files that never change
    intake.py    documents -> segments
    view.py      all segments of one manifest as one list of documents
    merge.py     which segments are merged, and how
    change.py    begin, add, remove, compact: each one write of the manifest
    search.py    texts -> documents that match, passages they share
    answers.py   the same with names and places
    source.py    documents of files, runs and programs
    index.py     KeptIndex, which people use
    meeting.py   a run and an index: candidates, and the artefacts of both as one
    pages.py     pages of an index count where a run counts the lines of a site
    against.py   all that a run asks of an index

What it does not do: decide. dedupe.corpus does, for `dedupe clean --against`.
"""

from dedupe.kept.index import KeptIndex

__all__ = ["KeptIndex"]
