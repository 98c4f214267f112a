"""Execution rates of sub-blocks by group of images, as a heat map."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_routing.analysis.charts.style import chart


def draw_execution_rates(
    rates: Mapping[str, Mapping[str, Any]], path: str | os.PathLike[str], title: str = "Execution rate"
) -> None:
    """Draws one row per group and one column per sub-block, in order of depth.

    Args:
        rates: Dict from group name to the execution rates `(sub_blocks,)` by decision name.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no group.

    Example:

    >>> import tempfile
    >>> draw_execution_rates({"trees": {"controller_1": [1.0, 0.2]}}, tempfile.mkdtemp() + "/rates.png")

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, Fig. 7.
    """
    if not rates:
        raise ValueError("`rates` must hold at least one group. Received: none")
    table = np.array([np.concatenate([np.asarray(each) for each in group.values()]) for group in rates.values()])
    decisions = next(iter(rates.values()))
    widths = [len(each) for each in decisions.values()]
    starts = np.cumsum([0, *widths[:-1]])
    with chart(path, (2 + 0.25 * table.shape[1], 1.8 + 0.25 * len(table)), title) as figure:
        axes = figure.subplots()
        picture = axes.imshow(table, vmin=0, vmax=1, aspect="auto")
        axes.set_yticks(range(len(table)), [name.replace("_", " ") for name in rates])
        axes.set_xticks(starts + (np.array(widths) - 1) / 2, [name.rpartition("_")[2] for name in decisions])
        for start in starts[1:]:
            axes.axvline(start - 0.5, color="white", linewidth=1)
        axes.set_xlabel("block, each with its sub-blocks")
        figure.colorbar(picture, ax=axes, label="share of images", shrink=0.8)
