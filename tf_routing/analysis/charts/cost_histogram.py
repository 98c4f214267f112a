"""How many images execute how much, as a histogram."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_routing.analysis.charts.style import BLUE, GREY, RED, chart

_BINS = 40


def draw_cost_histogram(
    macs: Sequence[float] | np.ndarray,
    path: str | os.PathLike[str],
    static: float | None = None,
    title: str = "Executed cost",
) -> None:
    """Draws the share of images by the multiply-accumulates that they execute, with the mean.

    Args:
        macs: Array `(images,)`, multiply-accumulates executed per image.
        path: Picture to write; its ending tells the format.
        static: Float, multiply-accumulates of a network that runs all, drawn as a line.
        title: Title of the picture.

    Raises:
        ValueError: If there is no image.

    Example:

    >>> import tempfile
    >>> draw_cost_histogram([2.1e9, 2.4e9, 3.0e9], tempfile.mkdtemp() + "/cost.png", static=4.1e9)

    Reference:
        Su et al. (2019), *Dynamic Multi-path Neural Network*, arXiv:1902.10949, Fig. 5.
    """
    values = np.asarray(macs, "float64") / 1e6
    if not values.size:
        raise ValueError("`macs` must hold at least one image. Received: none")
    with chart(path, (8, 4.2), title) as figure:
        axes = figure.subplots()
        axes.hist(values, _edges(values), weights=np.full(len(values), 1 / len(values)), color=BLUE)
        axes.axvline(values.mean(), color=RED, linewidth=1.5, label=f"mean, {values.mean():,.4g}")
        if static is not None:
            axes.axvline(static / 1e6, color=GREY, linestyle="--", label=f"everything run, {static / 1e6:,.4g}")
        axes.set(xlabel="executed multiply-accumulates per image, millions", ylabel="share of the images")
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside lower center", ncols=2)


def _edges(values: np.ndarray) -> Any:
    # Images that all execute the same still make a bar that can be seen.
    spread = float(values.max() - values.min())
    return _BINS if spread > 0 else np.array([values.min() * 0.98, values.min() * 1.02 + 1e-9])
