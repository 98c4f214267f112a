"""`tf-routing figures`: draws what finished runs did, or what a dataset shows."""

import argparse
import importlib
from pathlib import Path
from typing import Any

from tf_routing.analysis.exit_use import SLICES
from tf_routing.train.figure_table import FIGURES, FigureKind, find_figure
from tf_routing.validation import one_of

_SINGULAR = {
    "folders": "folder",
    "images": "image by its index",
    "gates": "gate, for example 'g[2][2,1]',",
    "classes": "class",
    "layers": "layer",
}


def run(arguments: argparse.Namespace) -> None:
    """Draws the figure that the command line names."""
    figure = find_figure(arguments.name)
    given = _given(arguments, figure)
    _check_ending(arguments.output)
    module, _, function = figure.draw.partition(".")
    getattr(importlib.import_module(f"tf_routing.train.{module}"), function)(Path(arguments.output), **given)
    print(f"The figure is in {arguments.output}.")


def _given(arguments: argparse.Namespace, figure: FigureKind) -> dict[str, Any]:
    """The options that are given, checked before anything is read."""
    every = dict.fromkeys(option for each in FIGURES.values() for option in each.options)
    given = {option: value for option in every if (value := getattr(arguments, option, None)) not in (None, [])}
    for option, value in given.items():
        if option not in figure.options:
            raise ValueError(f"`{option}` means nothing to the figure {arguments.name!r}. Received: {option}={value!r}")
    for alternatives in figure.needed:
        if not set(alternatives) & set(given):
            first, others = alternatives[0], alternatives[1:]
            raise ValueError(
                f"`{first}` must name at least one {_SINGULAR[first]} for the figure {arguments.name!r}. Received: none"
                + "".join(f", and no `{other}` instead" for other in others)
            )
    one_of("by", given.get("by", SLICES[0]), SLICES)
    return given


def _check_ending(output: str) -> None:
    from matplotlib.figure import Figure

    endings = [f".{each}" for each in sorted(Figure().canvas.get_supported_filetypes())]
    if Path(output).suffix.lower() not in endings:
        raise ValueError(f"`output` must end in one of {', '.join(endings)}. Received: output={output!r}")
