"""Rows of small images, a label beside each row."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.images import show_image
from tf_routing.analysis.charts.style import NOTE, chart, measure_label

_LETTERS = 15
# Inches of a note.
_NOTE = 0.15


class ImageRow(NamedTuple):
    """What one row shows.

    Args:
        label: What stands left of it, in one or several lines.
        images: Array `(count, height, width, channels)` with values in [0, 1], or a list of images and `None` for
            places that stay empty.
        titles: One title per image.
        notes: One note per image, below it, or none.

    Example:

    >>> ImageRow("431 images", np.ones((1, 8, 8, 3)), ["cat"]).titles
    ['cat']
    """

    label: str
    images: np.ndarray | Sequence[np.ndarray | None]
    titles: Sequence[str]
    notes: Sequence[str] = ()


def draw_image_rows(rows: Sequence[ImageRow], path: str | os.PathLike[str], title: str) -> None:
    """Draws rows of images; they may differ in length.

    Args:
        rows: What to show.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no row, a row has no image, or other than one title, or note, per image.

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
    height = 1.2 + (_NOTE if any(row.notes for row in rows) else 0)
    with chart(path, (width, 0.6 + height * len(rows)), title) as figure:
        for row, axes in zip(rows, figure.subplots(len(rows), columns, squeeze=False), strict=True):
            _draw_row(row, axes)


def _draw_row(row: ImageRow, axes: Any) -> None:
    axes[0].set_ylabel(row.label, rotation=0, ha="right", va="center", fontsize=8)
    notes = row.notes or [""] * len(row.images)
    # Strict about what belongs to an image; the axes may be more.
    cells = zip(row.images, row.titles, notes, strict=True)
    for place, (image, title, note) in zip(axes, cells, strict=False):
        if image is None:
            _leave_empty(place, title)
            continue
        show_image(place, image, title, _LETTERS)
        place.set_xlabel(note, fontsize=NOTE, labelpad=2)
    for spare in axes[len(row.images) :]:
        spare.set_visible(False)


def _leave_empty(place: Any, title: str) -> None:
    # Not invisible: the row's label, and the title of a column, stand where they would.
    place.set(xticks=[], yticks=[])
    place.spines[:].set_visible(False)
    if title:
        place.set_title(title if len(title) <= _LETTERS else f"{title[: _LETTERS - 1]}…")
