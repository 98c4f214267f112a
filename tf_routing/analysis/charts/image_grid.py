"""A grid of small images with titles."""

import os
from collections.abc import Sequence

import numpy as np

from tf_routing.analysis.charts.images import show_image
from tf_routing.analysis.charts.style import chart, measure_title, shape_grid
from tf_routing.support.validation import positive_integer

_LETTERS = 13
# Inches of an image with its title, of that title, and above all.
_WIDTH, _HEIGHT, _TITLE, _TOP = 0.85, 1.05, 0.25, 0.3


def draw_image_grid(
    images: np.ndarray, titles: Sequence[str], path: str | os.PathLike[str], columns: int = 10, title: str = "Images"
) -> None:
    """Draws images row by row.

    Args:
        images: Array `(count, height, width, channels)` with values in [0, 1].
        titles: One title per image.
        path: Picture to write; its ending tells the format.
        columns: Integer, images of a row.
        title: Title of the picture.

    Raises:
        ValueError: If there is no image, other than one title per image, or no column.

    Example:

    >>> import tempfile
    >>> draw_image_grid(np.ones((3, 8, 8, 3)), ["cat", "dog", "cat"], tempfile.mkdtemp() + "/grid.png", columns=2)

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, Fig. 4.
    """
    positive_integer("columns", columns)
    if not 0 < len(images) == len(titles):
        raise ValueError(f"`titles` must be one per image. Received: {len(titles)} titles of {len(images)} images")
    rows, columns = shape_grid(len(images), columns)
    width, height = max(_WIDTH * columns, measure_title(title)), _TOP + _HEIGHT * rows
    # Set by hand: a layout that is solved takes seconds for so many axes.
    with chart(path, (width, height), layout=None) as figure:
        spaces = {"hspace": _TITLE / (_HEIGHT - _TITLE), "wspace": 0.08, "top": 1 - (_TOP + _TITLE) / height}
        edges = {"left": 0.01, "right": 0.99, "bottom": 0.01}
        grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={**edges, **spaces}).ravel()
        for axes in grid:
            axes.axis("off")
        # The last row may have room to spare.
        for axes, image, name in zip(grid, images, titles, strict=False):
            show_image(axes, image, name, _LETTERS)
        figure.suptitle(title, y=1 - _TOP / 2 / height, va="center")
