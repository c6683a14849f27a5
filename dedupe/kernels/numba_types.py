"""Name the types of what kernels take and give; a READ one takes arrays that may be read-only."""

from __future__ import annotations

from dedupe.kernels import load_numba

types = load_numba().types
I64, U32, U64, F64, BOOL = types.int64, types.uint32, types.uint64, types.float64, types.boolean

READ_BYTES, BYTES = types.Array(types.uint8, 1, "C", readonly=True), types.Array(types.uint8, 1, "C")
READ_FLAGS, FLAGS = types.Array(BOOL, 1, "C", readonly=True), types.Array(BOOL, 1, "C")
READ_OFFSETS, OFFSETS = types.Array(I64, 1, "C", readonly=True), types.Array(I64, 1, "C")
READ_HASHES, HASHES = types.Array(U64, 1, "C", readonly=True), types.Array(U64, 1, "C")
READ_NUMBERS, NUMBERS = types.Array(U32, 1, "C", readonly=True), types.Array(U32, 1, "C")
READ_SHORTS = types.Array(types.uint16, 1, "C", readonly=True)
READ_PLACES, PLACES = types.Array(types.int32, 1, "C", readonly=True), types.Array(types.int32, 1, "C")
READ_NUMBER_TABLE, NUMBER_TABLE = types.Array(U32, 2, "C", readonly=True), types.Array(U32, 2, "C")
OFFSET_TABLE = types.Array(I64, 2, "C")
