"""A grid of small images, each under a title of its own."""

import os
from collections.abc import Sequence

import numpy as np

from tf_routing.analysis.charts.displayed import displayed
from tf_routing.support.files import whole_file
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

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, Fig. 4.
    """
    from matplotlib.figure import Figure

    positive_integer("columns", columns)
    if not 0 < len(images) == len(titles):
        raise ValueError(f"`titles` must be one per image. Received: {len(titles)} titles of {len(images)} images")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    width, height = max(_WIDTH * columns, 0.095 * len(title)), _TOP + _HEIGHT * rows
    # Set by hand: a layout that is solved takes seconds for so many axes.
    figure = Figure(figsize=(width, height))
    spaces = {"hspace": _TITLE / (_HEIGHT - _TITLE), "wspace": 0.08, "top": 1 - (_TOP + _TITLE) / height}
    grid = figure.subplots(
        rows, columns, squeeze=False, gridspec_kw={"left": 0.01, "right": 0.99, "bottom": 0.01, **spaces}
    ).ravel()
    for axes in grid:
        axes.axis("off")
    # The last row may have room to spare.
    for axes, image, name in zip(grid, images, titles, strict=False):
        axes.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…", fontsize=8)
    figure.suptitle(title, fontsize=10, y=1 - _TOP / 2 / height, va="center")
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)
