"""Shares of images that leave at each exit, epoch by epoch, as heat maps."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tf_routing.analysis.charts.style import (
    add_panels,
    chart,
    count_in_integers,
    measure_label,
    measure_title,
    shape_grid,
)

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

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, Fig. 8.
    """
    if not shares:
        raise ValueError("`shares` must hold at least one network. Received: none")
    tables = [_as_table(label, by_exit) for label, by_exit in shares.items()]
    rows, columns = shape_grid(len(tables), _COLUMNS)
    panel = max(0.8 + 0.22 * max(table.shape[1] for table in tables), *map(measure_label, shares), 2)
    with chart(path, (max(1.2 + columns * panel, measure_title(title)), 1 + 2.8 * rows), title) as figure:
        panels = add_panels(figure, len(tables), _COLUMNS)
        for axes, table, (label, by_exit) in zip(panels, tables, shares.items(), strict=True):
            picture = _draw_table(axes, table, [name.removeprefix("exit_").replace("_", ".") for name in by_exit])
            axes.set_title(label)
        figure.colorbar(picture, ax=panels, label="share of images", shrink=0.8)
        figure.supxlabel("exit")
        figure.supylabel("epoch")


def _as_table(label: str, shares: Mapping[str, Sequence[float]]) -> np.ndarray:
    epochs = {name: len(by_epoch) for name, by_epoch in shares.items()}
    if len(set(epochs.values())) != 1 or 0 in epochs.values():
        raise ValueError(f"`shares` must hold as many epochs for each exit. Received: {label!r} with {epochs}")
    return np.array(list(shares.values())).T


def _draw_table(axes: Any, table: np.ndarray, names: Sequence[str]) -> Any:
    epochs, exits = table.shape
    # Both are counted from 1.
    edges = (0.5, exits + 0.5, epochs + 0.5, 0.5)
    picture = axes.imshow(table, vmin=0, vmax=1, aspect="auto", extent=edges)
    axes.set_xticks(range(1, exits + 1), names, rotation=90 if max(map(len, names)) > _LETTERS else 0)
    count_in_integers(axes.yaxis)
    return picture
