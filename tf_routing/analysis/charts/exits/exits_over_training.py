"""Where images leave networks that leave early, epoch by epoch."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_routing.support.files import whole_file

_COLUMNS = 4
# Longer names of columns stand upright.
_LETTERS = 2


def draw_exits_over_training(
    shares: Mapping[str, Mapping[str, Sequence[float]]],
    path: str | os.PathLike[str],
    title: str = "Where images leave, over training",
) -> None:
    """Draws one heat map per network, with one row per epoch, the first on top, and one column per exit.

    Args:
        shares: Dict from a network's label to the share of images that leaves at each of its exits, by name and after
            each epoch, the first first.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no network, or one has no epoch or other numbers of epochs for its exits.

    Example:

    >>> import tempfile
    >>> shares = {"cost 0": {"exit_1": [1.0, 0.7, 0.4], "exit_2": [0.0, 0.3, 0.6]}}
    >>> draw_exits_over_training(shares, tempfile.mkdtemp() + "/over_training.png")

    Reference: McGill and Perona, *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*, Fig. 8.
    """
    from matplotlib.figure import Figure

    if not shares:
        raise ValueError("`shares` must hold at least one network. Received: none")
    tables = [_table(label, own) for label, own in shares.items()]
    columns = min(len(tables), _COLUMNS)
    rows = -(-len(tables) // columns)
    panel = max(0.8 + 0.22 * max(table.shape[1] for table in tables), 0.085 * max(map(len, shares)), 2)
    width = max(1.2 + columns * panel, 0.095 * len(title))
    figure = Figure(figsize=(width, 1 + 2.8 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    # The last row may have room to spare.
    for axes in grid[len(tables) :]:
        axes.set_visible(False)
    for axes, table, (label, own) in zip(grid, tables, shares.items(), strict=False):
        picture = _draw_table(axes, table, [name.removeprefix("exit_").replace("_", ".") for name in own])
        axes.set_title(label, fontsize=9)
    figure.colorbar(picture, ax=list(grid), label="share of images", shrink=0.8)
    figure.suptitle(title, fontsize=11)
    figure.supxlabel("exit", fontsize=9)
    figure.supylabel("epoch", fontsize=9)
    with whole_file(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _table(label: str, shares: Mapping[str, Sequence[float]]) -> np.ndarray:
    """The shares as an array `(epochs, exits)`."""
    epochs = {name: len(own) for name, own in shares.items()}
    if len(set(epochs.values())) != 1 or 0 in epochs.values():
        raise ValueError(f"`shares` must hold as many epochs for each exit. Received: {label!r} with {epochs}")
    return np.array(list(shares.values())).T


def _draw_table(axes: Any, table: np.ndarray, names: Sequence[str]) -> Any:
    """Draws one map, and returns it."""
    from matplotlib.ticker import MaxNLocator

    epochs, exits = table.shape
    # Both are counted from 1.
    edges = (0.5, exits + 0.5, epochs + 0.5, 0.5)
    picture = axes.imshow(table, vmin=0, vmax=1, cmap="viridis", aspect="auto", interpolation="nearest", extent=edges)
    axes.set_xticks(range(1, exits + 1), names, rotation=90 if max(map(len, names)) > _LETTERS else 0)
    # A single tick is enough: with more, the axis of one epoch would show fractions.
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.tick_params(labelsize=7)
    return picture
