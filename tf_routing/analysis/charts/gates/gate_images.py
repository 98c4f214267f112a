"""Images with the highest and the lowest values of a gate, and one that was synthesised for it."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.images import show_image
from tf_routing.analysis.charts.style import INK, NOTE, chart
from tf_routing.analysis.gate_ascent import Synthesis

# Inches: an image, the value above it, a heading, the space between parts, the edge of the picture, and
# the room for its title.
_IMAGE, _VALUE, _HEADING, _SPACE, _EDGE = 0.7, 0.18, 0.26, 0.26, 0.15
_TOP = 0.4
_ROWS = 2


class GateImages(NamedTuple):
    """What one gate answers to.

    Args:
        title: What stands above, such as the gate's address.
        highest: Images `(count, height, width, channels)` with values in [0, 1], the widest open first.
        highest_values: The gate's values for them, `(count,)`.
        lowest: Images of the lowest values, the least open first.
        lowest_values: The gate's values for them.
        synthesis: The image that was made for the gate, and how its score rose.

    Example:

    >>> images, made = np.ones((2, 8, 8, 3)), Synthesis(np.ones((8, 8, 3)), np.array([0.0, 2.0]))
    >>> GateImages("g[2][2,1]", images, np.array([0.9, 0.8]), images, np.array([0.1, 0.2]), made).title
    'g[2][2,1]'
    """

    title: str
    highest: np.ndarray
    highest_values: np.ndarray
    lowest: np.ndarray
    lowest_values: np.ndarray
    synthesis: Synthesis


def draw_gate_images(panels: Sequence[GateImages], path: str | os.PathLike[str], title: str = "Gates") -> None:
    """Draws one panel per gate: its highest images upper left, its lowest lower left, the made one on the right.

    Args:
        panels: What to show, one below the other: side by side, values would be too small to read on a page.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no panel, or a panel has no image or other than one value per image.

    Example:

    >>> import tempfile
    >>> images, values = np.ones((10, 8, 8, 3)), np.linspace(0, 1, 10)
    >>> made = Synthesis(images[0], np.array([0.0, 2.0]))
    >>> panel = GateImages("g[2][2,1]", images, values[::-1], images, values, made)
    >>> draw_gate_images([panel], tempfile.mkdtemp() + "/gates.png")

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 9.
    """
    _check_panels(panels)
    columns = -(-max(len(panel.highest) for panel in panels) // _ROWS)
    half = _HEADING + _ROWS * (_IMAGE + _VALUE)
    inner = columns * _IMAGE + _SPACE + 2 * half - _HEADING
    panel_size = inner + 2 * _SPACE, _HEADING + 2 * half + _SPACE
    size = panel_size[0] - _SPACE, len(panels) * panel_size[1] + _TOP
    # Placed by hand: a layout that is solved takes seconds for so many axes.
    with chart(path, size, layout=None) as figure:
        sheet = _Sheet(figure)
        for number, panel in enumerate(panels):
            _draw_panel(sheet, panel, _EDGE, _TOP + number * panel_size[1], columns, inner)
        figure.suptitle(title, y=1 - _TOP / 2 / size[1], va="center")


def _check_panels(panels: Sequence[GateImages]) -> None:
    if not panels:
        raise ValueError("`panels` must hold at least one panel. Received: none")
    for panel in panels:
        counts = [len(values) for values in panel[1:5]]
        if min(counts) < 1 or counts[0] != counts[1] or counts[2] != counts[3]:
            raise ValueError(
                f"`panels` must hold images with one value each. Received: {panel.title!r} with {counts[0]} highest "
                f"images, {counts[1]} values, {counts[2]} lowest images, {counts[3]} values"
            )


class _Sheet:
    """A figure on which places are inches from the upper left corner."""

    def __init__(self, figure: Any) -> None:
        self.figure = figure
        self.width, self.height = figure.get_size_inches()

    def show(self, image: np.ndarray, left: float, top: float, side: float) -> None:
        """Draws an image into a square."""
        place = left / self.width, 1 - (top + side) / self.height, side / self.width, side / self.height
        show_image(self.figure.add_axes(place), image)

    def write(self, text: str, left: float, top: float, **look: Any) -> None:
        """Writes text whose baseline is at a height."""
        self.figure.text(left / self.width, 1 - top / self.height, text, **look)


def _draw_panel(sheet: _Sheet, panel: GateImages, left: float, top: float, columns: int, width: float) -> None:
    sheet.write(panel.title, left + width / 2, top + 0.17, ha="center", weight="bold")
    top += _HEADING
    half = _HEADING + _ROWS * (_IMAGE + _VALUE)
    parts = (("highest", panel.highest, panel.highest_values), ("lowest", panel.lowest, panel.lowest_values))
    for number, (heading, images, values) in enumerate(parts):
        _draw_images(sheet, f"{heading} gate values", images, values, left, top + number * half, columns)
    left += columns * _IMAGE + _SPACE
    first, last = panel.synthesis.scores[0], panel.synthesis.scores[-1]
    heading = f"synthesised, score before softmax from {first:.2f} to {last:.2f}"
    sheet.write(heading, left, top + 0.17, color=INK)
    sheet.show(panel.synthesis.image, left, top + _HEADING, 2 * half - _HEADING)


def _draw_images(
    sheet: _Sheet, heading: str, images: np.ndarray, values: np.ndarray, left: float, top: float, columns: int
) -> None:
    sheet.write(heading, left, top + 0.17, color=INK)
    for number, (image, value) in enumerate(zip(images, values, strict=True)):
        row, column = divmod(number, columns)
        x, y = left + column * _IMAGE, top + _HEADING + row * (_IMAGE + _VALUE)
        sheet.write(f"{value:.3f}", x + 0.47 * _IMAGE, y + 0.13, ha="center", fontsize=NOTE)
        sheet.show(image, x, y + _VALUE, 0.94 * _IMAGE)
