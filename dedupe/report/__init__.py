"""Write what a run removed, for programs and for people, and read it back.

In reading order: view (one shape for runs in memory and on disk), text (scraped text made safe to show), ledger
(removals.jsonl), reading (the way back), restore (the original back), diff (a patch), table and explain (terminals),
markdown, csv, sarif (other people's tools); reasons (what evidence means). The HTML report is in `dedupe.review`.
"""

from dedupe.report.csv import csv_lines
from dedupe.report.diff import diff_of, unified_diff
from dedupe.report.explain import explain
from dedupe.report.ledger import SCHEMA, ledger_lines
from dedupe.report.markdown import markdown
from dedupe.report.reading import LedgerStream, iter_entries, iter_ledger, read_ledger
from dedupe.report.restore import restore
from dedupe.report.sarif import sarif
from dedupe.report.table import summary_lines, table
from dedupe.report.text import one_line, visible
from dedupe.report.view import DocRow, Entry, Ledger, Run, Source, Summary, entries, entry_of, place_text

__all__ = [
    "SCHEMA", "DocRow", "Entry", "Ledger", "LedgerStream", "Run", "Source", "Summary", "csv_lines", "diff_of",
    "entries", "entry_of", "explain", "iter_entries", "iter_ledger", "ledger_lines", "markdown", "one_line",
    "place_text", "read_ledger", "restore", "sarif", "summary_lines", "table", "unified_diff", "visible",
]  # fmt: skip
