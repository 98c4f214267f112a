"""`tf-routing figures`: draws what finished runs did, or what a dataset shows."""

import argparse
from pathlib import Path
from typing import Any

from tf_routing.cli.quiet_start import start_quietly
from tf_routing.figures.figure_table import FIGURES, FigureKind, find_figure, list_figures
from tf_routing.support.extras import import_extra
from tf_routing.zoo.comparisons import COMPARISONS

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
    "classes": {"nargs": "+", "metavar": "CLASS", "help": "gate_histograms, easy_and_hard: names of classes"},
    "rows": {"type": int, "help": "easy_and_hard: images of least and of most cost of each class; 2 where not given"},
    "groups": {
        "nargs": "+",
        "metavar": "NAME=CLASS,CLASS",
        "help": "execution_rates: groups of any classes, such as animals=cat,dog",
    },
    "categories": {"help": "execution_rates: cifar100, imagenet2012, or a JSON file with the category of every class"},
    "layers": {
        "nargs": "+",
        "metavar": "LAYER",
        "help": "weight_histograms: names of layers, without their path, or their numbers from 1",
    },
    "steps": {"type": int, "help": "gate_images: steps of gradient ascent; 300 where not given"},
    "seed": {"type": int, "help": "seed of what is drawn, or of the noise that an image is made from; 0 if not given"},
    "table": {"help": "accuracy_by_parameters: table of the multi-path paper, 'Table 3' where not given"},
    "architecture": {"metavar": "NAME", "help": "structure: name of an architecture, in place of a trained network"},
    "comparison": {"help": f"compared_methods: what a paper compares, one of {', '.join(COMPARISONS)}"},
    "points": {"metavar": "FILE", "help": "compared_methods: .csv file of more points: method, label, macs, error"},
    "source": {
        "nargs": "+",
        "metavar": "SOURCE",
        "help": "accuracy_by_parameters: reported or measured accuracies, or both; reported where not given",
    },
}
_SINGULAR = {
    "folders": "folder",
    "images": "image by its index",
    "comparison": "comparison of a paper",
    "gates": "gate, for example 'g[2][2,1]',",
    "classes": "class",
    "groups": "group, for example animals=cat,dog,",
    "layers": "layer",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the name of the figure, every option that a figure may take, and `--output`."""
    parser.add_argument("name", help=f"one of {', '.join(list_figures())}")
    about = "folder of a run, or of the runs of a recipe"
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=about)
    for name, settings in _OPTIONS.items():
        parser.add_argument(f"--{name}", **settings)
    parser.add_argument("--output", required=True, help="picture to write; its ending tells the format")


def run(arguments: argparse.Namespace) -> None:
    """Draws the figure that the command line names."""
    figure = find_figure(arguments.name)
    given = _given_options(arguments, figure)
    _check_output(arguments.output)
    for path in [given.get("model"), *arguments.folders]:
        if path is not None and not Path(path).exists():
            raise FileNotFoundError(f"There is no {path}: a folder of a run, or of runs, is needed.")
    start_quietly()
    figure.draw(Path(arguments.output), given)
    print(f"The figure is in {arguments.output}.")


def _given_options(arguments: argparse.Namespace, figure: FigureKind) -> dict[str, Any]:
    """Returns the options that are given, by name.

    Raises:
        ValueError: If one means nothing to the figure, or one that it needs is missing.
    """
    known = dict.fromkeys(option for each in FIGURES.values() for option in each.options)
    given = {option: value for option in known if (value := getattr(arguments, option, None)) not in (None, [])}
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


def _check_output(output: str) -> None:
    """Raises a `ValueError` that lists the known endings if a picture's is none of them."""
    import_extra("matplotlib", "figures", "`tf-routing figures`")
    from matplotlib.figure import Figure

    endings = [f".{ending}" for ending in sorted(Figure().canvas.get_supported_filetypes())]
    if Path(output).suffix.lower() not in endings:
        raise ValueError(f"`output` must end in one of {', '.join(endings)}. Received: output={output!r}")
