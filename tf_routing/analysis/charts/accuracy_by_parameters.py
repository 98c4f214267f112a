"""Accuracy against number of parameters, for networks with one path and with several."""

import os
from collections.abc import Sequence
from typing import Any

from tf_routing.analysis.charts.point_labels import write_labels
from tf_routing.analysis.charts.style import BLUE, GREEN, GREY, RED, add_panels, chart, fix_layout, shape_grid
from tf_routing.analysis.reported_accuracy import KINDS, ScatteredNetwork, ScatterPanel
from tf_routing.support.validation import one_of

_COLORS = dict(zip(KINDS, (BLUE, GREEN, RED, GREY), strict=True))
_COLUMNS = 2
_SPAN = 20
_SOURCES = {"reported by the paper": "o", "measured by us": "D"}


def draw_accuracy_by_parameters(
    panels: Sequence[ScatterPanel], path: str | os.PathLike[str], title: str = "Accuracy against parameters"
) -> None:
    """Draws one panel per dataset with one point per network.

    Networks of one path are blue, cross-predictions green, cross-connections red, others grey. Accuracies that a paper
    reports are filled circles, those measured here open diamonds.

    Args:
        panels: What to show; two stand side by side.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no panel, a panel has no network, or a kind is not known.

    Example:

    >>> import tempfile
    >>> networks = [
    ...     ScatteredNetwork("resnet20", "single path", 0.27e6, 91.25),
    ...     ScatteredNetwork("resnet20_2cc", "cross-connection", 0.55e6, 94.5),
    ... ]
    >>> draw_accuracy_by_parameters([ScatterPanel("CIFAR-10", networks)], tempfile.mkdtemp() + "/scatter.png")

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        Fig. 7.
    """
    _check_panels(panels)
    rows, columns = shape_grid(len(panels), _COLUMNS)
    with chart(path, (5.6 * columns, 0.9 + 3.9 * rows), title) as figure:
        grid = add_panels(figure, len(panels), _COLUMNS)
        for axes, panel in zip(grid, panels, strict=True):
            for network in panel.networks:
                _draw_point(axes, network)
            axes.set_title(panel.title)
            axes.set_xlabel("parameters, millions")
            _scale(axes, [network.parameters for network in panel.networks])
        figure.supylabel("accuracy, %")
        _draw_legend(figure, [network for panel in panels for network in panel.networks])
        # Labels look for room among what has its place already.
        fix_layout(figure)
        for axes, panel in zip(grid, panels, strict=True):
            points = [(network.parameters / 1e6, network.accuracy) for network in panel.networks]
            write_labels(axes, points, [network.label for network in panel.networks])


def _scale(axes: Any, parameters: Sequence[float]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    # Room for labels.
    axes.margins(x=0.12, y=0.1)
    # On a linear scale one large network would press the others together.
    if max(parameters) > _SPAN * min(parameters):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _check_panels(panels: Sequence[ScatterPanel]) -> None:
    counts = {panel.title: len(panel.networks) for panel in panels}
    if not counts or not all(counts.values()):
        raise ValueError(f"`panels` must hold panels of at least one network. Received: {counts or 'none'}")
    for panel in panels:
        for network in panel.networks:
            one_of("kind", network.kind, _COLORS)


def _choose_look(kind: str, measured: bool) -> dict[str, Any]:
    color = _COLORS[kind]
    marker = list(_SOURCES.values())[measured]
    return {"marker": marker, "markeredgecolor": color, "markerfacecolor": "white" if measured else color}


def _draw_point(axes: Any, network: ScatteredNetwork) -> None:
    look = _choose_look(network.kind, network.measured)
    axes.plot(network.parameters / 1e6, network.accuracy, linestyle="none", markersize=6, label=network.label, **look)


def _draw_legend(figure: Any, networks: Sequence[ScatteredNetwork]) -> None:
    from matplotlib.lines import Line2D

    shown = sorted({(network.measured, KINDS.index(network.kind)) for network in networks})
    names = list(_SOURCES)
    handles = [
        Line2D(
            [], [], linestyle="none", label=f"{KINDS[kind]}, {names[measured]}", **_choose_look(KINDS[kind], measured)
        )
        for measured, kind in shown
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
