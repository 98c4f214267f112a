"""Errors of networks against the multiply-accumulates that they execute."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tf_routing.analysis.charts.style import chart, pick_color

# Not as many as colours, so that the pairs do not repeat with them.
_MARKERS = "osD^vP<>X*"
_FEW = 3
# Panels in a row where there are many, labels in a row of the legend, and inches: what a page shows without shrinking
# it much, and a row of the legend.
_COLUMNS, _LABELS, _WIDTH, _LABEL_HEIGHT = 4, 3, 8.8, 0.18


class Curve(NamedTuple):
    """A kind of network at several costs.

    Args:
        label: What legends call it.
        points: Pairs of the mean of the multiply-accumulates executed per image, and the error, a float in [0, 1].

    Example:

    >>> Curve("static", [(1.4e6, 0.06), (5.3e6, 0.04)]).label
    'static'
    """

    label: str
    points: Sequence[tuple[float, float]]


class Panel(NamedTuple):
    """Curves to compare.

    Args:
        title: What stands above them.
        curves: The curves.

    Example:

    >>> len(Panel("width 2", [Curve("static", [(5.4e6, 0.05)])]).curves)
    1
    """

    title: str
    curves: Sequence[Curve]


def draw_error_curves(
    panels: Sequence[Panel], path: str | os.PathLike[str], title: str = "Error and executed cost"
) -> None:
    """Draws one curve per kind of network, its points joined in the order of their cost.

    Panels share their axes, and a label has the same colour in all. Up to three stand side by side; of more, the first
    is drawn large and the others small beside and below it.

    Args:
        panels: What to compare.
        path: Picture to write; its ending tells the format.
        title: Title of the picture.

    Raises:
        ValueError: If there is no panel, a panel has no curve, or a curve no point.

    Example:

    >>> import tempfile
    >>> curves = [Curve("static", [(1.4e6, 0.06), (5.3e6, 0.04)]), Curve("actor", [(1.5e6, 0.05), (3.1e6, 0.03)])]
    >>> draw_error_curves([Panel("", curves)], tempfile.mkdtemp() + "/curves.png")

    Reference:
        McGill and Perona (2017), *Deciding How to Decide: Dynamic Routing in Artificial Neural Networks*,
        arXiv:1703.06217, Fig. 5, 9 and 10.
    """
    _check_panels(panels)
    looks = _choose_looks(curve.label for panel in panels for curve in panel.curves)
    with chart(path, _measure_size(len(panels), len(looks)), title) as figure:
        for axes, panel in zip(_add_axes(figure, len(panels)), panels, strict=True):
            for curve in panel.curves:
                _draw_curve(axes, curve, looks[curve.label])
            axes.set_title(panel.title)
            # Not of the whole figure: the legend would cover it.
            if axes.get_subplotspec().is_last_row():
                axes.set_xlabel("million MACs per image")
        # Shared, so once.
        axes.set_xlim(left=0)
        axes.locator_params(axis="x", nbins=5)
        _draw_legend(figure)
        figure.supylabel("test error")


def _check_panels(panels: Sequence[Panel]) -> None:
    if not panels:
        raise ValueError("`panels` must hold at least one panel. Received: none")
    for panel in panels:
        points = {curve.label: len(curve.points) for curve in panel.curves}
        if not points or not all(points.values()):
            raise ValueError(
                f"`panels` must hold curves of at least one point. Received: {panel.title!r} with {points} points"
            )


def _choose_looks(labels: Iterable[str]) -> dict[str, dict[str, str]]:
    return {
        label: {"color": pick_color(number), "marker": _MARKERS[number % len(_MARKERS)]}
        for number, label in enumerate(dict.fromkeys(labels))
    }


def _draw_curve(axes: Any, curve: Curve, look: dict[str, str]) -> None:
    macs, errors = zip(*sorted(curve.points), strict=True)
    axes.plot([each / 1e6 for each in macs], errors, markersize=4, linewidth=1.2, label=curve.label, **look)


def _draw_legend(figure: Any) -> None:
    # Panels show the same labels, and a label is named once.
    handles = [axes.get_legend_handles_labels() for axes in figure.axes]
    by_label = {label: handle for pair in handles for handle, label in zip(*pair, strict=True)}
    # Below: beside the panels it would make them too small to read on a page.
    figure.legend(by_label.values(), by_label, loc="outside lower center", ncols=min(_LABELS, len(by_label)))


def _measure_size(panels: int, labels: int) -> tuple[float, float]:
    legend = _LABEL_HEIGHT * -(-labels // _LABELS)
    if panels <= _FEW:
        return min(3.5 + 3.5 * panels, _WIDTH), 4.2 + legend
    return _WIDTH, 0.9 + 2.1 * _count_rows(panels) + legend


def _count_rows(panels: int) -> int:
    """Returns the rows of many panels, of which the first takes four places."""
    return max(2, -(-(panels + 3) // _COLUMNS))


def _add_axes(figure: Any, panels: int) -> list[Any]:
    if panels <= _FEW:
        return list(figure.subplots(1, panels, sharex=True, sharey=True, squeeze=False)[0])
    rows = _count_rows(panels)
    grid = figure.add_gridspec(rows, _COLUMNS)
    large = figure.add_subplot(grid[:2, :2])
    free = [grid[row, column] for row in range(rows) for column in range(_COLUMNS) if row >= 2 or column >= 2]
    return [large, *(figure.add_subplot(place, sharex=large, sharey=large) for place in free[: panels - 1])]
