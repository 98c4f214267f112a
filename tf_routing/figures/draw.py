"""`tf-routing figures`: draws what finished runs did, or what a dataset shows."""

import argparse
import importlib
from pathlib import Path

from tf_routing.analysis.exit_use import SLICES
from tf_routing.cli.figure_arguments import check_output, given_options
from tf_routing.figures.figure_table import find_figure
from tf_routing.support.validation import one_of


def run(arguments: argparse.Namespace) -> None:
    """Draws the figure that the command line names."""
    figure = find_figure(arguments.name)
    given = given_options(arguments, figure)
    one_of("by", given.get("by", SLICES[0]), SLICES)
    check_output(arguments.output)
    module, _, function = figure.draw.partition(".")
    getattr(importlib.import_module(f"tf_routing.figures.{module}"), function)(Path(arguments.output), **given)
    print(f"The figure is in {arguments.output}.")
