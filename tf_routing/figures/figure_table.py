"""The figures that the command line draws, by name, and what each may be asked.

What draws them is named here, not imported: lists and help must not wait for Keras.
"""

import argparse
from typing import Any, NamedTuple

from tf_routing.support.validation import unknown


class FigureKind(NamedTuple):
    """A figure by name.

    Args:
        draw: Function `"module.name"` of `tf_routing.figures`, called with the path of the picture and the options that
            are given.
        options: Names of the options of the command that it takes.
        needed: Of these, tuples of which at least one option must be given.
    """

    draw: str
    options: tuple[str, ...]
    needed: tuple[tuple[str, ...], ...] = ()


_NETWORK = ("folders", "model")
_DATA = ("dataset", "data_dir")

FIGURES: dict[str, FigureKind] = {
    "error_curves": FigureKind("run_figures.error_curves", ("folders", "panel"), (("folders", "panel"),)),
    "exits": FigureKind("run_figures.exits", ("folders", "by"), (("folders",),)),
    "exits_over_training": FigureKind("run_figures.exits_over_training", ("folders",), (("folders",),)),
    "samples": FigureKind("run_figures.samples", (*_DATA, "seed")),
    "routing_flow": FigureKind("path_figures.flow", (*_NETWORK, *_DATA, "images"), (_NETWORK, ("images",))),
    "gate_images": FigureKind(
        "path_figures.gate_images", (*_NETWORK, *_DATA, "gates", "steps", "seed"), (_NETWORK, ("gates",))
    ),
    "gate_histograms": FigureKind(
        "path_figures.gate_histograms", (*_NETWORK, *_DATA, "gates", "classes"), (_NETWORK, ("gates",), ("classes",))
    ),
    "weight_histograms": FigureKind("path_figures.weight_histograms", (*_NETWORK, "layers"), (_NETWORK, ("layers",))),
    "accuracy_by_parameters": FigureKind("path_figures.accuracy_by_parameters", ("table", "source")),
}

_OPTIONS: dict[str, dict[str, Any]] = {
    "panel": {
        "nargs": "+",
        "action": "append",
        "default": [],
        "metavar": "FOLDER",
        "help": "error_curves: folders of one more panel; may be repeated",
    },
    "by": {"help": "exits: what circles show, correctness (where not given) or class"},
    "model": {"metavar": "FILE", "help": "a .keras file, in place of the folder of a run"},
    "dataset": {"help": "name of a dataset; where not given, that of the run, for samples hybrid"},
    "data_dir": {"help": "folder of TensorFlow Datasets; TFDS_DATA_DIR where not given"},
    "images": {"nargs": "+", "type": int, "metavar": "INDEX", "help": "routing_flow: numbers of test images, from 0"},
    "gates": {
        "nargs": "+",
        "metavar": "GATE",
        "help": "gates, for example 'g[2][2,1]': routing layer 2, from input 2 to output 1, all counted from 1",
    },
    "classes": {"nargs": "+", "metavar": "CLASS", "help": "gate_histograms: names of classes"},
    "layers": {
        "nargs": "+",
        "metavar": "LAYER",
        "help": "weight_histograms: names of layers, without their path, or their numbers from 1",
    },
    "steps": {"type": int, "help": "gate_images: steps of gradient ascent; 300 where not given"},
    "seed": {"type": int, "help": "seed of what is drawn, or of the noise that an image is made from; 0 if not given"},
    "table": {"help": "accuracy_by_parameters: table of the multi-path paper, 'Table 3' where not given"},
    "source": {
        "nargs": "+",
        "metavar": "SOURCE",
        "help": "accuracy_by_parameters: reported or measured accuracies, or both; reported where not given",
    },
}


def add_figure_options(parser: argparse.ArgumentParser) -> None:
    """Adds every option that a figure may take to the parser of the command."""
    for name, look in _OPTIONS.items():
        parser.add_argument(f"--{name}", **look)


def list_figures() -> list[str]:
    """Returns the names of the figures."""
    return list(FIGURES)


def find_figure(name: str) -> FigureKind:
    """Returns the figure of this name, or raises a `ValueError` with close matches."""
    if name not in FIGURES:
        raise ValueError(unknown("figure", name, FIGURES))
    return FIGURES[name]
