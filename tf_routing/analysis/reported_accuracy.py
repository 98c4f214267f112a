"""Accuracies and sizes of networks, as the multi-path paper reports them and as runs of this library measured them."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tf_routing.support.validation import one_of, unknown
from tf_routing.zoo.cards import card, read_data
from tf_routing.zoo.registry import find

SOURCES = ("reported", "measured")
KINDS = ("single path", "cross-prediction", "cross-connection", "several paths without gates")
"""What a network may be, in the order of legends."""
_PAPER = "End-To-End Data-Dependent Routing in Multi-Path Neural Networks"
# In names of columns such as cifar10_200ep and top1_10crop.
_SIZE = re.compile(r"(\d)([a-z])")
_ONE_PATH, _CROSS_PREDICTION, _CROSS_CONNECTION, _WITHOUT_GATES = KINDS
_ROUTERS = {"cp": _CROSS_PREDICTION, "cc": _CROSS_CONNECTION}


class ScatteredNetwork(NamedTuple):
    """A network that was trained.

    Args:
        label: What stands beside its point.
        kind: One of `"single path"`, `"cross-prediction"`, `"cross-connection"` and `"several paths without gates"`.
        parameters: Float, number of parameters.
        accuracy: Float, per cent.
        measured: Boolean, whether the accuracy is ours; else it is the paper's.

    Example:

    >>> ScatteredNetwork("resnet20", "single path", 0.27e6, 91.25).measured
    False
    """

    label: str
    kind: str
    parameters: float
    accuracy: float
    measured: bool = False


class ScatterPanel(NamedTuple):
    """Networks that were trained and tested alike.

    Args:
        title: What stands above them, such as the dataset.
        networks: The networks.

    Example:

    >>> len(ScatterPanel("CIFAR-10", [ScatteredNetwork("resnet20", "single path", 0.27e6, 91.25)]).networks)
    1
    """

    title: str
    networks: Sequence[ScatteredNetwork]


def accuracy_panels(table: str = "Table 3", sources: Sequence[str] = ("reported",)) -> list[ScatterPanel]:
    """Returns the networks of one of the multi-path paper's tables with their accuracies.

    Args:
        table: Name of the table.
        sources: `"reported"` for the paper's accuracies and parameters as it prints them, `"measured"` for those of
            runs of this library (`zoo.card(name).measured`), or both.

    Returns:
        One `ScatterPanel` per column of errors. Measured networks are in every panel of their dataset.

    Raises:
        ValueError: If the table or a source is not known, or there is no accuracy.

    Example:

    >>> [panel.title for panel in accuracy_panels("Table 3")]
    ['cifar10', 'cifar100']

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 7.
    """
    for source in sources:
        one_of("source", source, SOURCES)
    rows = _read_rows(table)
    panels: dict[str, list[ScatteredNetwork]] = {}
    if "reported" in sources:
        for title, network in _list_reported(rows):
            panels.setdefault(title, []).append(network)
    if "measured" in sources:
        for dataset, network in _list_measured(rows):
            titles = [title for title in panels if title.partition(",")[0] == dataset] or [dataset]
            for title in titles:
                panels.setdefault(title, []).append(network)
    if not panels:
        raise ValueError(f"There are no accuracies of the networks in {table} that are {' or '.join(sources)}.")
    return [ScatterPanel(title, networks) for title, networks in panels.items()]


def _read_rows(table: str) -> list[dict[str, Any]]:
    rows = [row for row in read_data("reported.json") if row["paper"] == _PAPER and row["error_percent"]]
    tables = list(dict.fromkeys(row["table"] for row in rows))
    if table not in tables:
        raise ValueError(unknown("table", table, tables))
    return [row for row in rows if row["table"] == table]


def _list_reported(rows: Sequence[dict[str, Any]]) -> Iterable[tuple[str, ScatteredNetwork]]:
    mixed = len({row["classes"] for row in rows}) > 1
    for row in rows:
        parameters = row["parameters_printed_millions"]
        kind = _find_kind(row["architecture"], row["arguments"])
        count = row["trainable_parameters"] if parameters is None else parameters * 1e6
        for column, error in row["error_percent"].items():
            # Errors on other numbers of classes do not compare.
            title = _SIZE.sub(r"\1 \2", column).replace("_", ", ") + (f", {row['classes']:,} classes" if mixed else "")
            yield title, ScatteredNetwork(row["row"], kind, count, 100 - error)


def _list_measured(rows: Sequence[dict[str, Any]]) -> Iterable[tuple[str, ScatteredNetwork]]:
    for name in dict.fromkeys(row["architecture"] for row in rows if row["architecture"]):
        for run in card(name).measured:
            width = run["model_arguments"].get("width_multiplier", 1.0)
            label = f"{name}{'' if width == 1 else f' x {width}'}, {run['epochs']} epochs"
            kind = _find_kind(name, run["model_arguments"])
            yield run["dataset"], ScatteredNetwork(label, kind, run["parameters"], 100 * run["accuracy"], measured=True)


def _find_kind(architecture: str | None, arguments: dict[str, Any]) -> str:
    # What the paper quotes from others, and no name of the zoo builds, has one path.
    built = {**find(architecture).arguments, **arguments} if architecture else {}
    if built.get("router") in _ROUTERS:
        return _ROUTERS[built["router"]]
    return _WITHOUT_GATES if built.get("paths", 1) > 1 or "members" in built else _ONE_PATH
