"""Rows of small images, each row under a label of its own."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.displayed import displayed
from tf_routing.support.files import whole_file

_LETTERS = 15


class ImageRow(NamedTuple):
    """What one row shows.

    Args:
        label: What stands left of it, in one or several lines.
        images: Array `(count, height, width, channels)` with values in [0, 1].
        titles: One title per image.

    Example:

    >>> ImageRow("431 images", np.ones((1, 8, 8, 3)), ["cat"]).titles
    ['cat']
    """

    label: str
    images: np.ndarray
    titles: Sequence[str]


def draw_image_rows(rows: Sequence[ImageRow], path: str | os.PathLike[str], title: str) -> None:
    """Draws rows of images; they may differ in length.

    Args:
        rows: What to show.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no row, a row has no image, or other than one title per image.

    Example:

    >>> import tempfile
    >>> row = ImageRow("431 images", np.ones((2, 8, 8, 3)), ["cat", "dog"])
    >>> draw_image_rows([row], tempfile.mkdtemp() + "/rows.png", "Images by route")

    Reference: Wang et al., *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*, Fig. 5
    and 6.
    """
    from matplotlib.figure import Figure

    if not rows or not all(len(row.images) for row in rows):
        raise ValueError(f"`rows` must hold rows of images. Received: {[len(row.images) for row in rows]} images")
    columns = max(len(row.images) for row in rows)
    margin = 0.3 + 0.085 * max(len(line) for row in rows for line in row.label.splitlines())
    width = max(margin + columns, 0.085 * max(map(len, title.splitlines())))
    figure = Figure(figsize=(width, 0.6 + 1.2 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for row, axes in zip(rows, grid, strict=True):
        _draw_row(row, axes)
    figure.suptitle(title, fontsize=10)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _draw_row(row: ImageRow, axes: Any) -> None:
    for each in axes:
        # Not `axis("off")`, which would take the label away too.
        each.set(xticks=[], yticks=[])
        each.spines[:].set_visible(False)
    axes[0].set_ylabel(row.label, rotation=0, ha="right", va="center", fontsize=8)
    # `zip` alone is strict about images and titles; the axes may be more.
    for each, (image, title) in zip(axes, zip(row.images, row.titles, strict=True), strict=False):
        each.imshow(displayed(image), cmap="gray", interpolation="nearest")
        each.set_title(title if len(title) <= _LETTERS else f"{title[: _LETTERS - 1]}…", fontsize=8)
