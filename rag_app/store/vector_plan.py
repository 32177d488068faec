"""Which index a number of vectors gets: a pure function of their count, their length and the memory they may take.

This module knows nothing of FAISS or of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rag_app.datatypes import IndexKind, VectorCode

# Up to here all vectors are looked at. Measured on two cores: 50 million numbers (130 thousand vectors of 384) are read in
# 6 ms, which is what the lists of a million vectors take (docs/benchmarks.md, "Scale").
EXACT_NUMBERS = 50_000_000
_BYTES_OF_A_NUMBER = 4


@dataclass(frozen=True)
class VectorPlan:
    """How an index is to be made. `lists` is the number of inverted lists, 0 where all vectors are looked at."""

    kind: IndexKind
    code: VectorCode
    lists: int


def plan_vectors(count: int, dimension: int, memory_gb: float | None = None) -> VectorPlan:
    """Choose the kind of index, the code of its vectors and the number of lists.

    Args:
        count: number of vectors.
        dimension: length of a vector.
        memory_gb: memory that these vectors may take while they are searched, in 10^9 bytes; None for no limit.
    """
    numbers = count * dimension
    fits = memory_gb is None or numbers * _BYTES_OF_A_NUMBER <= memory_gb * 1e9
    if (fits and numbers <= EXACT_NUMBERS) or count == 0:
        return VectorPlan(IndexKind.EXACT, VectorCode.FLOAT32, lists=0)
    # About four times the square root: finding the nearest lists then takes about as long as reading one or two of them.
    lists = min(2 ** round(math.log2(4 * math.sqrt(count))), 2 ** int(math.log2(count)))
    return VectorPlan(IndexKind.IVF, VectorCode.FLOAT32 if fits else VectorCode.BYTE, lists)
