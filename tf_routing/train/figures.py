"""`tf-routing figures`: draws what finished runs did, or what a dataset shows."""

import argparse
import importlib
from pathlib import Path
from typing import Any

from tf_routing.analysis.exit_use import SLICES
from tf_routing.train.figure_table import FIGURES, find_figure
from tf_routing.validation import one_of


def run(arguments: argparse.Namespace) -> None:
    """Draws the figure that the command line names."""
    figure = find_figure(arguments.name)
    given = _given(arguments, figure.options)
    _check_ending(arguments.output)
    module, _, function = figure.draw.partition(".")
    getattr(importlib.import_module(f"tf_routing.train.{module}"), function)(Path(arguments.output), **given)
    print(f"The figure is in {arguments.output}.")


def _given(arguments: argparse.Namespace, accepted: tuple[str, ...]) -> dict[str, Any]:
    """The options that are given, checked before anything is read."""
    every = dict.fromkeys(option for figure in FIGURES.values() for option in figure.options)
    given = {option: value for option in every if (value := getattr(arguments, option)) not in (None, [])}
    for option, value in given.items():
        if option not in accepted:
            raise ValueError(f"`{option}` means nothing to the figure {arguments.name!r}. Received: {option}={value!r}")
    if "folders" in accepted and not {"folders", "panel"} & set(given):
        raise ValueError(f"`folders` must name at least one folder for the figure {arguments.name!r}. Received: none")
    one_of("by", given.get("by", SLICES[0]), SLICES)
    return given


def _check_ending(output: str) -> None:
    from matplotlib.figure import Figure

    endings = [f".{each}" for each in sorted(Figure().canvas.get_supported_filetypes())]
    if Path(output).suffix.lower() not in endings:
        raise ValueError(f"`output` must end in one of {', '.join(endings)}. Received: output={output!r}")
