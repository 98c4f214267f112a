"""The figures by name: the functions that draw them, and the options that they take.

Functions are imported when a figure is drawn: lists and help must not wait for Keras.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tf_routing.support.validation import unknown


class FigureKind(NamedTuple):
    """A figure by name.

    Args:
        load: Imports and returns the function that draws it, which takes the path of the picture and the options that
            are given.
        options: Names of the options of the command that it takes, which are the function's arguments.
        needed: Of these, tuples of which at least one option must be given.
        shows_network: Boolean, whether the function takes the options that name a network and its dataset as one
            `figure_inputs.Shown`.
    """

    load: Callable[[], Callable[..., None]]
    options: tuple[str, ...]
    needed: tuple[tuple[str, ...], ...] = ()
    shows_network: bool = False

    def draw(self, output: Path, given: Mapping[str, Any]) -> None:
        """Draws the figure.

        Args:
            output: Picture to write.
            given: The options that are given, by name.
        """
        draw, arguments = self.load(), dict(given)
        if self.shows_network:
            from tf_routing.figures.figure_inputs import Shown

            arguments["shown"] = Shown(**{name: arguments.pop(name) for name in Shown._fields if name in arguments})
        draw(output, **arguments)


def _load_error_curves() -> Callable[..., None]:
    from tf_routing.figures.run_figures import error_curves

    return error_curves


def _load_exits() -> Callable[..., None]:
    from tf_routing.figures.run_figures import exits

    return exits


def _load_exits_over_training() -> Callable[..., None]:
    from tf_routing.figures.run_figures import exits_over_training

    return exits_over_training


def _load_samples() -> Callable[..., None]:
    from tf_routing.figures.dataset_figures import samples

    return samples


def _load_routing_flow() -> Callable[..., None]:
    from tf_routing.figures.multipath_figures import routing_flow

    return routing_flow


def _load_gate_images() -> Callable[..., None]:
    from tf_routing.figures.multipath_figures import gate_images

    return gate_images


def _load_gate_histograms() -> Callable[..., None]:
    from tf_routing.figures.multipath_figures import gate_histograms

    return gate_histograms


def _load_weight_histograms() -> Callable[..., None]:
    from tf_routing.figures.multipath_figures import weight_histograms

    return weight_histograms


def _load_accuracy_by_parameters() -> Callable[..., None]:
    from tf_routing.figures.multipath_figures import accuracy_by_parameters

    return accuracy_by_parameters


def _load_executed_cost() -> Callable[..., None]:
    from tf_routing.figures.skipping_figures import executed_cost

    return executed_cost


def _load_easy_and_hard() -> Callable[..., None]:
    from tf_routing.figures.skipping_figures import easy_and_hard

    return easy_and_hard


def _load_execution_rates() -> Callable[..., None]:
    from tf_routing.figures.skipping_figures import execution_rates

    return execution_rates


def _load_compared_methods() -> Callable[..., None]:
    from tf_routing.figures.compared_figures import compared_methods

    return compared_methods


def _load_structure() -> Callable[..., None]:
    from tf_routing.figures.structure_figures import structure

    return structure


_NETWORK = ("folders", "model")
_DATA = ("dataset", "data_dir")

FIGURES: dict[str, FigureKind] = {
    "error_curves": FigureKind(_load_error_curves, ("folders", "panel"), (("folders", "panel"),)),
    "exits": FigureKind(_load_exits, ("folders", "by"), (("folders",),)),
    "exits_over_training": FigureKind(_load_exits_over_training, ("folders",), (("folders",),)),
    "samples": FigureKind(_load_samples, (*_DATA, "seed")),
    "routing_flow": FigureKind(_load_routing_flow, (*_NETWORK, *_DATA, "images"), (_NETWORK, ("images",)), True),
    "gate_images": FigureKind(
        _load_gate_images, (*_NETWORK, *_DATA, "gates", "steps", "seed"), (_NETWORK, ("gates",)), True
    ),
    "gate_histograms": FigureKind(
        _load_gate_histograms, (*_NETWORK, *_DATA, "gates", "classes"), (_NETWORK, ("gates",), ("classes",)), True
    ),
    "weight_histograms": FigureKind(_load_weight_histograms, (*_NETWORK, "layers"), (_NETWORK, ("layers",)), True),
    "accuracy_by_parameters": FigureKind(_load_accuracy_by_parameters, ("table", "source")),
    "structure": FigureKind(_load_structure, (*_NETWORK, "architecture"), ((*_NETWORK, "architecture"),)),
    "compared_methods": FigureKind(
        _load_compared_methods, ("comparison", "folders", "points"), (("comparison", "folders", "points"),)
    ),
    "executed_cost": FigureKind(_load_executed_cost, (*_NETWORK, *_DATA), (_NETWORK,), True),
    "easy_and_hard": FigureKind(_load_easy_and_hard, (*_NETWORK, *_DATA, "classes", "rows"), (_NETWORK,), True),
    "execution_rates": FigureKind(
        _load_execution_rates, (*_NETWORK, *_DATA, "groups", "categories"), (_NETWORK, ("groups", "categories")), True
    ),
}


def list_figures() -> list[str]:
    """Returns the names of the figures."""
    return list(FIGURES)


def find_figure(name: str) -> FigureKind:
    """Returns the figure of this name, or raises a `ValueError` with close matches."""
    if name not in FIGURES:
        raise ValueError(unknown("figure", name, FIGURES))
    return FIGURES[name]
