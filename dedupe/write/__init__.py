"""Write cleaned texts and records, each file whole or not at all.

Reading order: `replace` (one file, in one step), `plan` (where outputs go below a folder), `shard` (records of any
format), `splice` (JSON lines and CSV), `columns`, `warc`, `compress`.
"""

from dedupe.write.plan import plan_outputs
from dedupe.write.replace import refuse_inputs, remove_leftovers, replacing, write_text
from dedupe.write.shard import ShardWriter

__all__ = ["ShardWriter", "plan_outputs", "refuse_inputs", "remove_leftovers", "replacing", "write_text"]
