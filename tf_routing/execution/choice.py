"""Chooses how sparse execution goes about it, from measurements kept as data.

`measured.json` holds times relative to the static network, as `python benchmarks/methods.py` measured them.
"""

import json
from functools import cache
from importlib import resources
from math import log2
from pathlib import Path
from typing import Any, NamedTuple


class Choice(NamedTuple):
    """A way to run a block, and a way to run a batch; see `execution.METHODS` and `execution.BATCH_METHODS`."""

    method: str
    batch_method: str


def block_method(block: Any, batch: int | None) -> str:
    """Returns how a block runs a batch of this size (`None`: known only when it runs)."""
    if block.method == "switch" and batch != 1:
        raise ValueError(f"`method='switch'` runs batches of one; this one has {batch or 'any number of'} images.")
    return best(len(block.sub_blocks), batch).method if block.method == "auto" else block.method


def batch_method(blocks: list[Any], batch: int | None) -> str:
    """Returns how a model with these gated blocks runs a batch of this size (`None`: known only when it runs)."""
    return best(max(len(block.sub_blocks) for block in blocks), batch).batch_method


@cache
def best(sub_blocks: int, batch: int | None, avx512: bool | None = None) -> Choice:
    """Returns the fastest measured way on a machine like this one.

    Args:
        sub_blocks: Integer, sub-blocks per block; the nearest number measured counts.
        batch: Integer, images per batch, the nearest number measured counts; `None` where it is known only when the
            model runs, which some ways cannot do with.
        avx512: Boolean, whether the processor has AVX-512; asked of this machine where not given.
    """
    rows = _nearest(_measured(), "avx512", _has_avx512() if avx512 is None else avx512)
    rows = _nearest(rows, "sub_blocks", sub_blocks)
    if batch is not None:
        return _fastest(_nearest(rows, "batch", batch))
    return _fastest([row for row in rows if row["any_batch"]])


def _nearest(rows: list[dict[str, Any]], key: str, wanted: float) -> list[dict[str, Any]]:
    nearest = min((row[key] for row in rows), key=lambda value: abs(log2(1 + value) - log2(1 + wanted)))
    return [row for row in rows if row[key] == nearest]


def _fastest(rows: list[dict[str, Any]]) -> Choice:
    ratios: dict[Choice, list[float]] = {}
    for row in rows:
        ratios.setdefault(Choice(row["method"], row["batch_method"]), []).append(row["ratio"])
    return min(ratios, key=lambda choice: sum(ratios[choice]) / len(ratios[choice]))


@cache
def _measured() -> list[dict[str, Any]]:
    return json.loads(resources.files("tf_routing.execution").joinpath("measured.json").read_text("utf-8"))["rows"]


@cache
def _has_avx512() -> bool:
    description = Path("/proc/cpuinfo")
    return description.exists() and "avx512f" in description.read_text("utf-8")
