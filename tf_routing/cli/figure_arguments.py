"""What a command line gives a figure, checked before anything is read."""

import argparse
from pathlib import Path
from typing import Any

from tf_routing.figures.figure_table import FIGURES, FigureKind

_SINGULAR = {
    "folders": "folder",
    "images": "image by its index",
    "gates": "gate, for example 'g[2][2,1]',",
    "classes": "class",
    "layers": "layer",
}


def given_options(arguments: argparse.Namespace, figure: FigureKind) -> dict[str, Any]:
    """Returns the options that are given.

    Args:
        arguments: The parsed command line.
        figure: The figure that it names.

    Raises:
        ValueError: If one means nothing to the figure, or one that it needs is missing.
    """
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
    return given


def check_output(output: str) -> None:
    """Raises a `ValueError` that lists the known endings if a picture's is none of them."""
    from matplotlib.figure import Figure

    endings = [f".{each}" for each in sorted(Figure().canvas.get_supported_filetypes())]
    if Path(output).suffix.lower() not in endings:
        raise ValueError(f"`output` must end in one of {', '.join(endings)}. Received: output={output!r}")
