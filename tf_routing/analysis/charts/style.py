"""The one style of all charts: colours, sizes of text, axes, panels, and how a picture is written."""

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from tf_routing.support.extras import import_extra
from tf_routing.support.files import whole_file

BLUE, RED, GREEN, GREY = "#1f6fb4", "#c0392b", "#2e9d4f", "#7f8c8d"
PALETTE = (
    *(BLUE, RED, GREEN, "#8e44ad", "#e67e22", GREY),
    *("#16a085", "#d4ac0d", "#2c3e50", "#e84393", "#795548", "#00bcd4"),
)
"""Colours of what has no order, in the order in which they are taken."""
HEAT_MAP = "viridis"
"""Name of the colour map of shares and of whatever else has an order."""
# Of text and lines that stand back behind what is drawn.
INK, LINE, SHADE = "#444444", "#999999", "#eeeeee"
NOTE = 7
"""Font size of what stands inside panels, such as numbers beside marks."""
DOTS_PER_INCH = 120
# Inches of a letter, on average, in titles of pictures and in labels.
_TITLE_LETTER, _LABEL_LETTER = 0.105, 0.085
_SETTINGS: Any = {
    "font.size": 9,
    "figure.titlesize": 11,
    "figure.labelsize": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.cmap": HEAT_MAP,
    "image.interpolation": "nearest",
}


def import_matplotlib() -> Any:
    """Returns the module, or raises an `ImportError` that names the extra that brings it."""
    return import_extra("matplotlib", "figures", "A picture")


@contextlib.contextmanager
def chart(
    path: str | os.PathLike[str], size: tuple[float, float], title: str = "", layout: Any = "constrained"
) -> Iterator[Any]:
    """Yields an empty figure in this style, which is written when the block ends well.

    Args:
        path: Picture to write; its ending tells the format.
        size: Inches of width and height; the picture is wider where its title is.
        title: Title of the picture.
        layout: Matplotlib's layout engine; `None` where places are set by hand.
    """
    matplotlib = import_matplotlib()
    # Not pyplot: it keeps figures and picks a display of its own.
    from matplotlib.figure import Figure

    # Artists read the settings when they are made, so all of a chart is drawn inside the block; the user's are back
    # after it.
    with matplotlib.rc_context(_SETTINGS):
        figure = Figure(figsize=(max(size[0], measure_title(title)), size[1]), layout=layout)
        if title:
            figure.suptitle(title)
        yield figure
        with whole_file(path) as temporary:
            figure.savefig(temporary, dpi=DOTS_PER_INCH)


def pick_color(number: int) -> str:
    """Returns the colour of the thing of this number, from 0, among things without an order."""
    return PALETTE[number % len(PALETTE)]


def pick_ordered_colors(count: int) -> list[Any]:
    """Returns colours of things that have an order, dark to light."""
    # One more than asked for: the lightest is hard to see on white.
    colors = import_matplotlib().colormaps[HEAT_MAP].resampled(count + 1)
    return [colors(number) for number in range(count)]


def pick_many_colors(count: int) -> list[Any]:
    """Returns as many different colours as there are classes, more than a palette has."""
    return list(import_matplotlib().colormaps["turbo"](np.linspace(0.05, 0.95, count)))


def shape_grid(panels: int, across: int) -> tuple[int, int]:
    """Returns the rows and columns of panels of which at most `across` stand side by side."""
    columns = min(across, panels)
    return -(-panels // columns), columns


def add_panels(figure: Any, panels: int, across: int, sharey: bool = False) -> list[Any]:
    """Adds as many axes to a figure, at most `across` side by side, and returns them row by row."""
    grid = figure.subplots(*shape_grid(panels, across), squeeze=False, sharey=sharey).ravel()
    # The last row may have room to spare.
    for spare in grid[panels:]:
        spare.remove()
    return list(grid[:panels])


def measure_title(title: str) -> float:
    """Returns the inches that the title of a picture needs."""
    return _TITLE_LETTER * max(map(len, title.splitlines()), default=0)


def measure_label(label: str) -> float:
    """Returns the inches that a label needs."""
    return _LABEL_LETTER * max(map(len, label.splitlines()), default=0)


def count_in_integers(axis: Any, most: int | Literal["auto"] = "auto") -> None:
    """Puts ticks of an axis at integers only, with at most so many steps between them."""
    from matplotlib.ticker import MaxNLocator

    # A single tick is enough: with more, the axis of one epoch would show fractions.
    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))


def fix_layout(figure: Any) -> None:
    """Gives all axes their final place, for what is placed by it."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
