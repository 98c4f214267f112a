"""The figures that the command line draws, by name, and what each may be asked.

What draws them is named here, not imported: lists and help must not wait for Keras.
"""

from typing import NamedTuple

from tf_routing.validation import unknown


class FigureKind(NamedTuple):
    """A figure by name.

    Args:
        draw: Function `"module.name"` of `tf_routing.train`, called with the path of the picture and the options that
            are given.
        options: Names of the options of the command that it takes.
    """

    draw: str
    options: tuple[str, ...]


FIGURES: dict[str, FigureKind] = {
    "error_curves": FigureKind("run_figures.error_curves", ("folders", "panel")),
    "exits": FigureKind("run_figures.exits", ("folders", "by")),
    "exits_over_training": FigureKind("run_figures.exits_over_training", ("folders",)),
    "samples": FigureKind("run_figures.samples", ("dataset", "data_dir", "seed")),
}


def list_figures() -> list[str]:
    """Returns the names of the figures."""
    return list(FIGURES)


def find_figure(name: str) -> FigureKind:
    """Returns the figure of this name, or raises a `ValueError` with close matches."""
    if name not in FIGURES:
        raise ValueError(unknown("figure", name, FIGURES))
    return FIGURES[name]
