"""Chooses the fastest method of sparse execution for a block and for a batch, from measurements kept as data.

`measured.json` holds times relative to the static network, as `python benchmarks/methods.py` measured them.
"""

import json
from collections.abc import Sequence
from functools import cache
from math import log2
from typing import Any, NamedTuple

from tf_routing.core.protocols import HasSubBlocks
from tf_routing.support.hardware import has_avx512
from tf_routing.support.package_files import read_package_file

CHUNK = 8
"""Images per slice of a batch that runs in chunks: beyond, images of 224 pixels fall out of a processor's caches."""


class Choice(NamedTuple):
    """A way to run a block, and a way to run a batch; see `execution.METHODS` and `execution.BATCH_METHODS`."""

    method: str
    batch_method: str


def block_method(method: str, sub_block_count: int, image_size: int, batch: int | None) -> str:
    """Returns how a block runs a batch.

    Args:
        method: How it is set to run, one of `settings.METHODS`.
        sub_block_count: Integer, its sub-blocks.
        image_size: Integer, height and width of the model's images in pixels.
        batch: Integer, images per batch; `None` where it is known only when the model runs.

    Returns:
        One of `settings.METHODS` that is not `"auto"`.

    Raises:
        ValueError: If the block is set to a method that cannot run such a batch.
    """
    if method == "switch" and batch != 1:
        raise ValueError(f"`method='switch'` runs batches of one; this one has {batch or 'any number of'} images.")
    # Without a size there are no buckets: see `static_rows.runs_in_buckets`.
    if method != "auto" and not (method == "buckets" and batch is None):
        return method
    fastest = best(sub_block_count, image_size, batch).method
    # The nearest size measured may be one image, or images that ran one by one: what won there can run no others.
    runs = fastest != "switch" or batch == 1
    return fastest if runs else best(sub_block_count, image_size, None).method


def batch_method(blocks: Sequence[Any], image_size: int, batch: int | None) -> str:
    """Returns how a model runs a batch.

    Args:
        blocks: Its gated blocks.
        image_size: Integer, height and width of its images in pixels.
        batch: Integer, images per batch; `None` where it is known only when the model runs.

    Returns:
        One of `settings.BATCH_METHODS` that is not `"auto"`.
    """
    # Leaving early was not measured in slices.
    counts = [len(block.sub_blocks) for block in blocks if isinstance(block, HasSubBlocks)]
    return best(max(counts), image_size, batch).batch_method if counts else "whole"


@cache
def best(sub_block_count: int, image_size: int, batch: int | None, avx512: bool | None = None) -> Choice:
    """Returns the fastest measured way on a machine like this one.

    Args:
        sub_block_count: Integer, sub-blocks per block; of this and what follows the nearest number measured counts.
        image_size: Integer, height and width of the model's images in pixels.
        batch: Integer, images per batch; `None` where it is known only when the model runs, which some ways cannot do
            with.
        avx512: Boolean, whether the processor has AVX-512; asked of this machine where not given.
    """
    rows = _nearest(_measured(), "avx512", has_avx512() if avx512 is None else avx512)
    rows = _nearest(_nearest(rows, "sub_blocks", sub_block_count), "image_size", image_size)
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
    return json.loads(read_package_file("tf_routing.execution", "measured.json"))["rows"]
