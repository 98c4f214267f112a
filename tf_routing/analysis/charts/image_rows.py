"""Rows of small images, a label beside each row."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.images import show_image
from tf_routing.analysis.charts.style import chart, measure_label

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

    Reference:
        Wang et al. (2020), *Dynamic Routing with Path Diversity and Consistency for Compact Network Learning*,
        arXiv:2005.14439, Fig. 5 and 6.
    """
    if not rows or not all(len(row.images) for row in rows):
        raise ValueError(f"`rows` must hold rows of images. Received: {[len(row.images) for row in rows]} images")
    columns = max(len(row.images) for row in rows)
    margin = 0.3 + max(measure_label(row.label) for row in rows)
    width = max(margin + columns, measure_label(title))
    with chart(path, (width, 0.6 + 1.2 * len(rows)), title) as figure:
        for row, axes in zip(rows, figure.subplots(len(rows), columns, squeeze=False), strict=True):
            _draw_row(row, axes)


def _draw_row(row: ImageRow, axes: Any) -> None:
    axes[0].set_ylabel(row.label, rotation=0, ha="right", va="center", fontsize=8)
    # `zip` alone is strict about images and titles; the axes may be more.
    for place, (image, title) in zip(axes, zip(row.images, row.titles, strict=True), strict=False):
        show_image(place, image, title, _LETTERS)
    for spare in axes[len(row.images) :]:
        spare.set_visible(False)
