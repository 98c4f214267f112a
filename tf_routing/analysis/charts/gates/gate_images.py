"""The images that open a gate widest and least, beside one made for it."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tf_routing.analysis.charts.displayed import displayed
from tf_routing.analysis.gate_ascent import Synthesis
from tf_routing.support.files import whole_file
from tf_routing.support.validation import positive_integer

# Inches: an image, the value above it, a heading, the space between parts, and the edge of the picture.
_IMAGE, _VALUE, _HEADING, _SPACE, _EDGE = 0.56, 0.15, 0.22, 0.22, 0.12
_ROWS, _PANELS = 2, 2


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


def extreme_indices(values: np.ndarray, count: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Finds the images with the highest and the lowest values of a gate.

    Args:
        values: Array `(images,)`.
        count: Integer, how many of each; all where there are fewer.

    Returns:
        Pair of index arrays: of the highest values, the highest first; and of the lowest, the lowest first. Of equal
        values the earlier image comes first.

    Raises:
        ValueError: If `count` is not a positive integer.

    Example:

    >>> highest, lowest = extreme_indices(np.array([0.2, 0.9, 0.1, 0.9]), count=2)
    >>> highest.tolist(), lowest.tolist()
    ([1, 3], [2, 0])
    """
    positive_integer("count", count)
    return np.argsort(-values, kind="stable")[:count], np.argsort(values, kind="stable")[:count]


def draw_gate_images(panels: Sequence[GateImages], path: str | os.PathLike[str], title: str = "Gates") -> None:
    """Draws one panel per gate: its highest images upper left, its lowest lower left, the made one on the right.

    Args:
        panels: What to show; two stand side by side.
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

    Reference: Tissera et al., *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, Fig. 9.
    """
    from matplotlib.figure import Figure

    _check(panels)
    columns = -(-max(len(panel.highest) for panel in panels) // _ROWS)
    half = _HEADING + _ROWS * (_IMAGE + _VALUE)
    inner = columns * _IMAGE + _SPACE + 2 * half - _HEADING
    panel_size = inner + 2 * _SPACE, _HEADING + 2 * half + _SPACE
    across, down = min(_PANELS, len(panels)), -(-len(panels) // _PANELS)
    sheet = _Sheet(Figure(), across * panel_size[0] - _SPACE, down * panel_size[1] + 0.35)
    for number, panel in enumerate(panels):
        left = _EDGE + number % _PANELS * panel_size[0]
        _draw_panel(sheet, panel, left, 0.35 + number // _PANELS * panel_size[1], columns, inner)
    sheet.write(title, sheet.width / 2, 0.2, ha="center", fontsize=11)
    with whole_file(path) as temporary:
        sheet.figure.savefig(temporary, dpi=150)


def _check(panels: Sequence[GateImages]) -> None:
    if not panels:
        raise ValueError("`panels` must hold at least one panel. Received: none")
    for panel in panels:
        counts = [len(each) for each in panel[1:5]]
        if min(counts) < 1 or counts[0] != counts[1] or counts[2] != counts[3]:
            raise ValueError(
                f"`panels` must hold images with one value each. Received: {panel.title!r} with {counts[0]} highest "
                f"images, {counts[1]} values, {counts[2]} lowest images, {counts[3]} values"
            )


class _Sheet:
    """A figure on which places are inches from the upper left corner: a layout that is solved takes seconds here."""

    def __init__(self, figure: Any, width: float, height: float) -> None:
        self.figure, self.width, self.height = figure, width, height
        figure.set_size_inches(width, height)

    def show(self, image: np.ndarray, left: float, top: float, side: float) -> None:
        """Draws an image into a square."""
        place = left / self.width, 1 - (top + side) / self.height, side / self.width, side / self.height
        axes = self.figure.add_axes(place)
        axes.imshow(displayed(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.axis("off")

    def write(self, text: str, left: float, top: float, **look: Any) -> None:
        """Writes text whose baseline is at a height."""
        self.figure.text(left / self.width, 1 - top / self.height, text, **look)


def _draw_panel(sheet: _Sheet, panel: GateImages, left: float, top: float, columns: int, width: float) -> None:
    sheet.write(panel.title, left + width / 2, top + 0.16, ha="center", fontsize=10, weight="bold")
    top += _HEADING
    half = _HEADING + _ROWS * (_IMAGE + _VALUE)
    parts = (("highest", panel.highest, panel.highest_values), ("lowest", panel.lowest, panel.lowest_values))
    for number, (heading, images, values) in enumerate(parts):
        _draw_images(sheet, f"{heading} gate values", images, values, left, top + number * half, columns)
    left += columns * _IMAGE + _SPACE
    first, last = panel.synthesis.scores[0], panel.synthesis.scores[-1]
    heading = f"synthesised, score before softmax from {first:.2f} to {last:.2f}"
    sheet.write(heading, left, top + 0.14, fontsize=8, color="#444444")
    sheet.show(panel.synthesis.image, left, top + _HEADING, 2 * half - _HEADING)


def _draw_images(
    sheet: _Sheet, heading: str, images: np.ndarray, values: np.ndarray, left: float, top: float, columns: int
) -> None:
    sheet.write(heading, left, top + 0.14, fontsize=8, color="#444444")
    for number, (image, value) in enumerate(zip(images, values, strict=True)):
        row, column = divmod(number, columns)
        x, y = left + column * _IMAGE, top + _HEADING + row * (_IMAGE + _VALUE)
        sheet.write(f"{value:.3f}", x + 0.47 * _IMAGE, y + 0.11, ha="center", fontsize=6)
        sheet.show(image, x, y + _VALUE, 0.94 * _IMAGE)
