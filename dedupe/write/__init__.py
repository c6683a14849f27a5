"""Write cleaned texts and records, each file whole or not at all.

Reading order: `replace` (one file, in one step), `plan` (where outputs go below a folder).
"""

from dedupe.write.plan import plan_outputs
from dedupe.write.replace import refuse_inputs, replacing, write_text

__all__ = ["plan_outputs", "refuse_inputs", "replacing", "write_text"]
